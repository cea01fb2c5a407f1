namespace Cais.Api;

/// <summary>Information for connecting to the containerd instance that is used by the daemon.</summary>
public sealed record ContainerdInfo
{
    /// <summary>The address of the containerd socket.</summary>
    public string? Address { get; init; }

    /// <summary>The namespaces that the daemon uses for running containers and plugins in containerd.</summary>
    public ContainerdInfoNamespaces? Namespaces { get; init; }
}

/// <summary>The namespaces that the daemon uses for running containers and plugins in containerd.</summary>
public sealed record ContainerdInfoNamespaces
{
    /// <summary>The default containerd namespace used for containers managed by the daemon.</summary>
    public string? Containers { get; init; }

    /// <summary>The default containerd namespace used for plugins managed by the daemon.</summary>
    public string? Plugins { get; init; }
}
