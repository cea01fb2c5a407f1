using Cais.Images;
using Cais.Networking;
using Cais.Ttrpc;

namespace Cais.Engine.Containers;

/// <summary>What a failed start means: an exit code by the shells' convention, and a sentence in which docker's client finds it again.</summary>
internal static class StartErrors
{
    public const int NotFound = 127;
    public const int NotExecutable = 126;
    public const int Other = 128;

    public static (int ExitCode, EngineException Error) Explain(Exception e)
    {
        switch (e)
        {
            case EngineException known:
                return (Other, known);
            case NetworkException network:
                var failed = Of(network);
                return (Other, new EngineException(failed.Kind, "failed to set up container networking: " + failed.Message, network));
            case ImageException image:
                return (Other, new EngineException(ErrorKind.System, image.Message, image));
        }

        var reason = e is TtrpcException ? e.Message.TrimEnd() : $"{e.Message}";
        var message = "failed to create task for container: failed to create shim task: "
            + (reason.StartsWith("OCI runtime", StringComparison.Ordinal) ? reason : $"OCI runtime create failed: {reason}");
        if (Contains(reason, "executable file not found") || Contains(reason, "no such file or directory") || Contains(reason, "system cannot find the file specified"))
        {
            return (NotFound, new EngineException(ErrorKind.InvalidParameter, message, e));
        }

        if (Contains(reason, "permission denied") || Contains(reason, "is a directory") || Contains(reason, "exec format error"))
        {
            return (NotExecutable, new EngineException(ErrorKind.InvalidParameter, message, e));
        }

        if (Contains(reason, "not a directory"))
        {
            message += ": Are you trying to mount a directory onto a file (or vice-versa)? Check if the specified host path exists and is the expected type";
            return (NotExecutable, new EngineException(ErrorKind.InvalidParameter, message, e));
        }

        return (Other, new EngineException(ErrorKind.System, message, e));
    }

    /// <summary>A network error as the API answers it.</summary>
    public static EngineException Of(NetworkException e) => new(
        e.Error switch
        {
            NetworkError.NotFound => ErrorKind.NotFound,
            NetworkError.Conflict => ErrorKind.Conflict,
            NetworkError.Forbidden => ErrorKind.Forbidden,
            NetworkError.InvalidParameter => ErrorKind.InvalidParameter,
            NetworkError.Unsupported => ErrorKind.NotImplemented,
            _ => ErrorKind.System,
        },
        e.Message,
        e);

    private static bool Contains(string text, string part) => text.Contains(part, StringComparison.OrdinalIgnoreCase);
}
