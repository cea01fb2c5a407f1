using System.Globalization;
using System.Net;
using Cais.Api;
using Cais.Daemon.Http;
using Cais.Engine;
using Cais.Networking;

namespace Cais.Daemon.Endpoints;

/// <summary>/networks</summary>
internal sealed class NetworkEndpoints(CaisEngine engine)
{
    public void Map(Router router)
    {
        router.Map("GET", "/networks", List);
        router.Map("POST", "/networks/create", Create);
        router.Map("POST", "/networks/prune", Prune);
        router.Map("GET", "/networks/{id}", Inspect);
        router.Map("DELETE", "/networks/{id}", Remove);
        router.Map("POST", "/networks/{id}/connect", Connect);
        router.Map("POST", "/networks/{id}/disconnect", Disconnect);
    }

    private async Task List(ApiRequest request)
    {
        var filters = request.Filters().Accept("dangling", "driver", "id", "label", "name", "scope", "type");
        foreach (var type in filters["type"])
        {
            if (type is not ("builtin" or "custom"))
            {
                throw EngineException.InvalidParameter($"invalid filter 'type={type}'");
            }
        }

        var dangling = filters.Has("dangling") ? filters.Flag("dangling", false) : (bool?)null;
        IReadOnlyList<NetworkSummary> networks =
        [
            .. engine.Networks.List()
                .Where(n => filters.Exact("driver", n.Driver) && filters.Exact("scope", "local") && filters.Labels("label", n.Spec.Labels))
                .Where(n => filters["name"] is not { Count: > 0 } names || names.Any(w => n.Name.Contains(w, StringComparison.Ordinal)))
                .Where(n => filters["id"] is not { Count: > 0 } ids || ids.Any(w => n.Id.Contains(w, StringComparison.Ordinal)))
                .Where(n => filters.Exact("type", n.IsBuiltIn ? "builtin" : "custom"))
                .Where(n => dangling is null || (!n.IsBuiltIn && dangling == !IsUsed(n)))
                .Select(Summarize),
        ];
        await request.Answer(networks, ApiJson.Default.IReadOnlyListNetworkSummary);
    }

    private async Task Create(ApiRequest request)
    {
        var body = await request.Json(ApiJson.Default.NetworkCreateRequest);
        var network = await engine.Networks.CreateAsync(SpecOf(body), request.Gone);
        engine.Events.Publish("network", "create", network.Id, CaisEngine.NetworkAttributes(network));
        await request.Answer(new NetworkCreateResponse { Id = network.Id, Warning = "" }, ApiJson.Default.NetworkCreateResponse, 201);
    }

    private async Task Remove(ApiRequest request)
    {
        var network = engine.Networks.Get(request.Path("id"));
        await engine.Networks.RemoveAsync(network.Id, CancellationToken.None);
        engine.Events.Publish("network", "destroy", network.Id, CaisEngine.NetworkAttributes(network));
        await request.Empty(204);
    }

    private async Task Connect(ApiRequest request)
    {
        var body = await request.Json(ApiJson.Default.NetworkConnectRequest);
        await engine.Connect(request.Path("id"), body.Container ?? "", body.EndpointConfig, request.Gone);
        await request.Empty(200);
    }

    private async Task Disconnect(ApiRequest request)
    {
        var body = await request.Json(ApiJson.Default.NetworkDisconnectRequest);
        await engine.Disconnect(request.Path("id"), body.Container ?? "", body.Force == true, request.Gone);
        await request.Empty(200);
    }

    private async Task Prune(ApiRequest request)
    {
        var filters = request.Filters().Accept("label", "label!", "until");
        var until = filters.Until(engine.Time);
        var deleted = new List<string>();
        foreach (var network in engine.Networks.List())
        {
            if (network.IsBuiltIn || IsUsed(network) || !filters.LabelsOf(network.Spec.Labels) || network.Created > until)
            {
                continue;
            }

            try
            {
                await engine.Networks.RemoveAsync(network.Id, request.Gone);
                deleted.Add(network.Name);
                engine.Events.Publish("network", "destroy", network.Id, CaisEngine.NetworkAttributes(network));
            }
            catch (NetworkException)
            {
                // Taken into use meanwhile.
            }
        }

        engine.Events.Publish("network", "prune", "", new Dictionary<string, string> { ["reclaimed"] = "0" });
        await request.Answer(new NetworkPruneResponse { NetworksDeleted = deleted }, ApiJson.Default.NetworkPruneResponse);
    }

    /// <summary>By a container that runs, or one that would join it when it starts.</summary>
    private bool IsUsed(Network network) =>
        engine.Networks.EndpointsOf(network.Id).Count > 0
        || engine.List().Any(c => c.Record.Networks.Keys.Any(n => n == network.Name || n == network.Id));

    private static NetworkSpec SpecOf(NetworkCreateRequest body)
    {
        if (string.IsNullOrWhiteSpace(body.Name))
        {
            throw EngineException.InvalidParameter("invalid network name: name is empty");
        }

        if (body.Ingress == true || body.Scope == "swarm")
        {
            throw new EngineException(ErrorKind.Unavailable, "ingress networks and networks of scope swarm need a swarm, which this node is not part of");
        }

        if (body.Scope is not (null or "" or "local" or "global"))
        {
            throw EngineException.InvalidParameter($"invalid network scope '{body.Scope}'");
        }

        return new NetworkSpec
        {
            Name = body.Name,
            Driver = string.IsNullOrEmpty(body.Driver) || body.Driver == "default" ? "bridge" : body.Driver,
            EnableIPv4 = body.EnableIPv4 ?? true,
            EnableIPv6 = body.EnableIPv6 ?? false,
            Internal = body.Internal ?? false,
            Attachable = body.Attachable ?? false,
            ConfigOnly = body.ConfigOnly ?? false,
            ConfigFrom = body.ConfigFrom?.Network is { Length: > 0 } source ? source : null,
            IpamDriver = string.IsNullOrEmpty(body.IPAM?.Driver) ? "default" : body.IPAM.Driver,
            IpamOptions = body.IPAM?.Options ?? new Dictionary<string, string>(),
            Ipam = [.. (body.IPAM?.Config ?? []).Select(PoolOf)],
            Options = body.Options ?? new Dictionary<string, string>(),
            Labels = body.Labels ?? new Dictionary<string, string>(),
        };
    }

