using System.Net;

namespace Cais.Images.Registry;

/// <summary>A registry answered with an error. <see cref="Code"/> is its own code (MANIFEST_UNKNOWN), if it gave one.</summary>
internal sealed class RegistryException(HttpStatusCode status, string? code, string message, TimeSpan? retryAfter = null) : Exception(message)
{
    public HttpStatusCode Status { get; } = status;

    public string? Code { get; } = code;

    public TimeSpan? RetryAfter { get; } = retryAfter;

    /// <summary>Another attempt may succeed.</summary>
    public bool IsTransient => Status is HttpStatusCode.TooManyRequests or HttpStatusCode.RequestTimeout or >= HttpStatusCode.InternalServerError;
}
