namespace Cais.Linux.Io;

/// <summary>What a watch waits for.</summary>
[Flags]
public enum IoInterest
{
    /// <summary>Nothing at all, not even hang-up: the descriptor is out of the epoll set until an interest is set again.</summary>
    None = 0,
    Read = 1,

    /// <summary>A kernel file whose content has changed (a cgroup's events): read it again to arm the next.</summary>
    Priority = 2,
    Write = 4,
}

/// <summary>What the kernel says of a descriptor; the values are epoll's, see epoll_ctl(2).</summary>
[Flags]
public enum IoReadiness
{
    None = 0,

    /// <summary>A read returns data, or 0 at the end.</summary>
    Readable = 1,
    Priority = 2,
    Writable = 4,

    /// <summary>The other end is broken: a pipe whose reader is gone, a socket with an error.</summary>
    Error = 8,

    /// <summary>All writers of a pipe are gone, or both directions of a socket are shut. Data may still be waiting.</summary>
    HangUp = 16,
}
