using System.Runtime.InteropServices;
using System.Text;
using Cais.Linux;

namespace Cais.Runtime.Launch;

/// <summary>What the parent does when the child stops to ask.</summary>
internal sealed record LaunchEvents
{
    public Action<int>? MapIds { get; init; }
    public Action<int>? RunHooks { get; init; }
    public Action<int>? MoveInterfaces { get; init; }
    public Func<int, string>? FindHome { get; init; }
    public Action<FileDescriptor, FileDescriptor>? CopyUp { get; init; }
    public Action<FileDescriptor>? Terminal { get; init; }
    public Action<FileDescriptor, int>? SeccompListener { get; init; }
}

/// <summary>Runs launch plans and turns what comes back into words.</summary>
internal static unsafe class Launcher
{
    /// <summary>
    /// Runs the plan up to the point where the child waits for its start, or has become its program. On failure the child is gone and
    /// reaped, and the exception says which operation failed.
    /// </summary>
    public static (int Pid, FileDescriptor PidFd) Run(LaunchPlan plan, FileDescriptor parentEnd, FileDescriptor childEnd, LaunchEvents events)
    {
        var pid = Fork(plan, childEnd.Number);
        var pidFd = new FileDescriptor(*(int*)plan.PidfdAddress);
        childEnd.Dispose();
        try
        {
            Converse(plan, parentEnd, ref pid, ref pidFd, events);
            return (pid, pidFd);
        }
        catch
        {
            Pidfd.Signal(pidFd, Signals.Kill);
            Pidfd.Reap(pidFd);
            pidFd.Dispose();
            throw;
        }
    }

    private static int Fork(LaunchPlan plan, int reportFd)
    {
        var report = new FailureReport { Kind = (int)ReportKind.Failure };
        var frame = new Frame
        {
            Ops = plan.Ops,
            Registers = (nint*)plan.Registers,
            Call = LinkedCalls.SystemCall,
            Errno = LinkedCalls.Errno,
            ReportFd = reportFd,
            Cleanup = plan.Cleanup,
            Report = &report,
            ReadNumber = SystemCall.Read,
            WriteNumber = SystemCall.Write,
            ExitNumber = SystemCall.ExitGroup,
        };
        return Interpreter.Run(&frame) == 0
            ? (int)frame.Registers[0]
            : throw Failure(plan, report.Operation, report.Errno, "");
    }

    /// <summary>Answers the child until it says that it is ready, or its end of the socket closes because execve succeeded.</summary>
    private static void Converse(LaunchPlan plan, FileDescriptor socket, ref int pid, ref FileDescriptor pidFd, LaunchEvents events)
    {
        Span<byte> buffer = stackalloc byte[FailureReport.HeaderSize + 256];
        FileDescriptor? copyFrom = null, copyTo = null;
        while (true)
        {
            // Who has ended says no more, though others may hold its end of the socket: a process that another thread forks has it until its execve, and a
            // successor that was never named until we let go of ours.
            if (!MessageSocket.AwaitMessage(socket, pidFd))
            {
                return;
            }

            var length = MessageSocket.Receive(socket, buffer, out var passed);
            if (length < 8)
            {
                return;
            }

            var words = MemoryMarshal.Cast<byte, int>(buffer);
            switch ((ReportKind)words[0])
            {
                case ReportKind.CopyFrom:
                    copyFrom = passed;
                    break;
                case ReportKind.CopyTo:
                    copyTo = passed;
                    break;
                case ReportKind.CopyUp when copyFrom is not null && copyTo is not null:
                    using (copyFrom)
                    using (copyTo)
                    {
                        events.CopyUp?.Invoke(copyFrom, copyTo);
                    }

                    Files.Write(socket, [1]);
                    break;
                case ReportKind.Ready:
                    return;
                case ReportKind.MapIds:
                    events.MapIds?.Invoke(pid);
                    Files.Write(socket, [1]);
                    break;
                case ReportKind.RunHooks:
                    events.RunHooks?.Invoke(pid);
                    Files.Write(socket, [1]);
                    break;
                case ReportKind.MoveInterfaces:
                    events.MoveInterfaces?.Invoke(pid);
                    Files.Write(socket, [1]);
                    break;
                case ReportKind.FindHome:
                    Files.Write(socket, Encoding.UTF8.GetBytes($"HOME={events.FindHome?.Invoke(pid) ?? "/"}\0"));
                    break;
                case ReportKind.Terminal when passed is not null:
                    events.Terminal?.Invoke(passed);
                    break;
                case ReportKind.SeccompListener when passed is not null:
                    using (passed)
                    {
                        events.SeccompListener?.Invoke(passed, pid);
                    }

                    break;
                case ReportKind.Successor:
                    Pidfd.Wait(pidFd);
                    pidFd.Dispose();
                    pid = words[1];
                    pidFd = Pidfd.TryOpen(pid) ?? throw new RuntimeException(RuntimeError.Failed, "the container's first process ended at once");
                    Files.Write(socket, [1]);
                    break;
                default:
                    throw Failure(plan, buffer[..length]);
            }
        }
    }

    /// <summary>Listens to a child that was told to start, until execve has closed the connection.</summary>
    public static void AwaitExecution(FileDescriptor socket, Func<int, string> describe, Action<FileDescriptor>? seccompListener)
    {
        Span<byte> buffer = stackalloc byte[FailureReport.HeaderSize + 256];
        while (true)
        {
            var length = MessageSocket.Receive(socket, buffer, out var passed);
            if (length < 8)
            {
                return;
            }

            var words = MemoryMarshal.Cast<byte, int>(buffer);
            if (words[0] == (int)ReportKind.SeccompListener && passed is not null)
            {
                seccompListener?.Invoke(passed);
                passed.Dispose();
            }
            else
            {
                passed?.Dispose();
                throw Failure((Errno)words[2], describe(words[1]), complete: false, "");
            }
        }
    }

    private static RuntimeException Failure(LaunchPlan plan, ReadOnlySpan<byte> message)
    {
        var words = MemoryMarshal.Cast<byte, int>(message);
        return message.Length < FailureReport.HeaderSize || words[0] != (int)ReportKind.Failure
            ? new RuntimeException(RuntimeError.Failed, "the container's first process sent something that is not understood")
            : Failure(plan, words[1], words[2], Encoding.UTF8.GetString(message[FailureReport.HeaderSize..]).TrimEnd('\n', '\0'));
    }

    private static RuntimeException Failure(LaunchPlan plan, int operation, int errno, string context)
    {
        var note = plan.NoteAt(operation);
        return Failure((Errno)errno, note.ToString(), note.Complete, context);
    }

    private static RuntimeException Failure(Errno errno, string what, bool complete, string context)
    {
        var kind = what.StartsWith("exec: ", StringComparison.Ordinal) ? RuntimeError.Executable : RuntimeError.Failed;
        var inner = new LinuxException(errno, context.Length > 0 ? $"{what} ({context})" : what);
        return new RuntimeException(kind, complete ? what : inner.Message, inner);
    }
}
