using Cais.Linux;
using Cais.Linux.Netlink;
using Cais.Oci.Runtime;

namespace Cais.Runtime;

/// <summary>
/// Interfaces that the configuration takes from the runtime's network namespace into the container's (config-linux.md, <c>netDevices</c>):
/// with their lasting addresses, and up. Nothing brings them back: with the namespace, the kernel returns hardware and destroys the rest.
/// </summary>
internal static class NetworkInterfaces
{
    private const int LongestName = 15;

    public static void Validate(Spec spec)
    {
        foreach (var (name, device) in spec.Linux?.NetDevices ?? new Dictionary<string, NetDevice>())
        {
            CheckName(name, name);
            CheckName(name, device.Name ?? name);
        }
    }

    private static void CheckName(string key, string name)
    {
        var bad = name.Length is 0 or > LongestName || name is "." or "..";
        foreach (var c in name)
        {
            bad |= c is '/' or ':' || char.IsWhiteSpace(c);
        }

        if (bad)
        {
            throw new RuntimeException(
                RuntimeError.InvalidConfig, $"netDevices {key}: \"{name}\" is no name for an interface (1 to {LongestName} characters, no / : or space)");
        }
    }

    public static void Move(int pid, IReadOnlyDictionary<string, NetDevice> devices)
    {
        using var target = NetworkNamespace.Open($"/proc/{pid}/ns/net");
        using var here = RouteSocket.Open();
        var addresses = here.Addresses();

        // All are looked at before one is moved: a virtual interface in a namespace that then ends is lost.
        var moves = Check(here, target, devices);
        foreach (var (link, newName) in moves)
        {
            MoveOne(here, addresses, target, link, newName);
        }
    }

    private static List<(LinkInfo Link, string NewName)> Check(RouteSocket here, FileDescriptor target, IReadOnlyDictionary<string, NetDevice> devices)
    {
        var taken = Namespaces.Run(NamespaceKind.Network, target, Links).ConvertAll(link => link.Name);
        var moves = new List<(LinkInfo, string)>();
        foreach (var (name, device) in devices)
        {
            var newName = string.IsNullOrEmpty(device.Name) ? name : device.Name;
            var link = here.FindLink(name) ?? throw new RuntimeException(
                RuntimeError.InvalidConfig, $"netDevices: there is no interface {name} in the runtime's network namespace");

            // What is there already under that name must not be disturbed; the kernel would rename on collision with some drivers only.
            if (taken.Contains(newName))
            {
                throw new RuntimeException(RuntimeError.InvalidConfig, $"netDevices: an interface {newName} exists already in the container's network namespace");
            }

            if (!newName.Contains('%', StringComparison.Ordinal))
            {
                taken.Add(newName);
            }

            moves.Add((link, newName));
        }

        return moves;
    }

    private static void MoveOne(RouteSocket here, List<AddressInfo> addresses, FileDescriptor target, LinkInfo link, string newName)
    {
        var name = link.Name;
        var before = Namespaces.Run(NamespaceKind.Network, target, Links);
        var batch = new RouteBatch();
        batch.SetUp(link.Index, name, up: false);
        here.Execute(batch);
        batch.MoveLink(link.Index, name, target, newName);
        here.Execute(batch);
        Namespaces.Run(NamespaceKind.Network, target, () =>
        {
            Configure(before, addresses, link, newName);
            return true;
        });
    }

    private static List<LinkInfo> Links()
    {
        using var there = RouteSocket.Open();
        return there.Links();
    }

    /// <summary>Its number may be another one there: it is the link that was not there before.</summary>
    private static void Configure(List<LinkInfo> before, List<AddressInfo> addresses, LinkInfo moved, string newName)
    {
        using var there = RouteSocket.Open();
        var arrived = there.Links().Find(link => !before.Exists(old => old.Index == link.Index)) ?? throw new RuntimeException(
            RuntimeError.Failed, $"netDevices: {moved.Name} did not arrive as {newName}");
        var batch = new RouteBatch();
        foreach (var address in addresses)
        {
            if (address.Index == moved.Index && address.IsLasting)
            {
                batch.AddAddress(arrived.Index, arrived.Name, address.Address, address.PrefixLength);
            }
        }

        batch.SetUp(arrived.Index, arrived.Name);
        there.Execute(batch);
    }
}
