using Cais.Build.Solving;
using Cais.Engine.Builds;
using Cais.Images;

namespace Cais.BuildKit.Sessions;

/// <summary>A client of whom nothing but logins for registries is wanted.</summary>
internal sealed class ClientCredentials(Session? session) : IBuildClient
{
    /// <summary>Docker Hub's credentials are kept under a name of their own.</summary>
    private const string Hub = "registry-1.docker.io";

    public async Task<RegistryCredentials?> FindCredentialsAsync(string registry, CancellationToken cancellation)
    {
        if (session is null || await session.FindCredentialsAsync(registry is "docker.io" or "index.docker.io" ? Hub : registry, cancellation) is not { } found)
        {
            return null;
        }

        // Without a user name the secret is a token to be exchanged.
        return found.Username.Length > 0
            ? new RegistryCredentials { Username = found.Username, Password = found.Secret }
            : new RegistryCredentials { IdentityToken = found.Secret };
    }

    public Task<ContextDirectory> OpenContextAsync(string name, CancellationToken cancellation) => throw new IOException($"there is no context named {name}");

    public Task<ReadOnlyMemory<byte>?> FindSecretAsync(string id, CancellationToken cancellation) => Task.FromResult<ReadOnlyMemory<byte>?>(null);

    public Task<string?> FindAgentAsync(string id, CancellationToken cancellation) => Task.FromResult<string?>(null);
}
