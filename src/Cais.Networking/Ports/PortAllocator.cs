using System.Net;
using System.Net.Sockets;

namespace Cais.Networking.Ports;

/// <summary>
/// Who has which host port. An address conflicts with itself and with "all addresses" of its family, as with the kernel's own sockets.
/// Not thread-safe: one thread owns it.
/// </summary>
/// <param name="bind">Takes the port on the host; throws <see cref="SocketException"/> when it cannot.</param>
/// <param name="ephemeral">First and last of the ports for those who do not care.</param>
internal sealed class PortAllocator(Func<PortBinding, HeldPort> bind, (ushort First, ushort Last) ephemeral)
{
    private readonly Dictionary<(PortProtocol Protocol, ushort Port), List<HeldPort>> _taken = [];
    private ushort _nextEphemeral = ephemeral.First;

    /// <summary>How many are taken now.</summary>
    public int Count { get; private set; }

    /// <summary>
    /// Takes one port on every one of <paramref name="addresses"/>: the same on all, and the first that is free on all.
    /// </summary>
    /// <param name="request">Which.</param>
    /// <param name="addresses">Host addresses: one, or one of each family.</param>
    /// <param name="context">Stands before the message of a failure.</param>
    /// <exception cref="PortAllocatedException">A container or another program has it.</exception>
    /// <exception cref="NetworkException">The address is not one of this host, or the port needs a right that is missing.</exception>
    public List<HeldPort> Take(PortRequest request, IReadOnlyList<IPAddress> addresses, string context)
    {
        if (request.HostPort == 0)
        {
            return TakeEphemeral(request, addresses, context);
        }

        var last = Math.Max(request.HostPort, request.HostPortEnd);
        for (int port = request.HostPort; ; port++)
        {
            try
            {
                return TakeExactly(request, addresses, (ushort)port, context);
            }
            catch (PortAllocatedException) when (port < last)
            {
                // The next of the range may be free.
            }
        }
    }

    /// <summary>Notes and holds a port that a container has had before this daemon began. Another program may sit on it: then it is noted only.</summary>
    public HeldPort Restore(PortBinding binding)
    {
        HeldPort held;
        try
        {
            held = bind(binding);
        }
        catch (SocketException)
        {
            held = new HeldPort(binding, null);
        }

        Add(held);
        return held;
    }

    public void Release(HeldPort held)
    {
        held.Dispose();
        var key = (held.Binding.Protocol, held.Binding.HostPort);
        if (_taken.TryGetValue(key, out var holders) && holders.Remove(held))
        {
            Count--;
            if (holders.Count == 0)
            {
                _taken.Remove(key);
            }
        }
    }

    private static bool Conflict(IPAddress one, IPAddress other) =>
        one.AddressFamily == other.AddressFamily && (one.Equals(other) || IsAny(one) || IsAny(other));

    private static bool IsAny(IPAddress address) => address.Equals(IPAddress.Any) || address.Equals(IPAddress.IPv6Any);

    private List<HeldPort> TakeEphemeral(PortRequest request, IReadOnlyList<IPAddress> addresses, string context)
    {
        var count = ephemeral.Last - ephemeral.First + 1;
        for (var tried = 0; tried < count; tried++)
        {
            var port = _nextEphemeral;
            _nextEphemeral = port == ephemeral.Last ? ephemeral.First : (ushort)(port + 1);
            try
            {
                return TakeExactly(request, addresses, port, context);
            }
            catch (PortAllocatedException)
            {
                // Somebody has it; the next.
            }
        }

        throw new NetworkException(NetworkError.Exhausted, $"{context}all ports are allocated");
    }

    private List<HeldPort> TakeExactly(PortRequest request, IReadOnlyList<IPAddress> addresses, ushort port, string context)
    {
        var taken = new List<HeldPort>(addresses.Count);
        try
        {
            foreach (var address in addresses)
            {
                taken.Add(TakeOne(new PortBinding(request.ContainerPort, request.Protocol, address, port), context));
            }

            return taken;
        }
        catch
        {
            foreach (var held in taken)
            {
                Release(held);
            }

            throw;
        }
    }

    private HeldPort TakeOne(PortBinding binding, string context)
    {
        if (_taken.TryGetValue((binding.Protocol, binding.HostPort), out var holders) &&
            holders.Any(h => Conflict(h.Binding.HostAddress, binding.HostAddress)))
        {
            throw new PortAllocatedException($"{context}Bind for {Text(binding)} failed: port is already allocated");
        }

        try
        {
            var held = bind(binding);
            Add(held);
            return held;
        }
        catch (SocketException e)
        {
            var protocol = binding.Protocol.ToString().ToLowerInvariant();
            var family = binding.HostAddress.AddressFamily == AddressFamily.InterNetwork ? 4 : 6;
            var reason = e.SocketErrorCode switch
            {
                SocketError.AddressAlreadyInUse => "address already in use",
                SocketError.AddressNotAvailable => "cannot assign requested address",
                SocketError.AccessDenied => "permission denied",
                SocketError.TooManyOpenSockets => "too many open files: raise the daemon's limit (LimitNOFILE)",
                _ => e.Message,
            };
            var message = $"{context}listen {protocol}{family} {Text(binding)}: bind: {reason}";
            throw e.SocketErrorCode == SocketError.AddressAlreadyInUse
                ? new PortAllocatedException(message, e)
                : new NetworkException(NetworkError.Kernel, message, e);
        }
    }

    private void Add(HeldPort held)
    {
        var key = (held.Binding.Protocol, held.Binding.HostPort);
        if (!_taken.TryGetValue(key, out var holders))
        {
            _taken.Add(key, holders = new List<HeldPort>(1));
        }

        holders.Add(held);
        Count++;
    }

    private static string Text(PortBinding binding) => new IPEndPoint(binding.HostAddress, binding.HostPort).ToString();
}
