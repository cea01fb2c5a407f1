using System.Globalization;
using System.Net;
using System.Net.NetworkInformation;
using Cais.Api;
using Cais.Engine.Specs;
using Cais.Linux.Status;
using Cais.Networking;
using PortBinding = Cais.Networking.PortBinding;

namespace Cais.Engine.Containers;

/// <summary>A container's place in the networks, while it runs.</summary>
internal sealed class ContainerNetwork(EngineServices services)
{
    /// <summary>Makes its namespace; null when it has none of its own.</summary>
    public async Task<Sandbox?> Create(ContainerRecord container, CancellationToken cancellation = default)
    {
        if (Namespaces.ContainerOf(container.HostConfig.NetworkMode) is not null)
        {
            return null;
        }

        return await services.Networks.CreateSandboxAsync(SpecOf(container), cancellation).ConfigureAwait(false);
    }

    /// <summary>The same, for a caller that needs the network only later.</summary>
    public async Task<SandboxStart?> Begin(ContainerRecord container) => Namespaces.ContainerOf(container.HostConfig.NetworkMode) is not null
        ? null
        : await services.Networks.BeginSandboxAsync(SpecOf(container), CancellationToken.None).ConfigureAwait(false);

    public Task Destroy(string id) => services.Networks.DestroySandboxAsync(id);

    /// <summary>The namespace its processes join; null for the host's.</summary>
    public string? NamespacePath(ContainerRecord container, Sandbox? sandbox) =>
        Namespaces.ContainerOf(container.HostConfig.NetworkMode) is { } other
            ? string.Create(CultureInfo.InvariantCulture, $"/proc/{Namespaces.PidOf(other, "network", services.Containers.Get)}/ns/net")
            : sandbox?.NamespacePath;

    /// <summary>Writes hostname, hosts and resolv.conf into the container's directory, for its root to own.</summary>
    public void WriteFiles(ContainerRecord container, string directory)
    {
        Write(container, directory);
        var (user, group) = UserSpaces.IdsOf(container.HostConfig, services)?.Root ?? (0, 0);
        foreach (var name in (ReadOnlySpan<string>)["hostname", "hosts", "resolv.conf"])
        {
            var path = Path.Combine(directory, name);
            if (EntryStatus.Of(path) is { } status && (status.Uid != user || status.Gid != group))
            {
                PathAttributes.ChangeOwner(path, user, group);
            }
        }
    }

    private void Write(ContainerRecord container, string directory)
    {
        if (Namespaces.ContainerOf(container.HostConfig.NetworkMode) is { } other)
        {
            var from = Path.Combine(services.Options.ContainersDirectory, services.Containers.Get(other).Id);
            foreach (var name in (ReadOnlySpan<string>)["hostname", "hosts", "resolv.conf"])
            {
                File.Copy(Path.Combine(from, name), Path.Combine(directory, name), overwrite: true);
            }

            return;
        }

        File.WriteAllText(Path.Combine(directory, "hostname"), HostnameOf(container) + "\n");
        var files = FilesOf(container);
        File.WriteAllText(Path.Combine(directory, "hosts"), files.Hosts);
        File.WriteAllText(Path.Combine(directory, "resolv.conf"), files.ResolvConf);
    }

    /// <summary>What hosts and resolv.conf should say now.</summary>
    public (string Hosts, string ResolvConf) FilesOf(ContainerRecord container) =>
        (services.Networks.HostsFile(container.Id, container.HostConfig.ExtraHosts ?? []), services.Networks.ResolvConf(container.Id));

    /// <summary>
    /// Brings the files of a running container up to date. What somebody wrote into them by hand stays: of hosts our own lines change, resolv.conf
    /// changes only if it is as we left it.
    /// </summary>
    /// <param name="container">The container.</param>
    /// <param name="directory">Where its files are.</param>
    /// <param name="before">What they should have said before.</param>
    public void UpdateFiles(ContainerRecord container, string directory, (string Hosts, string ResolvConf) before)
    {
        var now = FilesOf(container);
        var hosts = Path.Combine(directory, "hosts");
        if (now.Hosts != before.Hosts)
        {
            var (old, wanted) = (before.Hosts.Split('\n'), now.Hosts.Split('\n'));
            var kept = File.ReadAllText(hosts).TrimEnd('\n').Split('\n').Where(line => wanted.Contains(line) || !old.Contains(line)).ToList();
            File.WriteAllText(hosts, string.Join('\n', kept.Concat(wanted.Where(line => line.Length > 0 && !kept.Contains(line)))) + "\n");
        }

        var resolvConf = Path.Combine(directory, "resolv.conf");
        if (now.ResolvConf != before.ResolvConf && File.ReadAllText(resolvConf) == before.ResolvConf)
        {
            File.WriteAllText(resolvConf, now.ResolvConf);
        }
    }

