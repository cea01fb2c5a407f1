using System.Text.Json;
using Cais.Oci.Images;

namespace Cais.Images.Registry;

/// <summary>Tells what a registry's document is.</summary>
internal static class ManifestKind
{
    /// <summary>The media type of a manifest or index. The document's own word counts first: headers get lost in proxies. Throws <see cref="ImageException"/>.</summary>
    public static string Of(byte[] json, string header)
    {
        string? own = null;
        var schema = 0;
        try
        {
            using var document = JsonDocument.Parse(json);
            if (document.RootElement.ValueKind == JsonValueKind.Object)
            {
                own = document.RootElement.TryGetProperty("mediaType", out var type) && type.ValueKind == JsonValueKind.String ? type.GetString() : null;
                schema = document.RootElement.TryGetProperty("schemaVersion", out var version) && version.TryGetInt32(out var number) ? number : 0;
                own ??= document.RootElement.TryGetProperty("manifests", out _) && schema == 2 && !MediaTypes.IsIndex(header) ? MediaTypes.OciIndex : null;
            }
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException or FormatException)
        {
            throw new ImageException(ImageErrorKind.Corrupt, $"the registry sent a manifest that is no JSON: {e.Message}", e);
        }

        var mediaType = own ?? (MediaTypes.IsIndex(header) || MediaTypes.IsManifest(header) ? header : schema == 2 ? MediaTypes.OciManifest : header);
        return schema == 1 || mediaType is MediaTypes.DockerSchema1 or MediaTypes.DockerSchema1Signed
            ? throw new ImageException(
                ImageErrorKind.InvalidArgument, "Docker Image Format v1 and Docker Image manifest version 2, schema 1 are not supported: push the image again with a newer tool")
            : MediaTypes.IsIndex(mediaType) || MediaTypes.IsManifest(mediaType)
                ? mediaType
                : throw new ImageException(ImageErrorKind.InvalidArgument, $"unsupported media type {mediaType}");
    }
}
