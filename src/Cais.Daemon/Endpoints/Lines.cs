using System.Buffers;
using System.IO.Pipelines;
using System.Text.Json.Serialization.Metadata;
using Cais.Oci;

namespace Cais.Daemon.Endpoints;

/// <summary>JSON values one after another in a stream, each on its line.</summary>
internal static class Lines
{
    /// <summary>Writes a value and brings it on its way. False when the client is gone.</summary>
    public static async Task<bool> Write<T>(PipeWriter writer, T value, JsonTypeInfo<T> type, ReadOnlyMemory<byte> before = default)
    {
        if (!before.IsEmpty)
        {
            writer.Write(before.Span);
        }

        PlainJson.Write(writer, value, type);
        writer.Write("\r\n"u8);
        return !(await writer.FlushAsync().ConfigureAwait(false)).IsCompleted;
    }
}