    public string HostnameOf(ContainerRecord container) => Namespaces.ContainerOf(container.HostConfig.NetworkMode) is { } other
        && services.Containers.Find(other)?.Record is { } shared && container.HostConfig.UTSMode != "host" ? HostnameOf(shared) :
        container.HostConfig.UTSMode == "host" || (container.HostConfig.NetworkMode == "host" && string.IsNullOrEmpty(container.Config.Hostname))
            ? services.Host.Hostname
            : container.Config.Hostname ?? "";

    /// <summary>What the API says of it, running or not.</summary>
    public NetworkSettings Describe(ContainerRecord container, ContainerStatus status)
    {
        var sandbox = status.HasProcess ? services.Networks.GetSandbox(container.Id) : null;
        var endpoints = new Dictionary<string, EndpointSettings>();
        foreach (var (name, wanted) in container.Networks)
        {
            var endpoint = sandbox?.Endpoints.FirstOrDefault(e => e.NetworkName == name || e.NetworkId == name);
            var network = endpoint is null ? services.Networks.Find(name) : null;
            endpoints[endpoint?.NetworkName ?? network?.Name ?? name] = Describe(wanted, endpoint, network?.Id ?? endpoint?.NetworkId ?? "");
        }

        var bridge = endpoints.GetValueOrDefault("bridge");
        return new NetworkSettings
        {
            SandboxID = sandbox?.Id ?? "",
            SandboxKey = sandbox?.NamespacePath ?? "",
            Ports = sandbox is null ? new Dictionary<string, IReadOnlyList<Api.PortBinding>?>() : PortsOf(container, sandbox.Ports),
            Networks = endpoints,
            Bridge = "",
            HairpinMode = false,
            LinkLocalIPv6Address = "",
            LinkLocalIPv6PrefixLen = 0,
            SecondaryIPAddresses = [],
            SecondaryIPv6Addresses = [],
            EndpointID = bridge?.EndpointID ?? "",
            Gateway = bridge?.Gateway ?? "",
            GlobalIPv6Address = bridge?.GlobalIPv6Address ?? "",
            GlobalIPv6PrefixLen = (int)(bridge?.GlobalIPv6PrefixLen ?? 0),
            IPAddress = bridge?.IPAddress ?? "",
            IPPrefixLen = (int)(bridge?.IPPrefixLen ?? 0),
            IPv6Gateway = bridge?.IPv6Gateway ?? "",
            MacAddress = bridge?.MacAddress ?? "",
        };
    }

    /// <summary>Exposed and published ports as <c>docker ps</c> lists them.</summary>
    public IReadOnlyList<PortSummary> Ports(ContainerRecord container, ContainerStatus status)
    {
        var sandbox = status.HasProcess ? services.Networks.GetSandbox(container.Id) : null;
        if (sandbox is null)
        {
            return [];
        }

        var ports = sandbox.Ports
            .Select(p => new PortSummary
            {
                IP = p.HostAddress.ToString(),
                PrivatePort = p.ContainerPort,
                PublicPort = p.HostPort,
                Type = NameOf(p.Protocol),
            })
            .ToList();
        foreach (var exposed in container.Config.ExposedPorts?.Keys ?? [])
        {
            if (PortSpec.TryParse(exposed, out var port) && !ports.Exists(p => p.PrivatePort == port.Port && p.Type == NameOf(port.Protocol)))
            {
                ports.Add(new PortSummary { PrivatePort = port.Port, Type = NameOf(port.Protocol) });
            }
        }

        return ports;
    }

