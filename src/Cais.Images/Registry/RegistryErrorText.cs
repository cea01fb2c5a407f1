using System.Net;
using Cais.Oci.Images;

namespace Cais.Images.Registry;

/// <summary>A registry's errors in the sentences that Docker's users know.</summary>
internal static class RegistryErrorText
{
    public static ImageException? Translate(Exception e, Reference name, bool push, RateLimit? limit = null) => e switch
    {
        RegistryException r => OfRegistry(r, name, push, limit),
        HttpRequestException h => new ImageException(ImageErrorKind.Unavailable, h.Message, h),
        HttpIOException h => new ImageException(ImageErrorKind.Unavailable, h.Message, h),
        _ => StoreErrors.Translate(e) ?? (e is IOException and not Linux.LinuxException ? new ImageException(ImageErrorKind.Unavailable, e.Message, e) : null),
    };

    private static ImageException OfRegistry(RegistryException e, Reference name, bool push, RateLimit? limit)
    {
        var kind = e.Status switch
        {
            HttpStatusCode.Unauthorized => ImageErrorKind.Unauthorized,
            HttpStatusCode.Forbidden => ImageErrorKind.Denied,
            HttpStatusCode.NotFound => ImageErrorKind.NotFound,
            _ => ImageErrorKind.Unavailable,
        };
        var message = (push, e.Code, e.Status) switch
        {
            (false, "DENIED", _) => $"pull access denied for {name.FamiliarName}, repository does not exist or may require 'docker login': {e.Message}",
            (false, "UNAUTHORIZED", _) when !e.Message.Contains('"', StringComparison.Ordinal) =>
                $"pull access denied for {name.FamiliarName}, repository does not exist or may require 'docker login': {e.Message}",
            (false, "MANIFEST_UNKNOWN", _) => $"manifest for {name.Familiar} not found: {e.Message}",
            (false, "NAME_UNKNOWN", _) => $"repository {name.FamiliarName} not found: {e.Message}",
            (false, null, HttpStatusCode.NotFound) => $"manifest for {name.Familiar} not found: manifest unknown",
            (_, "TOOMANYREQUESTS", _) or (_, _, HttpStatusCode.TooManyRequests) =>
                $"toomanyrequests: {WithoutCode(e.Message)}{(limit is null ? "" : $" ({limit})")}{(e.RetryAfter is { } wait ? $": try again in {wait.TotalSeconds:0} s" : "")}",
            _ => e.Message,
        };
        return new ImageException(kind, message, e);
    }

    private static string WithoutCode(string message) => message.StartsWith("toomanyrequests: ", StringComparison.Ordinal) ? message["toomanyrequests: ".Length..] : message;
}
