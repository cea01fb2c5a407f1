using System.Diagnostics;
using System.Globalization;
using System.Text;
using Cais.Linux;

namespace Cais.Runtime.Systemd;

/// <summary>A blocking D-Bus connection, as small as talking to systemd needs: calls with their answers, and signals in between.</summary>
internal sealed class BusConnection : IDisposable
{
    private const int Deadline = 30_000;
    private const int MaximumSize = 1 << 24;

    private readonly FileDescriptor _socket;
    private readonly Queue<BusMessage> _signals = [];
    private readonly Stopwatch _clock = Stopwatch.StartNew();
    private uint _serial;

    private BusConnection(FileDescriptor socket) => _socket = socket;

    /// <summary>The system's bus for root, the user's own otherwise; systemd's private socket where no bus runs.</summary>
    public static BusConnection Open()
    {
        var failures = new List<string>();
        foreach (var (path, isBus) in Candidates())
        {
            BusConnection? connection = null;
            try
            {
                connection = new BusConnection(MessageSocket.ConnectStream(path));
                connection.Authenticate();
                if (isBus)
                {
                    connection.Call("org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus", "Hello");
                }

                return connection;
            }
            catch (Exception e) when (e is LinuxException or RuntimeException)
            {
                connection?.Dispose();
                failures.Add($"{path}: {e.Message}");
            }
        }

        throw new RuntimeException(
            RuntimeError.Failed, $"--systemd-cgroup needs systemd, which does not answer: {string.Join("; ", failures)}. Is this host run by systemd?");
    }

    private static IEnumerable<(string Path, bool IsBus)> Candidates()
    {
        if (UserIds.Effective == 0)
        {
            yield return (PathOf(Environment.GetEnvironmentVariable("DBUS_SYSTEM_BUS_ADDRESS")) ?? "/run/dbus/system_bus_socket", true);
            yield return ("/run/systemd/private", false);
            yield break;
        }

        var runtime = Environment.GetEnvironmentVariable("XDG_RUNTIME_DIR") is { Length: > 0 } given
            ? given : string.Create(CultureInfo.InvariantCulture, $"/run/user/{UserIds.Effective}");
        yield return (PathOf(Environment.GetEnvironmentVariable("DBUS_SESSION_BUS_ADDRESS")) ?? $"{runtime}/bus", true);
        yield return ($"{runtime}/systemd/private", false);
    }

    /// <summary><c>unix:path=/run/bus,guid=…</c>; other kinds of address are not for local use.</summary>
    private static string? PathOf(string? address)
    {
        foreach (var one in (address ?? "").Split(';'))
        {
            foreach (var part in one.StartsWith("unix:", StringComparison.Ordinal) ? one[5..].Split(',') : [])
            {
                if (part.StartsWith("path=", StringComparison.Ordinal))
                {
                    return Uri.UnescapeDataString(part[5..]);
                }
            }
        }

        return null;
    }

    /// <summary>The answer's body and signature.</summary>
    /// <exception cref="BusException">The other side answered with an error.</exception>
    public BusMessage Call(
        string destination, string path, string interfaceName, string member, string signature = "", Action<BusWriter>? arguments = null)
    {
        var body = new BusWriter();
        arguments?.Invoke(body);
        var serial = ++_serial;
        var message = new BusWriter().Byte((byte)'l').Byte(BusMessage.Call).Byte(0).Byte(1).UInt32((uint)body.Length).UInt32(serial);
        message.Array(8, fields =>
        {
            Field(fields, 1, "o", path);
            Field(fields, 2, "s", interfaceName);
            Field(fields, 3, "s", member);
            Field(fields, 6, "s", destination);
            if (signature.Length > 0)
            {
                fields.Align(8).Byte(8).Signature("g").Signature(signature);
            }
        });
        Files.Write(_socket, message.Align(8).Raw(body.ToArray()).ToArray());
        while (true)
        {
            var answer = Receive();
            if (answer.Type == BusMessage.Signal)
            {
                _signals.Enqueue(answer);
            }
            else if (answer.ReplySerial == serial)
            {
                return answer.Type != BusMessage.Error ? answer : throw new BusException(answer.ErrorName, Text(answer));
            }
        }
    }

