using System.Globalization;
using System.Net;
using Cais.Api;
using Cais.Networking;

namespace Cais.Engine.Containers;

/// <summary>
/// Legacy links: what <c>--link name:alias</c> gives a container in the default network. The other's name in <c>/etc/hosts</c>, variables that tell its ports and
/// environment, and a way to it where containers may not talk to each other otherwise.
/// </summary>
internal sealed class ContainerLinks(EngineServices services)
{
    /// <summary>Reads <c>name:alias</c>, <c>name</c>, and the form in which inspect shows links, <c>/name:/parent/alias</c>.</summary>
    /// <exception cref="EngineException">InvalidParameter, in docker's words.</exception>
    public static (string Name, string Alias) Parse(string link)
    {
        if (link.Length == 0)
        {
            throw EngineException.InvalidParameter("empty string specified for links");
        }

        var parts = link.Split(':');
        if (parts.Length > 2)
        {
            throw EngineException.InvalidParameter($"bad format for links: {link}");
        }

        return (parts[0].TrimStart('/'), parts[^1].Split('/')[^1]);
    }

    /// <summary>
    /// The links of a container that is made: ids by alias. None in networks that users made, where links are names of an endpoint.
    /// </summary>
    /// <exception cref="EngineException">InvalidParameter: a container that is not there, or has no network of its own.</exception>
    public IReadOnlyDictionary<string, string> Resolve(HostConfig host)
    {
        var links = new Dictionary<string, string>();
        foreach (var link in host.NetworkMode is "bridge" ? host.Links ?? [] : [])
        {
            var (name, alias) = Parse(link);
            var child = services.Containers.Find(name) ?? throw EngineException.InvalidParameter($"could not get container for {name}: No such container: {name}");
            while (Specs.Namespaces.ContainerOf(child.Record.HostConfig.NetworkMode) is { } donor)
            {
                child = services.Containers.Get(donor);
            }

            if (child.Record.HostConfig.NetworkMode == "host")
            {
                throw EngineException.InvalidParameter("conflicting options: host type networking can't be used with links. This would result in undefined behavior");
            }

            links.TryAdd(alias, child.Id);
        }

        return links;
    }

    /// <summary>At which ports a container may reach those that it has links to: those that they expose.</summary>
    public static IReadOnlyDictionary<string, IReadOnlyList<LinkedPort>> PortsOf(ContainerRecord record, EngineServices services)
    {
        var ports = new Dictionary<string, IReadOnlyList<LinkedPort>>();
        foreach (var id in record.Links.Values.Distinct())
        {
            ports[id] =
            [
                .. (services.Containers.Find(id)?.Record.Config.ExposedPorts?.Keys ?? [])
                    .Select(p => PortSpec.TryParse(p, out var port) ? port : (PortSpec?)null).OfType<PortSpec>().Select(p => new LinkedPort(p.Protocol, p.Port)),
            ];
        }

        return ports;
    }

    /// <summary>As inspect shows them.</summary>
    public IReadOnlyList<string> Describe(ContainerRecord record) =>
        [.. Children(record).Select(l => $"/{l.Child.Name}:/{record.Name}/{l.Alias}").Order(StringComparer.Ordinal)];

    /// <summary>Names of a container in the list: its own, and those that others have for it.</summary>
    public IReadOnlyList<string> NamesOf(ContainerRecord record) => [.. services.Containers.LinksTo(record.Id).Select(l => $"/{l.Parent.Name}/{l.Alias}").Prepend("/" + record.Name)];

    /// <exception cref="EngineException">One of the containers does not run, or is in another network.</exception>
    public void CheckStart(ContainerRecord record)
    {
        foreach (var (alias, child) in Children(record))
        {
            if (!child.Status.HasProcess)
            {
                throw EngineException.System($"Cannot link to a non running container: /{child.Name} AS /{record.Name}/{alias}");
            }

            if (!child.Record.Networks.ContainsKey("bridge"))
            {
                throw EngineException.System($"container {child.Id} not attached to default bridge network");
            }
        }
    }

    /// <summary>What a process of the container finds in its environment, of those links whose container runs.</summary>
    public IReadOnlyList<string> Environment(ContainerRecord record)
    {
        var variables = new List<string>();
        foreach (var (alias, child) in Children(record).OrderBy(l => l.Alias, StringComparer.Ordinal))
        {
            if (services.Networks.GetSandbox(child.Id)?.Endpoints.FirstOrDefault(e => e.NetworkName == "bridge")?.IPv4Address is { } address)
            {
                variables.AddRange(Environment(record.Name, alias, address, child.Record.Config));
            }
        }

        return variables;
    }

