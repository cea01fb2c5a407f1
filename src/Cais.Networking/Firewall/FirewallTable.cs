using System.Net;
using System.Net.Sockets;
using Cais.Linux.Netlink;
using Cais.Networking.Drivers;

namespace Cais.Networking.Firewall;

/// <summary>
/// The one table that is ours, <c>inet cais</c>; nobody else's rules are ever touched. A packet meets a fixed number of rules and look-ups,
/// however many networks and published ports there are.
/// <code>
/// prerouting -300  raw_prerouting     nothing on a bridge may claim to be, or be for, the loopback network
/// prerouting -110  filter_prerouting  packets for published ports visit user_published: original address and port, before translation
/// prerouting -100  nat_prerouting     destination: publish4, publish6 (by protocol, address, port), then publish4_any, publish6_any
/// output     -100  nat_output         the same for this machine's own connections, loopback included
/// forward       0  filter_forward     user_forward, then by incoming bridge (forward_from), then by outgoing bridge (forward_to)
/// postrouting 100  nat_postrouting    source: by subnet (masquerade4, masquerade6)
/// </code>
/// <c>user_published</c> and <c>user_forward</c> belong to the user: created empty, never changed, kept when the rest is built anew. So are chains and
/// sets that the user has added to the table for them.
/// </summary>
internal static class FirewallTable
{
    public const NftFamily Family = NftFamily.Inet;
    public const string Name = "cais";
    public const string UserPublished = "user_published";
    public const string UserForward = "user_forward";
    private const string Publish = "publish";
    private const string Bridges = "bridges";
    private const string ForwardFrom = "forward_from";
    private const string ForwardTo = "forward_to";
    private const string Links = "links4";
    private const string RawPrerouting = "raw_prerouting";
    private const string FilterPrerouting = "filter_prerouting";
    private const string NatPrerouting = "nat_prerouting";
    private const string NatOutput = "nat_output";
    private const string FilterForward = "filter_forward";
    private const string NatPostrouting = "nat_postrouting";
    private static readonly string[] Fixed = [RawPrerouting, FilterPrerouting, Publish, NatPrerouting, NatOutput, FilterForward, NatPostrouting];
    private static readonly IPNetwork Loopback = new(new IPAddress([127, 0, 0, 0]), 8);
    private static readonly IPNetwork LoopbackV6 = new(IPAddress.IPv6Loopback, 128);

    private static readonly FamilyNames[] Families =
    [
        new(NftFamily.IPv4, "publish4", "publish4_any", "published4", "published4_any", "direct4", "masquerade4", NftType.IPv4Address, 4, 12, 16),
        new(NftFamily.IPv6, "publish6", "publish6_any", "published6", "published6_any", "direct6", "masquerade6", NftType.IPv6Address, 16, 8, 24),
    ];

    private static readonly string[] Sets =
        [Bridges, ForwardFrom, ForwardTo, Links, .. Families.SelectMany(f => new[] { f.Publish, f.PublishAny, f.Ports, f.PortsAny, f.Direct, f.Masquerade })];

    /// <summary>
    /// Makes the table what it should be, whatever it is now, in one transaction. The user's chains stay as they are, and so do the chains that
    /// packets come to by themselves: only what is in them is replaced, so that no packet of a new connection ever passes by untranslated.
    /// </summary>
    /// <param name="batch">An empty batch for <see cref="Name"/>.</param>
    /// <param name="chains">The chains that exist now.</param>
    /// <param name="sets">The sets that exist now.</param>
    /// <param name="networks">All bridge networks.</param>
    /// <param name="ports">All published ports.</param>
    /// <param name="links">All links that need a way.</param>
    /// <param name="guardForwarding">Whether to drop what is forwarded between interfaces that are not ours.</param>
    /// <param name="relayLoopback">Whether connections to the loopback network are left to the holders of the ports.</param>
    /// <param name="anew">Whether to make even those anew that are there: after another version, or another hand, made them differently.</param>
    public static void Rebuild(
        NftBatch batch,
        IReadOnlyList<string> chains,
        IReadOnlyList<string> sets,
        IReadOnlyCollection<FirewallNetwork> networks,
        IReadOnlyCollection<PublishedPort> ports,
        IReadOnlyCollection<FirewallLink> links,
        bool guardForwarding,
        bool relayLoopback,
        bool anew)
    {
        batch.AddTable();
        var ours = chains.Where(IsOurs).ToList();
        ours.ForEach(batch.FlushChain);
        var present = sets.Where(Sets.Contains).ToList();
        present.ForEach(batch.FlushSet);
        ours.Where(chain => anew || !Fixed.Contains(chain)).ToList().ForEach(batch.DeleteChain);
        present.Where(_ => anew).ToList().ForEach(batch.DeleteSet);

        AddSkeleton(batch, guardForwarding, relayLoopback);
        foreach (var network in networks)
        {
            AddNetwork(batch, network);
        }

        AddPorts(batch, ports);
        AddLinks(batch, links);
    }

