using System.Runtime.InteropServices;
using Cais.Linux;

namespace Cais.RuntimeCli;

/// <summary>Stays with a container's process: passes signals on, copies its terminal, waits for its end.</summary>
internal static class Foreground
{
    private static readonly int[] Forwarded = [Signals.Hangup, Signals.Interrupt, 3, Signals.Terminate, 10, 12, Signals.Continue];

    public static ExitStatus Wait(FileDescriptor process, FileDescriptor? console, Action<int> forward)
    {
        // A program that is gone already needs no signals; setting up their handling takes longer than many programs run.
        if (console is null && Pidfd.WaitForEnd(process, 5))
        {
            return Pidfd.Wait(process);
        }

        var registrations = new List<PosixSignalRegistration>();
        try
        {
            foreach (var signal in Forwarded)
            {
                registrations.Add(PosixSignalRegistration.Create((PosixSignal)signal, context =>
                {
                    context.Cancel = true;
                    TryForward(forward, signal);
                }));
            }

            if (console is null)
            {
                Pidfd.WaitForEnd(process, -1);
            }
            else
            {
                using (console)
                {
                    Attend(process, console, registrations);
                }
            }

            return Pidfd.Wait(process);
        }
        finally
        {
            foreach (var registration in registrations)
            {
                registration.Dispose();
            }
        }
    }

    private static void TryForward(Action<int> forward, int signal)
    {
        try
        {
            forward(signal);
        }
        catch (Exception e) when (e is LinuxException or Runtime.RuntimeException)
        {
            // It ended in this moment: the wait will tell.
        }
    }

    private static void Attend(FileDescriptor process, FileDescriptor console, List<PosixSignalRegistration> registrations)
    {
        using var input = new FileDescriptor(0, ownsHandle: false);
        using var output = new FileDescriptor(1, ownsHandle: false);
        var terminal = Pty.IsTerminal(0);
        Pty.TerminalSettings? saved = terminal ? Pty.MakeRaw(input) : null;
        try
        {
            if (terminal)
            {
                FitSize(input, console);
                registrations.Add(PosixSignalRegistration.Create((PosixSignal)Signals.WindowChange, _ => FitSize(input, console)));
            }

            Copy(process, console, input, output);
        }
        finally
        {
            saved?.ApplyTo(input);
        }
    }

    private static void FitSize(FileDescriptor from, FileDescriptor to)
    {
        if (Pty.Size(from) is { } size)
        {
            Pty.Resize(to, size.Rows, size.Columns);
        }
    }

    /// <summary>Both directions, until the process has ended and its last output is out.</summary>
    private static void Copy(FileDescriptor process, FileDescriptor console, FileDescriptor input, FileDescriptor output)
    {
        var buffer = new byte[32 * 1024];
        var inputOpen = true;
        while (true)
        {
            var ready = Poll.Any(inputOpen ? [console, process, input] : [console, process]);
            if ((ready & 1) != 0)
            {
                var n = TryRead(console, buffer);
                if (n <= 0)
                {
                    return;
                }

                Files.Write(output, buffer.AsSpan(0, n));
                continue;
            }

            if ((ready & 4) != 0)
            {
                var n = TryRead(input, buffer);
                inputOpen = n > 0;
                if (n > 0)
                {
                    Files.Write(console, buffer.AsSpan(0, n));
                }
                else
                {
                    // The end of input is a control character to a terminal.
                    Files.Write(console, [4]);
                }
            }

            if ((ready & 2) != 0)
            {
                return;
            }
        }
    }

    /// <summary>A terminal whose other side is closed says EIO.</summary>
    private static int TryRead(FileDescriptor file, Span<byte> buffer)
    {
        try
        {
            return Files.Read(file, buffer);
        }
        catch (LinuxException e) when (e.Errno == Errno.EIO)
        {
            return -1;
        }
    }
}
