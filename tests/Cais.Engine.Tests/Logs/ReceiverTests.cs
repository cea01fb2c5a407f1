using System.Buffers.Binary;
using System.Globalization;
using System.IO.Compression;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using System.Text.Json;
using Cais.Engine.Io;
using Cais.Engine.Logs;
using Cais.Engine.Logs.Remote;

namespace Cais.Engine.Tests.Logs;

/// <summary>What each driver sends, as it arrives.</summary>
public sealed class ReceiverTests : IDisposable
{
    private readonly string _directory = Directory.CreateTempSubdirectory("cais-receivers-").FullName;

    public void Dispose() => Directory.Delete(_directory, recursive: true);

    [Fact]
    public async Task The_journal_gets_dockers_fields()
    {
        var path = Path.Combine(_directory, "socket");
        using var journal = new DatagramReceiver(new UnixDomainSocketEndPoint(path));
        using var log = LogTest.Forward(new JournaldReceiver(LogTest.Subject, LogTest.Options("labels=tier,team.name", "env=STAGE", "tag={{.Name}}/{{.ID}}"), path));
        LogTest.Say(log, "hello\n", StreamKind.Stderr);
        LogTest.Say(log, "piece", piece: new LinePiece("p1", 1, false));
        var entry = Fields(await journal.Receive());
        Assert.Equal("hello", entry["MESSAGE"]);
        Assert.Equal("3", entry["PRIORITY"]);
        Assert.Equal("aaaaaaaaaaaa", entry["CONTAINER_ID"]);
        Assert.Equal(LogTest.Subject.Id, entry["CONTAINER_ID_FULL"]);
        Assert.Equal("web", entry["CONTAINER_NAME"]);
        Assert.Equal("web/aaaaaaaaaaaa", entry["CONTAINER_TAG"]);
        Assert.Equal("web/aaaaaaaaaaaa", entry["SYSLOG_IDENTIFIER"]);
        Assert.Equal("shop/web:1", entry["IMAGE_NAME"]);
        Assert.Equal("2026-01-02T03:04:05.678Z", entry["SYSLOG_TIMESTAMP"]);
        Assert.Equal("front", entry["TIER"]);
        Assert.Equal("shop", entry["TEAM_NAME"]);
        Assert.Equal("test", entry["STAGE"]);
        Assert.False(entry.ContainsKey("SECRET"));
        var piece = Fields(await journal.Receive());
        Assert.Equal("6", piece["PRIORITY"]);
        Assert.Equal(("true", "p1", "1", "false"), (piece["CONTAINER_PARTIAL_MESSAGE"], piece["CONTAINER_PARTIAL_ID"], piece["CONTAINER_PARTIAL_ORDINAL"], piece["CONTAINER_PARTIAL_LAST"]));
    }

    [Fact]
    public async Task A_value_with_a_newline_reaches_the_journal_whole()
    {
        var path = Path.Combine(_directory, "socket");
        using var journal = new DatagramReceiver(new UnixDomainSocketEndPoint(path));
        var subject = LogTest.Subject with { Labels = new Dictionary<string, string> { ["_note"] = "a\nMESSAGE=forged" } };
        using var log = LogTest.Forward(new JournaldReceiver(subject, LogTest.Options("labels=_note"), path));
        LogTest.Say(log, "true\n");
        var entry = Fields(await journal.Receive());
        Assert.Equal("a\nMESSAGE=forged", entry["NOTE"]);
        Assert.Equal("true", entry["MESSAGE"]);
    }

    [Theory]
    [InlineData("", "<30>{0} aaaaaaaaaaaa[{3}]: hello\n")]
    [InlineData("rfc3164", "<30>{0} quay aaaaaaaaaaaa[{3}]: hello\n")]
    [InlineData("rfc5424", "<30>1 {1} quay aaaaaaaaaaaa {3} aaaaaaaaaaaa - hello\n")]
    [InlineData("rfc5424micro", "<30>1 {2} quay aaaaaaaaaaaa {3} aaaaaaaaaaaa - hello\n")]
    public async Task Syslog_gets_the_form_it_is_asked_for(string format, string expected)
    {
        using var syslog = new DatagramReceiver();
        using var log = LogTest.Forward(new SyslogReceiver(LogTest.Subject, LogTest.Options($"syslog-address=udp://127.0.0.1:{syslog.Port}", $"syslog-format={format}")));
        LogTest.Say(log, "hello\n");
        var time = LogTest.Time.ToLocalTime();
        var zone = time.Offset == TimeSpan.Zero ? "Z" : time.ToString("zzz", CultureInfo.InvariantCulture);
        var wanted = string.Format(
            CultureInfo.InvariantCulture, expected, time.ToString("MMM ", CultureInfo.InvariantCulture) + $"{time.Day,2}" + time.ToString(" HH:mm:ss", CultureInfo.InvariantCulture),
            time.ToString("yyyy-MM-dd'T'HH:mm:ss", CultureInfo.InvariantCulture) + zone, time.ToString("yyyy-MM-dd'T'HH:mm:ss.ffffff", CultureInfo.InvariantCulture) + zone, Environment.ProcessId);
        Assert.Equal(wanted, Encoding.UTF8.GetString(await syslog.Receive()));
    }

