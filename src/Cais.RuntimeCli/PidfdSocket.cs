using Cais.Linux;

namespace Cais.RuntimeCli;

/// <summary><c>--pidfd-socket</c>: hands a descriptor of a new process to whoever listens.</summary>
internal static class PidfdSocket
{
    public static void Send(string? path, FileDescriptor process)
    {
        if (!string.IsNullOrEmpty(path))
        {
            using var socket = MessageSocket.ConnectStream(path);
            MessageSocket.SendDescriptor(socket, "pidfd"u8, process);
        }
    }
}
