using Cais.Linux;

namespace Cais.Runtime;

/// <summary>A process that this one started in a container. Whoever started it reaps it.</summary>
public sealed class ProcessHandle : IDisposable
{
    internal ProcessHandle(int pid, FileDescriptor pidFd, FileDescriptor? console)
    {
        Pid = pid;
        PidFd = pidFd;
        Console = console;
    }

    public int Pid { get; }

    /// <summary>Readable when the process has ended.</summary>
    public FileDescriptor PidFd { get; }

    /// <summary>The terminal's master, where a terminal was asked for and no console socket given. The caller may take it over.</summary>
    public FileDescriptor? Console { get; private set; }

    /// <summary>Takes the terminal's master out of this object: the caller owns it from now on.</summary>
    public FileDescriptor? TakeConsole()
    {
        var console = Console;
        Console = null;
        return console;
    }

    /// <summary>Waits for the end and reaps.</summary>
    public ExitStatus Wait() => Pidfd.Wait(PidFd);

    public void Dispose()
    {
        PidFd.Dispose();
        Console?.Dispose();
    }
}
