using Cais.Testing;

namespace Cais.EndToEnd.Tests;

/// <summary>Another machine on the engine's outer network: a network namespace joined by a veth pair.</summary>
internal sealed class Host : IAsyncDisposable
{
    private readonly string _name = $"host-{Guid.NewGuid().ToString("n")[..6]}";

    private Host()
    {
    }

    /// <summary>The engine's machine, as the other host sees it.</summary>
    public const string EngineAddress = "198.51.100.1";

    /// <summary>The other host, as the engine's machine sees it.</summary>
    public const string Address = "198.51.100.2";

    public string NamespacePath => $"/run/netns/{_name}";

    /// <summary>Plugs the cable between the two machines in or out: <c>up</c> or <c>down</c>.</summary>
    public async Task Cable(string state) => (await Command.Run("ip", ["link", "set", _name, state])).Succeeded();

    public static async Task<Host> Start()
    {
        var host = new Host();
        (await Command.Run("sh", ["-ec", $"""
            ip netns add {host._name}
            ip link add {host._name} type veth peer name eth0 netns {host._name}
            ip address add {EngineAddress}/24 dev {host._name}
            ip link set {host._name} up
            ip -n {host._name} address add {Address}/24 dev eth0
            ip -n {host._name} link set lo up
            ip -n {host._name} link set eth0 up
            """])).Succeeded();
        return host;
    }

    /// <summary>Runs a shell command on the other machine.</summary>
    public Task<ProcessResult> Run(string command) =>
        Command.Run("nsenter", [$"--net=/run/netns/{_name}", "sh", "-c", command]);

    public BackgroundProcess Serve(string command) =>
        Command.Start("nsenter", [$"--net=/run/netns/{_name}", "sh", "-c", "exec " + command]);

    public async ValueTask DisposeAsync()
    {
        (await Command.Run("ip", ["netns", "delete", _name])).Succeeded();
        await Command.Run("ip", ["link", "delete", _name]);
        if (Directory.Exists("/run/netns") && !Directory.EnumerateFileSystemEntries("/run/netns").Any())
        {
            await Command.Run("umount", ["/run/netns"]);
            Directory.Delete("/run/netns");
        }
    }
}
