using System.Globalization;
using System.Net.Security;
using System.Security.Cryptography;
using System.Text;
using Cais.Engine.Io;

namespace Cais.Engine.Logs.Remote;

/// <summary>fluentd and fluent-bit, in the forward protocol's message mode (Fluentd Forward Protocol Specification v1), with the records of docker's driver.</summary>
internal sealed class FluentdReceiver : ILogReceiver
{
    private const int DefaultPort = 24224;
    private const int LargestAnswer = 512;

    private readonly ReceiverAddress _address;
    private readonly StreamConnection _stream;
    private readonly string _tag;
    private readonly bool _subSecond;
    private readonly bool _acknowledged;
    private readonly TimeSpan? _readTimeout;
    private readonly List<KeyValuePair<string, string>> _record;

    public FluentdReceiver(LogSubject subject, IReadOnlyDictionary<string, string> options)
    {
        _address = AddressOf(options);
        _stream = new StreamConnection(_address, _address.Scheme == "tls" ? new SslClientAuthenticationOptions { TargetHost = _address.Host } : null);
        _tag = subject.Tag(options);
        _subSecond = LogOption.Bool(options, "fluentd-sub-second-precision", false);
        _acknowledged = LogOption.Bool(options, "fluentd-request-ack", false);
        _readTimeout = options.TryGetValue("fluentd-read-timeout", out var timeout) && LogOption.Duration(timeout) is var read && read > TimeSpan.Zero ? read : null;
        _record =
        [
            new("container_id", subject.Id),
            new("container_name", "/" + subject.Name),
            .. subject.Attributes(options),
        ];
    }

    public string Name => $"fluentd at {_address}";

    public int LargestBatch => _acknowledged ? 1 : 64;

    public static ForwarderOptions Options(ForwarderOptions options, IReadOnlyDictionary<string, string> given) => options with
    {
        // docker's asynchronous driver drops what its buffer cannot take.
        NonBlocking = options.NonBlocking || LogOption.Bool(given, "fluentd-async", false),
        LargestQueue = given.ContainsKey("fluentd-buffer-limit") || LogOption.Bool(given, "fluentd-async", false) ? 64_000_000 : options.LargestQueue,
        MostLines = given.TryGetValue("fluentd-buffer-limit", out var limit) && Sizes.TryParse(limit, out var lines) ? (int)Math.Clamp(lines, 1, int.MaxValue) : 1 << 20,
        MostAttempts = given.TryGetValue("fluentd-max-retries", out var retries) && LogOption.Integer(retries) is var number and < int.MaxValue ? number + 1 : options.MostAttempts,
        FirstPause = given.TryGetValue("fluentd-retry-wait", out var wait) ? LogOption.Duration(wait) : TimeSpan.FromSeconds(1),
        LongestPause = given.TryGetValue("fluentd-async-reconnect-interval", out var interval) && LogOption.Duration(interval) is var longest && longest > TimeSpan.Zero
            ? longest : options.LongestPause,
        SendTimeout = given.TryGetValue("fluentd-write-timeout", out var timeout) && LogOption.Duration(timeout) is var write && write > TimeSpan.Zero ? write : options.SendTimeout,
    };

    /// <exception cref="EngineException">An option is wrong, in docker's words.</exception>
    public static void Validate(IReadOnlyDictionary<string, string> options)
    {
        LogOption.Known(
            options,
            "fluentd",
            [
                "fluentd-address", "fluentd-async", "fluentd-async-reconnect-interval", "fluentd-buffer-limit", "fluentd-max-retries", "fluentd-request-ack",
                "fluentd-retry-wait", "fluentd-sub-second-precision", "fluentd-write-timeout", "fluentd-read-timeout",
            ]);
        AddressOf(options);
        LogOption.Bool(options, "fluentd-async", false);
        LogOption.Bool(options, "fluentd-request-ack", false);
        LogOption.Bool(options, "fluentd-sub-second-precision", false);
        foreach (var name in (ReadOnlySpan<string>)["fluentd-async-reconnect-interval", "fluentd-retry-wait", "fluentd-write-timeout", "fluentd-read-timeout"])
        {
            if (options.TryGetValue(name, out var text) && LogOption.Duration(text) < TimeSpan.Zero)
            {
                throw EngineException.InvalidParameter($"invalid value for {name}: value must be a positive duration");
            }
        }

        if (options.TryGetValue("fluentd-async-reconnect-interval", out var interval) && LogOption.Duration(interval) is var pause && pause != TimeSpan.Zero
            && (pause < TimeSpan.FromMilliseconds(100) || pause > TimeSpan.FromSeconds(10)))
        {
            throw EngineException.InvalidParameter("invalid fluentd-async-reconnect-interval: value must be between 100ms and 10s");
        }

        if (options.TryGetValue("fluentd-buffer-limit", out var limit) && !Sizes.TryParse(limit, out _))
        {
            throw EngineException.InvalidParameter($"invalid value for fluentd-buffer-limit: invalid size: '{limit}'");
        }

        if (options.TryGetValue("fluentd-max-retries", out var retries) && !uint.TryParse(retries, NumberStyles.None, CultureInfo.InvariantCulture, out _))
        {
            throw EngineException.InvalidParameter($"invalid value for fluentd-max-retries: strconv.ParseUint: parsing \"{retries}\": invalid syntax");
        }
    }

