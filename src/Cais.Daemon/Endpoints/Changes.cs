using System.Text.Json;
using Cais.Api;
using Cais.Engine;
using Cais.Oci.Images;

namespace Cais.Daemon.Endpoints;

/// <summary>The Dockerfile instructions that import and commit take: <c>CMD ["sh"]</c>, <c>ENV A=b</c> and the like.</summary>
internal static class Changes
{
    public static ContainerDefaults? Apply(IReadOnlyList<string> changes, ContainerDefaults? to = null)
    {
        if (changes.Count == 0)
        {
            return to;
        }

        var config = to ?? new ContainerDefaults();
        var hasCommand = false;
        foreach (var line in changes.SelectMany(c => c.Split('\n')).Select(l => l.Trim()).Where(l => l.Length > 0))
        {
            var space = line.IndexOfAny([' ', '\t']);
            var word = (space < 0 ? line : line[..space]).ToUpperInvariant();
            var rest = space < 0 ? "" : line[space..].Trim();
            hasCommand |= word == "CMD";
            config = word switch
            {
                "CMD" => config with { Cmd = Command(rest) },

                // Whoever sets the entry point alone does not mean the old command as its arguments.
                "ENTRYPOINT" => config with { Entrypoint = Command(rest), Cmd = hasCommand ? config.Cmd : null },
                "HEALTHCHECK" => config with { Healthcheck = Healthcheck(rest) },
                "ENV" => config with { Env = Environment(config.Env, rest) },
                "EXPOSE" => config with { ExposedPorts = Add(config.ExposedPorts, rest.Split(' ', StringSplitOptions.RemoveEmptyEntries).Select(p => p.Contains('/') ? p : p + "/tcp")) },
                "LABEL" => config with { Labels = Labels(config.Labels, rest) },
                "ONBUILD" => config with { OnBuild = [.. config.OnBuild ?? [], rest] },
                "USER" => config with { User = rest },
                "VOLUME" => config with { Volumes = Add(config.Volumes, rest.StartsWith('[') ? Command(rest) : rest.Split(' ', StringSplitOptions.RemoveEmptyEntries)) },
                "WORKDIR" => config with { WorkingDir = Path.Combine(config.WorkingDir is { Length: > 0 } before ? before : "/", rest.Trim('"')) },
                "STOPSIGNAL" => config with { StopSignal = rest },
                _ => throw EngineException.InvalidParameter($"{word.ToUpperInvariant()} is not a valid change command"),
            };
        }

        return config;
    }

    private static IReadOnlyList<string> Command(string text)
    {
        if (text.StartsWith('['))
        {
            try
            {
                return JsonSerializer.Deserialize(text, ApiJson.Default.IReadOnlyListString) ?? [];
            }
            catch (JsonException)
            {
                // Then it is a shell's line that begins with a bracket.
            }
        }

        return ["/bin/sh", "-c", text];
    }

    /// <summary><c>NONE</c>, or options and <c>CMD</c>.</summary>
    private static HealthCheck Healthcheck(string text)
    {
        var health = new HealthCheck();
        while (text.StartsWith("--", StringComparison.Ordinal))
        {
            var end = text.IndexOf(' ');
            var (option, equals) = (end < 0 ? text : text[..end], text.IndexOf('='));
            text = end < 0 ? "" : text[end..].Trim();
            var name = equals < 0 || equals > option.Length ? option : option[..equals];
            var value = option[Math.Min(option.Length, name.Length + 1)..];
            long Nanoseconds() => Durations.TryParse(value, out var span)
                ? span.Ticks * 100
                : throw EngineException.InvalidParameter($"time: invalid duration \"{value}\" for {name}");
            health = name switch
            {
                "--interval" => health with { Interval = Nanoseconds() },
                "--timeout" => health with { Timeout = Nanoseconds() },
                "--start-period" => health with { StartPeriod = Nanoseconds() },
                "--start-interval" => health with { StartInterval = Nanoseconds() },
                "--retries" when int.TryParse(value, out var retries) => health with { Retries = retries },
                _ => throw EngineException.InvalidParameter($"unknown flag: {name}"),
            };
        }

        var space = text.IndexOfAny([' ', '\t']);
        var command = space < 0 ? "" : text[space..].Trim();
        return (space < 0 ? text : text[..space]).ToUpperInvariant() switch
        {
            "NONE" => new HealthCheck { Test = ["NONE"] },
            "CMD" when command.StartsWith('[') && Command(command) is [not "/bin/sh", ..] words => health with { Test = ["CMD", .. words] },
            "CMD" when command.Length > 0 => health with { Test = ["CMD-SHELL", command] },
            var type => throw EngineException.InvalidParameter($"Unknown type \"{type}\" in HEALTHCHECK (try CMD)"),
        };
    }

    private static List<string> Environment(IReadOnlyList<string>? before, string text)
    {
        var variables = new List<string>(before ?? []);
        foreach (var (name, value) in Pairs(text, "ENV"))
        {
            variables.RemoveAll(v => v.StartsWith(name + "=", StringComparison.Ordinal));
            variables.Add($"{name}={value}");
        }

        return variables;
    }

    private static Dictionary<string, string> Labels(IReadOnlyDictionary<string, string>? before, string text)
    {
        var labels = new Dictionary<string, string>(before ?? new Dictionary<string, string>());
        foreach (var (name, value) in Pairs(text, "LABEL"))
        {
            labels[name] = value;
        }

        return labels;
    }

    private static Dictionary<string, EmptyObject?> Add(IReadOnlyDictionary<string, EmptyObject?>? before, IEnumerable<string> names)
    {
        var set = new Dictionary<string, EmptyObject?>(before ?? new Dictionary<string, EmptyObject?>());
        foreach (var name in names)
        {
            set[name] = EmptyObject.Value;
        }

        return set;
    }

    /// <summary><c>A=1 B="two words"</c>, or <c>A the rest of the line</c>.</summary>
    private static IEnumerable<(string Name, string Value)> Pairs(string text, string word)
    {
        var firstSpace = text.IndexOf(' ');
        var firstEquals = text.IndexOf('=');
        if (firstEquals < 0 || (firstSpace >= 0 && firstSpace < firstEquals))
        {
            yield return firstSpace > 0
                ? (text[..firstSpace], text[firstSpace..].Trim())
                : throw EngineException.InvalidParameter($"{word} must have two arguments");
            yield break;
        }

        var at = 0;
        while (at < text.Length)
        {
            var equals = text.IndexOf('=', at);
            if (equals < 0)
            {
                throw EngineException.InvalidParameter($"Syntax error - can't find = in \"{text[at..]}\". Must be of the form: name=value");
            }

            var name = text[at..equals].Trim('"');
            var value = new System.Text.StringBuilder();
            var quote = '\0';
            var i = equals + 1;
            for (; i < text.Length && (quote != '\0' || text[i] != ' '); i++)
            {
                if (text[i] == '\\' && i + 1 < text.Length && quote != '\'')
                {
                    value.Append(text[++i]);
                }
                else if (quote != '\0' ? text[i] == quote : text[i] is '"' or '\'')
                {
                    quote = quote == '\0' ? text[i] : '\0';
                }
                else
                {
                    value.Append(text[i]);
                }
            }

            yield return (name, value.ToString());
            at = i;
            while (at < text.Length && text[at] == ' ')
            {
                at++;
            }
        }
    }
}