    /// <summary>How a container joins a network, from the API's settings.</summary>
    public static EndpointSpec EndpointOf(string network, EndpointSettings? settings) => new()
    {
        Network = network,
        IPv4Address = Address(settings?.IPAMConfig?.IPv4Address),
        IPv6Address = Address(settings?.IPAMConfig?.IPv6Address),
        LinkLocalAddresses = [.. (settings?.IPAMConfig?.LinkLocalIPs ?? []).Select(a => Address(a)).OfType<IPAddress>()],
        MacAddress = string.IsNullOrEmpty(settings?.MacAddress) ? null : PhysicalAddress.Parse(settings.MacAddress.Replace(':', '-').ToUpperInvariant()),
        Aliases = settings?.Aliases ?? [],
        Links = (settings?.Links ?? []).Select(ContainerLinks.Parse).DistinctBy(l => l.Alias).ToDictionary(l => l.Alias, l => l.Name),
        GatewayPriority = (int)(settings?.GwPriority ?? 0),
        Options = settings?.DriverOpts ?? new Dictionary<string, string>(),
    };

    public static EndpointSettings Describe(EndpointSettings wanted, Endpoint? endpoint, string networkId) => wanted with
    {
        NetworkID = networkId,
        EndpointID = endpoint?.Id ?? "",
        Gateway = endpoint?.IPv4Gateway?.ToString() ?? "",
        IPAddress = endpoint?.IPv4Address?.ToString() ?? "",
        IPPrefixLen = endpoint?.IPv4PrefixLength ?? 0,
        IPv6Gateway = endpoint?.IPv6Gateway?.ToString() ?? "",
        GlobalIPv6Address = endpoint?.IPv6Address?.ToString() ?? "",
        GlobalIPv6PrefixLen = endpoint?.IPv6PrefixLength ?? 0,
        MacAddress = endpoint?.MacAddress is { } mac ? string.Join(':', mac.GetAddressBytes().Select(b => b.ToString("x2", CultureInfo.InvariantCulture))) : wanted.MacAddress ?? "",
        GwPriority = wanted.GwPriority ?? 0,
        DNSNames = endpoint is { NetworkName: not "bridge", DnsNames: { Count: > 0 } names } ? names : wanted.DNSNames,
    };

    private static IPAddress? Address(string? text) => string.IsNullOrEmpty(text) ? null : IPAddress.Parse(text);

    private static string NameOf(PortProtocol protocol) => protocol switch
    {
        PortProtocol.Udp => "udp",
        PortProtocol.Sctp => "sctp",
        _ => "tcp",
    };

    private SandboxSpec SpecOf(ContainerRecord container)
    {
        var host = container.HostConfig;
        return new SandboxSpec
        {
            ContainerId = container.Id,
            ContainerName = container.Name,
            Hostname = container.Config.Hostname,
            Domainname = container.Config.Domainname,
            Endpoints = [.. container.Networks.Select(n => EndpointOf(n.Key, n.Value))],
            Ports = PortSpec.Requests(container),
            Dns = [.. (host.Dns ?? []).Select(IPAddress.Parse)],
            DnsSearch = host.DnsSearch ?? [],
            DnsOptions = host.DnsOptions ?? [],
            Links = container.Links,
            LinkedPorts = ContainerLinks.PortsOf(container, services),
            InHostUserNamespace = UserSpaces.IdsOf(host, services) is null,
            UserNamespacePath = UserSpaces.SharedBy(host, services),
        };
    }

    private static Dictionary<string, IReadOnlyList<Api.PortBinding>?> PortsOf(ContainerRecord container, IReadOnlyList<PortBinding> bound)
    {
        var ports = new Dictionary<string, IReadOnlyList<Api.PortBinding>?>();
        foreach (var exposed in container.Config.ExposedPorts?.Keys ?? [])
        {
            if (PortSpec.TryParse(exposed, out var port))
            {
                ports[port.ToString()] = null;
            }
        }

        foreach (var group in bound.GroupBy(b => new PortSpec(b.ContainerPort, b.Protocol)))
        {
            ports[group.Key.ToString()] =
            [
                .. group.Select(b => new Api.PortBinding
                {
                    HostIp = b.HostAddress.ToString(),
                    HostPort = b.HostPort.ToString(CultureInfo.InvariantCulture),
                }),
            ];
        }

        return ports;
    }
}
