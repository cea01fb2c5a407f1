using System.Buffers;
using System.Buffers.Binary;
using System.Globalization;
using System.Net.Sockets;
using System.Text;
using Cais.Engine.Io;

namespace Cais.Engine.Logs.Remote;

/// <summary>
/// systemd's journal, in its native protocol: a datagram per entry, a field per line (systemd, "Native Journal Protocol"). The fields are those of docker's
/// driver.
/// </summary>
internal sealed class JournaldReceiver : ILogReceiver
{
    public const string DefaultSocket = "/run/systemd/journal/socket";

    private readonly ReceiverAddress _address;
    private readonly byte[] _common;
    private readonly string _epoch = RandomId.New();
    private Socket? _socket;
    private ulong _ordinal;

    public JournaldReceiver(LogSubject subject, IReadOnlyDictionary<string, string> options, string socket)
    {
        _address = new ReceiverAddress("unixgram", "", 0, socket);
        var tag = subject.Tag(options);
        var fields = new ArrayBufferWriter<byte>();
        Field(fields, "CONTAINER_ID", subject.ShortId);
        Field(fields, "CONTAINER_ID_FULL", subject.Id);
        Field(fields, "CONTAINER_NAME", subject.Name);
        Field(fields, "CONTAINER_TAG", tag);
        Field(fields, "IMAGE_NAME", subject.ImageName);
        Field(fields, "SYSLOG_IDENTIFIER", tag);
        Field(fields, "CONTAINER_LOG_EPOCH", _epoch);
        foreach (var (name, value) in subject.Attributes(options, FieldName))
        {
            if (name.Length > 0)
            {
                Field(fields, name, value);
            }
        }

        _common = fields.WrittenSpan.ToArray();
    }

    public string Name => $"journald at {_address.Path}";

    public int LargestBatch => 1;

    public async Task Send(IReadOnlyList<QueuedLine> lines, CancellationToken cancellation)
    {
        _socket ??= await _address.ConnectDatagram(cancellation).ConfigureAwait(false);
        foreach (var line in lines)
        {
            await _socket.SendAsync(Entry(line, _ordinal + 1), cancellation).ConfigureAwait(false);
            _ordinal++;
        }
    }

    public void Reset()
    {
        _socket?.Dispose();
        _socket = null;
    }

    public void Dispose() => Reset();

    /// <summary>The journal takes capitals, digits and underscores, and no underscore in front.</summary>
    internal static string FieldName(string name)
    {
        var field = new StringBuilder(name.Length);
        foreach (var c in name.ToUpperInvariant())
        {
            if (c is (>= 'A' and <= 'Z') or (>= '0' and <= '9'))
            {
                field.Append(c);
            }
            else if (field.Length > 0)
            {
                field.Append('_');
            }
        }

        return field.ToString();
    }

    private ReadOnlyMemory<byte> Entry(QueuedLine line, ulong ordinal)
    {
        var entry = new ArrayBufferWriter<byte>(_common.Length + line.Text.Length + 256);
        entry.Write(_common);
        Field(entry, "PRIORITY", line.Stream == StreamKind.Stderr ? "3" : "6");
        Field(entry, "SYSLOG_TIMESTAMP", Timestamps.Format(line.Time));
        Field(entry, "CONTAINER_LOG_ORDINAL", ordinal.ToString(CultureInfo.InvariantCulture));
        if (line.Piece is { } piece)
        {
            if (!piece.Last)
            {
                Field(entry, "CONTAINER_PARTIAL_MESSAGE", "true");
            }

            Field(entry, "CONTAINER_PARTIAL_ID", piece.Id);
            Field(entry, "CONTAINER_PARTIAL_ORDINAL", piece.Ordinal.ToString(CultureInfo.InvariantCulture));
            Field(entry, "CONTAINER_PARTIAL_LAST", piece.Last ? "true" : "false");
        }

        Field(entry, "MESSAGE"u8, line.Text);
        return entry.WrittenMemory;
    }

    private static void Field(ArrayBufferWriter<byte> to, string name, string value) => Field(to, Encoding.ASCII.GetBytes(name), Encoding.UTF8.GetBytes(value));

    /// <summary>Values with a newline or other bytes than text go with their length instead of an end.</summary>
    private static void Field(ArrayBufferWriter<byte> to, ReadOnlySpan<byte> name, ReadOnlySpan<byte> value)
    {
        to.Write(name);
        if (value.Contains((byte)'\n'))
        {
            to.Write("\n"u8);
            BinaryPrimitives.WriteUInt64LittleEndian(to.GetSpan(8), (ulong)value.Length);
            to.Advance(8);
        }
        else
        {
            to.Write("="u8);
        }

        to.Write(value);
        to.Write("\n"u8);
    }
}
