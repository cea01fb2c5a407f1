using Cais.BuildKit.Builds;
using Cais.BuildKit.Grpc;
using Pb;
using FrontendResult = Moby.Buildkit.V1.Frontend.Result;

namespace Cais.BuildKit.Gateway;

/// <summary>What calls of the gateway are about: a client's build, or a frontend's part in one.</summary>
internal sealed class GatewayBuild
{
    private readonly TaskCompletionSource<FrontendResult?>? _returned;

    /// <summary>A client's build: what it returns is the build's result.</summary>
    public GatewayBuild(BuildJob job) => (Job, Options, Inputs) = (job, job.Request.FrontendAttrs, job.Request.FrontendInputs);

    /// <summary>A frontend that was started with these options: what it returns is its caller's.</summary>
    public GatewayBuild(BuildJob job, IReadOnlyDictionary<string, string> options, IReadOnlyDictionary<string, Definition> inputs)
    {
        (Job, Options, Inputs) = (job, options, inputs);
        _returned = new(TaskCreationOptions.RunContinuationsAsynchronously);
    }

    public BuildJob Job { get; }

    public IReadOnlyDictionary<string, string> Options { get; }

    public IReadOnlyDictionary<string, Definition> Inputs { get; }

    public Task<FrontendResult?> Returned => _returned?.Task ?? Job.Returned;

    public void Return(FrontendResult? result)
    {
        if (_returned is null)
        {
            Job.Return(result);
        }
        else
        {
            _returned.TrySetResult(result);
        }
    }

    public void ReturnError(GrpcException error)
    {
        if (_returned is null)
        {
            Job.ReturnError(error);
        }
        else
        {
            _returned.TrySetException(error);
        }
    }
}
