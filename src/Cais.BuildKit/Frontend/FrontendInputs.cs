using Cais.BuildKit.Builds;
using Cais.BuildKit.Grpc;
using Cais.BuildKit.Sessions;
using Cais.Engine;
using Cais.Engine.Builds;
using Cais.Images;
using Google.Protobuf;
using Pb;

namespace Cais.BuildKit.Frontend;

/// <summary>
/// Results as definitions and back. Clients take one target's result and give it to the next as a graph of operations (<c>docker buildx bake</c>, <c>additional_contexts</c> of compose). Of a
/// Dockerfile's result that graph is one operation, a source that names the result; whoever sends it back means that result.
/// </summary>
internal sealed class FrontendInputs(CaisEngine engine, JobRegistry jobs)
{
    private const string Scheme = "cais-result://";

    /// <summary>The definition that stands for a result: the one that it was solved from, or a source that names it.</summary>
    public static Definition Define(BuildJob job, SolvedReference reference)
    {
        if (reference.Solved.Definition is { } solved)
        {
            return solved;
        }

        var source = new Op { Source = new SourceOp { Identifier = $"{Scheme}{job.Request.Ref}/{reference.Id}" } }.ToByteString();
        var digest = Cais.Oci.Images.Digest.Of(source.Span).ToString();
        var terminal = new Op { Inputs = { new Input { Digest = digest, Index = 0 } } }.ToByteString();
        return new Definition { Def = { source, terminal }, Metadata = { [digest] = new OpMetadata { Caps = { ["source.image"] = true } } } };
    }

    /// <summary>Whether a source names a result.</summary>
    public static bool IsResult(string identifier) => identifier.StartsWith(Scheme, StringComparison.Ordinal);

    /// <summary>An image of the result that a definition stands for and nothing else, by its ID; null if it does not. Throws <see cref="GrpcException"/>.</summary>
    public async Task<string?> FindImageAsync(BuildJob user, Definition definition, CancellationToken cancellation)
    {
        if (definition.Def.Count == 2 && Op.Parser.ParseFrom(definition.Def[0]) is { OpCase: Op.OpOneofCase.Source } op && IsResult(op.Source.Identifier))
        {
            return await FindImageAsync(user, op.Source.Identifier, cancellation);
        }

        return null;
    }

    /// <summary>An image of the result that a source names, by its ID. Throws <see cref="GrpcException"/>.</summary>
    public async Task<string> FindImageAsync(BuildJob user, string identifier, CancellationToken cancellation)
    {
        var parts = identifier[Scheme.Length..].Split('/', 2);
        var job = await jobs.FindAsync(parts[0], TimeSpan.Zero, cancellation);
        return await StoreAsync(user, job.Find(parts.Length == 2 ? parts[1] : "").Solved.Build!, cancellation);
    }

    /// <summary>Makes an image of a result, and gives its ID. Unless somebody has given it a name by then, it goes when the build is over that wants it.</summary>
    public async Task<string> StoreAsync(BuildJob user, BuildResult result, CancellationToken cancellation)
    {
        var image = await engine.Builds.Exporter.StoreAsync(result, new ImageExport(), new Silent(), cancellation);
        user.Afterwards(() => RemoveUnnamed(image.Id.ToString()));
        return image.Id.ToString();
    }

    /// <summary>Loads an image of a directory of the client, <c>store[:tag]@digest</c>, and gives its ID. It goes when the build is over. A tag says nothing beside the digest. Throws <see cref="GrpcException"/>.</summary>
    public async Task<string> LoadLayoutAsync(BuildJob user, string name, CancellationToken cancellation)
    {
        var parts = name.Split('@', 2);
        if (parts.Length != 2 || user.Session is not { } session)
        {
            throw new GrpcException(GrpcStatusCode.InvalidArgument, $"oci-layout://{name} names no image: expected store@digest, and a session");
        }

        using var folder = engine.Builds.Contexts.Make();
        var layout = Path.Combine(folder.Path, "layout");
        try
        {
            await new ClientContent(session, "oci:" + parts[0].Split(':')[0]).FetchAsync(parts[1], layout, cancellation);
            await using var archive = File.Create(Path.Combine(folder.Path, "archive"));
            await RootfsArchive.ExportAsync(layout, archive, cancellation);
            archive.Position = 0;
            var loaded = await engine.Images.LoadAsync(archive, new Progress<ImageProgress>(), cancellation);
            var id = loaded[0].Id.ToString();
            user.Afterwards(() => RemoveUnnamed(id));
            return id;
        }
        catch (InvalidDataException e)
        {
            throw new GrpcException(GrpcStatusCode.InvalidArgument, $"oci-layout://{name} is no image: {e.Message}", e);
        }
    }

    private void RemoveUnnamed(string id)
    {
        try
        {
            if (engine.Images.Resolve(id) is { RepoTags.Count: 0 })
            {
                engine.Images.Remove(id);
            }
        }
        catch (ImageException)
        {
            // Somebody uses it or has removed it.
        }
    }

    private sealed class Silent : Cais.Build.Solving.IBuildProgress
    {
        public void Started(Cais.Build.Graph.Step step)
        {
        }

        public void Output(Cais.Build.Graph.Step step, bool isError, ReadOnlySpan<byte> data)
        {
        }

        public void Completed(Cais.Build.Graph.Step step, bool wasCached, Exception? error)
        {
        }
    }
}
