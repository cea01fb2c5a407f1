using System.Net;
using System.Net.Sockets;
using Cais.Networking.Addresses;
using Cais.Networking.Ports;
using Cais.Testing;
using FsCheck;
using FsCheck.Fluent;

namespace Cais.Networking.Tests.Addresses;

/// <summary>Whatever is taken and given back, and whenever the process dies: never twice, always the lowest, nothing lost.</summary>
public sealed class AllocatorPropertyTests
{
    [Fact]
    public void Addresses_are_never_given_out_twice_and_all_come_back()
    {
        // Operations: take the next, take one by number, give one back, crash (the block is built again from what is on record).
        var operation = Gen.Choose(0, 9).SelectMany(kind => Gen.Choose(0, 40).Select(number => (Kind: kind, Number: number)));
        var cases = operation.ListOf().SelectMany(ops => Gen.Elements("10.0.0.0/27", "10.0.0.32/28", "10.0.0.0/30", "10.0.0.0/31", "fd00::/124", "fd00::/64").Select(s => (s, ops)));
        Prop.ForAll(cases.ToArbitrary(), c =>
        {
            var subnet = IPNetwork.Parse(c.s);
            var record = new HashSet<IPAddress>();
            var block = new AddressBlock(subnet);
            foreach (var (kind, number) in c.ops)
            {
                var address = (subnet.First() + (UInt128)number).ToAddress(subnet.BaseAddress.AddressFamily);
                switch (kind)
                {
                    case <= 4:
                        var expected = LowestFree(subnet, record);
                        Assert.Equal(expected, block.TakeNext());
                        if (expected is not null)
                        {
                            Assert.True(record.Add(expected));
                        }

                        break;
                    case 5 or 6:
                        Assert.Equal(Usable(subnet, address) && !record.Contains(address), block.TryTake(address));
                        if (Usable(subnet, address))
                        {
                            record.Add(address);
                        }

                        break;
                    case 7 or 8:
                        block.Release(address);
                        record.Remove(address);
                        break;
                    default:
                        block = new AddressBlock(subnet);
                        Assert.All(record, a => Assert.True(block.TryTake(a)));
                        break;
                }
            }

            foreach (var address in record)
            {
                block.Release(address);
            }

            Assert.Equal(LowestFree(subnet, []), block.TakeNext());
        }).Check(Config.QuickThrowOnFailure.WithReplay((ulong)Seeds.Value, 1));
    }

    [Fact]
    public void Ports_are_never_given_to_two_and_all_come_back()
    {
        var addresses = new[] { IPAddress.Any, IPAddress.Loopback, IPAddress.Parse("192.0.2.1"), IPAddress.IPv6Any, IPAddress.IPv6Loopback };
        var operation =
            from kind in Gen.Choose(0, 9)
            from address in Gen.Elements(addresses)
            from protocol in Gen.Elements(PortProtocol.Tcp, PortProtocol.Udp)
            from port in Gen.Choose(0, 6)
            from both in Gen.Choose(0, 3)
            select (kind, both == 0 ? [IPAddress.Any, IPAddress.IPv6Any] : new[] { address }, protocol, (ushort)(port == 0 ? 0 : 1000 + port));
        Prop.ForAll(operation.ListOf().ToArbitrary(), operations =>
        {
            var bound = new List<PortBinding>();
            var allocator = New(bound);
            var held = new List<HeldPort>();
            foreach (var (kind, wanted, protocol, port) in operations)
            {
                switch (kind)
                {
                    case <= 6:
                        try
                        {
                            held.Add(allocator.Take(new PortRequest(80, protocol, null, port), wanted, ""));
                        }
                        catch (NetworkException)
                        {
                            // Only for a reason: the same port and protocol is with somebody whose address conflicts.
                            Assert.Contains(held, h => h.Protocol == protocol && (port == 0 || h.HostPort == port));
                        }

                        break;
                    case 7 or 8 when held.Count > 0:
                        allocator.Release(held[0]);
                        bound.RemoveAll(held[0].Bindings.Contains);
                        held.RemoveAt(0);
                        break;
                    default:
                        bound.Clear();
                        allocator = New(bound);
                        held = [.. held.Select(h => allocator.Restore(h.Bindings))];
                        break;
                }

                Assert.Equal(held.Count, allocator.Count);
                foreach (var group in held.SelectMany(h => h.Bindings).GroupBy(b => (b.Protocol, b.HostPort, b.HostAddress.AddressFamily)))
                {
                    Assert.True(group.Count() == 1 || (group.DistinctBy(b => b.HostAddress).Count() == group.Count() && !group.Any(IsAny)));
                }
            }

            held.ForEach(allocator.Release);
            Assert.Equal(0, allocator.Count);
        }).Check(Config.QuickThrowOnFailure.WithReplay((ulong)Seeds.Value, 1));

        static bool IsAny(PortBinding binding) => binding.HostAddress.Equals(IPAddress.Any) || binding.HostAddress.Equals(IPAddress.IPv6Any);

        static PortAllocator New(List<PortBinding> bound) => new(
            bindings =>
            {
                // As the kernel would: exactly the same address and port only once.
                if (bindings.FirstOrDefault(b => bound.Contains(b with { ContainerPort = 80 })) is { } taken)
                {
                    throw new PortBindException(taken, new SocketException((int)SocketError.AddressAlreadyInUse));
                }

                bound.AddRange(bindings);
                return new HeldPort(bindings);
            },
            (1001, 1004));
    }

