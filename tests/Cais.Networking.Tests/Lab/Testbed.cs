using Cais.Linux.Netlink;
using Cais.Networking.Firewall;
using Cais.Plugins;
using Cais.Storage;

namespace Cais.Networking.Tests.Lab;

/// <summary>A host with a network controller, and a machine outside: 192.0.2.1 and 192.0.2.2 on one cable, IPv6 2001:db8::1 and ::2.</summary>
internal sealed class Testbed : IAsyncDisposable
{
    public const string HostAddress = "192.0.2.1";
    public const string OutsideAddress = "192.0.2.2";
    public const string HostAddressV6 = "2001:db8::1";
    public const string OutsideAddressV6 = "2001:db8::2";

    private static readonly string[] PortSets =
    [
        "publish4", "publish4_any", "publish6", "publish6_any", "published4", "published4_any", "published6", "published6_any", "direct4", "direct6",
    ];

    private readonly string _directory = Directory.CreateTempSubdirectory("cais-net-").FullName;
    private readonly Dictionary<string, Machine> _insides = [];
    private Database _database;
    private int _containers;
    private PluginRegistry? _plugins;

    private Testbed(NetworkOptions options)
    {
        Options = options = options with { ResolvConfPath = Path.Combine(_directory, "resolv.conf") };
        ResolvConf = "";
        Host = Machine.Create("host");
        Outside = Machine.Create("outside");
        Host.Connect(Outside, "uplink", $"{HostAddress}/24", "uplink", $"{OutsideAddress}/24");
        Host.AddAddress("uplink", $"{HostAddressV6}/64");
        Outside.AddAddress("uplink", $"{OutsideAddressV6}/64");
        _database = Database.Open(Path.Combine(_directory, "cais.db"));
        Controller = NetworkController.Open(_database, RunDirectory, options, Plugins, Host.Namespace);
    }

    public NetworkOptions Options { get; set; }

    /// <summary>Where plugins announce themselves to this host's daemon.</summary>
    public string PluginDirectory => Path.Combine(_directory, "plugins");

    public Machine Host { get; }

    public Machine Outside { get; }

    public NetworkController Controller { get; private set; }

    /// <summary>The host's resolver configuration.</summary>
    public string ResolvConf
    {
        set => File.WriteAllText(Options.ResolvConfPath, value);
    }

    private PluginRegistry Plugins => _plugins ??= new PluginRegistry(new PluginFolders(PluginDirectory, []));

    public string RunDirectory => Path.Combine(_directory, "run");

    public static async Task<Testbed> Create(NetworkOptions? options = null)
    {
        var lab = new Testbed(options ?? new NetworkOptions());
        await lab.Controller.StartAsync([], TestContext.Current.CancellationToken);
        return lab;
    }

    /// <summary>The daemon dies; containers live on.</summary>
    public async Task Crash()
    {
        await Controller.DisposeAsync();
        await _database.DisposeAsync();
    }

    /// <summary>The daemon dies, unless it did already, and another one starts; containers live on.</summary>
    public async Task Restart(params IReadOnlyCollection<string> containers)
    {
        await Crash();
        _database = Database.Open(Path.Combine(_directory, "cais.db"));
        Controller = NetworkController.Open(_database, RunDirectory, Options, Plugins, Host.Namespace);
        await Controller.StartAsync(containers, TestContext.Current.CancellationToken);
    }

    public SandboxSpec Spec(string? network = "bridge", params PortRequest[] ports)
    {
        var number = Interlocked.Increment(ref _containers);
        return new SandboxSpec
        {
            ContainerId = Convert.ToHexStringLower(System.Security.Cryptography.SHA256.HashData(BitConverter.GetBytes(number))),
            ContainerName = $"c{number}",
            Hostname = $"c{number}",
            Endpoints = network is null ? [] : [new EndpointSpec { Network = network }],
            Ports = ports,
        };
    }

    /// <summary>A running container: its namespace, held as its processes would hold it.</summary>
    public async Task<(Sandbox Sandbox, Machine Inside)> Run(SandboxSpec spec)
    {
        var sandbox = await Controller.CreateSandboxAsync(spec, TestContext.Current.CancellationToken);
        var inside = Machine.Open(spec.ContainerName, sandbox.NamespacePath!);
        _insides[spec.ContainerId] = inside;
        return (sandbox, inside);
    }

    public async Task<(Sandbox Sandbox, Machine Inside)> Run(string network = "bridge", params PortRequest[] ports) => await Run(Spec(network, ports));

    /// <summary>Ends a container: its processes, then its sandbox.</summary>
    public async Task Stop(Sandbox sandbox)
    {
        if (_insides.Remove(sandbox.ContainerId, out var inside))
        {
            inside.Dispose();
        }

        await Controller.DestroySandboxAsync(sandbox.ContainerId);
    }

    public Task<Network> Create(string name, Func<NetworkSpec, NetworkSpec>? more = null)
    {
        var spec = new NetworkSpec { Name = name };
        return Controller.CreateAsync(more is null ? spec : more(spec), TestContext.Current.CancellationToken);
    }

    /// <summary>Names of the host's interfaces.</summary>
    public IReadOnlyList<string> Links() => [.. Host.Do(Host.Route.Links).Select(l => l.Name)];

    public int Elements(string set)
    {
        using var filter = Host.Do(NftSocket.Open);
        return Host.Do(() => filter.Keys(FirewallTable.Family, FirewallTable.Name, set)).Count;
    }

    /// <summary>Everything that is left on the host when the daemon ends: empty when nothing leaks. The controller is closed afterwards.</summary>
    public async Task<IReadOnlyList<string>> Leftovers()
    {
        await Controller.DisposeAsync();
        return
        [
            .. Links().Where(l => l.StartsWith("veth", StringComparison.Ordinal)),
            .. Directory.GetFiles(Path.Combine(RunDirectory, "netns")),
            .. File.ReadLines("/proc/self/mountinfo").Where(l => l.Contains(RunDirectory, StringComparison.Ordinal)),
            .. PortSets.Where(s => Elements(s) > 0),
        ];
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var inside in _insides.Values)
        {
            inside.Dispose();
        }

        await Restart();
        await Controller.DisposeAsync();
        await _database.DisposeAsync();
        _plugins?.Dispose();
        Outside.Dispose();
        Host.Dispose();
        Directory.Delete(_directory, recursive: true);
    }
}
