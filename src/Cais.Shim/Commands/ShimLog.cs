using System.Text;
using Cais.Linux;
using Cais.Linux.Io;

namespace Cais.Shim.Commands;

/// <summary>
/// One line a message, to the FIFO <c>log</c> that containerd reads in the bundle, else to standard error. Never waits: with nobody
/// reading, lines are lost once the FIFO is full.
/// </summary>
internal sealed class ShimLog(FileDescriptor destination, bool debug, string id)
{
    public static ShimLog Open(string bundle, bool debug, string id)
    {
        var path = Path.Combine(bundle, "log");
        try
        {
            // Both ends: the log must neither wait for containerd nor break when it restarts.
            var fifo = Fifo.OpenBoth(path);
            if (Descriptors.IsPipe(fifo))
            {
                return new ShimLog(fifo, debug, id);
            }

            fifo.Dispose();
        }
        catch (LinuxException)
        {
            // No FIFO there: not started by containerd.
        }

        return new ShimLog(new FileDescriptor(2, ownsHandle: false), debug, id);
    }

    public void Debug(string message)
    {
        if (debug)
        {
            Write("debug", message);
        }
    }

    public void Warn(string message) => Write("warning", message);

    public void Error(string message) => Write("error", message);

    private void Write(string level, string message)
    {
        var line = $"time=\"{DateTime.UtcNow:yyyy-MM-ddTHH:mm:ss.fffffffZ}\" level={level} msg=\"{Escape(message)}\" id={id} runtime=io.containerd.cais.v2\n";
        try
        {
            _ = Descriptors.TryWrite(destination, Encoding.UTF8.GetBytes(line));
        }
        catch (LinuxException)
        {
            // There is nowhere left to say it.
        }
    }

    private static string Escape(string message) =>
        message.Replace("\\", "\\\\", StringComparison.Ordinal).Replace("\"", "\\\"", StringComparison.Ordinal).Replace("\n", "\\n", StringComparison.Ordinal);
}