    public static void AddNetwork(NftBatch batch, FirewallNetwork network)
    {
        var name = NftRule.InterfaceName(network.Bridge);
        batch.AddElements(Bridges, [new NftElement(name)]);

        batch.AddChain(network.ToChain);
        batch.AddRule(network.ToChain, r => r.Established().Verdict(NftVerdict.Accept), $"network {network.Name}");
        if (!network.InterContainer)
        {
            var ipv4 = Families[0];
            batch.AddRule(
                network.ToChain,
                r => r.IncomingInterface(network.Bridge)
                    .IsFamily(ipv4.Family)
                    .Meta(NftMeta.TransportProtocol, NftRegister.R0)
                    .Payload(NftHeader.Network, ipv4.SourceOffset, (uint)ipv4.Length, NftRegister.R1)
                    .Payload(NftHeader.Network, ipv4.DestinationOffset, (uint)ipv4.Length, NftRegister.R2)
                    .Payload(NftHeader.Transport, 2, 2, NftRegister.R3)
                    .Lookup(Links, NftRegister.R0)
                    .Verdict(NftVerdict.Accept),
                "linked");
        }

        batch.AddRule(
            network.ToChain,
            r => r.IncomingInterface(network.Bridge).Verdict(network.InterContainer ? NftVerdict.Accept : NftVerdict.Drop),
            "from its own containers");
        if (!network.Internal)
        {
            batch.AddRule(network.ToChain, r => r.DestinationTranslated().Verdict(NftVerdict.Accept), "published");
            foreach (var trusted in network.Trusted)
            {
                batch.AddRule(network.ToChain, r => r.IncomingInterface(trusted).Verdict(NftVerdict.Accept), "trusted interface");
            }

            AddModes(batch, network);
            foreach (var family in Families)
            {
                batch.AddRule(
                    network.ToChain,
                    r => r.IsFamily(family.Family)
                        .Meta(NftMeta.TransportProtocol, NftRegister.R0)
                        .Payload(NftHeader.Network, family.DestinationOffset, (uint)family.Length, NftRegister.R1)
                        .Payload(NftHeader.Transport, 2, 2, family.BehindAddress)
                        .Lookup(family.Direct, NftRegister.R0)
                        .Verdict(NftVerdict.Accept));
            }
        }

        batch.AddRule(network.ToChain, r => r.Verdict(NftVerdict.Drop));
        batch.AddElements(ForwardTo, [new NftElement(name, Verdict: NftVerdict.Goto(network.ToChain))]);

        if (network.Internal)
        {
            batch.AddChain(network.FromChain);
            batch.AddRule(network.FromChain, r => r.OutgoingInterface(network.Bridge, not: true).Verdict(NftVerdict.Drop), $"internal network {network.Name}");
            batch.AddElements(ForwardFrom, [new NftElement(name, Verdict: NftVerdict.Jump(network.FromChain))]);
            return;
        }

        batch.AddChain(network.MasqueradeChain);
        if (network.Masquerade)
        {
            batch.AddRule(network.MasqueradeChain, r => r.OutgoingInterface(network.Bridge, not: true).Masquerade(), $"network {network.Name}");
        }

        // A container that reaches a neighbour (or itself) by the host's address must see the answer come from there.
        batch.AddRule(network.MasqueradeChain, r => r.DestinationTranslated().Masquerade(), "to its own published ports");
        foreach (var subnet in network.Translated)
        {
            batch.AddElements(FamilyOf(subnet.BaseAddress).Masquerade, Interval(subnet, NftVerdict.Jump(network.MasqueradeChain)));
        }
    }

