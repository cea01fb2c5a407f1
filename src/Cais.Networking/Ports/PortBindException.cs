using System.Net.Sockets;

namespace Cais.Networking.Ports;

/// <summary>The kernel gives us no socket at that address and port.</summary>
internal sealed class PortBindException(PortBinding binding, SocketException inner) : Exception(inner.Message, inner)
{
    public PortBinding Binding { get; } = binding;

    public SocketError Reason { get; } = inner.SocketErrorCode;
}
