using Cais.Linux;
using Cais.Runtime;
using Cais.Ttrpc;

namespace Cais.Shim.Tasks;

/// <summary>Failures as callers of the Task service know them.</summary>
internal static class TaskErrors
{
    public static TtrpcException NotFound(string message) => new(TtrpcStatusCode.NotFound, message + ": not found");

    public static TtrpcException Exists(string message) => new(TtrpcStatusCode.AlreadyExists, message + ": already exists");

    public static TtrpcException WrongState(string message) => new(TtrpcStatusCode.FailedPrecondition, message + ": failed precondition");

    public static TtrpcException Invalid(string message) => new(TtrpcStatusCode.InvalidArgument, message + ": invalid argument");

    /// <summary>Runs a step of the runtime and says what it was if it fails: <c>OCI runtime create failed: …</c>.</summary>
    public static async Task<T> Explain<T>(string verb, Func<Task<T>> step)
    {
        try
        {
            return await step();
        }
        catch (RuntimeException e)
        {
            throw new TtrpcException(Code(e.Error), $"OCI runtime {verb} failed: {e.Message}");
        }
        catch (LinuxException e)
        {
            throw new TtrpcException(TtrpcStatusCode.Unknown, $"OCI runtime {verb} failed: {e.Message}");
        }
        catch (System.Text.Json.JsonException e)
        {
            throw new TtrpcException(TtrpcStatusCode.InvalidArgument, $"OCI runtime {verb} failed: malformed configuration: {e.Message}");
        }
        catch (IOException e)
        {
            throw new TtrpcException(TtrpcStatusCode.Unknown, $"OCI runtime {verb} failed: {e.Message}");
        }
    }

    public static Task Explain(string verb, Func<Task> step) => Explain(verb, async () =>
    {
        await step();
        return true;
    });

    private static TtrpcStatusCode Code(RuntimeError error) => error switch
    {
        RuntimeError.InvalidConfig => TtrpcStatusCode.InvalidArgument,
        RuntimeError.NotFound => TtrpcStatusCode.NotFound,
        RuntimeError.AlreadyExists => TtrpcStatusCode.AlreadyExists,
        RuntimeError.WrongState => TtrpcStatusCode.FailedPrecondition,
        _ => TtrpcStatusCode.Unknown,
    };
}
