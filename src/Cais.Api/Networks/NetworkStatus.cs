namespace Cais.Api;

/// <summary>provides runtime information about the network such as the number of allocated IPs.</summary>
public sealed record NetworkStatus
{
    public IPAMStatus? IPAM { get; init; }
}
