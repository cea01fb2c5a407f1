using System.Text.RegularExpressions;
using Cais.Api;
using Cais.Oci.Images;

namespace Cais.Engine.Containers;

/// <summary>What a container's own configuration may be, and how the image's fills it up.</summary>
internal static partial class ConfigRules
{
    private const long OneMillisecond = 1_000_000;

    /// <summary>Throws docker's sentence for a name that is none.</summary>
    public static void CheckName(string name)
    {
        if (!ValidName().IsMatch(name))
        {
            throw EngineException.InvalidParameter($"Invalid container name ({name}), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed");
        }
    }

    public static void Check(ContainerConfig config)
    {
        foreach (var variable in config.Env ?? [])
        {
            if (variable.Length == 0 || variable[0] == '=')
            {
                throw EngineException.InvalidParameter($"invalid environment variable: {variable}");
            }
        }

        if (config.WorkingDir is { Length: > 0 } directory && directory[0] != '/')
        {
            throw EngineException.InvalidParameter($"the working directory '{directory}' is invalid, it needs to be an absolute path");
        }

        if (config.StopSignal is { Length: > 0 } signal)
        {
            ContainerLifecycle.SignalOf(signal, 0);
        }

        if (config.Hostname is { Length: > 0 } hostname && (hostname.Length > 63 || !ValidHostname().IsMatch(hostname)))
        {
            throw EngineException.InvalidParameter($"invalid hostname format: {hostname}");
        }

        if (config.Healthcheck is { } health)
        {
            foreach (var (name, value) in new[]
            {
                ("Interval", health.Interval), ("Timeout", health.Timeout), ("StartPeriod", health.StartPeriod), ("StartInterval", health.StartInterval),
            })
            {
                if (value is not (null or 0) and < OneMillisecond)
                {
                    throw EngineException.InvalidParameter($"{name} in Healthcheck cannot be less than 1ms");
                }
            }

            if (health.Retries < 0)
            {
                throw EngineException.InvalidParameter("Retries in Healthcheck cannot be negative");
            }
        }
    }

    /// <summary>The request's words over the image's, as docker merges them, every member filled in.</summary>
    public static ContainerConfig Merge(ContainerConfig config, ContainerDefaults? image, string id)
    {
        var entrypoint = config.Entrypoint;
        var command = config.Cmd;
        if (entrypoint is not { Count: > 0 })
        {
            // Who replaces the entry point means his own command only; who does not keeps the image's where he gives none.
            command = command is { Count: > 0 } ? command : image?.Cmd;
            entrypoint ??= image?.Entrypoint;
        }

        if (entrypoint is [""])
        {
            entrypoint = null;
        }

        return config with
        {
            Hostname = config.Hostname is { Length: > 0 } hostname ? hostname : id[..12],
            Domainname = config.Domainname ?? "",
            User = string.IsNullOrEmpty(config.User) ? image?.User ?? "" : config.User,
            AttachStdin = config.AttachStdin ?? false,
            AttachStdout = config.AttachStdout ?? false,
            AttachStderr = config.AttachStderr ?? false,
            Tty = config.Tty ?? false,
            OpenStdin = config.OpenStdin ?? false,
            StdinOnce = config.StdinOnce ?? false,
            ExposedPorts = Union(config.ExposedPorts, image?.ExposedPorts?.Keys),
            Env = Environment(config.Env, image?.Env),
            Cmd = command is { Count: > 0 } ? command : null,
            Entrypoint = entrypoint is { Count: > 0 } ? entrypoint : null,
            Healthcheck = Health(config.Healthcheck, image?.Healthcheck),
            Volumes = Union(config.Volumes, image?.Volumes?.Keys),
            WorkingDir = config.WorkingDir is { Length: > 0 } directory ? MountParser.Clean(directory) : image?.WorkingDir ?? "",
            Labels = Labels(config.Labels, image?.Labels),
            StopSignal = string.IsNullOrEmpty(config.StopSignal) ? image?.StopSignal : config.StopSignal,
            StopTimeout = config.StopTimeout ?? image?.StopTimeout,
            Shell = config.Shell ?? image?.Shell,
            OnBuild = config.OnBuild,
        };
    }

    private static List<string> Environment(IReadOnlyList<string>? own, IReadOnlyList<string>? image)
    {
        var variables = new List<string>(own ?? []);
        var names = variables.Select(Name).ToHashSet();
        variables.AddRange((image ?? []).Where(v => names.Add(Name(v))));
        return variables;

        static string Name(string variable) => variable.Split('=', 2)[0];
    }

    private static Dictionary<string, string> Labels(IReadOnlyDictionary<string, string>? own, IReadOnlyDictionary<string, string>? image)
    {
        var labels = new Dictionary<string, string>(image ?? new Dictionary<string, string>());
        foreach (var (name, value) in own ?? new Dictionary<string, string>())
        {
            labels[name] = value;
        }

        return labels;
    }

    private static Dictionary<string, IReadOnlyDictionary<string, System.Text.Json.JsonElement>?>? Union(
        IReadOnlyDictionary<string, IReadOnlyDictionary<string, System.Text.Json.JsonElement>?>? own, IEnumerable<string>? image)
    {
        var empty = new Dictionary<string, System.Text.Json.JsonElement>();
        var set = (own?.Keys ?? []).Concat(image ?? []).Distinct().ToDictionary(k => k, IReadOnlyDictionary<string, System.Text.Json.JsonElement>? (_) => empty);
        return set.Count > 0 ? set : null;
    }

    private static HealthConfig? Health(HealthConfig? own, HealthCheck? image)
    {
        if (image is null)
        {
            return own;
        }

        return new HealthConfig
        {
            Test = own?.Test is { Count: > 0 } ? own.Test : image.Test,
            Interval = own?.Interval is > 0 ? own.Interval : image.Interval,
            Timeout = own?.Timeout is > 0 ? own.Timeout : image.Timeout,
            StartPeriod = own?.StartPeriod is > 0 ? own.StartPeriod : image.StartPeriod,
            StartInterval = own?.StartInterval is > 0 ? own.StartInterval : image.StartInterval,
            Retries = own?.Retries is > 0 ? own.Retries : image.Retries,
        };
    }

    [GeneratedRegex("^[a-zA-Z0-9][a-zA-Z0-9_.-]+$", RegexOptions.CultureInvariant)]
    private static partial Regex ValidName();

    [GeneratedRegex("^[a-zA-Z0-9_.-]+$", RegexOptions.CultureInvariant)]
    private static partial Regex ValidHostname();
}