    [Fact]
    public void A_full_pool_says_so_and_works_again_after_one_is_returned()
    {
        var block = new AddressBlock(IPNetwork.Parse("10.0.0.0/29"));
        var all = Enumerable.Range(0, 6).Select(_ => block.TakeNext()!).ToList();
        Assert.Equal("10.0.0.1", all[0].ToString());
        Assert.Equal("10.0.0.6", all[^1].ToString());
        Assert.Null(block.TakeNext());
        block.Release(all[3]);
        Assert.Equal(all[3], block.TakeNext());
        Assert.Null(block.TakeNext());
    }

    [Fact]
    public void A_range_limits_what_is_given_out_but_not_what_may_be_asked_for()
    {
        var block = new AddressBlock(IPNetwork.Parse("10.0.0.0/24"), IPNetwork.Parse("10.0.0.128/30"));
        Assert.Equal("10.0.0.128", block.TakeNext()!.ToString());
        Assert.True(block.TryTake(IPAddress.Parse("10.0.0.7")));
        Assert.False(block.TryTake(IPAddress.Parse("10.0.1.7")));
        Assert.False(block.TryTake(IPAddress.Parse("10.0.0.255")));
    }

    [Fact]
    public void Subnets_come_in_dockers_order_and_avoid_what_is_in_use()
    {
        var pools = new SubnetPools([]);
        var used = new List<IPNetwork>();
        for (var i = 0; i < 31; i++)
        {
            used.Add(pools.Choose(AddressFamily.InterNetwork, used, default)!.Value);
        }

        Assert.Equal("172.17.0.0/16", used[0].ToString());
        Assert.Equal("172.31.0.0/16", used[14].ToString());
        Assert.Equal("192.168.0.0/20", used[15].ToString());
        Assert.Equal("192.168.240.0/20", used[30].ToString());
        Assert.Null(pools.Choose(AddressFamily.InterNetwork, used, default));
        Assert.Equal("172.18.0.0/16", pools.Choose(AddressFamily.InterNetwork, [IPNetwork.Parse("172.17.200.0/24")], default).ToString());
        Assert.Equal("192.168.16.0/20", pools.Choose(AddressFamily.InterNetwork, [IPNetwork.Parse("172.0.0.0/8"), IPNetwork.Parse("192.168.3.0/24")], default).ToString());
    }

    private static bool Usable(IPNetwork subnet, IPAddress address)
    {
        var host = AddressNumber.Bits(subnet.BaseAddress.AddressFamily) - subnet.PrefixLength;
        return subnet.Contains(address) &&
            (host < 2 || (address.ToNumber() != subnet.First() && (address.AddressFamily == AddressFamily.InterNetworkV6 || address.ToNumber() != subnet.Last())));
    }

    private static IPAddress? LowestFree(IPNetwork subnet, HashSet<IPAddress> taken)
    {
        var family = subnet.BaseAddress.AddressFamily;
        for (var number = subnet.First(); number <= subnet.Last() && number < subnet.First() + 1000; number++)
        {
            var address = number.ToAddress(family);
            if (Usable(subnet, address) && !taken.Contains(address))
            {
                return address;
            }
        }

        return null;
    }
}
