using System.Collections.Concurrent;
using System.Net.Sockets;
using System.Text;
using Cais.Runtime.Systemd;

namespace Cais.Runtime.Tests.Systemd;

/// <summary>A bus with a systemd on it that says yes to everything and remembers what it was asked for.</summary>
internal sealed class FakeSystemd : IDisposable
{
    private readonly Socket _listener = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
    private readonly string _path = Path.Combine(Path.GetTempPath(), $"bus-{Guid.NewGuid():N}");
    private readonly string _controlGroup;
    private readonly string _result;

    public FakeSystemd(string controlGroup, string result = "done")
    {
        _controlGroup = controlGroup;
        _result = result;
        _listener.Bind(new UnixDomainSocketEndPoint(_path));
        _listener.Listen();
        Environment.SetEnvironmentVariable("DBUS_SYSTEM_BUS_ADDRESS", $"unix:path={_path}");
        new Thread(Accept) { IsBackground = true }.Start();
    }

    /// <summary>Members called, in order, with their bodies.</summary>
    public ConcurrentQueue<(string Member, string Signature, byte[] Body)> Calls { get; } = [];

    public byte[] Body(string member) => Calls.First(call => call.Member == member).Body;

    public void Dispose()
    {
        Environment.SetEnvironmentVariable("DBUS_SYSTEM_BUS_ADDRESS", null);
        _listener.Dispose();
        File.Delete(_path);
    }

    /// <summary>Names and values (numbers, texts and flags as text) of an <c>a(sv)</c> that begins where the reader stands.</summary>
    public static Dictionary<string, string> Properties(ref BusReader reader)
    {
        var properties = new Dictionary<string, string>();
        var length = reader.UInt32();
        reader.Align(8);
        var end = reader.Position + length;
        while (reader.Position < end)
        {
            reader.Align(8);
            var name = reader.String();
            var signature = reader.Signature();
            properties[name] = signature switch
            {
                "s" => reader.String(),
                "b" => reader.UInt32() == 1 ? "true" : "false",
                "t" => UInt64(ref reader),
                "au" => Array(ref reader, 4, static (ref BusReader r) => r.UInt32().ToString(System.Globalization.CultureInfo.InvariantCulture)),
                "ay" => Array(ref reader, 1, static (ref BusReader r) => r.Byte().ToString("x2", System.Globalization.CultureInfo.InvariantCulture)),
                "as" => Array(ref reader, 4, static (ref BusReader r) => r.String()),
                _ => throw new InvalidOperationException($"{name} has type {signature}"),
            };
        }

        return properties;
    }

    private delegate string Element(ref BusReader reader);

    private static string UInt64(ref BusReader reader)
    {
        reader.Align(8);
        var low = reader.UInt32();
        return (low | ((ulong)reader.UInt32() << 32)).ToString(System.Globalization.CultureInfo.InvariantCulture);
    }

    private static string Array(ref BusReader reader, int alignment, Element read)
    {
        var length = reader.UInt32();
        reader.Align(alignment);
        var end = reader.Position + length;
        var parts = new List<string>();
        while (reader.Position < end)
        {
            parts.Add(read(ref reader));
        }

        return string.Join(' ', parts);
    }

    private void Accept()
    {
        try
        {
            while (true)
            {
                using var stream = new NetworkStream(_listener.Accept(), ownsSocket: true);
                try
                {
                    Serve(stream);
                }
                catch (IOException)
                {
                    // The client has gone.
                }
            }
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            // Closed: the test is over.
        }
    }

    private void Serve(NetworkStream stream)
    {
        Assert.Equal(0, stream.ReadByte());
        Assert.StartsWith("AUTH EXTERNAL ", Line(stream), StringComparison.Ordinal);
        stream.Write("OK 0123456789abcdef0123456789abcdef\r\n"u8);
        Assert.Equal("BEGIN", Line(stream));
        uint serial = 0;
        while (true)
        {
            var head = new byte[16];
            stream.ReadExactly(head);
            var reader = new BusReader(head.AsSpan(4));
            var bodyLength = reader.UInt32();
            var called = reader.UInt32();
            var fieldsLength = reader.UInt32();
            var fields = new byte[(fieldsLength + 7) / 8 * 8];
            stream.ReadExactly(fields);
            var body = new byte[bodyLength];
            stream.ReadExactly(body);
            var (member, signature) = Header(fields.AsSpan(0, (int)fieldsLength));
            Calls.Enqueue((member, signature, body));
            switch (member)
            {
                case "StartTransientUnit":
                    // The job may end before the call's answer is out: both orders are legal.
                    stream.Write(Message(4, ++serial, 0, "JobRemoved", "uoss", b => b.UInt32(7).String("/job/7").String("x").String(_result)));
                    stream.Write(Message(2, ++serial, called, "", "o", b => b.String("/job/7")));
                    break;
                case "GetUnit":
                    stream.Write(Message(2, ++serial, called, "", "o", b => b.String("/unit/x")));
                    break;
                case "Get":
                    stream.Write(Message(2, ++serial, called, "", "v", b => b.Signature("s").String(_controlGroup)));
                    break;
                case "ResetFailedUnit":
                    stream.Write(Message(3, ++serial, called, "", "s", b => b.String("not loaded"), "org.freedesktop.systemd1.NoSuchUnit"));
                    break;
                default:
                    stream.Write(Message(2, ++serial, called, "", "s", b => b.String(":1.1")));
                    break;
            }
        }
    }

    private static (string Member, string Signature) Header(ReadOnlySpan<byte> fields)
    {
        string member = "", signature = "";
        var reader = new BusReader(fields);
        while (!reader.AtEnd)
        {
            reader.Align(8);
            var code = reader.Byte();
            var type = reader.Signature();
            var value = type == "g" ? reader.Signature() : reader.String();
            member = code == 3 ? value : member;
            signature = code == 8 ? value : signature;
        }

        return (member, signature);
    }

    private static byte[] Message(byte type, uint serial, uint reply, string member, string signature, Action<BusWriter> write, string error = "")
    {
        var body = new BusWriter();
        write(body);
        return new BusWriter().Byte((byte)'l').Byte(type).Byte(0).Byte(1).UInt32((uint)body.Length).UInt32(serial).Array(8, fields =>
        {
            if (member.Length > 0)
            {
                fields.Align(8).Byte(3).Signature("s").String(member);
            }

            if (error.Length > 0)
            {
                fields.Align(8).Byte(4).Signature("s").String(error);
            }

            if (reply > 0)
            {
                fields.Align(8).Byte(5).Signature("u").UInt32(reply);
            }

            fields.Align(8).Byte(8).Signature("g").Signature(signature);
        }).Align(8).Raw(body.ToArray()).ToArray();
    }

    private static string Line(NetworkStream stream)
    {
        var line = new StringBuilder();
        for (var c = stream.ReadByte(); c is >= 0 and not '\n'; c = stream.ReadByte())
        {
            line.Append((char)c);
        }

        return line.ToString().TrimEnd('\r');
    }
}
