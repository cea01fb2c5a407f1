using System.Buffers;
using Microsoft.Win32.SafeHandles;

namespace Cais.Engine.Logs.Files;

/// <summary>Docker's json-file format: a JSON object a line.</summary>
/// <param name="attributes">What goes into each line's <c>attrs</c>, as JSON; empty for none.</param>
internal sealed class JsonFormat(byte[] attributes) : ILogFormat
{
    public void Write(ArrayBufferWriter<byte> to, in LogLine line) => JsonLine.Write(to, line.Time, line.Stream, line.Text, attributes);

    public int LengthOf(ReadOnlySpan<byte> bytes) => bytes.IndexOf((byte)'\n') + 1;

    public bool TryRead(ReadOnlySpan<byte> record, out LogEntry entry, out string? attributes) => JsonLine.TryRead(record, out entry, out attributes);

    public long Count(Stream stream)
    {
        var buffer = new byte[64 << 10];
        var count = 0L;
        int read;
        while ((read = stream.Read(buffer)) > 0)
        {
            count += buffer.AsSpan(0, read).Count((byte)'\n');
        }

        return count;
    }

    public long WholeLength(SafeFileHandle file)
    {
        var buffer = new byte[4096];
        for (var end = RandomAccess.GetLength(file); end > 0;)
        {
            var start = Math.Max(0, end - buffer.Length);
            var read = RandomAccess.Read(file, buffer.AsSpan(0, (int)(end - start)), start);
            var newline = buffer.AsSpan(0, read).LastIndexOf((byte)'\n');
            if (newline >= 0)
            {
                return start + newline + 1;
            }

            end = start;
        }

        return 0;
    }
}
