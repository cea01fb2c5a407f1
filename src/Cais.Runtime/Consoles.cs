using System.Text;
using Cais.Linux;

namespace Cais.Runtime;

/// <summary>Gives a new terminal's master to whom it is meant for.</summary>
internal static class Consoles
{
    /// <summary>Null when it was sent to <paramref name="socketPath"/>, which then owns it; otherwise the master itself.</summary>
    public static FileDescriptor? HandOver(FileDescriptor master, string? socketPath)
    {
        if (socketPath is null)
        {
            return master;
        }

        using (master)
        {
            using var socket = MessageSocket.ConnectStream(socketPath);
            MessageSocket.SendDescriptor(socket, Encoding.UTF8.GetBytes(Pty.SlavePath(master)), master);
        }

        return null;
    }
}
