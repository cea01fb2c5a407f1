using Cais.BuildKit.Builds;
using Cais.BuildKit.Grpc;
using Cais.BuildKit.Operations;
using Pb;

namespace Cais.BuildKit.Frontend;

/// <summary>The frontends by the names that clients call them: none for a graph that is there already, the Dockerfile's, and those that are images.</summary>
internal sealed class Frontends(DockerfileFrontend dockerfile, GraphFrontend graphs, FrontendImages images)
{
    /// <summary>Solves what a frontend makes of its options, or a graph. The result is kept until the build is over. Throws <see cref="GrpcException"/>.</summary>
    public async Task<SolvedBuild> SolveAsync(
        BuildJob job,
        string frontend,
        Definition? definition,
        IReadOnlyDictionary<string, string> options,
        IReadOnlyDictionary<string, Definition> inputs,
        CancellationToken cancellation)
    {
        var solved = frontend switch
        {
            "" when definition is not null => await graphs.SolveAsync(job, definition, options, cancellation),
            "dockerfile.v0" => await dockerfile.SolveAsync(
                job, options, inputs, image => RunAsync(job, image.Split(' ')[0], Add(options, ("cmdline", image), ("source", image.Split(' ')[0])), inputs, cancellation), cancellation),
            "gateway.v0" => await RunAsync(
                job,
                options.GetValueOrDefault("source") ?? throw new GrpcException(GrpcStatusCode.InvalidArgument, "the frontend gateway.v0 needs the option source: an image"),
                options,
                inputs,
                cancellation),
            _ => throw new GrpcException(GrpcStatusCode.NotFound, $"the frontend {frontend} is not known: there are dockerfile.v0 and gateway.v0"),
        };
        job.Keep(solved);
        return solved;
    }

    private Task<SolvedBuild> RunAsync(
        BuildJob job, string image, IReadOnlyDictionary<string, string> options, IReadOnlyDictionary<string, Definition> inputs, CancellationToken cancellation) =>
        images.SolveAsync(this, job, image, options, inputs, cancellation);

    private static Dictionary<string, string> Add(IReadOnlyDictionary<string, string> options, params (string Name, string Value)[] added)
    {
        var all = new Dictionary<string, string>(options);
        foreach (var (name, value) in added)
        {
            all[name] = value;
        }

        return all;
    }
}
