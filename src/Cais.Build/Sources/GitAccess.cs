using System.Text;

namespace Cais.Build.Sources;

/// <summary>
/// What opens a Git repository that is not everybody's. By HTTP it is one of the client's secrets: <c>GIT_AUTH_TOKEN</c>, or <c>GIT_AUTH_HEADER</c> for those who know what the server
/// wants; with <c>.HOST</c> behind it for one host only. By SSH it is the client's agent, and never a key of this machine.
/// </summary>
public sealed record GitAccess
{
    public static readonly GitAccess None = new();

    /// <summary>The value of the header Authorization.</summary>
    public string? Authorization { get; init; }

    /// <summary>The path of a socket that leads to an SSH agent.</summary>
    public string? AgentSocket { get; init; }

    /// <summary>Asks the client for what an address may need.</summary>
    /// <param name="findSecret">Gives a secret, or null.</param>
    /// <param name="findAgent">Gives the socket of an agent, or null.</param>
    public static async Task<GitAccess> FindAsync(GitAddress address, Func<string, Task<ReadOnlyMemory<byte>?>> findSecret, Func<string, Task<string?>> findAgent)
    {
        ArgumentNullException.ThrowIfNull(address);
        ArgumentNullException.ThrowIfNull(findSecret);
        ArgumentNullException.ThrowIfNull(findAgent);
        if (address.IsSsh)
        {
            return new GitAccess { AgentSocket = await findAgent("default").ConfigureAwait(false) };
        }

        if (!Uri.TryCreate(address.Url, UriKind.Absolute, out var url) || url.Scheme is not ("http" or "https"))
        {
            return None;
        }

        return await SecretAsync(address.HeaderSecret).ConfigureAwait(false) is { } header ? new GitAccess { Authorization = header }
            : await SecretAsync(address.TokenSecret).ConfigureAwait(false) is { } token
                ? new GitAccess { Authorization = "basic " + Convert.ToBase64String(Encoding.UTF8.GetBytes("x-access-token:" + token)) }
                : None;

        async Task<string?> SecretAsync(string name)
        {
            var found = await findSecret($"{name}.{url.Host}").ConfigureAwait(false) ?? await findSecret(name).ConfigureAwait(false);
            return found is { } value ? Encoding.UTF8.GetString(value.Span).Trim() : null;
        }
    }
}
