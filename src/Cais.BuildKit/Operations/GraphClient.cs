using Cais.Build.Solving;
using Cais.BuildKit.Files;
using Cais.BuildKit.Frontend;
using Cais.Engine.Builds;
using Cais.Images;
using Cais.Oci.Images;
using Pb;

namespace Cais.BuildKit.Operations;

/// <summary>The client of a graph of operations: its local sources are directories of the session, each with a selection of its own.</summary>
internal sealed class GraphClient(SessionBuildClient client) : IBuildClient
{
    private readonly Dictionary<string, (string Directory, string Session, FileSelection Selection)> _locals = [];

    /// <summary>Notes a local source, and gives the name of the context that it is.</summary>
    public string Add(SourceOp source)
    {
        var directory = source.Identifier["local://".Length..];
        var selection = new FileSelection
        {
            Include = List(source, "local.includepattern"),
            Exclude = List(source, "local.excludepatterns"),
            Follow = List(source, "local.followpaths"),
        };
        var name = Digest.Of(System.Text.Encoding.UTF8.GetBytes(string.Join('\0', [directory, .. selection.Include, "\0", .. selection.Exclude, "\0", .. selection.Follow]))).Hex;
        _locals[name] = (directory, source.Attrs.GetValueOrDefault("local.session") ?? "", selection);
        return name;
    }

    public async Task<ContextDirectory> OpenContextAsync(string name, CancellationToken cancellation)
    {
        var (directory, session, selection) = _locals[name];
        var received = await client.ReceiveAsync(directory, session, name, selection, _ => { }, cancellation);
        return new ContextDirectory(received.Path, Cais.Build.Patterns.IgnoreFile.Empty, received.Identity);
    }

    public Task<ReadOnlyMemory<byte>?> FindSecretAsync(string id, CancellationToken cancellation) => client.FindSecretAsync(id, cancellation);

    public Task<string?> FindAgentAsync(string id, CancellationToken cancellation) => client.FindAgentAsync(id, cancellation);

    public Task<RegistryCredentials?> FindCredentialsAsync(string registry, CancellationToken cancellation) => client.FindCredentialsAsync(registry, cancellation);

    /// <summary>Lists in attributes are JSON.</summary>
    private static IReadOnlyList<string> List(SourceOp source, string name)
    {
        if (source.Attrs.GetValueOrDefault(name) is not { Length: > 0 } text)
        {
            return [];
        }

        try
        {
            using var json = System.Text.Json.JsonDocument.Parse(text);
            return [.. json.RootElement.EnumerateArray().Select(e => e.GetString() ?? "")];
        }
        catch (Exception e) when (e is System.Text.Json.JsonException or InvalidOperationException)
        {
            throw OperationGraph.Invalid($"{name} of {source.Identifier} is no list: {e.Message}");
        }
    }
}
