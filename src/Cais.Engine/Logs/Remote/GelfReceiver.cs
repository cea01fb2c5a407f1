using System.IO.Compression;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Cais.Engine.Io;
using Cais.Oci;

namespace Cais.Engine.Logs.Remote;

/// <summary>Graylog's extended log format (GELF 1.1): JSON over UDP, compressed and in chunks, or over TCP, each with a zero byte behind it.</summary>
internal sealed class GelfReceiver : ILogReceiver
{
    // A chunk as Graylog's clients cut it, below any path's MTU: magic, id, number and count before the data.
    private const int ChunkSize = 1420;
    private const int ChunkHeader = 12;
    private const int ChunkData = ChunkSize - ChunkHeader;
    private const int MostChunks = 128;

    private readonly ReceiverAddress _address;
    private readonly StreamConnection? _stream;
    private readonly string _hostname;
    private readonly string _compression;
    private readonly CompressionLevel _level;
    private readonly List<KeyValuePair<string, string>> _extra;
    private Socket? _socket;

    public GelfReceiver(LogSubject subject, IReadOnlyDictionary<string, string> options)
    {
        _address = AddressOf(options);
        _stream = _address.Scheme == "tcp" ? new StreamConnection(_address, null) : null;
        _hostname = subject.Hostname;
        _compression = options.GetValueOrDefault("gelf-compression-type") ?? "gzip";
        _level = (options.TryGetValue("gelf-compression-level", out var level) ? LogOption.Integer(level) : 1) switch
        {
            -1 or (> 1 and < 9) => CompressionLevel.Optimal,
            0 => CompressionLevel.NoCompression,
            1 => CompressionLevel.Fastest,
            _ => CompressionLevel.SmallestSize,
        };
        _extra =
        [
            new("_container_id", subject.Id),
            new("_container_name", subject.Name),
            new("_image_id", subject.ImageId),
            new("_image_name", subject.ImageName),
            new("_command", string.Join(' ', subject.CommandLine)),
            new("_tag", subject.Tag(options)),
            new("_created", Timestamps.Format(subject.Created)),
            .. subject.Attributes(options, name => name.StartsWith('_') ? name : "_" + name),
        ];
    }

    public string Name => $"gelf at {_address}";

    public int LargestBatch => _stream is null ? 1 : 64;

    /// <summary>How often a batch is tried, and how long is waited between, as the options say for TCP.</summary>
    public static ForwarderOptions Options(ForwarderOptions options, IReadOnlyDictionary<string, string> given) => AddressOf(given).Scheme != "tcp" ? options : options with
    {
        FirstPause = given.TryGetValue("gelf-tcp-reconnect-delay", out var delay) ? TimeSpan.FromSeconds(LogOption.Integer(delay)) : TimeSpan.FromSeconds(1),
        MostAttempts = given.TryGetValue("gelf-tcp-max-reconnect", out var attempts) ? LogOption.Integer(attempts) + 1 : options.MostAttempts,
    };

    /// <exception cref="EngineException">An option is wrong, in docker's words.</exception>
    public static void Validate(IReadOnlyDictionary<string, string> options)
    {
        var address = AddressOf(options);
        LogOption.Known(
            options, "gelf", ["gelf-address", "gelf-compression-type", "gelf-compression-level", "gelf-tcp-max-reconnect", "gelf-tcp-reconnect-delay"], '"');
        foreach (var (name, value) in options)
        {
            switch (name)
            {
                case "gelf-compression-level" or "gelf-compression-type" when address.Scheme != "udp":
                    throw EngineException.InvalidParameter("compression is only supported on UDP");
                case "gelf-compression-level" when !int.TryParse(value, out var level) || level is < -1 or > 9:
                case "gelf-compression-type" when value is not ("gzip" or "zlib" or "none"):
                    throw EngineException.InvalidParameter($"unknown value \"{value}\" for log opt \"{name}\" for gelf log driver");
                case "gelf-tcp-max-reconnect" or "gelf-tcp-reconnect-delay" when address.Scheme != "tcp":
                    throw EngineException.InvalidParameter($"\"{name}\" is only valid for TCP");
                case "gelf-tcp-max-reconnect" or "gelf-tcp-reconnect-delay" when !int.TryParse(value, out var number) || number < 0:
                    throw EngineException.InvalidParameter($"\"{name}\" must be a positive integer");
            }
        }
    }

