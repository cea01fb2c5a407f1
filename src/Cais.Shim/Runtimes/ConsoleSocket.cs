using Cais.Linux;
using Cais.Linux.Io;
using Cais.Runtime;

namespace Cais.Shim.Runtimes;

/// <summary>Where an OCI runtime sends a terminal's master to; see terminals.md of runc.</summary>
internal sealed class ConsoleSocket : IDisposable
{
    private readonly string _path;
    private readonly FileDescriptor _listener;

    public ConsoleSocket(string bundle, string name)
    {
        // Relative to the runtime's working directory, the bundle: however long that is, this fits into a socket address.
        RelativePath = name + ".tty";
        _path = Path.Combine(bundle, RelativePath);
        File.Delete(_path);
        _listener = UnixSocket.Listen(_path, backlog: 1);
    }

    public string RelativePath { get; }

    /// <summary>What the runtime, which has finished, has sent.</summary>
    public FileDescriptor Receive()
    {
        var received = new List<FileDescriptor>();
        using var connection = UnixSocket.TryAccept(_listener);
        if (connection is not null)
        {
            Span<byte> name = stackalloc byte[4096];
            _ = UnixSocket.TryReceive(connection, name, received);
        }

        if (received is [var master, .. var others])
        {
            foreach (var other in others)
            {
                other.Dispose();
            }

            return master;
        }

        throw new RuntimeException(RuntimeError.Failed, "the OCI runtime sent no terminal");
    }

    public void Dispose()
    {
        _listener.Dispose();
        File.Delete(_path);
    }
}
