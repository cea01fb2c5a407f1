using System.Globalization;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using Cais.Engine.Io;

namespace Cais.Engine.Logs.Remote;

/// <summary>syslog, local or remote, in the forms of RFC 3164 and RFC 5424 as docker's driver writes them.</summary>
internal sealed class SyslogReceiver : ILogReceiver
{
    private const string Secure = "tcp+tls";
    private const int DefaultPort = 514;
    private const int Error = 3;
    private const int Informational = 6;

    private static readonly string[] LocalSockets = ["/dev/log", "/var/run/syslog", "/var/run/log"];

    private static readonly string[] Facilities =
    [
        "kern", "user", "mail", "daemon", "auth", "syslog", "lpr", "news", "uucp", "cron", "authpriv", "ftp", "", "", "", "",
        "local0", "local1", "local2", "local3", "local4", "local5", "local6", "local7",
    ];

    private readonly ReceiverAddress? _address;
    private readonly StreamConnection? _stream;
    private readonly string _format;
    private readonly int _facility;
    private readonly string _tag;
    private readonly string _hostname;
    private Socket? _socket;

    public SyslogReceiver(LogSubject subject, IReadOnlyDictionary<string, string> options)
    {
        _address = AddressOf(options);
        _format = options.GetValueOrDefault("syslog-format") ?? "";
        _facility = FacilityOf(options.GetValueOrDefault("syslog-facility"));
        _tag = subject.Tag(options);
        _hostname = subject.Hostname;
        if (_address is { Scheme: "tcp" or "unix" or Secure })
        {
            _stream = new StreamConnection(_address, _address.Scheme == Secure ? TlsOf(_address.Host, options) : null);
        }
    }

    public string Name => $"syslog at {(_address is null ? "the local socket" : _address.ToString())}";

    public int LargestBatch => _stream is null ? 1 : 64;

    /// <exception cref="EngineException">An option is wrong, in docker's words.</exception>
    public static void Validate(IReadOnlyDictionary<string, string> options)
    {
        LogOption.Known(
            options,
            "syslog",
            ["syslog-address", "syslog-facility", "syslog-tls-ca-cert", "syslog-tls-cert", "syslog-tls-key", "syslog-tls-skip-verify", "syslog-format"]);
        var address = AddressOf(options);
        FacilityOf(options.GetValueOrDefault("syslog-facility"));
        if (options.GetValueOrDefault("syslog-format") is not (null or "" or "rfc3164" or "rfc5424" or "rfc5424micro"))
        {
            throw EngineException.InvalidParameter("Invalid syslog format");
        }

        if (address?.Scheme == Secure)
        {
            TlsOf(address.Host, options);
        }
    }

    public async Task Send(IReadOnlyList<QueuedLine> lines, CancellationToken cancellation)
    {
        if (_stream is null)
        {
            _socket ??= await Connect(cancellation).ConfigureAwait(false);
            foreach (var line in lines)
            {
                await _socket.SendAsync(Message(line), cancellation).ConfigureAwait(false);
            }

            return;
        }

        var stream = await _stream.OpenOneWay(cancellation).ConfigureAwait(false);
        var batch = new MemoryStream();
        foreach (var line in lines)
        {
            var message = Message(line);
            if (_address!.Scheme == Secure && _format is "rfc5424" or "rfc5424micro" && _address.Scheme == Secure)
            {
                // RFC 5425, 4.3: the length before the message.
                batch.Write(Encoding.ASCII.GetBytes(string.Create(CultureInfo.InvariantCulture, $"{message.Length} ")));
            }

            batch.Write(message);
        }

        await stream.WriteAsync(batch.GetBuffer().AsMemory(0, (int)batch.Length), cancellation).ConfigureAwait(false);
        await stream.FlushAsync(cancellation).ConfigureAwait(false);
    }

    public void Reset()
    {
        _socket?.Dispose();
        _socket = null;
        _stream?.Dispose();
    }

    public void Dispose() => Reset();

    private async Task<Socket> Connect(CancellationToken cancellation)
    {
        if (_address is not null)
        {
            return await _address.ConnectDatagram(cancellation).ConfigureAwait(false);
        }

        foreach (var path in LocalSockets.Where(Path.Exists))
        {
            return await new ReceiverAddress("unixgram", "", 0, path).ConnectDatagram(cancellation).ConfigureAwait(false);
        }

        throw new IOException("there is no local syslog: none of " + string.Join(", ", LocalSockets));
    }

