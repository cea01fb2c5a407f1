namespace Cais.Engine.Shims;

/// <summary>How containers of one runtime are run.</summary>
internal sealed record ResolvedRuntime
{
    /// <summary>Another's shim program, with containerd's runtime v2 protocol; null for our own.</summary>
    public string? Shim { get; init; }

    /// <summary>A program with the OCI runtime command line that our shim runs; null for the runtime that is built in.</summary>
    public string? Program { get; init; }

    public RuntimeChoice Choice { get; init; } = new();
}

/// <summary>
/// Finds what a runtime's name means: one of the daemon's configuration, <c>runc</c> or <c>crun</c> where they are installed, a shim by containerd's naming
/// (<c>io.containerd.kata.v2</c> is the program <c>containerd-shim-kata-v2</c>), or the absolute path of a shim or of an OCI runtime.
/// </summary>
internal static class RuntimeResolver
{
    private const string ShimPrefix = "containerd-shim-";

    /// <summary>Null for a name that means nothing, or whose program is not there.</summary>
    public static ResolvedRuntime? Resolve(string name, EngineOptions options)
    {
        if (name == RuntimeChoice.BuiltIn)
        {
            return new ResolvedRuntime();
        }

        if (options.Runtimes.TryGetValue(name, out var choice))
        {
            return choice.Path is { Length: > 0 } path ? OfPath(path, choice)
                : choice.Type is { Length: > 0 } type ? OfType(type, choice)
                : new ResolvedRuntime { Choice = choice };
        }

        if (name.StartsWith('/'))
        {
            return File.Exists(name) ? OfPath(name, new RuntimeChoice()) : null;
        }

        return name is "runc" or "crun" ? Programs.Which(name) is { } known ? new ResolvedRuntime { Program = known } : null
            : name.Contains('.') && !name.Contains('/') ? OfType(name, new RuntimeChoice())
            : null;
    }

    /// <summary>containerd's rule: the last two parts of a name are the shim's name and version.</summary>
    internal static string? ProgramOf(string type) =>
        type.Split('.') is [.., { Length: > 0 } name, { Length: > 0 } version] ? $"{ShimPrefix}{name}-{version}" : null;

    private static ResolvedRuntime OfPath(string path, RuntimeChoice choice) => Path.GetFileName(path).StartsWith(ShimPrefix, StringComparison.Ordinal)
        ? new ResolvedRuntime { Shim = path, Choice = choice }
        : new ResolvedRuntime { Program = path, Choice = choice };

    private static ResolvedRuntime? OfType(string type, RuntimeChoice choice)
    {
        if (type.StartsWith('/'))
        {
            return File.Exists(type) ? new ResolvedRuntime { Shim = type, Choice = choice } : null;
        }

        if (ProgramOf(type) is not { } program)
        {
            return null;
        }

        var beside = Programs.Find(program);
        return Programs.Which(beside) is { } found ? new ResolvedRuntime { Shim = found, Choice = choice }

            // Everything that containerd's own shim for runc does, ours does too.
            : type == "io.containerd.runc.v2" ? new ResolvedRuntime { Program = Programs.Which(choice.BinaryName ?? "runc"), Choice = choice }
            : null;
    }
}
