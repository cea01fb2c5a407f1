using System.Text.Json;

namespace Cais.Cli.Commands.Containers;

/// <summary><c>--security-opt</c>: the daemon gets the content of a seccomp profile, not its path, because it may run elsewhere.</summary>
internal static class SecurityOptions
{
    /// <exception cref="FormatException">The profile cannot be read or is not JSON.</exception>
    /// <returns>The options for the daemon, and whether the paths of the system are to be neither masked nor read-only.</returns>
    public static (IReadOnlyList<string> Options, bool UnconfinedPaths) Resolve(IReadOnlyList<string> options)
    {
        const string Paths = "systempaths=unconfined";
        return ([.. options.Where(static o => o != Paths).Select(Resolve)], options.Contains(Paths));
    }

    private static string Resolve(string option)
    {
        var separator = option.IndexOf('=') is > 0 and var equals ? equals : option.IndexOf(':');
        if (separator < 0)
        {
            return option is "no-new-privileges" ? option : throw new FormatException($"Invalid --security-opt: {GoQuote.Quote(option)}");
        }

        var (key, value) = (option[..separator], option[(separator + 1)..]);
        if (key != "seccomp" || value is "unconfined" or "builtin")
        {
            return option;
        }

        try
        {
            using var profile = JsonDocument.Parse(File.ReadAllBytes(value));
            return "seccomp=" + GoJson.Serialize(GoJson.FromElement(profile.RootElement));
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException)
        {
            throw new FormatException($"opening seccomp profile ({value}) failed: open {value}: no such file or directory");
        }
        catch (JsonException e)
        {
            throw new FormatException($"compacting json for seccomp profile ({value}) failed: not JSON at line {e.LineNumber + 1}, column {e.BytePositionInLine + 1}");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new FormatException($"opening seccomp profile ({value}) failed: {e.Message}");
        }
    }
}
