namespace Cais.Runtime.Launch;

/// <summary>First word of a message from the child to whoever launches or starts it.</summary>
internal enum ReportKind
{
    /// <summary>Followed by operation, errno, and perhaps the filesystem's own words (<see cref="FailureReport"/>).</summary>
    Failure = 1,

    /// <summary>Everything is made; the program waits for its start.</summary>
    Ready,

    /// <summary>Waits for its user namespace's id mappings.</summary>
    MapIds,

    /// <summary>Waits for the hooks that run before the root is switched.</summary>
    RunHooks,

    /// <summary>Asks for the <c>HOME=</c> of its user.</summary>
    FindHome,

    /// <summary>A terminal's master comes with it.</summary>
    Terminal,

    /// <summary>A seccomp listener comes with it.</summary>
    SeccompListener,

    /// <summary>Another process has taken over; the second word is its pid.</summary>
    Successor,

    /// <summary>Waits for network interfaces to be moved in.</summary>
    MoveInterfaces,

    /// <summary>The directory that a new tmpfs covers comes with it.</summary>
    CopyFrom,

    /// <summary>The tmpfs comes with it.</summary>
    CopyTo,

    /// <summary>Waits for the one to be copied into the other.</summary>
    CopyUp,
}