    public async Task Send(IReadOnlyList<QueuedLine> lines, CancellationToken cancellation)
    {
        // The format knows no empty message.
        var messages = lines.Where(l => l.Text.Length > 0).Select(Message);
        if (_stream is not null)
        {
            var stream = await _stream.OpenOneWay(cancellation).ConfigureAwait(false);
            var batch = new MemoryStream();
            foreach (var message in messages)
            {
                batch.Write(message.Span);
                batch.WriteByte(0);
            }

            await stream.WriteAsync(batch.GetBuffer().AsMemory(0, (int)batch.Length), cancellation).ConfigureAwait(false);
            return;
        }

        _socket ??= await _address.ConnectDatagram(cancellation).ConfigureAwait(false);
        foreach (var message in messages)
        {
            await SendDatagrams(_socket, Compress(message), cancellation).ConfigureAwait(false);
        }
    }

    public void Reset()
    {
        _socket?.Dispose();
        _socket = null;
        _stream?.Dispose();
    }

    public void Dispose() => Reset();

    private static async Task SendDatagrams(Socket socket, ReadOnlyMemory<byte> message, CancellationToken cancellation)
    {
        if (message.Length <= ChunkSize)
        {
            await socket.SendAsync(message, cancellation).ConfigureAwait(false);
            return;
        }

        var count = (message.Length + ChunkData - 1) / ChunkData;
        if (count > MostChunks)
        {
            // Only with labels beyond reason: it can never be sent.
            return;
        }

        var id = RandomNumberGenerator.GetBytes(8);
        for (var i = 0; i < count; i++)
        {
            var data = message.Slice(i * ChunkData, Math.Min(ChunkData, message.Length - (i * ChunkData)));
            await socket.SendAsync((byte[])[0x1e, 0x0f, .. id, (byte)i, (byte)count, .. data.Span], cancellation).ConfigureAwait(false);
        }
    }

    private ReadOnlyMemory<byte> Message(QueuedLine line)
    {
        var buffer = new MemoryStream();
        using (var json = new Utf8JsonWriter(buffer, PlainJson.Options))
        {
            json.WriteStartObject();
            json.WriteString("version", "1.1");
            json.WriteString("host", _hostname);
            json.WriteString("short_message", Encoding.UTF8.GetString(line.Text));
            json.WriteNumber("timestamp", line.Time.ToUnixTimeMilliseconds() / 1000m);
            json.WriteNumber("level", line.Stream == StreamKind.Stderr ? 3 : 6);
            foreach (var (name, value) in _extra)
            {
                json.WriteString(name, value);
            }

            json.WriteEndObject();
        }

        return buffer.GetBuffer().AsMemory(0, (int)buffer.Length);
    }

    private ReadOnlyMemory<byte> Compress(ReadOnlyMemory<byte> message)
    {
        if (_compression == "none")
        {
            return message;
        }

        var buffer = new MemoryStream();
        using (Stream compressor = _compression == "zlib" ? new ZLibStream(buffer, _level, leaveOpen: true) : new GZipStream(buffer, _level, leaveOpen: true))
        {
            compressor.Write(message.Span);
        }

        return buffer.GetBuffer().AsMemory(0, (int)buffer.Length);
    }

    private static ReceiverAddress AddressOf(IReadOnlyDictionary<string, string> options)
    {
        var text = options.GetValueOrDefault("gelf-address");
        if (string.IsNullOrEmpty(text))
        {
            throw EngineException.InvalidParameter("gelf: gelf-address is a required parameter");
        }

        var separator = text.IndexOf("://", StringComparison.Ordinal);
        if (separator <= 0)
        {
            throw EngineException.InvalidParameter($"gelf-address should be in form proto://address, got {text}");
        }

        var scheme = text[..separator];
        return scheme is not ("udp" or "tcp") ? throw EngineException.InvalidParameter("gelf: endpoint needs to be TCP or UDP")
            : ReceiverAddress.HostAndPort(text[(separator + 3)..].TrimEnd('/'), 0) is var (host, port) ? new ReceiverAddress(scheme, host, port, "")
            : throw EngineException.InvalidParameter("gelf: please provide gelf-address as proto://host:port");
    }
}
