namespace Cais.Api;

/// <summary>container waiting error, if any</summary>
public sealed record ContainerWaitExitError
{
    public string? Message { get; init; }
}
