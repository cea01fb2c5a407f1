using System.Diagnostics;
using System.Net;
using System.Net.NetworkInformation;
using System.Net.Sockets;
using System.Text;
using Cais.Linux;
using Cais.Linux.Netlink;
using Cais.Networking.Kernel;

namespace Cais.Networking.Tests.Lab;

/// <summary>A simulated machine: a network namespace with a thread that lives in it. Sockets made by its jobs belong to it.</summary>
internal sealed class Machine : IDisposable
{
    private readonly KernelThread _thread;
    private readonly RouteSocket _route;

    private Machine(string name, FileDescriptor @namespace)
    {
        Name = name;
        Namespace = @namespace;
        _thread = new KernelThread(name, @namespace);
        _route = Do(RouteSocket.Open);
        var batch = new RouteBatch();
        batch.SetUp(1, "lo");
        Do(() => _route.Execute(batch));
    }

    public string Name { get; }

    public FileDescriptor Namespace { get; }

    public string NamespacePath => $"/proc/{Environment.ProcessId}/fd/{Namespace.Number}";

    public RouteSocket Route => _route;

    public static Machine Create(string name)
    {
        FileDescriptor? created = null;
        var maker = new Thread(() => created = NetworkNamespace.EnterNew());
        maker.Start();
        maker.Join();
        return new Machine(name, created!);
    }

    /// <summary>A machine for an existing namespace: a container's inside.</summary>
    public static Machine Open(string name, string path) => new(name, NetworkNamespace.Open(path));

    public T Do<T>(Func<T> job) => _thread.Run(job).GetAwaiter().GetResult();

    public void Do(Action job) => _thread.Run(job).GetAwaiter().GetResult();

    /// <summary>Lays a cable to another machine.</summary>
    public void Connect(Machine other, string here, string ownAddress, string there, string otherAddress)
    {
        var batch = new RouteBatch();
        batch.AddVeth(here, 0, there, other.Namespace, new PhysicalAddress([0x02, 0, 0, (byte)Random.Shared.Next(256), (byte)Random.Shared.Next(256), 1]), 1500);
        Do(() => Route.Execute(batch));
        AddAddress(here, ownAddress);
        other.AddAddress(there, otherAddress);
    }

    public void AddAddress(string link, string address)
    {
        var parts = address.Split('/');
        var batch = new RouteBatch();
        var index = Route.FindLink(link)!.Index;
        batch.AddAddress(index, link, IPAddress.Parse(parts[0]), int.Parse(parts[1]));
        batch.SetUp(index, link);
        Do(() => Route.Execute(batch));
    }

    public void AddRoute(string destination, string gateway, string link)
    {
        var batch = new RouteBatch();
        batch.AddRoute(IPNetwork.Parse(destination), IPAddress.Parse(gateway), Route.FindLink(link)!.Index);
        Do(() => Route.Execute(batch));
    }

    /// <summary>Answers every TCP connection with the address that it sees it coming from, until disposed.</summary>
    public EchoServer Serve(int port, IPAddress? address = null) => new(Do(() =>
    {
        var socket = new Socket(address?.AddressFamily ?? AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        socket.Bind(new IPEndPoint(address ?? IPAddress.Any, port));
        socket.Listen();
        return socket;
    }));

    /// <summary>Connects and returns what the server says; null when nothing answers in the given time.</summary>
    public async Task<string?> Ask(string address, int port, TimeSpan? patience = null)
    {
        var ip = IPAddress.Parse(address);
        using var socket = Do(() => new Socket(ip.AddressFamily, SocketType.Stream, ProtocolType.Tcp));
        using var limit = new CancellationTokenSource(patience ?? TimeSpan.FromSeconds(10));
        try
        {
            await socket.ConnectAsync(new IPEndPoint(ip, port), limit.Token);
            var buffer = new byte[256];
            var count = await socket.ReceiveAsync(buffer, limit.Token);
            return Encoding.ASCII.GetString(buffer, 0, count);
        }
        catch (Exception e) when (e is SocketException or OperationCanceledException)
        {
            return null;
        }
    }

    /// <summary>Whether a connection does not come about within a moment long enough for this machine.</summary>
    public async Task<bool> CannotReach(string address, int port) => await Ask(address, port, TimeSpan.FromMilliseconds(400)) is null;

    /// <summary>Runs a program on this machine.</summary>
    public (int Exit, string Output) Run(params string[] command)
    {
        var start = new ProcessStartInfo("nsenter", [$"--net={NamespacePath}", .. command]) { RedirectStandardOutput = true, RedirectStandardError = true };
        using var process = Process.Start(start)!;
        var error = process.StandardError.ReadToEndAsync();
        var output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        return (process.ExitCode, output + error.GetAwaiter().GetResult());
    }

    public void Dispose()
    {
        _route.Dispose();
        _thread.Dispose();
        Namespace.Dispose();
    }
}

/// <summary>See <see cref="Machine.Serve"/>.</summary>
internal sealed class EchoServer : IDisposable
{
    private readonly Socket _listener;

    public EchoServer(Socket listener)
    {
        _listener = listener;
        _ = AcceptAll();
    }

    public int Port => ((IPEndPoint)_listener.LocalEndPoint!).Port;

    public void Dispose() => _listener.Dispose();

    private async Task AcceptAll()
    {
        try
        {
            while (true)
            {
                using var client = await _listener.AcceptAsync();
                await client.SendAsync(Encoding.ASCII.GetBytes(((IPEndPoint)client.RemoteEndPoint!).Address.ToString()));
                client.Shutdown(SocketShutdown.Send);
            }
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            // The test is over.
        }
    }
}
