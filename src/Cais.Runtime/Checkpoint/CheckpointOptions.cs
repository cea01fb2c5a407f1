namespace Cais.Runtime;

/// <summary>What both ways of a checkpoint share: where its files are, and what criu may assume. See criu(8).</summary>
public record MigrationOptions
{
    /// <summary>A name for PATH, or a path.</summary>
    public string Criu { get; init; } = "criu";

    /// <summary>Folder of the image.</summary>
    public required string ImagePath { get; init; }

    /// <summary>Folder for criu's log; null is a folder of the container's own.</summary>
    public string? WorkPath { get; init; }

    /// <summary>The image that this one continues, relative to <see cref="ImagePath"/>.</summary>
    public string? ParentPath { get; init; }

    public bool TcpEstablished { get; init; }
    public bool ExternalUnixSockets { get; init; }
    public bool ShellJob { get; init; }
    public bool FileLocks { get; init; }
    public bool AutoDedup { get; init; }
    public bool LazyPages { get; init; }

    /// <summary><c>soft</c>, <c>full</c>, <c>strict</c> or <c>ignore</c>; null is soft.</summary>
    public string? ManageCgroups { get; init; }

    /// <summary>Namespaces that are made anew, without what was in them: <c>network</c>.</summary>
    public IReadOnlyList<string> EmptyNamespaces { get; init; } = [];

    public string? NetworkLock { get; init; }
}

/// <summary>How to save a container.</summary>
public sealed record CheckpointRequest : MigrationOptions
{
    public bool LeaveRunning { get; init; }

    /// <summary>Memory only; the container runs on.</summary>
    public bool PreDump { get; init; }

    /// <summary><c>address:port</c>.</summary>
    public string? PageServer { get; init; }

    /// <summary>A descriptor of this process that gets a zero byte once lazy pages can be fetched; -1 for none.</summary>
    public int StatusFd { get; init; } = -1;

    public bool TcpSkipInFlight { get; init; }
    public bool LinkRemap { get; init; }
}

/// <summary>How to bring a container back.</summary>
public sealed record RestoreRequest : MigrationOptions
{
    public required CreateRequest Container { get; init; }
    public bool TcpClose { get; init; }
    public string? LsmProfile { get; init; }
    public string? LsmMountContext { get; init; }
}
