using Cais.Engine;
using Cais.Images;
using Cais.Networking;
using Cais.Oci.Images;
using Microsoft.AspNetCore.Http;

namespace Cais.Daemon.Http;

/// <summary>What an exception is to a client: a status and one sentence.</summary>
internal static class Errors
{
    public static int Status(Exception e) => e switch
    {
        EngineException { Kind: var kind } => kind switch
        {
            ErrorKind.NotModified => StatusCodes.Status304NotModified,
            ErrorKind.InvalidParameter => StatusCodes.Status400BadRequest,
            ErrorKind.Unauthorized => StatusCodes.Status401Unauthorized,
            ErrorKind.Forbidden => StatusCodes.Status403Forbidden,
            ErrorKind.NotFound => StatusCodes.Status404NotFound,
            ErrorKind.Conflict => StatusCodes.Status409Conflict,
            ErrorKind.NotImplemented => StatusCodes.Status501NotImplemented,
            ErrorKind.Unavailable => StatusCodes.Status503ServiceUnavailable,
            _ => StatusCodes.Status500InternalServerError,
        },
        ImageException { Kind: var kind } => kind switch
        {
            ImageErrorKind.NotFound or ImageErrorKind.Denied => StatusCodes.Status404NotFound,
            ImageErrorKind.InvalidArgument => StatusCodes.Status400BadRequest,
            ImageErrorKind.Conflict => StatusCodes.Status409Conflict,
            ImageErrorKind.Unauthorized => StatusCodes.Status401Unauthorized,
            _ => StatusCodes.Status500InternalServerError,
        },
        ImageFormatException => StatusCodes.Status400BadRequest,
        NetworkException { Error: var error } => error switch
        {
            NetworkError.NotFound => StatusCodes.Status404NotFound,
            NetworkError.Conflict => StatusCodes.Status409Conflict,
            NetworkError.Forbidden => StatusCodes.Status403Forbidden,
            NetworkError.InvalidParameter => StatusCodes.Status400BadRequest,
            NetworkError.Unsupported => StatusCodes.Status501NotImplemented,
            _ => StatusCodes.Status500InternalServerError,
        },
        BadHttpRequestException bad => bad.StatusCode,
        _ => StatusCodes.Status500InternalServerError,
    };

    public static string Message(Exception e) => e.Message.Length > 0 ? e.Message : e.GetType().Name;

    /// <summary>For the daemon's log: the causes too.</summary>
    public static string Detail(Exception e) => e switch
    {
        EngineException => e.InnerException is { } cause ? $"{e.Message} ({cause.GetType().Name}: {cause.Message})" : e.Message,
        _ => $"{e.GetType().Name}: {e.Message} {e.StackTrace}",
    };
}
