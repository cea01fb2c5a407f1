using System.Diagnostics.CodeAnalysis;
using Cais.Build.Language;
using Cais.Build.Language.Expansion;
using Cais.Oci.Images;

namespace Cais.Build.Planning;

/// <summary>What FROM lines see: the platform arguments, and the ARGs before the first FROM.</summary>
internal sealed class GlobalScope : IVariables
{
    /// <summary>Arguments that RUN gets without ARG, and that never count as a change.</summary>
    public static readonly string[] Proxies =
    [
        "HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "FTP_PROXY", "ftp_proxy", "NO_PROXY", "no_proxy", "ALL_PROXY", "all_proxy",
    ];

    private readonly Dictionary<string, string> _values;

    private GlobalScope(Dictionary<string, string> values) => _values = values;

    public IEnumerable<string> Names => _values.Keys;

    public static GlobalScope Read(Dockerfile file, BuildOptions options, string targetName)
    {
        var values = PlatformArguments(options.Platform, "TARGET").Concat(PlatformArguments(options.BuildPlatform, "BUILD")).ToDictionary();
        values["TARGETSTAGE"] = targetName;
        foreach (var name in values.Keys.Where(options.Arguments.ContainsKey).ToList())
        {
            values[name] = options.Arguments[name];
        }

        var scope = new GlobalScope(values);
        var expander = new ShellExpander(file.Directives.Escape);
        foreach (var instruction in file.GlobalArguments)
        {
            foreach (var argument in instruction.Arguments)
            {
                var name = Located(argument.Name, () => expander.Expand(argument.Name.Value, scope));
                if (options.Arguments.TryGetValue(name, out var given))
                {
                    values[name] = given;
                }
                else if (argument.Default is { } text)
                {
                    values[name] = Located(text, () => expander.Expand(text.Value, scope));
                }
            }
        }

        return scope;
    }

    public bool TryGet(string name, [NotNullWhen(true)] out string? value) => _values.TryGetValue(name, out value);

    /// <summary>Turns an expansion's error into one that knows its place.</summary>
    public static T Located<T>(Text text, Func<T> expand)
    {
        try
        {
            return expand();
        }
        catch (ExpansionException e)
        {
            throw new DockerfileException($"failed to process \"{text.Value}\": {e.Message}", text.Range, null, e);
        }
    }

    private static Dictionary<string, string> PlatformArguments(Platform platform, string prefix) => new()
    {
        [prefix + "PLATFORM"] = platform.ToString(),
        [prefix + "OS"] = platform.Os,
        [prefix + "ARCH"] = platform.Architecture,
        [prefix + "VARIANT"] = platform.Variant ?? "",
        [prefix + "OSVERSION"] = platform.OsVersion ?? "",
    };
}

/// <summary>Build arguments that need no ARG.</summary>
public static class BuildArguments
{
    /// <summary>Proxies, platforms, and those that steer the builder.</summary>
    public static bool IsPredefined(string name)
    {
        ArgumentNullException.ThrowIfNull(name);
        return GlobalScope.Proxies.Contains(name) || name is "SOURCE_DATE_EPOCH" || name.StartsWith("BUILDKIT_", StringComparison.Ordinal)
            || (name.StartsWith("TARGET", StringComparison.Ordinal) && name[6..] is "PLATFORM" or "OS" or "ARCH" or "VARIANT" or "STAGE" or "OSVERSION")
            || (name.StartsWith("BUILD", StringComparison.Ordinal) && name[5..] is "PLATFORM" or "OS" or "ARCH" or "VARIANT" or "OSVERSION");
    }
}
