using System.Formats.Tar;
using System.Text.Json;
using Cais.BuildKit.Grpc;
using Cais.Oci;
using Cais.Oci.Images;
using Containerd.Services.Content.V1;
using Google.Protobuf;

namespace Cais.BuildKit.Sessions;

/// <summary>
/// A content store of the client: a directory that is an OCI layout, of which the client keeps the index and the daemon reads and writes the blobs
/// (containerd.services.content.v1). Caches and images go to and come from it.
/// </summary>
internal sealed class ClientContent(Session session, string store)
{
    private const string Service = "/containerd.services.content.v1.Content/";
    private const string StoreKey = "buildkit-attachable-store-id";
    private const int PartLength = 1 << 20;
    private const int LargestManifest = 8 << 20;
    private const int MostDepth = 4;

    /// <summary>Sends all blobs of an OCI archive, and gives what its index names first. Throws <see cref="GrpcException"/> or <see cref="InvalidDataException"/>.</summary>
    public async Task<Descriptor> SendAsync(Stream archive, CancellationToken cancellation)
    {
        const string blobs = "blobs/";
        Descriptor? target = null;
        await using var reader = new TarReader(archive);
        while (await reader.GetNextEntryAsync(cancellationToken: cancellation) is { } entry)
        {
            if (entry.DataStream is not { } content)
            {
                continue;
            }

            var name = entry.Name.StartsWith("./", StringComparison.Ordinal) ? entry.Name[2..] : entry.Name;
            if (name.StartsWith(blobs, StringComparison.Ordinal))
            {
                await WriteAsync(name[blobs.Length..].Replace('/', ':'), content, entry.Length, cancellation);
            }
            else if (name == "index.json")
            {
                using var json = await JsonDocument.ParseAsync(content, cancellationToken: cancellation);
                var first = json.RootElement.GetProperty("manifests")[0];
                target = new Descriptor
                {
                    MediaType = first.GetProperty("mediaType").GetString() ?? "",
                    Digest = Digest.Parse(first.GetProperty("digest").GetString() ?? ""),
                    Size = first.GetProperty("size").GetInt64(),
                };
            }
        }

        return target ?? throw new InvalidDataException("the archive has no index");
    }

    /// <summary>Brings a manifest or index and everything that it names into a directory, as an OCI layout. Throws <see cref="GrpcException"/> or <see cref="InvalidDataException"/>.</summary>
    public async Task FetchAsync(string digest, string directory, CancellationToken cancellation)
    {
        Directory.CreateDirectory(Path.Combine(directory, "blobs/sha256"));
        var (mediaType, size) = await FetchTreeAsync(Digest.Parse(digest), directory, 0, cancellation);
        await File.WriteAllTextAsync(Path.Combine(directory, "oci-layout"), """{"imageLayoutVersion":"1.0.0"}""", cancellation);
        await using var index = File.Create(Path.Combine(directory, "index.json"));
        await using var json = new Utf8JsonWriter(index, PlainJson.Options);
        json.WriteStartObject();
        json.WriteNumber("schemaVersion", 2);
        json.WriteStartArray("manifests");
        json.WriteStartObject();
        json.WriteString("mediaType", mediaType);
        json.WriteString("digest", digest);
        json.WriteNumber("size", size);
        json.WriteEndObject();
        json.WriteEndArray();
        json.WriteEndObject();
    }

    private async Task<(string MediaType, long Size)> FetchTreeAsync(Digest digest, string directory, int depth, CancellationToken cancellation)
    {
        var path = await ReadAsync(digest, directory, cancellation);
        if (depth > MostDepth || new FileInfo(path).Length > LargestManifest)
        {
            throw new InvalidDataException($"{digest} is no manifest that can be read: it is too large or nested too deeply");
        }

        JsonDocument json;
        try
        {
            json = JsonDocument.Parse(await File.ReadAllBytesAsync(path, cancellation));
        }
        catch (JsonException e)
        {
            throw new InvalidDataException($"{digest} is no manifest: {e.Message}", e);
        }

        using (json)
        {
            var root = json.RootElement;
            if (root.TryGetProperty("manifests", out var manifests))
            {
                foreach (var child in manifests.EnumerateArray())
                {
                    await FetchTreeAsync(DigestOf(child), directory, depth + 1, cancellation);
                }
            }

            if (root.TryGetProperty("config", out var config))
            {
                await ReadAsync(DigestOf(config), directory, cancellation);
            }

            if (root.TryGetProperty("layers", out var layers))
            {
                foreach (var layer in layers.EnumerateArray())
                {
                    await ReadAsync(DigestOf(layer), directory, cancellation);
                }
            }

            var type = root.TryGetProperty("mediaType", out var stated) ? stated.GetString() : null;
            return (type ?? (root.TryGetProperty("manifests", out _) ? MediaTypes.OciIndex : MediaTypes.OciManifest), new FileInfo(path).Length);
        }
    }

    /// <summary>Blobs are what their digests say: whoever loads the layout checks that.</summary>
    private async Task<string> ReadAsync(Digest digest, string directory, CancellationToken cancellation)
    {
        var path = Path.Combine(directory, "blobs", digest.Algorithm, digest.Hex);
        if (File.Exists(path))
        {
            return path;
        }

        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        using var call = session.Begin(Service + "Read", Metadata(), cancellation);
        await call.SendAsync(new ReadContentRequest { Digest = digest.ToString() });
        await call.FinishSendingAsync();
        await using var file = File.Create(path);
        while (await call.ReadAsync(ReadContentResponse.Parser) is { } part)
        {
            await file.WriteAsync(part.Data.Memory, cancellation);
        }

        return path;
    }

    private async Task WriteAsync(string digest, Stream content, long size, CancellationToken cancellation)
    {
        using var call = session.Begin(Service + "Write", Metadata(), cancellation);
        try
        {
            await AskAsync(new WriteContentRequest { Action = WriteAction.Stat, Ref = "cais-" + digest, Total = size, Expected = digest });
            var buffer = new byte[(int)Math.Min(PartLength, Math.Max(size, 1))];
            var offset = 0L;
            for (int read; (read = await content.ReadAtLeastAsync(buffer, buffer.Length, throwOnEndOfStream: false, cancellation)) > 0;)
            {
                await AskAsync(new WriteContentRequest { Action = WriteAction.Write, Offset = offset, Data = UnsafeByteOperations.UnsafeWrap(buffer.AsMemory(0, read)) });
                offset += read;
            }

            await AskAsync(new WriteContentRequest { Action = WriteAction.Commit, Offset = offset, Total = size, Expected = digest });
        }
        catch (GrpcException e) when (e.Code == GrpcStatusCode.AlreadyExists)
        {
            // As good as sent.
        }

        async Task AskAsync(WriteContentRequest request)
        {
            await call.SendAsync(request);
            _ = await call.ReadAsync(WriteContentResponse.Parser) ?? throw new GrpcException(GrpcStatusCode.Unavailable, "the client's content store ended the call before the content");
        }
    }

    private static Digest DigestOf(JsonElement descriptor) => descriptor.TryGetProperty("digest", out var text) && Digest.TryParse(text.GetString() ?? "", out var digest)
        ? digest : throw new InvalidDataException("a manifest of the client's names content without digest");

    private IEnumerable<KeyValuePair<string, IReadOnlyList<string>>> Metadata() => [KeyValuePair.Create(StoreKey, (IReadOnlyList<string>)[store])];
}