    private byte[] Message(QueuedLine line)
    {
        var priority = (_facility << 3) | (line.Stream == StreamKind.Stderr ? Error : Informational);
        var time = line.Time.ToLocalTime();
        var process = Environment.ProcessId;
        var head = _format switch
        {
            "rfc3164" => string.Create(CultureInfo.InvariantCulture, $"<{priority}>{Stamp(time)} {_hostname} {_tag}[{process}]: "),
            "rfc5424" => string.Create(CultureInfo.InvariantCulture, $"<{priority}>1 {Zoned(time, "yyyy-MM-dd'T'HH:mm:ss")} {_hostname} {_tag} {process} {_tag} - "),
            "rfc5424micro" => string.Create(CultureInfo.InvariantCulture, $"<{priority}>1 {Zoned(time, "yyyy-MM-dd'T'HH:mm:ss.ffffff")} {_hostname} {_tag} {process} {_tag} - "),
            _ => string.Create(CultureInfo.InvariantCulture, $"<{priority}>{Stamp(time)} {_tag}[{process}]: "),
        };
        return [.. Encoding.UTF8.GetBytes(head), .. line.Text, (byte)'\n'];
    }

    /// <summary>RFC 3164's <c>Mmm dd hh:mm:ss</c>, the day padded with a space.</summary>
    private static string Stamp(DateTimeOffset time) =>
        time.ToString("MMM ", CultureInfo.InvariantCulture) + time.Day.ToString(CultureInfo.InvariantCulture).PadLeft(2) + time.ToString(" HH:mm:ss", CultureInfo.InvariantCulture);

    private static string Zoned(DateTimeOffset time, string format) =>
        time.ToString(format, CultureInfo.InvariantCulture) + (time.Offset == TimeSpan.Zero ? "Z" : time.ToString("zzz", CultureInfo.InvariantCulture));

    private static ReceiverAddress? AddressOf(IReadOnlyDictionary<string, string> options)
    {
        var text = options.GetValueOrDefault("syslog-address");
        if (string.IsNullOrEmpty(text))
        {
            return null;
        }

        var separator = text.IndexOf("://", StringComparison.Ordinal);
        var scheme = separator > 0 ? text[..separator] : "";
        var rest = separator > 0 ? text[(separator + 3)..] : "";
        switch (scheme)
        {
            case "unix" or "unixgram":
                return Path.Exists(rest)
                    ? new ReceiverAddress(scheme, "", 0, rest)
                    : throw EngineException.InvalidParameter($"stat {rest}: no such file or directory");
            case "tcp" or "udp" or Secure:
                return ReceiverAddress.HostAndPort(rest.TrimEnd('/'), DefaultPort) is var (host, port)
                    ? new ReceiverAddress(scheme, host, port, "")
                    : throw EngineException.InvalidParameter($"invalid syslog-address {text}: write proto://host:port");
            default:
                throw EngineException.InvalidParameter($"syslog-address should be in form proto://address, got {text}");
        }
    }

    private static int FacilityOf(string? text)
    {
        if (string.IsNullOrEmpty(text))
        {
            return Array.IndexOf(Facilities, "daemon");
        }

        var known = Array.IndexOf(Facilities, text);
        return known >= 0 ? known
            : int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var number) && number <= 23 ? number
            : throw EngineException.InvalidParameter("invalid syslog facility");
    }

    private static SslClientAuthenticationOptions TlsOf(string host, IReadOnlyDictionary<string, string> options)
    {
        try
        {
            var tls = new SslClientAuthenticationOptions { TargetHost = host };
            if (options.GetValueOrDefault("syslog-tls-cert") is { Length: > 0 } certificate)
            {
                using var pem = X509Certificate2.CreateFromPemFile(certificate, options.GetValueOrDefault("syslog-tls-key") is { Length: > 0 } key ? key : null);
                tls.ClientCertificates = [X509CertificateLoader.LoadPkcs12(pem.Export(X509ContentType.Pkcs12), null)];
            }

            // By presence, as docker's driver reads it: any value skips.
            var skip = options.ContainsKey("syslog-tls-skip-verify");
            var authority = options.GetValueOrDefault("syslog-tls-ca-cert") is { Length: > 0 } file ? Authority(file) : null;
            if (skip)
            {
#pragma warning disable CA5359 // The user asked for it, by an option that says so.
                tls.RemoteCertificateValidationCallback = (_, _, _, _) => true;
#pragma warning restore CA5359
            }
            else if (authority is not null)
            {
                tls.CertificateChainPolicy = new X509ChainPolicy { TrustMode = X509ChainTrustMode.CustomRootTrust, RevocationMode = X509RevocationMode.NoCheck };
                tls.CertificateChainPolicy.CustomTrustStore.AddRange(authority);
            }

            return tls;
        }
        catch (Exception e) when (e is IOException or CryptographicException or UnauthorizedAccessException)
        {
            throw EngineException.InvalidParameter($"could not load the certificates for syslog: {e.Message}");
        }
    }

    private static X509Certificate2Collection Authority(string file)
    {
        var authority = new X509Certificate2Collection();
        authority.ImportFromPemFile(file);
        return authority;
    }
}
