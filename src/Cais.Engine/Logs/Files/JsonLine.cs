using System.Buffers;
using System.Buffers.Text;
using System.Text;
using System.Text.Json;
using Cais.Engine.Io;
using Cais.Oci;

namespace Cais.Engine.Logs.Files;

/// <summary>
/// One line of docker's json-file format: <c>{"log":"text\n","stream":"stdout","attrs":{…},"time":"2026-01-02T03:04:05.6Z"}</c>. Written by hand
/// since a container's bytes need not be UTF-8: what is not becomes U+FFFD, as with docker.
/// </summary>
internal static class JsonLine
{
    private static readonly SearchValues<byte> Special = SearchValues.Create(SpecialBytes());

    public static void Write(ArrayBufferWriter<byte> to, DateTimeOffset time, StreamKind stream, ReadOnlySpan<byte> text, ReadOnlySpan<byte> attributes)
    {
        to.Write("{\"log\":\""u8);
        WriteEscaped(to, text);
        to.Write(stream == StreamKind.Stderr ? "\",\"stream\":\"stderr\""u8 : "\",\"stream\":\"stdout\""u8);
        if (!attributes.IsEmpty)
        {
            to.Write(",\"attrs\":"u8);
            to.Write(attributes);
        }

        to.Write(",\"time\":\""u8);
        WriteTime(to, time);
        to.Write("\"}\n"u8);
    }

    /// <summary>Reads a line; false when it is not one, as after a crash in mid-write.</summary>
    public static bool TryRead(ReadOnlySpan<byte> line, out LogEntry entry, out string? attributes)
    {
        entry = default;
        attributes = null;
        var time = default(DateTimeOffset);
        var stream = StreamKind.Stdout;
        byte[]? text = null;
        try
        {
            var json = new Utf8JsonReader(line);
            if (!json.Read() || json.TokenType != JsonTokenType.StartObject)
            {
                return false;
            }

            while (json.Read() && json.TokenType == JsonTokenType.PropertyName)
            {
                if (json.ValueTextEquals("log"u8))
                {
                    json.Read();
                    var length = json.ValueSpan.Length;
                    var buffer = new byte[length];
                    text = json.ValueIsEscaped ? buffer[..json.CopyString(buffer)] : json.ValueSpan.ToArray();
                }
                else if (json.ValueTextEquals("stream"u8))
                {
                    json.Read();
                    stream = json.ValueTextEquals("stderr"u8) ? StreamKind.Stderr : StreamKind.Stdout;
                }
                else if (json.ValueTextEquals("time"u8))
                {
                    json.Read();
                    if (!json.TryGetDateTimeOffset(out time))
                    {
                        return false;
                    }
                }
                else if (json.ValueTextEquals("attrs"u8))
                {
                    json.Read();
                    attributes = Attributes(ref json);
                }
                else
                {
                    json.Read();
                    json.Skip();
                }
            }
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            return false;
        }

        if (text is null || time == default)
        {
            return false;
        }

        entry = new LogEntry(time, stream, text);
        return true;
    }

    /// <summary>The attributes as a JSON object, or nothing when there are none.</summary>
    public static byte[] WriteAttributes(IReadOnlyDictionary<string, string> attributes)
    {
        if (attributes.Count == 0)
        {
            return [];
        }

        var buffer = new ArrayBufferWriter<byte>();
        using var writer = new Utf8JsonWriter(buffer, PlainJson.Options);
        writer.WriteStartObject();
        foreach (var (name, value) in attributes.OrderBy(a => a.Key, StringComparer.Ordinal))
        {
            writer.WriteString(name, value);
        }

        writer.WriteEndObject();
        writer.Flush();
        return buffer.WrittenSpan.ToArray();
    }

    /// <summary>As <c>docker logs --details</c> shows them: <c>a=1,b=2</c>.</summary>
    private static string Attributes(ref Utf8JsonReader json)
    {
        var text = new StringBuilder();
        while (json.Read() && json.TokenType == JsonTokenType.PropertyName)
        {
            text.Append(text.Length > 0 ? "," : "").Append(json.GetString()).Append('=');
            json.Read();
            text.Append(json.TokenType == JsonTokenType.String ? json.GetString() : "");
        }

        return text.ToString();
    }

    private static void WriteTime(ArrayBufferWriter<byte> to, DateTimeOffset time)
    {
        Span<byte> text = stackalloc byte[40];
        Utf8Formatter.TryFormat(time.UtcDateTime, text, out var length, new StandardFormat('O'));
        text = text[..length].TrimEnd((byte)'Z');
        text = text.TrimEnd((byte)'0').TrimEnd((byte)'.');
        to.Write(text);
        to.Write("Z"u8);
    }

    private static void WriteEscaped(ArrayBufferWriter<byte> to, ReadOnlySpan<byte> text)
    {
        while (!text.IsEmpty)
        {
            var plain = text.IndexOfAny(Special);
            if (plain < 0)
            {
                to.Write(text);
                return;
            }

            to.Write(text[..plain]);
            text = text[plain..];
            var used = 1;
            switch (text[0])
            {
                case (byte)'"':
                    to.Write("\\\""u8);
                    break;
                case (byte)'\\':
                    to.Write("\\\\"u8);
                    break;
                case (byte)'\n':
                    to.Write("\\n"u8);
                    break;
                case (byte)'\r':
                    to.Write("\\r"u8);
                    break;
                case (byte)'\t':
                    to.Write("\\t"u8);
                    break;
                case < 0x80 and var control:
                    to.Write("\\u00"u8);
                    to.Write([Hex(control >> 4), Hex(control & 15)]);
                    break;
                default:
                    if (Rune.DecodeFromUtf8(text, out var rune, out used) != OperationStatus.Done)
                    {
                        to.Write("\\ufffd"u8);
                    }
                    else if (rune.Value is 0x2028 or 0x2029)
                    {
                        to.Write(rune.Value == 0x2028 ? "\\u2028"u8 : "\\u2029"u8);
                    }
                    else
                    {
                        to.Write(text[..used]);
                    }

                    break;
            }

            text = text[used..];
        }
    }

    private static byte Hex(int digit) => (byte)(digit < 10 ? '0' + digit : 'a' + digit - 10);

    /// <summary>What cannot stand in a JSON string as it is, what Go escapes beside that, and the start of everything that is not ASCII.</summary>
    private static byte[] SpecialBytes()
    {
        var bytes = new List<byte> { (byte)'"', (byte)'\\', (byte)'<', (byte)'>', (byte)'&' };
        for (var b = 0; b < 0x20; b++)
        {
            bytes.Add((byte)b);
        }

        for (var b = 0x80; b <= 0xff; b++)
        {
            bytes.Add((byte)b);
        }

        return [.. bytes];
    }
}
