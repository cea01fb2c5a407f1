using Cais.Api;
using Cais.Cli.CommandLine;
using Cais.Cli.Commands.Images;
using Cais.Cli.Formatting;
using Cais.Client;
using Cais.Oci.Images;

namespace Cais.Cli.Commands.Containers;

/// <summary>Creates a container, pulling its image when the daemon has not got it.</summary>
internal sealed class ContainerCreator(Session session, ParsedFlags flags)
{
    private readonly string _pull = flags.Get(ContainerFlags.Pull);
    private readonly string? _platform = flags.Get(ContainerFlags.Platform) is { Length: > 0 } platform ? platform : null;

    /// <exception cref="FormatException">The value of <c>--pull</c> is none.</exception>
    public void CheckPull()
    {
        if (_pull is not ("always" or "missing" or "never" or ""))
        {
            throw new FormatException($"invalid pull option: '{_pull}': must be one of \"always\", \"missing\" or \"never\"");
        }
    }

    /// <returns>The new container's id.</returns>
    public async Task<string> CreateAsync(ContainerCreateRequest request)
    {
        Warn(request.HostConfig!);
        using var cidFile = CidFile.Open(flags.Get(ContainerFlags.CidFile));
        var reference = ReferenceOf(request.Image!);

        CheckPlatform();
        if (_pull == "always")
        {
            await PullAsync(request.Image!).ConfigureAwait(false);
        }

        var response = await CreateOrPullAsync(request, reference).ConfigureAwait(false);
        foreach (var warning in response.Warnings ?? [])
        {
            session.Err.Write($"WARNING: {warning}\n");
        }

        cidFile.Write(response.Id!);
        return response.Id!;
    }

    private async Task<ContainerCreateResponse> CreateOrPullAsync(ContainerCreateRequest request, Reference? reference)
    {
        var name = flags.Get(ContainerFlags.Name);
        try
        {
            return await session.Engine.CreateContainerAsync(request, name, _platform).ConfigureAwait(false);
        }
        catch (EngineApiException e) when (e.IsNotFound && reference is not null && _pull == "missing" && IsAboutImage(e.Message))
        {
            if (!flags.Get(ContainerFlags.Quiet))
            {
                session.Err.Write($"Unable to find image '{reference.WithDefaultTag().Familiar}' locally\n");
            }
        }

        await PullAsync(request.Image!).ConfigureAwait(false);
        return await session.Engine.CreateContainerAsync(request, name, _platform).ConfigureAwait(false);
    }

    private async Task PullAsync(string image)
    {
        var progress = flags.Get(ContainerFlags.Quiet) ? null : new ProgressDisplay(session.Err, session.Streams.ErrIsTerminal, 2);
        await ImagePuller.PullAsync(session, image, _platform, progress).ConfigureAwait(false);
    }

    /// <summary>A missing network or volume is not found too; pulling would not help.</summary>
    private static bool IsAboutImage(string message) =>
        message.Contains("image", StringComparison.OrdinalIgnoreCase) || message.Contains("manifest", StringComparison.OrdinalIgnoreCase);

    private static bool IsImageId(string image) =>
        image.Length == 64 && image.All(char.IsAsciiHexDigitLower) || image.StartsWith("sha256:", StringComparison.Ordinal);

    private void CheckPlatform()
    {
        foreach (var part in _platform?.Split('/', 4) ?? [])
        {
            if (part.Length == 0 || !part.All(static c => char.IsAsciiLetterOrDigit(c) || c is '_' or '.' or '-'))
            {
                throw new CommandException(
                    $"error parsing specified platform: {GoQuote.Quote(part)} is an invalid component of {GoQuote.Quote(_platform!)}: "
                    + "platform specifier component must match \"^[A-Za-z0-9_.-]+$\": invalid argument");
            }
        }
    }

    /// <summary>The image's name; null when it is given by its id, for which there is nothing to pull.</summary>
    private static Reference? ReferenceOf(string image)
    {
        try
        {
            return IsImageId(image) ? null : Reference.Parse(image);
        }
        catch (ImageFormatException e)
        {
            throw new CommandException(e.Message);
        }
    }

    private void Warn(HostConfig host)
    {
        if (host.Dns?.FirstOrDefault(static d => d.StartsWith("127.", StringComparison.Ordinal) || d == "::1") is { } dns)
        {
            session.Err.Write($"WARNING: Localhost DNS ({dns}) may fail in containers.\n");
        }
    }
}

/// <summary>The file that <c>--cidfile</c> names: claimed before the container is made, removed when it is not.</summary>
internal sealed class CidFile : IDisposable
{
    private readonly string _path;
    private readonly FileStream? _file;
    private bool _written;

    private CidFile(string path, FileStream? file) => (_path, _file) = (path, file);

    public static CidFile Open(string path)
    {
        if (path.Length == 0)
        {
            return new CidFile(path, null);
        }

        try
        {
            return new CidFile(path, new FileStream(path, FileMode.CreateNew, FileAccess.Write));
        }
        catch (IOException) when (File.Exists(path))
        {
            throw new CommandException($"container ID file found, make sure the other container isn't running or delete {path}");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new CommandException($"failed to create the container ID file: open {path}: {(Directory.Exists(Path.GetDirectoryName(path)) ? "permission denied" : "no such file or directory")}");
        }
    }

    public void Write(string id)
    {
        _file?.Write(System.Text.Encoding.ASCII.GetBytes(id));
        _written = true;
    }

    public void Dispose()
    {
        if (_file is not null)
        {
            _file.Dispose();
            if (!_written)
            {
                File.Delete(_path);
            }
        }
    }
}