    private static Networking.IpamConfig PoolOf(IPAMConfig pool)
    {
        static IPNetwork? NetworkOf(string? text, string what) => string.IsNullOrEmpty(text) ? null
            : IPNetwork.TryParse(text, out var network) ? network
            : throw EngineException.InvalidParameter($"invalid network config:\ninvalid {what} {text}: invalid CIDR block notation");
        static IPAddress? AddressOf(string? text, string what) => string.IsNullOrEmpty(text) ? null
            : IPAddress.TryParse(text, out var address) ? address
            : throw EngineException.InvalidParameter($"invalid network config:\ninvalid {what} {text}: invalid address");
        return new Networking.IpamConfig(
            NetworkOf(pool.Subnet, "subnet"),
            NetworkOf(pool.IPRange, "ip-range"),
            AddressOf(pool.Gateway, "gateway"),
            pool.AuxiliaryAddresses?.ToDictionary(a => a.Key, a => AddressOf(a.Value, "auxiliary address")!));
    }

    private static IPAM IpamOf(Network network) => new()
    {
        Driver = network.Spec.IpamDriver,
        Options = network.Spec.IpamOptions.Count > 0 ? network.Spec.IpamOptions : null,
        Config =
        [
            .. network.Spec.Ipam.Select(p => new IPAMConfig
            {
                Subnet = p.Subnet?.ToString(),
                IPRange = p.Range?.ToString(),
                Gateway = p.Gateway?.ToString(),
                AuxiliaryAddresses = p.AuxiliaryAddresses is { Count: > 0 } others ? others.ToDictionary(a => a.Key, a => a.Value.ToString()) : null,
            }),
        ],
    };

    private static NetworkSummary Summarize(Network network) => new()
    {
        Name = network.Name,
        Id = network.Id,
        Created = Timestamps.Format(network.Created),
        Scope = "local",
        Driver = network.Driver,
        EnableIPv4 = network.Spec.EnableIPv4,
        EnableIPv6 = network.Spec.EnableIPv6,
        IPAM = IpamOf(network),
        Internal = network.Spec.Internal,
        Attachable = network.Spec.Attachable,
        Ingress = false,
        ConfigFrom = new ConfigReference { Network = network.Spec.ConfigFrom ?? "" },
        ConfigOnly = network.Spec.ConfigOnly,
        Options = network.Spec.Options,
        Labels = network.Spec.Labels,
    };

    private async Task Inspect(ApiRequest request)
    {
        // The scope is a filter: a network of another one is not there.
        if (request.Query("scope") is { } scope && scope != "local")
        {
            throw EngineException.NotFound($"network {request.Path("id")} not found");
        }

        var network = engine.Networks.Get(request.Path("id"));
        var answer = Describe(network);
        if (request.Version >= new ApiVersion(1, 52))
        {
            var subnets = await engine.Networks.SubnetsOfAsync(network.Id, request.Gone);
            answer = answer with
            {
                Status = new NetworkStatus
                {
                    IPAM = new IPAMStatus
                    {
                        Subnets = subnets.ToDictionary(
                            s => s.Subnet.ToString(),
                            s => new SubnetStatus { IPsInUse = Saturated(s.InUse), DynamicIPsAvailable = Saturated(s.Available) }),
                    },
                },
            };
        }

        await request.Answer(answer, ApiJson.Default.NetworkInspect);
    }

    private static ulong Saturated(UInt128 count) => count > ulong.MaxValue ? ulong.MaxValue : (ulong)count;

    private NetworkInspect Describe(Network network)
    {
        var summary = Summarize(network);
        return new NetworkInspect
        {
            Name = summary.Name,
            Id = summary.Id,
            Created = summary.Created,
            Scope = summary.Scope,
            Driver = summary.Driver,
            EnableIPv4 = summary.EnableIPv4,
            EnableIPv6 = summary.EnableIPv6,
            IPAM = summary.IPAM,
            Internal = summary.Internal,
            Attachable = summary.Attachable,
            Ingress = summary.Ingress,
            ConfigFrom = summary.ConfigFrom,
            ConfigOnly = summary.ConfigOnly,
            Options = summary.Options,
            Labels = summary.Labels,
            Containers = engine.Networks.EndpointsOf(network.Id).ToDictionary(e => e.ContainerId, e => new EndpointResource
            {
                Name = e.ContainerName,
                EndpointID = e.Id,
                MacAddress = e.MacAddress is { } mac ? string.Join(':', mac.GetAddressBytes().Select(b => b.ToString("x2", CultureInfo.InvariantCulture))) : "",
                IPv4Address = e.IPv4Address is { } v4 ? string.Create(CultureInfo.InvariantCulture, $"{v4}/{e.IPv4PrefixLength}") : "",
                IPv6Address = e.IPv6Address is { } v6 ? string.Create(CultureInfo.InvariantCulture, $"{v6}/{e.IPv6PrefixLength}") : "",
            }),
        };
    }
}