    public async Task Send(IReadOnlyList<QueuedLine> lines, CancellationToken cancellation)
    {
        var stream = _acknowledged ? await _stream.Open(cancellation).ConfigureAwait(false) : await _stream.OpenOneWay(cancellation).ConfigureAwait(false);
        using var batch = new MessagePack();
        var chunk = _acknowledged ? Convert.ToBase64String(RandomNumberGenerator.GetBytes(16)) : null;
        foreach (var line in lines)
        {
            Write(batch, line, chunk);
        }

        await stream.WriteAsync(batch.Written, cancellation).ConfigureAwait(false);
        await stream.FlushAsync(cancellation).ConfigureAwait(false);
        if (chunk is not null)
        {
            await WaitForAnswer(stream, chunk, cancellation).ConfigureAwait(false);
        }
    }

    public void Reset() => _stream.Dispose();

    public void Dispose() => Reset();

    private void Write(MessagePack to, QueuedLine line, string? chunk)
    {
        to.Array(chunk is null ? 3 : 4);
        to.Text(_tag);
        if (_subSecond)
        {
            to.EventTime(line.Time);
        }
        else
        {
            to.Integer(line.Time.ToUnixTimeSeconds());
        }

        to.Map(_record.Count + 2 + (line.Piece is null ? 0 : 4));
        foreach (var (name, value) in _record)
        {
            to.Text(name);
            to.Text(value);
        }

        to.Text("source");
        to.Text(line.Stream == StreamKind.Stderr ? "stderr" : "stdout");
        to.Text("log");
        to.Text(line.Text);
        if (line.Piece is { } piece)
        {
            to.Text("partial_message");
            to.Text("true");
            to.Text("partial_id");
            to.Text(piece.Id);
            to.Text("partial_ordinal");
            to.Text(piece.Ordinal.ToString(CultureInfo.InvariantCulture));
            to.Text("partial_last");
            to.Text(piece.Last ? "true" : "false");
        }

        if (chunk is not null)
        {
            to.Map(1);
            to.Text("chunk");
            to.Text(chunk);
        }
    }

    /// <summary><c>{"ack": chunk}</c>, which is the only thing that the receiver ever says.</summary>
    private async Task WaitForAnswer(Stream stream, string chunk, CancellationToken cancellation)
    {
        using var timeout = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        if (_readTimeout is { } patience)
        {
            timeout.CancelAfter(patience);
        }

        var expected = Encoding.ASCII.GetBytes(chunk);
        var answer = new byte[LargestAnswer];
        var length = 0;
        while (!answer.AsSpan(0, length).EndsWith(expected))
        {
            var read = length < answer.Length ? await stream.ReadAsync(answer.AsMemory(length), timeout.Token).ConfigureAwait(false) : 0;
            length += read > 0 ? read : throw new IOException("fluentd did not acknowledge what was sent");
        }
    }

    private static ReceiverAddress AddressOf(IReadOnlyDictionary<string, string> options)
    {
        var text = options.GetValueOrDefault("fluentd-address");
        if (string.IsNullOrEmpty(text))
        {
            return new ReceiverAddress("tcp", "127.0.0.1", DefaultPort, "");
        }

        var separator = text.IndexOf("://", StringComparison.Ordinal);
        var (scheme, rest) = separator > 0 ? (text[..separator], text[(separator + 3)..]) : ("tcp", text);
        switch (scheme)
        {
            case "unix":
                return rest.Trim('/').Length > 0
                    ? new ReceiverAddress(scheme, "", 0, rest)
                    : throw EngineException.InvalidParameter($"invalid fluentd-address ({text}): path is empty");
            case "tcp" or "tls":
                if (rest.Contains('/', StringComparison.Ordinal))
                {
                    throw EngineException.InvalidParameter($"invalid fluentd-address ({text}): should not contain a path element");
                }

                return ReceiverAddress.HostAndPort(rest, DefaultPort) is var (host, port)
                    ? new ReceiverAddress(scheme, host, port, "")
                    : throw EngineException.InvalidParameter($"invalid fluentd-address ({text}): invalid port number");
            default:
                throw EngineException.InvalidParameter($"invalid fluentd-address ({text}): unsupported scheme: {scheme}");
        }
    }
}
