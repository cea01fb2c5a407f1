using Cais.Build.Graph;
using Cais.Build.Patterns;
using Cais.Build.Solving;

namespace Cais.Build.Tests.Solving;

/// <summary>One directory as every context, images without layers, and no agents.</summary>
internal sealed class FolderInputs(string context, IgnoreFile? ignore = null) : IBuildInputs
{
    public IReadOnlyDictionary<string, string> Secrets { get; init; } = new Dictionary<string, string>();

    public Task<ContextDirectory> OpenContextAsync(string name, CancellationToken cancellation) => Task.FromResult(new ContextDirectory(context, ignore ?? IgnoreFile.Empty));

    public Task<IReadOnlyList<string>> OpenImageAsync(ImageIdentity image, CancellationToken cancellation) => Task.FromResult<IReadOnlyList<string>>([]);

    public Task<ReadOnlyMemory<byte>?> FindSecretAsync(string id, CancellationToken cancellation) =>
        Task.FromResult(Secrets.TryGetValue(id, out var secret) ? System.Text.Encoding.UTF8.GetBytes(secret) : (ReadOnlyMemory<byte>?)null);

    public Task<string?> FindAgentAsync(string id, CancellationToken cancellation) => Task.FromResult<string?>(null);
}