    /// <summary>What the gateway mode of a family lets in besides published ports.</summary>
    private static void AddModes(NftBatch batch, FirewallNetwork network)
    {
        const byte icmp = 1, icmpV6 = 58;
        foreach (var (family, mode, echo) in (ReadOnlySpan<(NftFamily, GatewayMode, byte)>)[(NftFamily.IPv4, network.Mode4, icmp), (NftFamily.IPv6, network.Mode6, icmpV6)])
        {
            if (mode == GatewayMode.NatUnprotected)
            {
                batch.AddRule(network.ToChain, r => r.IsFamily(family).Verdict(NftVerdict.Accept), "gateway mode nat-unprotected");
            }
            else if (mode == GatewayMode.Routed)
            {
                batch.AddRule(network.ToChain, r => r.IsFamily(family).TransportIs(echo).Verdict(NftVerdict.Accept), "gateway mode routed");
            }
        }
    }

    public static void RemoveNetwork(NftBatch batch, FirewallNetwork network)
    {
        var name = NftRule.InterfaceName(network.Bridge);
        batch.DeleteElements(Bridges, [new NftElement(name)]);
        batch.DeleteElements(ForwardTo, [new NftElement(name)]);
        batch.FlushChain(network.ToChain);
        batch.DeleteChain(network.ToChain);
        if (network.Internal)
        {
            batch.DeleteElements(ForwardFrom, [new NftElement(name)]);
            batch.FlushChain(network.FromChain);
            batch.DeleteChain(network.FromChain);
            return;
        }

        foreach (var subnet in network.Translated)
        {
            batch.DeleteElements(FamilyOf(subnet.BaseAddress).Masquerade, Interval(subnet, null));
        }

        batch.FlushChain(network.MasqueradeChain);
        batch.DeleteChain(network.MasqueradeChain);
    }

    public static void AddPorts(NftBatch batch, IReadOnlyCollection<PublishedPort> ports) => Ports(batch.AddElements, ports, values: true);

    public static void RemovePorts(NftBatch batch, IReadOnlyCollection<PublishedPort> ports) => Ports(batch.DeleteElements, ports, values: false);

    public static void AddLinks(NftBatch batch, IReadOnlyCollection<FirewallLink> links) => ChangeLinks(batch.AddElements, links);

    public static void RemoveLinks(NftBatch batch, IReadOnlyCollection<FirewallLink> links) => ChangeLinks(batch.DeleteElements, links);

    private static void ChangeLinks(Action<string, IReadOnlyList<NftElement>> change, IReadOnlyCollection<FirewallLink> links)
    {
        if (links.Count > 0)
        {
            change(Links, [.. links.Select(l => new NftElement([(byte)l.Protocol, 0, 0, 0, .. l.From.GetAddressBytes(), .. l.To.GetAddressBytes(), .. Padded(l.Port)]))]);
        }
    }

