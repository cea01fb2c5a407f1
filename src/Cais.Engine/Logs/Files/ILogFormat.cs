using System.Buffers;
using Microsoft.Win32.SafeHandles;

namespace Cais.Engine.Logs.Files;

/// <summary>How entries stand in a log file, one after another.</summary>
internal interface ILogFormat
{
    /// <summary>What <see cref="LengthOf"/> says of bytes that cannot be a record, whatever follows them.</summary>
    const int Damaged = -1;

    void Write(ArrayBufferWriter<byte> to, in LogLine line);

    /// <summary>Bytes of the record that begins here; 0 when not all of it is there; <see cref="Damaged"/>.</summary>
    int LengthOf(ReadOnlySpan<byte> bytes);

    /// <summary>Reads a record; false when it is not one. Attributes are as <c>docker logs --details</c> shows them: <c>a=1,b=2</c>.</summary>
    bool TryRead(ReadOnlySpan<byte> record, out LogEntry entry, out string? attributes);

    /// <summary>How many records there are in the rest of a stream.</summary>
    long Count(Stream stream);

    /// <summary>The file's length without a record that a crash tore at its end.</summary>
    long WholeLength(SafeFileHandle file);
}
