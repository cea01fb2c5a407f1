using Cais.Build.Solving;
using Cais.Images;

namespace Cais.Engine.Builds;

/// <summary>Whoever asked for a build, and has the files, secrets and credentials that it needs. Each door implements it. Any thread.</summary>
public interface IBuildClient
{
    /// <summary>
    /// A context's files as a directory of this machine that stays until the build is over; the build context is the empty name, others are as in
    /// <see cref="Cais.Build.Planning.BuildOptions.NamedContexts"/>. Asked for at most once in a build. Throws <see cref="IOException"/> if there is none.
    /// </summary>
    Task<ContextDirectory> OpenContextAsync(string name, CancellationToken cancellation);

    /// <summary>A secret, or null if the client has none of that name.</summary>
    Task<ReadOnlyMemory<byte>?> FindSecretAsync(string id, CancellationToken cancellation);

    /// <summary>The path of a socket of this machine that leads to the client's SSH agent, or null.</summary>
    Task<string?> FindAgentAsync(string id, CancellationToken cancellation);

    /// <summary>How to log in to a registry (<c>docker.io</c>, <c>localhost:5000</c>), or null.</summary>
    Task<RegistryCredentials?> FindCredentialsAsync(string registry, CancellationToken cancellation);
}
