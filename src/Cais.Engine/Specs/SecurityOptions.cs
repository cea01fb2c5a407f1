namespace Cais.Engine.Specs;

/// <summary>What <c>--security-opt</c> asks for.</summary>
internal sealed record SecurityOptions
{
    /// <summary>A profile's JSON, <c>unconfined</c>, <c>builtin</c>, or null for the daemon's.</summary>
    public string? Seccomp { get; init; }

    public string? AppArmor { get; init; }

    public bool? NoNewPrivileges { get; init; }

    /// <summary>Whether the paths that are usually masked are not.</summary>
    public bool SystemPathsUnconfined { get; init; }

    public bool WritableCgroups { get; init; }

    public IReadOnlyList<string> Labels { get; init; } = [];

    /// <summary>Throws docker's sentence for what it does not know.</summary>
    public static SecurityOptions Parse(IReadOnlyList<string>? options)
    {
        var result = new SecurityOptions();
        foreach (var option in options ?? [])
        {
            if (option == "no-new-privileges")
            {
                result = result with { NoNewPrivileges = true };
                continue;
            }

            var separator = option.IndexOf('=');
            if (separator < 0)
            {
                separator = option.IndexOf(':');
            }

            if (separator < 0)
            {
                throw EngineException.InvalidParameter($"invalid --security-opt 1: \"{option}\"");
            }

            var value = option[(separator + 1)..];
            result = option[..separator] switch
            {
                "seccomp" => result with { Seccomp = value },
                "apparmor" => result with { AppArmor = value },
                "label" => result with { Labels = [.. result.Labels, value] },
                "no-new-privileges" => result with
                {
                    NoNewPrivileges = bool.TryParse(value, out var on) ? on : throw EngineException.InvalidParameter($"invalid --security-opt 2: \"{option}\""),
                },
                "systempaths" when value == "unconfined" => result with { SystemPathsUnconfined = true },
                "writable-cgroups" => result with { WritableCgroups = value is "true" or "1" },
                _ => throw EngineException.InvalidParameter($"invalid --security-opt 2: \"{option}\""),
            };
        }

        return result;
    }
}
