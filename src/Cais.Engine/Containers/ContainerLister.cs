using System.Globalization;
using Cais.Networking;

namespace Cais.Engine.Containers;

/// <summary>Chooses containers by docker's filters.</summary>
internal sealed class ContainerLister(EngineServices services, ContainerNetwork networks)
{
    private static readonly string[] States = ["created", "restarting", "running", "removing", "paused", "exited", "dead"];

    /// <param name="filters">As the API has them.</param>
    /// <param name="all">Also those that do not run.</param>
    /// <param name="limit">Only so many, the newest; also those that do not run.</param>
    public IReadOnlyList<Container> List(Filters filters, bool all, int? limit)
    {
        filters.Accept(
            "ancestor", "before", "exited", "expose", "health", "id", "is-task", "isolation", "label", "name", "network", "publish", "since", "status", "volume");
        foreach (var status in filters["status"])
        {
            if (!States.Contains(status))
            {
                throw EngineException.InvalidParameter($"invalid filter 'status={status}': invalid value for state ({status}): must be one of created, running, paused, restarting, removing, exited, dead");
            }

            all = true;
        }

        var exitCodes = new List<int>();
        foreach (var code in filters["exited"])
        {
            exitCodes.Add(int.TryParse(code, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var number)
                ? number
                : throw EngineException.InvalidParameter($"invalid filter 'exited={code}': strconv.Atoi: parsing \"{code}\": invalid syntax"));
            all = true;
        }

        foreach (var health in filters["health"])
        {
            if (health is not ("starting" or "healthy" or "unhealthy" or "none"))
            {
                throw EngineException.InvalidParameter($"invalid filter 'health={health}': invalid value for health ({health}): must be one of none, starting, healthy, unhealthy");
            }
        }

        var before = filters["before"] is [var earlier, ..] ? services.Containers.Get(earlier).Record.Created : (DateTimeOffset?)null;
        var since = filters["since"] is [var later, ..] ? services.Containers.Get(later).Record.Created : (DateTimeOffset?)null;
        if (before is not null || since is not null || limit > 0)
        {
            all = true;
        }

        var ancestors = filters["ancestor"].Select(ImageId).ToList();
        var wantedNetworks = filters["network"].Select(n => services.Networks.Find(n)?.Name ?? n).ToList();
        var tasksOnly = filters.Has("is-task") && filters.Flag("is-task", false);
        var chosen = services.Containers.List().Where(container =>
        {
            var record = container.Record;
            var status = container.Status;
            return (all || status.IsRunning)
                && !tasksOnly
                && !(before is { } b && record.Created >= b)
                && !(since is { } s && record.Created <= s)
                && filters.Exact("status", status.Name)
                && (exitCodes.Count == 0 || (status is { IsRunning: false, StartedAt: not null } && exitCodes.Contains(status.ExitCode)))
                && filters.Exact("health", status.Health?.Status ?? "none")
                && (filters["id"] is not { Count: > 0 } ids || ids.Any(i => record.Id.StartsWith(i, StringComparison.Ordinal)))
                && NameMatches(filters, record.Name)
                && filters.Labels("label", record.Config.Labels)
                && (ancestors.Count == 0 || ancestors.Contains(record.ImageId))
                && (filters["volume"] is not { Count: > 0 } volumes || record.Mounts.Any(m => volumes.Contains(m.Name) || volumes.Contains(m.Destination) || volumes.Contains(m.Source)))
                && (wantedNetworks.Count == 0 || record.Networks.Keys.Any(n => wantedNetworks.Contains(services.Networks.Find(n)?.Name ?? n)))
                && PortMatches(filters["publish"], [.. (record.HostConfig.PortBindings?.Keys ?? []), .. Published(container)])
                && PortMatches(filters["expose"], [.. record.Config.ExposedPorts?.Keys ?? []]);
        });
        return [.. limit > 0 ? chosen.Take(limit.Value) : chosen];
    }

    private static bool NameMatches(Filters filters, string name) =>
        filters["name"] is not { Count: > 0 } names || filters.Match("name", name) || filters.Match("name", "/" + name) || names.Any(n => name.Contains(n, StringComparison.Ordinal));

    private IEnumerable<string> Published(Container container) =>
        networks.Ports(container.Record, container.Status).Where(p => p.PublicPort is not null).Select(p => $"{p.PublicPort}/{p.Type}");

    /// <summary>Ports are asked for as <c>80</c>, <c>80/udp</c> or <c>8000-8080/tcp</c>.</summary>
    private static bool PortMatches(IReadOnlyList<string> wanted, IReadOnlyList<string> actual)
    {
        if (wanted.Count == 0)
        {
            return true;
        }

        foreach (var text in wanted)
        {
            var slash = text.IndexOf('/');
            var protocol = slash < 0 ? "tcp" : text[(slash + 1)..];
            var ends = (slash < 0 ? text : text[..slash]).Split('-');
            if (!ushort.TryParse(ends[0], NumberStyles.None, CultureInfo.InvariantCulture, out var first)
                || !ushort.TryParse(ends[^1], NumberStyles.None, CultureInfo.InvariantCulture, out var last)
                || protocol is not ("tcp" or "udp" or "sctp"))
            {
                throw EngineException.InvalidParameter($"invalid port specification: \"{text}\"");
            }

            if (actual.Any(a => PortSpec.TryParse(a, out var port) && port.Port >= first && port.Port <= last
                && port.Protocol == (protocol switch { "udp" => PortProtocol.Udp, "sctp" => PortProtocol.Sctp, _ => PortProtocol.Tcp })))
            {
                return true;
            }
        }

        return false;
    }

    private string ImageId(string name)
    {
        try
        {
            return services.Images.Resolve(name)?.Id.ToString() ?? name;
        }
        catch (Images.ImageException)
        {
            return name;
        }
    }
}
