using System.Net;
using System.Net.Sockets;

namespace Cais.Networking.Ports;

/// <summary>
/// Who has which host port. An address conflicts with itself and with "all addresses" of its family, as with the kernel's own sockets.
/// Not thread-safe: one thread owns it.
/// </summary>
/// <param name="bind">Takes a port on the host, by one address or several; throws <see cref="PortBindException"/> when it cannot.</param>
/// <param name="ephemeral">First and last of the ports for those who do not care.</param>
internal sealed class PortAllocator(Func<IReadOnlyList<PortBinding>, HeldPort> bind, (ushort First, ushort Last) ephemeral)
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
    public HeldPort Take(PortRequest request, IReadOnlyList<IPAddress> addresses, string context)
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
    /// <param name="bindings">They differ in the host's address only.</param>
    public HeldPort Restore(IReadOnlyList<PortBinding> bindings)
    {
        HeldPort held;
        try
        {
            held = bind(bindings);
        }
        catch (PortBindException)
        {
            held = new HeldPort(bindings);
        }

        Add(held);
        return held;
    }

    public void Release(HeldPort held)
    {
        held.Dispose();
        var key = (held.Protocol, held.HostPort);
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

    private HeldPort TakeEphemeral(PortRequest request, IReadOnlyList<IPAddress> addresses, string context)
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

    private HeldPort TakeExactly(PortRequest request, IReadOnlyList<IPAddress> addresses, ushort port, string context)
    {
        var bindings = new PortBinding[addresses.Count];
        var holders = _taken.GetValueOrDefault((request.Protocol, port));
        for (var i = 0; i < bindings.Length; i++)
        {
            var binding = bindings[i] = new PortBinding(request.ContainerPort, request.Protocol, addresses[i], port);
            if (holders is not null && holders.Any(h => h.Bindings.Any(b => Conflict(b.HostAddress, binding.HostAddress))))
            {
                throw new PortAllocatedException($"{context}Bind for {Text(binding)} failed: port is already allocated");
            }
        }

        try
        {
            var held = bind(bindings);
            Add(held);
            return held;
        }
        catch (PortBindException e)
        {
            var protocol = e.Binding.Protocol.ToString().ToLowerInvariant();
            var family = e.Binding.HostAddress.AddressFamily == AddressFamily.InterNetwork ? 4 : 6;
            var reason = e.Reason switch
            {
                SocketError.AddressAlreadyInUse => "address already in use",
                SocketError.AddressNotAvailable => "cannot assign requested address",
                SocketError.AccessDenied => "permission denied",
                SocketError.TooManyOpenSockets => "too many open files: raise the daemon's limit (LimitNOFILE)",
                _ => e.Message,
            };
            var message = $"{context}listen {protocol}{family} {Text(e.Binding)}: bind: {reason}";
            throw e.Reason == SocketError.AddressAlreadyInUse
                ? new PortAllocatedException(message, e)
                : new NetworkException(NetworkError.Kernel, message, e);
        }
    }

    private void Add(HeldPort held)
    {
        var key = (held.Protocol, held.HostPort);
        if (!_taken.TryGetValue(key, out var holders))
        {
            _taken.Add(key, holders = new List<HeldPort>(1));
        }

        holders.Add(held);
        Count++;
    }

    private static string Text(PortBinding binding) => new IPEndPoint(binding.HostAddress, binding.HostPort).ToString();
}
