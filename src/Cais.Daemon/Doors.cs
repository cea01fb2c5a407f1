using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Cais.Daemon.Configuration;
using Cais.Daemon.Http;
using Cais.Engine.Logging;
using Cais.Linux.Status;

namespace Cais.Daemon;

/// <summary>Where the daemon listens, from <c>-H</c> and the TLS flags.</summary>
internal sealed class Doors
{
    private const string DefaultSocket = "/run/docker.sock";
    private const string OtherSocket = "/run/cais/docker.sock";

    private readonly uint _group;

    private Doors(IReadOnlyList<Listener> listeners, uint group)
    {
        Listeners = listeners;
        _group = group;
    }

    /// <summary>Addresses that serve everybody who reaches them, for warnings.</summary>
    public IEnumerable<string> Unprotected => Listeners.Where(l => l is { Address: TcpAddress, Tls: null }).Select(l => "http://" + l.Address.Describe());

    public IReadOnlyList<Listener> Listeners { get; }

    /// <exception cref="ConfigurationException">An address that is none, one that is taken, or tcp without TLS.</exception>
    public static Doors Of(DaemonOptions options, EngineLog log)
    {
        var hosts = options.Hosts.Count > 0 ? options.Hosts : options.Tls ? ["tcp://localhost:2376"] : [DefaultHost()];
        var tls = options.Tls && hosts.Any(h => !h.StartsWith("unix://", StringComparison.Ordinal)) ? LoadTls(options) : null;
        var listeners = new List<Listener>();
        foreach (var host in hosts)
        {
            foreach (var address in Parse(host, options.Tls))
            {
                switch (address)
                {
                    case UnixAddress unix:
                        FreePath(unix.Path);
                        listeners.Add(new Listener(unix, null));
                        break;
                    case TcpAddress tcp when tls is null:
                        if (!options.AllowInsecureTcp)
                        {
                            throw new ConfigurationException(
                                $"refusing to serve {host} without TLS: whoever reaches it is root on this machine. Give --tlsverify with certificates, or --allow-insecure-tcp to do it all the same");
                        }

                        log.Warn("Binding to IP address without TLS gives access to this host to everyone who can reach it", ("host", host));
                        listeners.Add(new Listener(tcp, null));
                        break;
                    default:
                        listeners.Add(new Listener(address, tls));
                        break;
                }
            }
        }

        return new Doors(listeners, GroupId(options.SocketGroup, options.SocketGroupGiven));
    }

    /// <summary>Sockets exist now: only root and the group may use them.</summary>
    public void Opened()
    {
        foreach (var path in SocketPaths())
        {
            PathAttributes.ChangeOwner(path, 0, _group);
            PathAttributes.ChangeMode(path, 0b110_110_000);
        }
    }

    public void Close()
    {
        foreach (var path in SocketPaths())
        {
            File.Delete(path);
        }
    }

    internal static IEnumerable<ListenAddress> Parse(string host, bool tls)
    {
        if (host.StartsWith("unix://", StringComparison.Ordinal))
        {
            var path = host["unix://".Length..];
            return [new UnixAddress(path.Length > 0 ? path : DefaultSocket)];
        }

        if (host.StartsWith("fd://", StringComparison.Ordinal))
        {
            return Inherited(host["fd://".Length..]);
        }

        if (host.StartsWith("tcp://", StringComparison.Ordinal) || !host.Contains("://", StringComparison.Ordinal))
        {
            return Tcp(host, host.StartsWith("tcp://", StringComparison.Ordinal) ? host["tcp://".Length..] : host, tls);
        }

        throw new ConfigurationException($"invalid bind address format: {host}");
    }

    private IEnumerable<string> SocketPaths() => Listeners.Select(l => l.Address).OfType<UnixAddress>().Select(u => u.Path);

