using System.Net.Sockets;
using System.Text;

namespace Cais.Daemon;

/// <summary>systemd, where it started us: see sd_notify(3) and sd_listen_fds(3).</summary>
internal static class ServiceManager
{
    private const int FirstDescriptor = 3;

    /// <summary>Says that the daemon can be used now.</summary>
    public static void Ready()
    {
        if (Environment.GetEnvironmentVariable("NOTIFY_SOCKET") is not { Length: > 1 } address)
        {
            return;
        }

        using var socket = new Socket(AddressFamily.Unix, SocketType.Dgram, ProtocolType.Unspecified);
        var path = address[0] == '@' ? '\0' + address[1..] : address;
        socket.SendTo(Encoding.UTF8.GetBytes("READY=1\n"), new UnixDomainSocketEndPoint(path));
    }

    /// <summary>The sockets it has opened for us.</summary>
    public static IReadOnlyList<int> Sockets()
    {
        if (Environment.GetEnvironmentVariable("LISTEN_PID") is { } pid && pid != Environment.ProcessId.ToString(System.Globalization.CultureInfo.InvariantCulture))
        {
            return [];
        }

        return int.TryParse(Environment.GetEnvironmentVariable("LISTEN_FDS"), out var count) ? [.. Enumerable.Range(FirstDescriptor, count)] : [];
    }
}