    private static void AddSkeleton(NftBatch batch, bool guardForwarding, bool relayLoopback)
    {
        batch.AddChain(UserPublished);
        batch.AddChain(UserForward);
        batch.AddSet(Bridges, NftType.InterfaceName, 16);
        batch.AddSet(ForwardFrom, NftType.InterfaceName, 16, NftType.Verdict);
        batch.AddSet(ForwardTo, NftType.InterfaceName, 16, NftType.Verdict);
        batch.AddSet(Links, NftType.Concatenate(NftType.Protocol, NftType.IPv4Address, NftType.IPv4Address, NftType.Port), 16);
        foreach (var family in Families)
        {
            var target = NftType.Concatenate(family.AddressType, NftType.Port);
            var key = NftType.Concatenate(NftType.Protocol, family.AddressType, NftType.Port);
            var keyAny = NftType.Concatenate(NftType.Protocol, NftType.Port);
            batch.AddSet(family.Publish, key, family.Length + 8, target, family.Length + 4);
            batch.AddSet(family.PublishAny, keyAny, 8, target, family.Length + 4);
            batch.AddSet(family.Ports, key, family.Length + 8);
            batch.AddSet(family.PortsAny, keyAny, 8);
            batch.AddSet(family.Direct, key, family.Length + 8);
            batch.AddSet(family.Masquerade, family.AddressType, family.Length, NftType.Verdict, intervals: true);
        }

        // Bridges have route_localnet on, so that this machine reaches published ports by 127.0.0.1; that must open no door into the
        // loopback network from the other side. Answers to such connections carry the bridge's address here, not a loopback one.
        batch.AddBaseChain(RawPrerouting, "filter", NftHook.Prerouting, -300);
        batch.AddRule(RawPrerouting, r => FromBridge(r).Destination(Loopback).Verdict(NftVerdict.Drop));
        batch.AddRule(RawPrerouting, r => FromBridge(r).Source(Loopback).Verdict(NftVerdict.Drop));

        batch.AddBaseChain(FilterPrerouting, "filter", NftHook.Prerouting, -110);
        AddPublishedRules(
            batch,
            FilterPrerouting,
            (rule, family) => rule.Lookup(family.Ports, NftRegister.R0).DestinationIsLocal().Verdict(NftVerdict.Jump(UserPublished)),
            (rule, family) => rule.Lookup(family.PortsAny, NftRegister.R0).DestinationIsLocal().Verdict(NftVerdict.Jump(UserPublished)));

        batch.AddChain(Publish);
        AddPublishedRules(
            batch,
            Publish,
            (rule, family) => Translate(rule, family, family.Publish),
            (rule, family) => Translate(rule, family, family.PublishAny));

        // 127.0.0.0/8 from outside is never for a published port, even where the kernel is told to let it in.
        batch.AddBaseChain(NatPrerouting, "nat", NftHook.Prerouting, -100);
        batch.AddRule(NatPrerouting, r => r.Destination(Loopback).Verdict(NftVerdict.Return));
        batch.AddRule(NatPrerouting, r => r.DestinationIsLocal().Verdict(NftVerdict.Jump(Publish)));
        batch.AddBaseChain(NatOutput, "nat", NftHook.Output, -100);

        // The kernel cannot send from ::1 to another interface (there is no route_localnet for IPv6): those reach the port's holder.
        batch.AddRule(NatOutput, r => r.Destination(LoopbackV6).Verdict(NftVerdict.Return));
        if (relayLoopback)
        {
            batch.AddRule(NatOutput, r => r.Destination(Loopback).Verdict(NftVerdict.Return), "left to the proxy");
        }

        batch.AddRule(NatOutput, r => r.DestinationIsLocal().Verdict(NftVerdict.Jump(Publish)));

        batch.AddBaseChain(FilterForward, "filter", NftHook.Forward, 0);
        batch.AddRule(FilterForward, r => r.Verdict(NftVerdict.Jump(UserForward)));
        batch.AddRule(FilterForward, r => r.Meta(NftMeta.IncomingName, NftRegister.R0).LookupMap(ForwardFrom, NftRegister.R0, NftRegister.Verdict));
        batch.AddRule(FilterForward, r => r.Meta(NftMeta.OutgoingName, NftRegister.R0).LookupMap(ForwardTo, NftRegister.R0, NftRegister.Verdict));
        if (guardForwarding)
        {
            batch.AddRule(FilterForward, r => FromBridge(r).Verdict(NftVerdict.Accept));
            batch.AddRule(FilterForward, r => r.Verdict(NftVerdict.Drop), "forwarding was off before: this machine is no router for others");
        }

        batch.AddBaseChain(NatPostrouting, "nat", NftHook.Postrouting, 100);
        batch.AddRule(
            NatPostrouting,
            r => r.Meta(NftMeta.OutgoingName, NftRegister.R0).Lookup(Bridges, NftRegister.R0).Source(Loopback).Masquerade(),
            "from 127.0.0.1 to published ports");
        foreach (var family in Families)
        {
            batch.AddRule(
                NatPostrouting,
                r => r.IsFamily(family.Family)
                    .Payload(NftHeader.Network, family.SourceOffset, (uint)family.Length, NftRegister.R0)
                    .LookupMap(family.Masquerade, NftRegister.R0, NftRegister.Verdict));
        }
    }

    /// <summary>
    /// Two rules per family: by protocol, address and port, then by protocol and port, each loaded from R0 on. One map for both, with a zero address for "all", would do
    /// for the kernel, but no nft program could print its rules.
    /// </summary>
    private static void AddPublishedRules(NftBatch batch, string chain, Action<NftRule, FamilyNames> specific, Action<NftRule, FamilyNames> any)
    {
        foreach (var family in Families)
        {
            batch.AddRule(chain, r => specific(
                r.IsFamily(family.Family)
                    .Meta(NftMeta.TransportProtocol, NftRegister.R0)
                    .Payload(NftHeader.Network, family.DestinationOffset, (uint)family.Length, NftRegister.R1)
                    .Payload(NftHeader.Transport, 2, 2, family.BehindAddress),
                family));
            batch.AddRule(chain, r => any(
                r.IsFamily(family.Family)
                    .Meta(NftMeta.TransportProtocol, NftRegister.R0)
                    .Payload(NftHeader.Transport, 2, 2, NftRegister.R1),
                family));
        }
    }