    private static IEnumerable<ListenAddress> Inherited(string which)
    {
        var sockets = ServiceManager.Sockets();
        if (sockets.Count == 0)
        {
            throw new ConfigurationException("no sockets found via socket activation: make sure the service was started by systemd");
        }

        if (which is "" or "*")
        {
            return sockets.Select(s => new InheritedSocket(s));
        }

        return int.TryParse(which, out var number) && sockets.Contains(number)
            ? [new InheritedSocket(number)]
            : throw new ConfigurationException($"failed to parse systemd fd address: should be a number: {which}");
    }

    private static IEnumerable<ListenAddress> Tcp(string host, string text, bool tls)
    {
        text = text.TrimEnd('/');
        var colon = text.LastIndexOf(':');
        var bracket = text.LastIndexOf(']');
        var port = tls ? 2376 : 2375;
        var name = text;
        if (colon > bracket)
        {
            if (!ushort.TryParse(text[(colon + 1)..], out var given))
            {
                throw new ConfigurationException($"invalid bind address format: {host}");
            }

            (port, name) = (given, text[..colon]);
        }

        name = name.Trim('[', ']');
        if (IPAddress.TryParse(name, out var address))
        {
            return [new TcpAddress(new IPEndPoint(address, port))];
        }

        return name switch
        {
            "" => [new TcpAddress(new IPEndPoint(IPAddress.Loopback, port))],
            "localhost" => [new TcpAddress(new IPEndPoint(IPAddress.Loopback, port))],
            _ => throw new ConfigurationException($"invalid bind address ({host}): {name} is not an IP address"),
        };
    }

    /// <summary>Docker's own socket, unless a docker serves it.</summary>
    private static string DefaultHost() => "unix://" + (IsServed(DefaultSocket) ? OtherSocket : DefaultSocket);

    private static void FreePath(string path)
    {
        if (!Path.Exists(path))
        {
            Directory.CreateDirectory(Path.GetDirectoryName(Path.GetFullPath(path))!);
            return;
        }

        if (EntryStatus.Of(path) is not { Kind: FileKind.Socket })
        {
            throw new ConfigurationException($"can't create unix socket {path}: there is something else at this path");
        }

        // A predecessor that was killed may hold it for a moment longer.
        var begun = Stopwatch.GetTimestamp();
        while (IsServed(path))
        {
            if (Stopwatch.GetElapsedTime(begun) > PidFile.Patience)
            {
                throw new ConfigurationException($"can't create unix socket {path}: another daemon listens on it");
            }

            Thread.Sleep(20);
        }

        File.Delete(path);
    }

    private static bool IsServed(string path)
    {
        try
        {
            using var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
            socket.Connect(new UnixDomainSocketEndPoint(path));
            return true;
        }
        catch (SocketException)
        {
            return false;
        }
    }

    private static TlsConnection LoadTls(DaemonOptions options)
    {
        try
        {
            var certificate = X509Certificate2.CreateFromPemFile(options.TlsCertificate, options.TlsKey);
            X509Certificate2Collection? authority = null;
            if (options.TlsVerify)
            {
                authority = [];
                authority.ImportFromPemFile(options.TlsCa);
            }

            return new TlsConnection(certificate, authority);
        }
        catch (Exception e) when (e is IOException or CryptographicException or UnauthorizedAccessException)
        {
            throw new ConfigurationException(
                $"could not load X509 key pair (cert: \"{options.TlsCertificate}\", key: \"{options.TlsKey}\", ca: \"{options.TlsCa}\"): {e.Message}");
        }
    }

    /// <summary>The group's number by /etc/group. Root's where there is no such group, unless the user asked for it.</summary>
    private static uint GroupId(string name, bool given)
    {
        if (uint.TryParse(name, out var number))
        {
            return number;
        }

        if (File.Exists("/etc/group"))
        {
            foreach (var line in File.ReadLines("/etc/group"))
            {
                var fields = line.Split(':');
                if (fields.Length > 2 && fields[0] == name && uint.TryParse(fields[2], out var gid))
                {
                    return gid;
                }
            }
        }

        return given ? throw new ConfigurationException($"could not change group of the unix socket to {name}: group {name} not found") : 0u;
    }
}
