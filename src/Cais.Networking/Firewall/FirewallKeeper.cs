using System.Net.Sockets;
using Cais.Linux;
using Cais.Linux.Netlink;
using Cais.Networking.Kernel;

namespace Cais.Networking.Firewall;

/// <summary>
/// Keeps the packet filter's table as it should be: small changes as they come; everything anew at start, and whenever a small change shows
/// that somebody else has changed or deleted the table. Belongs to the host's kernel thread.
/// </summary>
internal sealed class FirewallKeeper(HostKernel host, NetworkOptions options)
{
    private readonly NftBatch _batch = new(FirewallTable.Family, FirewallTable.Name);
    private readonly Dictionary<string, FirewallNetwork> _networks = [];
    private readonly HashSet<PublishedPort> _ports = [];
    private readonly HashSet<FirewallLink> _links = [];

    /// <summary>Whether to drop what is forwarded between interfaces that are not ours.</summary>
    public bool GuardForwarding { get; set; }

    /// <summary>Notes what there is, without telling the kernel yet: before <see cref="Rebuild"/>.</summary>
    public void Restore(IEnumerable<FirewallNetwork> networks, IEnumerable<PublishedPort> ports, IEnumerable<FirewallLink> links)
    {
        _links.UnionWith(links.Where(_ => Manages(AddressFamily.InterNetwork)));
        foreach (var network in networks)
        {
            _networks[network.Key] = Filtered(network);
        }

        _ports.UnionWith(Filtered(ports));
    }

    private bool IsOff => !options.FirewallV4 && !options.FirewallV6;

    /// <summary>Makes the whole table anew, in one transaction.</summary>
    public void Rebuild()
    {
        if (IsOff)
        {
            return;
        }

        try
        {
            Commit(anew: false);
        }
        catch (LinuxException)
        {
            Commit(anew: true);
        }
    }

    public void Add(FirewallNetwork network)
    {
        network = Filtered(network);
        _networks[network.Key] = network;
        Change(batch => FirewallTable.AddNetwork(batch, network));
    }

    public void Remove(FirewallNetwork network)
    {
        if (_networks.Remove(network.Key, out var known))
        {
            Change(batch => FirewallTable.RemoveNetwork(batch, known));
        }
    }

    public void Publish(IReadOnlyCollection<PublishedPort> ports)
    {
        ports = Filtered(ports);
        if (ports.Count > 0)
        {
            _ports.UnionWith(ports);
            Change(batch => FirewallTable.AddPorts(batch, ports));
        }
    }

    public void Unpublish(IReadOnlyCollection<PublishedPort> ports)
    {
        ports = Filtered(ports);
        if (ports.Count > 0)
        {
            _ports.ExceptWith(ports);
            Change(batch => FirewallTable.RemovePorts(batch, ports));
        }
    }

    /// <summary>Makes the links that have a way these, and no others.</summary>
    public void SetLinks(IReadOnlySet<FirewallLink> links)
    {
        List<FirewallLink> gone = [.. _links.Except(links)], added = [.. Manages(AddressFamily.InterNetwork) ? links.Except(_links) : []];
        if (gone.Count == 0 && added.Count == 0)
        {
            return;
        }

        _links.ExceptWith(gone);
        _links.UnionWith(added);
        Change(batch =>
        {
            FirewallTable.RemoveLinks(batch, gone);
            FirewallTable.AddLinks(batch, added);
        });
    }

    private void Commit(bool anew)
    {
        _batch.Clear();
        var chains = host.Filter.Chains(FirewallTable.Family, FirewallTable.Name);
        var sets = host.Filter.Sets(FirewallTable.Family, FirewallTable.Name);
        FirewallTable.Rebuild(_batch, chains, sets, _networks.Values, _ports, _links, GuardForwarding, options.UserlandProxy == true, anew);
        host.Filter.Execute(_batch);
    }

    private bool Manages(AddressFamily family) => family == AddressFamily.InterNetwork ? options.FirewallV4 : options.FirewallV6;

    private FirewallNetwork Filtered(FirewallNetwork network) =>
        network with { Subnets = [.. network.Subnets.Where(s => Manages(s.BaseAddress.AddressFamily))] };

    private List<PublishedPort> Filtered(IEnumerable<PublishedPort> ports) => [.. ports.Where(p => Manages(p.Target.AddressFamily))];

    private void Change(Action<NftBatch> change)
    {
        if (IsOff)
        {
            return;
        }

        _batch.Clear();
        change(_batch);
        try
        {
            host.Filter.Execute(_batch);
        }
        catch (LinuxException e) when (e.Errno is Errno.ENOENT or Errno.EEXIST or Errno.EBUSY)
        {
            // The table is not as we left it.
            Rebuild();
        }
    }
}
