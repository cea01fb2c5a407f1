using Cais.Cli.CommandLine;
using Cais.Cli.Configuration;
using Cais.Cli.Formatting;
using Cais.Oci.Images;

namespace Cais.Cli.Commands.Images;

/// <summary>Has the daemon fetch an image, with the login for its registry.</summary>
internal static class ImagePuller
{
    /// <param name="session">Whose daemon and logins.</param>
    /// <param name="image">As the user named it.</param>
    /// <param name="platform">Which variant; null leaves it to the daemon.</param>
    /// <param name="display">Shows the progress; null shows none.</param>
    /// <param name="allTags">Every tag of the repository.</param>
    public static async Task PullAsync(Session session, string image, string? platform, ProgressDisplay? display, bool allTags = false)
    {
        var reference = Parse(image);
        var named = allTags ? reference : reference.WithDefaultTag();
        var tag = named.Digest?.ToString() ?? named.Tag;
        var auth = new RegistryCredentials(session.Configuration).Header(named.Domain);
        using var response = await session.Engine.PullImageAsync(named.Name, tag, platform, auth).ConfigureAwait(false);
        await (display?.ShowAsync(response.ReadJsonStream()) ?? ProgressDisplay.DrainAsync(response.ReadJsonStream())).ConfigureAwait(false);
    }

    /// <exception cref="CommandException">Not a reference.</exception>
    public static Reference Parse(string image)
    {
        try
        {
            return Reference.Parse(image);
        }
        catch (ImageFormatException e)
        {
            throw new CommandException(e.Message);
        }
    }
}