    /// <summary>The variables of one link: <c>DB_PORT_6379_TCP_ADDR</c> and so on; ports that follow one another are also told as a range.</summary>
    internal static IEnumerable<string> Environment(string parent, string alias, IPAddress address, ContainerConfig child)
    {
        var prefix = alias.Replace('-', '_').ToUpperInvariant();
        var ports = (child.ExposedPorts?.Keys ?? []).Select(p => PortSpec.TryParse(p, out var port) ? port : (PortSpec?)null).OfType<PortSpec>()
            .OrderBy(p => p.Protocol is not PortProtocol.Tcp).ThenBy(p => p.Protocol).ThenBy(p => p.Port).ToList();
        string Url(PortSpec port) => string.Create(CultureInfo.InvariantCulture, $"{NameOf(port.Protocol)}://{address}:{port.Port}");

        // The lowest, TCP before others: what the service is most likely to be asked at.
        if (ports.Count > 0)
        {
            yield return $"{prefix}_PORT={Url(ports[0])}";
        }

        for (var i = 0; i < ports.Count; i++)
        {
            var last = i;
            while (last + 1 < ports.Count && ports[last + 1].Protocol == ports[i].Protocol && ports[last + 1].Port == ports[last].Port + 1)
            {
                last++;
            }

            var name = VariableOf(prefix, ports[i]);
            if (last > i)
            {
                yield return $"{name}_START={Url(ports[i])}";
                yield return $"{name}_ADDR={address}";
                yield return $"{name}_PROTO={NameOf(ports[i].Protocol)}";
                yield return string.Create(CultureInfo.InvariantCulture, $"{name}_PORT_START={ports[i].Port}");
                yield return $"{name}_END={Url(ports[last])}";
                yield return string.Create(CultureInfo.InvariantCulture, $"{name}_PORT_END={ports[last].Port}");
            }

            for (; i < last; i++)
            {
                foreach (var variable in Single(ports[i]))
                {
                    yield return variable;
                }
            }

            foreach (var variable in Single(ports[last]))
            {
                yield return variable;
            }
        }

        yield return $"{prefix}_NAME=/{parent}/{alias}";
        foreach (var variable in child.Env ?? [])
        {
            var equals = variable.IndexOf('=');
            if (equals > 0 && variable[..equals] is not ("HOME" or "PATH"))
            {
                yield return $"{prefix}_ENV_{variable}";
            }
        }

        IEnumerable<string> Single(PortSpec port)
        {
            var name = VariableOf(prefix, port);
            yield return $"{name}={Url(port)}";
            yield return $"{name}_ADDR={address}";
            yield return string.Create(CultureInfo.InvariantCulture, $"{name}_PORT={port.Port}");
            yield return $"{name}_PROTO={NameOf(port.Protocol)}";
        }
    }

    /// <summary>A container has begun to run: those that link to it learn its address.</summary>
    public void Begun(ContainerRecord child)
    {
        foreach (var (parent, alias) in services.Containers.LinksTo(child.Id))
        {
            var path = Path.Combine(services.Options.ContainersDirectory, parent.Id, "hosts");
            if (!parent.Status.HasProcess || !File.Exists(path))
            {
                continue;
            }

            var now = services.Networks.HostsFile(parent.Id, parent.Record.HostConfig.ExtraHosts ?? []).Split('\n').FirstOrDefault(l => IsOf(l, alias));
            var lines = File.ReadAllText(path).TrimEnd('\n').Split('\n').Where(l => !IsOf(l, alias)).ToList();
            File.WriteAllText(path, string.Join('\n', now is null ? lines : [.. lines, now]) + "\n");
        }

        static bool IsOf(string line, string alias) => line.Split('\t') is [_, var names] && names.Split(' ')[0] == alias;
    }

    /// <summary>Takes one link away, by its name <c>parent/alias</c>.</summary>
    /// <exception cref="EngineException">InvalidParameter: there is no such link.</exception>
    public async Task Remove(string name)
    {
        name = name.TrimStart('/');
        var slash = name.LastIndexOf('/');
        if (slash <= 0)
        {
            throw EngineException.InvalidParameter("Conflict, cannot remove the default link name of the container");
        }

        var (parent, alias) = (services.Containers.Find(name[..slash]), name[(slash + 1)..]);
        if (parent is null)
        {
            throw EngineException.InvalidParameter($"Cannot get parent /{name[..slash]} for link name /{name}");
        }

        using var held = await parent.Gate.Enter().ConfigureAwait(false);
        var links = new Dictionary<string, string>(parent.Record.Links);
        if (!links.Remove(alias))
        {
            throw EngineException.NotFound($"No such link: /{name}");
        }

        services.Containers.Update(parent, parent.Record with { Links = links });
        await services.Networks.SetLinksAsync(parent.Id, PortsOf(parent.Record, services)).ConfigureAwait(false);
    }

    private IEnumerable<(string Alias, Container Child)> Children(ContainerRecord record) =>
        record.Links.Select(l => (l.Key, services.Containers.Find(l.Value))).Where(l => l.Item2 is not null).Select(l => (l.Key, l.Item2!));

    private static string VariableOf(string prefix, PortSpec port) =>
        string.Create(CultureInfo.InvariantCulture, $"{prefix}_PORT_{port.Port}_{NameOf(port.Protocol).ToUpperInvariant()}");

    private static string NameOf(PortProtocol protocol) => protocol switch
    {
        PortProtocol.Udp => "udp",
        PortProtocol.Sctp => "sctp",
        _ => "tcp",
    };
}
