namespace Cais.Api;

/// <summary>OK response to ContainerWait operation</summary>
public sealed record ContainerWaitResponse
{
    /// <summary>Exit code of the container</summary>
    public long? StatusCode { get; init; }

    public ContainerWaitExitError? Error { get; init; }
}