    [Fact]
    public async Task Syslog_knows_facilities_and_the_severity_of_each_stream()
    {
        var path = Path.Combine(_directory, "log");
        using var syslog = new DatagramReceiver(new UnixDomainSocketEndPoint(path));
        using var log = LogTest.Forward(new SyslogReceiver(LogTest.Subject, LogTest.Options($"syslog-address=unixgram://{path}", "syslog-facility=local7")));
        LogTest.Say(log, "out\n");
        LogTest.Say(log, "err\n", StreamKind.Stderr);
        Assert.StartsWith($"<{(23 << 3) | 6}>", Encoding.UTF8.GetString(await syslog.Receive()), StringComparison.Ordinal);
        Assert.StartsWith($"<{(23 << 3) | 3}>", Encoding.UTF8.GetString(await syslog.Receive()), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Syslog_over_tcp_goes_on_after_its_receiver_was_away()
    {
        using var syslog = new StreamReceiver();
        using var log = LogTest.Forward(new SyslogReceiver(LogTest.Subject, LogTest.Options($"syslog-address=tcp://127.0.0.1:{syslog.Port}")));
        LogTest.Say(log, "before\n");
        await syslog.Receive(r => Encoding.UTF8.GetString(r).EndsWith("before\n", StringComparison.Ordinal), "the first line");
        syslog.Hang();

        // The break is noticed at one of these; none after it is lost.
        for (var i = 0; i < 100 && !Encoding.UTF8.GetString(syslog.Received).Contains("after", StringComparison.Ordinal); i++)
        {
            LogTest.Say(log, $"after {i}\n");
            await Task.Delay(5, TestContext.Current.CancellationToken);
        }

        await syslog.Receive(r => Encoding.UTF8.GetString(r).Contains("after", StringComparison.Ordinal), "a line after the break");
    }

    [Fact]
    public async Task Syslog_over_tls_checks_the_receiver_and_counts_bytes()
    {
        var (authority, certificate) = Certificates();
        using var syslog = new StreamReceiver(wrap: async stream =>
        {
            var ssl = new SslStream(stream);
            await ssl.AuthenticateAsServerAsync(certificate);
            return ssl;
        });
        var address = $"syslog-address=tcp+tls://localhost:{syslog.Port}";
        using (var trusting = LogTest.Forward(new SyslogReceiver(LogTest.Subject, LogTest.Options(address, $"syslog-tls-ca-cert={authority}", "syslog-format=rfc5424"))))
        {
            LogTest.Say(trusting, "hello\n");
            var text = Encoding.UTF8.GetString(await syslog.Receive(r => r.Length > 0 && r[^1] == '\n', "the line"));
            var space = text.IndexOf(' ', StringComparison.Ordinal);
            Assert.Equal(text.Length - space - 1, int.Parse(text[..space], CultureInfo.InvariantCulture));
            Assert.EndsWith("- hello\n", text, StringComparison.Ordinal);
        }

        var before = syslog.Received.Length;
        var doubting = LogTest.Forward(new SyslogReceiver(LogTest.Subject, LogTest.Options(address)), LogTest.Prompt with { MostAttempts = 2 });
        LogTest.Say(doubting, "secret\n");
        await Testing.Eventually.Holds(() => doubting.Dropped == 1, "the line is not given to a stranger");
        doubting.Dispose();
        Assert.Equal(before, syslog.Received.Length);
    }

    [Theory]
    [InlineData("gzip")]
    [InlineData("zlib")]
    [InlineData("none")]
    public async Task Gelf_over_udp_is_compressed_json(string compression)
    {
        using var graylog = new DatagramReceiver();
        using var log = LogTest.Forward(new GelfReceiver(
            LogTest.Subject, LogTest.Options($"gelf-address=udp://127.0.0.1:{graylog.Port}", $"gelf-compression-type={compression}", "labels=tier")));
        LogTest.Say(log, "\n");
        LogTest.Say(log, "hello\n", StreamKind.Stderr);
        using var json = JsonDocument.Parse(Inflate(await graylog.Receive(), compression));
        var message = json.RootElement;
        Assert.Equal("1.1", message.GetProperty("version").GetString());
        Assert.Equal("quay", message.GetProperty("host").GetString());
        Assert.Equal("hello", message.GetProperty("short_message").GetString());
        Assert.Equal(3, message.GetProperty("level").GetInt32());
        Assert.Equal(LogTest.Time.ToUnixTimeMilliseconds() / 1000m, message.GetProperty("timestamp").GetDecimal());
        Assert.Equal(
            [LogTest.Subject.Id, "web", LogTest.Subject.ImageId, "shop/web:1", "/bin/serve --port 80", "aaaaaaaaaaaa", "2026-01-02T03:04:05.678Z", "front"],
            new[] { "_container_id", "_container_name", "_image_id", "_image_name", "_command", "_tag", "_created", "_tier" }.Select(n => message.GetProperty(n).GetString()));
    }

    [Fact]
    public async Task A_long_gelf_message_comes_in_chunks()
    {
        using var graylog = new DatagramReceiver();
        using var log = LogTest.Forward(new GelfReceiver(LogTest.Subject, LogTest.Options($"gelf-address=udp://127.0.0.1:{graylog.Port}", "gelf-compression-type=none")));
        var text = string.Concat(Enumerable.Range(0, 1000).Select(i => $"{i} "));
        LogTest.Say(log, text + "\n");
        var first = await graylog.Receive();
        var whole = new MemoryStream();
        whole.Write(first.AsSpan(12));
        for (var i = 1; i < first[11]; i++)
        {
            var chunk = await graylog.Receive();
            Assert.Equal([0x1e, 0x0f, .. first[2..10], (byte)i, first[11]], chunk[..12]);
            Assert.True(chunk.Length <= 1420);
            whole.Write(chunk.AsSpan(12));
        }

        using var json = JsonDocument.Parse(whole.ToArray());
        Assert.Equal(text, json.RootElement.GetProperty("short_message").GetString());
    }

    [Fact]
    public async Task Gelf_over_tcp_ends_each_message_with_a_zero_byte()
    {
        using var graylog = new StreamReceiver();
        using var log = LogTest.Forward(new GelfReceiver(LogTest.Subject, LogTest.Options($"gelf-address=tcp://127.0.0.1:{graylog.Port}")));
        LogTest.Say(log, "one\n");
        LogTest.Say(log, "two\n");
        var received = await graylog.Receive(r => r.Count(b => b == 0) == 2, "two messages");
        var messages = Encoding.UTF8.GetString(received).TrimEnd('\0').Split('\0').Select(m => JsonDocument.Parse(m).RootElement.GetProperty("short_message").GetString());
        Assert.Equal(["one", "two"], messages);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Fluentd_gets_dockers_record(bool subSecond)
    {
        using var fluentd = new StreamReceiver();
        using var log = LogTest.Forward(new FluentdReceiver(
            LogTest.Subject, LogTest.Options($"fluentd-address=127.0.0.1:{fluentd.Port}", "tag=docker.{{.Name}}", "env-regex=^STA", $"fluentd-sub-second-precision={subSecond}")));
        LogTest.Say(log, "hello\n");
        var entry = (object?[])Unpack(await fluentd.Receive(r => Encoding.UTF8.GetString(r).Contains("hello", StringComparison.Ordinal), "the line"));
        Assert.Equal("docker.web", entry[0]);
        Assert.Equal(subSecond ? (LogTest.Time.ToUnixTimeSeconds(), 678_000_000L) : LogTest.Time.ToUnixTimeSeconds(), entry[1]);
        Assert.Equal(
            new Dictionary<string, object?>
            {
                ["container_id"] = LogTest.Subject.Id,
                ["container_name"] = "/web",
                ["source"] = "stdout",
                ["log"] = "hello",
                ["STAGE"] = "test",
            },
            (Dictionary<string, object?>)entry[2]!);
    }

    [Fact]
    public async Task Fluentd_is_asked_to_acknowledge_and_what_it_does_not_is_sent_again()
    {
        var refused = false;
        using var fluentd = new StreamReceiver(answer: received =>
        {
            if (!refused)
            {
                refused = true;
                return "what?"u8.ToArray();
            }

            var text = Encoding.UTF8.GetString(received);
            var chunk = text[(text.LastIndexOf("chunk", StringComparison.Ordinal) + 6)..];
            return [0x81, 0xa3, .. "ack"u8, (byte)(0xa0 | chunk.Length), .. Encoding.UTF8.GetBytes(chunk)];
        });
        var options = LogTest.Options($"fluentd-address=tcp://127.0.0.1:{fluentd.Port}", "fluentd-request-ack=true", "fluentd-read-timeout=200ms");
        var log = LogTest.Forward(new FluentdReceiver(LogTest.Subject, options));
        LogTest.Say(log, "hello\n");
        log.Dispose();
        await log.Finished.WaitAsync(Testing.Eventually.Deadline, TestContext.Current.CancellationToken);
        Assert.Equal(0, log.Dropped);
        Assert.Equal(2, Encoding.UTF8.GetString(fluentd.Received).Split("hello").Length - 1);
    }

    [Fact]
    public async Task Fluentd_can_listen_on_a_unix_socket_and_pieces_are_told()
    {
        var path = Path.Combine(_directory, "fluent");
        using var fluentd = new StreamReceiver(new UnixDomainSocketEndPoint(path));
        using var log = LogTest.Forward(new FluentdReceiver(LogTest.Subject, LogTest.Options($"fluentd-address=unix://{path}")));
        LogTest.Say(log, new string('x', 70000), StreamKind.Stderr, new LinePiece("id", 2, true));
        var record = (Dictionary<string, object?>)((object?[])Unpack(await fluentd.Receive(r => r.Length > 70000 && Encoding.UTF8.GetString(r).EndsWith("true", StringComparison.Ordinal), "the line")))[2]!;
        Assert.Equal(new string('x', 70000), record["log"]);
        Assert.Equal(("stderr", "true", "id", "2", "true"), (record["source"], record["partial_message"], record["partial_id"], record["partial_ordinal"], record["partial_last"]));
    }

    private static Dictionary<string, string> Fields(byte[] entry)
    {
        var fields = new Dictionary<string, string>();
        for (var at = 0; at < entry.Length;)
        {
            var end = Array.IndexOf(entry, (byte)'\n', at);
            var line = Encoding.UTF8.GetString(entry, at, end - at);
            at = end + 1;
            if (line.IndexOf('=', StringComparison.Ordinal) is > 0 and var equals)
            {
                fields.Add(line[..equals], line[(equals + 1)..]);
                continue;
            }

            var length = (int)BinaryPrimitives.ReadUInt64LittleEndian(entry.AsSpan(at));
            fields.Add(line, Encoding.UTF8.GetString(entry, at + 8, length));
            at += 8 + length + 1;
        }

        return fields;
    }

    private static byte[] Inflate(byte[] bytes, string compression)
    {
        using Stream stream = compression switch
        {
            "gzip" => new GZipStream(new MemoryStream(bytes), CompressionMode.Decompress),
            "zlib" => new ZLibStream(new MemoryStream(bytes), CompressionMode.Decompress),
            _ => new MemoryStream(bytes),
        };
        var plain = new MemoryStream();
        stream.CopyTo(plain);
        return plain.ToArray();
    }

    /// <summary>MessagePack as its specification describes it: the reader that fluentd is.</summary>
    private static object Unpack(byte[] bytes)
    {
        var at = 0;
        return Value()!;

        object? Value()
        {
            var head = bytes[at++];
            return head switch
            {
                < 0x80 => (long)head,
                < 0x90 => Map(head & 15),
                < 0xa0 => Enumerable.Range(0, head & 15).Select(_ => Value()).ToArray(),
                < 0xc0 => Text(head & 31),
                0xd3 => BinaryPrimitives.ReadInt64BigEndian(Take(8)),
                0xd7 when bytes[at++] == 0 => ((long)BinaryPrimitives.ReadUInt32BigEndian(Take(4)), (long)BinaryPrimitives.ReadUInt32BigEndian(Take(4))),
                0xd9 => Text(bytes[at++]),
                0xda => Text(BinaryPrimitives.ReadUInt16BigEndian(Take(2))),
                0xdb => Text((int)BinaryPrimitives.ReadUInt32BigEndian(Take(4))),
                0xde => Map(BinaryPrimitives.ReadUInt16BigEndian(Take(2))),
                _ => throw new InvalidDataException($"{head:x2}"),
            };
        }

        ReadOnlySpan<byte> Take(int count) => bytes.AsSpan((at += count) - count, count);
        string Text(int length) => Encoding.UTF8.GetString(Take(length));
        Dictionary<string, object?> Map(int count) => Enumerable.Range(0, count).Select(_ => (Key: (string)Value()!, Value: Value())).ToDictionary(e => e.Key, e => e.Value);
    }

    private (string AuthorityFile, X509Certificate2 Certificate) Certificates()
    {
        using var key = RSA.Create(2048);
        var request = new CertificateRequest("CN=localhost", key, HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1);
        var names = new SubjectAlternativeNameBuilder();
        names.AddDnsName("localhost");
        request.CertificateExtensions.Add(names.Build());
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(certificateAuthority: true, false, 0, critical: true));
        using var certificate = request.CreateSelfSigned(DateTimeOffset.UtcNow.AddDays(-1), DateTimeOffset.UtcNow.AddDays(1));
        var file = Path.Combine(_directory, "ca.pem");
        File.WriteAllText(file, certificate.ExportCertificatePem());
        return (file, X509CertificateLoader.LoadPkcs12(certificate.Export(X509ContentType.Pkcs12), null));
    }
}
