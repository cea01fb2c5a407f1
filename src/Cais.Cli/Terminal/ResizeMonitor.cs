using System.Runtime.InteropServices;
using Cais.Client;

namespace Cais.Cli.Terminal;

/// <summary>Tells the container's terminal the size of ours: now, and whenever it changes.</summary>
internal sealed class ResizeMonitor : IDisposable
{
    private const int Attempts = 10;

    private readonly PosixSignalRegistration _registration;

    private ResizeMonitor(PosixSignalRegistration registration) => _registration = registration;

    /// <param name="resize">Sends rows and columns to the daemon.</param>
    public static ResizeMonitor Start(Func<int, int, Task> resize)
    {
        if (!Send(resize))
        {
            // Right after the start the daemon may not know the terminal yet: keep trying, beside the output.
            new Thread(() =>
            {
                for (var attempt = 1; attempt <= Attempts; attempt++)
                {
                    Thread.Sleep(attempt * 10);
                    if (Send(resize))
                    {
                        return;
                    }
                }
            })
            { IsBackground = true, Name = "resize" }.Start();
        }

        return new ResizeMonitor(PosixSignalRegistration.Create(PosixSignal.SIGWINCH, _ => Send(resize)));
    }

    public void Dispose() => _registration.Dispose();

    private static bool Send(Func<int, int, Task> resize)
    {
        if (Posix.GetWindowSize(1) is not ({ } rows, { } columns) || rows == 0 || columns == 0)
        {
            return true;
        }

        try
        {
            resize(rows, columns).GetAwaiter().GetResult();
            return true;
        }
        catch (Exception e) when (e is EngineApiException or IOException)
        {
            return false;
        }
    }
}