    private static void Translate(NftRule rule, FamilyNames family, string map) =>
        rule.LookupMap(map, NftRegister.R0, NftRegister.R0).TranslateDestination(family.Family, NftRegister.R0, family.BehindAddress - 1);

    private static NftRule FromBridge(NftRule rule) => rule.Meta(NftMeta.IncomingName, NftRegister.R0).Lookup(Bridges, NftRegister.R0);

    private static void Ports(Action<string, IReadOnlyList<NftElement>> change, IReadOnlyCollection<PublishedPort> ports, bool values)
    {
        foreach (var family in Families)
        {
            var ours = ports.Where(p => FamilyOf(p.Target) == family).ToList();
            var translated = ours.Where(p => p.Translated).ToList();
            var specific = translated.Where(p => !IsAny(p)).Select(p => new NftElement(Key(p.Binding, p.Binding.HostAddress, p.Binding.HostPort), Value(p))).ToList();
            var any = translated.Where(IsAny).Select(p => new NftElement(Key(p.Binding, null, p.Binding.HostPort), Value(p))).ToList();
            Change(family.Publish, specific);
            Change(family.Ports, specific.Select(e => e with { Value = null }));
            Change(family.PublishAny, any);
            Change(family.PortsAny, any.Select(e => e with { Value = null }));

            // Several host ports may lead to one container port.
            Change(
                family.Direct,
                ours.Where(p => p.Direct).Select(p => new NftElement(Key(p.Binding, p.Target, p.Binding.ContainerPort)))
                    .DistinctBy(e => Convert.ToHexString(e.Key)));
        }

        byte[]? Value(PublishedPort port) => values ? [.. port.Target.GetAddressBytes(), .. Padded(port.Binding.ContainerPort)] : null;

        void Change(string set, IEnumerable<NftElement> elements)
        {
            var list = elements.ToList();
            if (list.Count > 0)
            {
                change(set, list);
            }
        }
    }

    private static bool IsOurs(string chain) => Fixed.Contains(chain) ||
        chain.StartsWith(FirewallNetwork.ToPrefix, StringComparison.Ordinal) ||
        chain.StartsWith(FirewallNetwork.FromPrefix, StringComparison.Ordinal) ||
        chain.StartsWith(FirewallNetwork.MasqueradePrefix, StringComparison.Ordinal);

    private static bool IsAny(PublishedPort port) => port.Binding.HostAddress.Equals(IPAddress.Any) || port.Binding.HostAddress.Equals(IPAddress.IPv6Any);

    private static byte[] Key(PortBinding binding, IPAddress? address, ushort port) =>
        [(byte)binding.Protocol, 0, 0, 0, .. address?.GetAddressBytes() ?? [], .. Padded(port)];

    private static byte[] Padded(ushort port) => [(byte)(port >> 8), (byte)port, 0, 0];

    private static List<NftElement> Interval(IPNetwork subnet, NftVerdict? verdict)
    {
        var start = subnet.BaseAddress.GetAddressBytes();
        var elements = new List<NftElement> { new(start, Verdict: verdict) };

        // The end is the address behind the subnet; a subnet at the end of all addresses has none.
        var end = (byte[])start.Clone();
        for (var bit = subnet.PrefixLength - 1; bit >= 0; bit--)
        {
            end[bit / 8] ^= (byte)(0x80 >> (bit % 8));
            if ((end[bit / 8] & (0x80 >> (bit % 8))) != 0)
            {
                elements.Add(new NftElement(end, IsEnd: true));
                break;
            }
        }

        return elements;
    }

    private static FamilyNames FamilyOf(IPAddress address) => Families[address.AddressFamily == AddressFamily.InterNetwork ? 0 : 1];

    /// <summary>What differs between the families.</summary>
    private sealed record FamilyNames(
        NftFamily Family,
        string Publish,
        string PublishAny,
        string Ports,
        string PortsAny,
        string Direct,
        string Masquerade,
        uint AddressType,
        int Length,
        uint SourceOffset,
        uint DestinationOffset)
    {
        /// <summary>The register behind an address that begins in R1.</summary>
        public NftRegister BehindAddress => (NftRegister)((uint)NftRegister.R1 + ((uint)Length / 4));
    }
}
