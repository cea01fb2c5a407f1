using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Cais.Linux;

namespace Cais.Runtime.Launch;

/// <summary>What the interpreter works on; all of it unmanaged memory.</summary>
[StructLayout(LayoutKind.Sequential)]
internal unsafe struct Frame
{
    public Op* Ops;
    public nint* Registers;

    /// <summary>libc's <c>syscall</c>.</summary>
    public delegate*<nint, nint, nint, nint, nint, nint, nint> Call;

    /// <summary>The calling thread's errno: after clone3 the child's is at the same address.</summary>
    public int* Errno;

    /// <summary>Where the child reports to.</summary>
    public int ReportFd;

    /// <summary>Operations to run in the parent whatever happened: restore the signal mask, return to the own pid namespace.</summary>
    public int Cleanup;

    public FailureReport* Report;
    public int ReadNumber;
    public int WriteNumber;
    public int ExitNumber;
}

/// <summary>The message by which a child says that it failed.</summary>
[StructLayout(LayoutKind.Sequential)]
internal unsafe struct FailureReport
{
    public int Kind;
    public int Operation;
    public int Errno;
    public int TextLength;
    public fixed byte Text[256];

    public const int HeaderSize = 16;
}

/// <summary>
/// Runs a launch plan. Between clone3 and execve there is one thread left of a managed process: any lock may be held by a thread that
/// no longer exists, and a garbage collection would wait for ever. So this method allocates nothing, calls nothing but libc's
/// <c>syscall</c>, and calls that through a <em>managed</em> function pointer: unlike a P/Invoke (also one with SuppressGCTransition)
/// such a call is neither a transition nor followed by a poll for a pending collection. A test disassembles it.
/// </summary>
internal static unsafe class Interpreter
{
    private const int Interrupted = (int)Errno.EINTR;

    /// <summary>Returns in the parent only: 0, or -1 with the failed operation and its error in the frame's report.</summary>
    [MethodImpl(MethodImplOptions.NoInlining | MethodImplOptions.AggressiveOptimization)]
    internal static int Run(Frame* frame)
    {
        var call = frame->Call;
        var registers = frame->Registers;
        var report = frame->Report;
        var child = false;
        var result = 0;
        var next = 0;
        while (true)
        {
            var op = frame->Ops + next;
            nint a = op->A, b = op->B, c = op->C, d = op->D, e = op->E;
            if (op->Registers != 0)
            {
                a = (op->Registers & 1) != 0 ? registers[a] : a;
                b = (op->Registers & 2) != 0 ? registers[b] : b;
                c = (op->Registers & 4) != 0 ? registers[c] : c;
                d = (op->Registers & 8) != 0 ? registers[d] : d;
                e = (op->Registers & 16) != 0 ? registers[e] : e;
            }

            int error;
            nint value;
            if (op->Number >= 0)
            {
                value = call(op->Number, a, b, c, d, e);
                error = value == -1 ? *frame->Errno : (op->Flags & OpFlags.ZeroFails) != 0 && value == 0 ? (int)Errno.EPIPE : 0;
                if (error == Interrupted)
                {
                    continue;
                }
            }
            else
            {
                value = 0;
                error = 0;
                switch (op->Number)
                {
                    case Pseudo.Jump:
                        next = (int)a;
                        continue;
                    case Pseudo.Return:
                        return result;
                    case Pseudo.Set:
                        registers[a] = b;
                        break;
                    case Pseudo.Store:
                        *(int*)a = (int)b;
                        break;
                    case Pseudo.Load16:
                        registers[a] = *(ushort*)b & c;
                        break;
                    case Pseudo.JumpIfEqual:
                        if ((*(nint*)a & b) == c)
                        {
                            next = (int)d;
                            continue;
                        }

                        break;
                    default:
                        error = (int)a;
                        break;
                }
            }

            if (error == 0)
            {
                next++;
                if (op->Result != Op.NoRegister)
                {
                    registers[op->Result] = value;
                }

                if ((op->Flags & OpFlags.Fork) != 0 && value == 0)
                {
                    child = true;
                    next = (int)e;
                }

                continue;
            }

            if (op->Errno1 == error || op->Errno1 == Op.AnyError)
            {
                next = op->Goto1;
                continue;
            }

            if (op->Errno2 == error || op->Errno2 == Op.AnyError)
            {
                next = op->Goto2;
                continue;
            }

            if (op->Errno3 == error || op->Errno3 == Op.AnyError)
            {
                next = op->Goto3;
                continue;
            }

            if (!child && result != 0)
            {
                // A clean-up step failed as well: the first failure is the one to tell.
                next++;
                continue;
            }

            report->Operation = next;
            report->Errno = error;
            report->TextLength = 0;
            if (op->Context != Op.NoRegister)
            {
                var length = call(frame->ReadNumber, registers[op->Context], (nint)report->Text, 256, 0, 0);
                report->TextLength = length > 0 ? (int)length : 0;
            }

            if (child)
            {
                call(frame->WriteNumber, frame->ReportFd, (nint)report, FailureReport.HeaderSize + report->TextLength, 0, 0);
                while (true)
                {
                    call(frame->ExitNumber, 1, 0, 0, 0, 0);
                }
            }

            result = -1;
            next = frame->Cleanup;
        }
    }
}
