using System.Buffers;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using Cais.Client.Http;

namespace Cais.Client;

/// <summary>A successful answer. Dispose it: a body that was not read to its end costs the connection.</summary>
public sealed class EngineResponse : IDisposable
{
    internal EngineResponse(ResponseHead head, Stream body) => (Head, Body) = (head, body);

    public ResponseHead Head { get; }

    public int Status => Head.Status;

    public Stream Body { get; }

    /// <summary>The whole body. The longest plausible one is the inspect record of a swarm with thousands of objects.</summary>
    public ValueTask<ReadOnlyMemory<byte>> ReadAllAsync(CancellationToken cancellationToken = default) =>
        ReadAllAsync(512 * 1024 * 1024, cancellationToken);

    /// <summary>The whole body, at most <paramref name="limit"/> bytes.</summary>
    public async ValueTask<ReadOnlyMemory<byte>> ReadAllAsync(int limit, CancellationToken cancellationToken = default)
    {
        var writer = new ArrayBufferWriter<byte>(8 * 1024);
        while (true)
        {
            var read = await Body.ReadAsync(writer.GetMemory(4 * 1024), cancellationToken).ConfigureAwait(false);
            if (read == 0)
            {
                return writer.WrittenMemory;
            }

            writer.Advance(read);
            if (writer.WrittenCount > limit)
            {
                throw new InvalidDataException($"the daemon's answer is longer than {limit} bytes");
            }
        }
    }

    /// <exception cref="InvalidDataException">The body is not JSON.</exception>
    public async ValueTask<JsonDocument> ReadDocumentAsync(CancellationToken cancellationToken = default)
    {
        var bytes = await ReadAllAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            return JsonDocument.Parse(bytes);
        }
        catch (JsonException e)
        {
            throw new InvalidDataException($"the daemon's answer is not JSON: {e.Message}", e);
        }
    }

    /// <exception cref="InvalidDataException">The body is not JSON of that shape.</exception>
    public async ValueTask<T> ReadAsync<T>(JsonTypeInfo<T> type, CancellationToken cancellationToken = default)
    {
        var bytes = await ReadAllAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            return JsonSerializer.Deserialize(bytes.Span, type)
                ?? throw new InvalidDataException("the daemon's answer is null");
        }
        catch (JsonException e)
        {
            throw new InvalidDataException($"the daemon's answer is not of the expected shape: {e.Message}", e);
        }
    }

    /// <summary>Takes the body as a stream of JSON values: progress, events, statistics.</summary>
    public JsonStream ReadJsonStream() => new(Body);

    public void Dispose() => Body.Dispose();
}
