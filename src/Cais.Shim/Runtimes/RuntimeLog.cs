using System.Text.Json;
using Cais.Linux;
using Cais.Runtime;

namespace Cais.Shim.Runtimes;

/// <summary>Finds out from an OCI runtime's JSON log why it failed.</summary>
internal static class RuntimeLog
{
    /// <summary>The failure in the runtime's words, as containerd's shims phrase it.</summary>
    public static RuntimeException Explain(string binary, string verb, ExitStatus status, string logPath, string output)
    {
        var name = Path.GetFileName(binary);
        var words = InClientsWords(LastError(logPath) ?? (output.Trim() is { Length: > 0 } printed ? printed : null));
        var message = words is not null ? $"{name} {verb} failed: {words}"
            : status.Signal != 0 ? $"{name} {verb} was killed by {Signals.Name(status.Signal)}"
            : $"{name} {verb} ended with exit code {status.Code} and without a word";
        return new RuntimeException(Classify(words ?? ""), message);
    }

    /// <summary>Clients find out by Go's spelling of an error why a program did not run, and choose their exit code; C's strerror has a capital letter.</summary>
    private static string? InClientsWords(string? words)
    {
        foreach (var reason in (string[])["No such file or directory", "Permission denied", "Not a directory", "Is a directory", "Exec format error"])
        {
            words = words?.Replace(reason, char.ToLowerInvariant(reason[0]) + reason[1..], StringComparison.Ordinal);
        }

        return words;
    }

    private static string? LastError(string path)
    {
        string? last = null;
        try
        {
            foreach (var line in File.ReadLines(path))
            {
                last = ErrorOf(line) ?? last;
            }
        }
        catch (IOException)
        {
            // The runtime did not get as far as its log.
        }

        return last;
    }

    private static string? ErrorOf(string line)
    {
        try
        {
            using var entry = JsonDocument.Parse(line);
            return entry.RootElement.ValueKind == JsonValueKind.Object
                && entry.RootElement.TryGetProperty("level", out var level)
                && level.GetString() is "error" or "fatal"
                && entry.RootElement.TryGetProperty("msg", out var message)
                    ? message.GetString() : null;
        }
        catch (JsonException)
        {
            return null;
        }
    }

    /// <summary>Runtimes have no error codes; these sentences have been stable in runc and crun for years.</summary>
    private static RuntimeError Classify(string words)
    {
        return Has("container does not exist") || Has("container not found") || Has("error opening file") && Has("/status")
            || Has("container with given ID") && Has("does not exist") ? RuntimeError.NotFound
            : Has("process already finished") || Has("process not running") || Has("not running") || Has("No such process") ? RuntimeError.WrongState
            : Has("executable file") && Has("not found") || Has("exec:") ? RuntimeError.Executable
            : RuntimeError.Failed;

        bool Has(string part) => words.Contains(part, StringComparison.OrdinalIgnoreCase);
    }
}