    /// <summary>The next signal, in the order they came; fails at the time limit.</summary>
    public BusMessage NextSignal()
    {
        while (_signals.Count == 0)
        {
            if (Receive() is { Type: BusMessage.Signal } signal)
            {
                _signals.Enqueue(signal);
            }
        }

        return _signals.Dequeue();
    }

    public void Dispose() => _socket.Dispose();

    private static void Field(BusWriter fields, byte code, string type, string value) => fields.Align(8).Byte(code).Signature(type).String(value);

    private static string Text(BusMessage message)
    {
        var reader = new BusReader(message.Body);
        return message.Signature.StartsWith('s') ? reader.String() : message.ErrorName;
    }

    /// <summary>SASL's EXTERNAL: the kernel tells the other side who we are.</summary>
    private void Authenticate()
    {
        var uid = Convert.ToHexString(Encoding.ASCII.GetBytes(UserIds.Effective.ToString(CultureInfo.InvariantCulture)));
        Files.Write(_socket, Encoding.ASCII.GetBytes($"\0AUTH EXTERNAL {uid}\r\n"));
        var line = new StringBuilder();
        Span<byte> one = stackalloc byte[1];
        while (line.Length < 512 && !line.ToString().EndsWith("\r\n", StringComparison.Ordinal))
        {
            ReadExactly(one);
            line.Append((char)one[0]);
        }

        if (!line.ToString().StartsWith("OK ", StringComparison.Ordinal))
        {
            throw new RuntimeException(RuntimeError.Failed, $"D-Bus refuses this user: {line.ToString().Trim()}");
        }

        Files.Write(_socket, "BEGIN\r\n"u8);
    }

    private BusMessage Receive()
    {
        var fixedPart = new byte[16];
        ReadExactly(fixedPart);
        if (fixedPart[0] != (byte)'l')
        {
            throw new RuntimeException(RuntimeError.Failed, "the other side of D-Bus is not little-endian");
        }

        var lengths = new BusReader(fixedPart.AsSpan(4));
        var bodyLength = lengths.UInt32();
        lengths.UInt32();
        var fieldsLength = lengths.UInt32();
        if (bodyLength > MaximumSize || fieldsLength > MaximumSize)
        {
            throw new RuntimeException(RuntimeError.Failed, "systemd sent a D-Bus message that is too long");
        }

        var fields = new byte[(fieldsLength + 7) / 8 * 8];
        ReadExactly(fields);
        var body = new byte[bodyLength];
        ReadExactly(body);
        return Parse(fixedPart[1], fields.AsSpan(0, (int)fieldsLength), body);
    }

    private static BusMessage Parse(byte type, ReadOnlySpan<byte> fields, byte[] body)
    {
        uint reply = 0;
        string member = "", error = "", signature = "";
        var reader = new BusReader(fields);
        while (!reader.AtEnd)
        {
            reader.Align(8);
            var code = reader.Byte();
            switch (reader.Signature())
            {
                case "s" or "o":
                    var text = reader.String();
                    member = code == 3 ? text : member;
                    error = code == 4 ? text : error;
                    break;
                case "g":
                    var value = reader.Signature();
                    signature = code == 8 ? value : signature;
                    break;
                case "u":
                    var number = reader.UInt32();
                    reply = code == 5 ? number : reply;
                    break;
                case var unknown:
                    throw new RuntimeException(RuntimeError.Failed, $"systemd sent a D-Bus message with a field of type {unknown}");
            }
        }

        return new BusMessage(type, reply, member, error, signature, body);
    }

    private void ReadExactly(Span<byte> into)
    {
        while (!into.IsEmpty)
        {
            var left = Deadline - (int)Math.Min(_clock.ElapsedMilliseconds, Deadline);
            if (!Poll.Readable(_socket, left))
            {
                throw new RuntimeException(RuntimeError.Failed, $"systemd has not answered for {Deadline / 1000} s");
            }

            var read = Files.Read(_socket, into);
            into = read > 0 ? into[read..] : throw new RuntimeException(RuntimeError.Failed, "systemd has closed the D-Bus connection");
        }
    }
}

/// <summary>An error that the other side answered with.</summary>
internal sealed class BusException(string name, string message) : Exception(message)
{
    /// <summary>As <c>org.freedesktop.systemd1.UnitExists</c>.</summary>
    public string Name { get; } = name;
}
