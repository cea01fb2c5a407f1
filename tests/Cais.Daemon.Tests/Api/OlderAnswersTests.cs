using System.Net.Sockets;
using System.Text.Json;

namespace Cais.Daemon.Tests.Api;

/// <summary>
/// What clients of older API versions read must be there in the version that they ask in, and what came later must not confuse them. The paths are facts
/// about those versions (Data/engine-api-changes.tsv); a member may be null, but not missing.
/// </summary>
[Collection(DaemonCollection.Name)]
[Trait("Tier", "integration")]
public sealed class OlderAnswersTests(TestDaemon daemon)
{
    private static readonly string[] Config =
    [
        "Hostname", "Domainname", "User", "AttachStdin", "AttachStdout", "AttachStderr", "Tty", "OpenStdin", "StdinOnce", "Env", "Cmd", "Image", "Volumes", "WorkingDir",
        "Entrypoint", "Labels",
    ];

    private static readonly ILookup<string, (string First, string Last, string Member)> Members = Table().ToLookup(m => m.Path, m => (m.First, m.Last, m.Member));

    public static TheoryData<string> Paths => [.. Members.Select(m => m.Key)];

    /// <summary>Path of the request, the first and the last version of a member ("" for no end), and the member.</summary>
    private static List<(string Path, string First, string Last, string Member)> Table()
    {
        var data = new List<(string, string, string, string)>();
        void Add(string path, string first, string last, params string[] members) => data.AddRange(members.Select(m => (path, first, last, m)));

        Add("/images/busybox/json", "1.24", "", "Id", "RepoTags", "RepoDigests", "Created", "Architecture", "Os", "Size", "RootFS.Layers", "Config");
        Add("/images/busybox/json", "1.24", "1.43", "VirtualSize");
        Add("/images/busybox/json", "1.24", "1.44", "Container", "ContainerConfig");
        Add("/images/busybox/json", "1.24", "1.44", [.. Config.Select(m => "ContainerConfig." + m)]);
        Add("/images/busybox/json", "1.24", "1.51", "Parent", "Comment", "Author", "DockerVersion", "GraphDriver.Name", "Config.User", "Config.Env", "Config.Entrypoint",
            "Config.Labels", "Config.Volumes", "Config.OnBuild", "Config.WorkingDir");
        Add("/images/busybox/json", "1.24", "1.49", "Config.Hostname", "Config.Domainname", "Config.AttachStdin", "Config.Tty", "Config.OpenStdin", "Config.StdinOnce", "Config.Image");
        Add("/images/busybox/json", "1.48", "", "Descriptor");
        Add("/images/json", "1.24", "", "0.Id", "0.ParentId", "0.RepoTags", "0.RepoDigests", "0.Created", "0.Size", "0.SharedSize", "0.Labels", "0.Containers");
        Add("/images/json", "1.24", "1.43", "0.VirtualSize");
        Add("/images/json", "1.48", "", "0.Descriptor");
        Add("/containers/{id}/json", "1.24", "", "Id", "Created", "Path", "Args", "Image", "ResolvConfPath", "HostnamePath", "HostsPath", "LogPath", "Name", "RestartCount", "Driver",
            "MountLabel", "ProcessLabel", "AppArmorProfile", "ExecIDs", "Mounts", "State.Status", "State.Running", "State.Paused", "State.Restarting", "State.OOMKilled", "State.Dead",
            "State.Pid", "State.ExitCode", "State.Error", "State.StartedAt", "State.FinishedAt", "NetworkSettings.SandboxID", "NetworkSettings.Ports", "NetworkSettings.SandboxKey",
            "NetworkSettings.Networks.bridge.IPAddress", "NetworkSettings.Networks.bridge.Links", "NetworkSettings.Networks.bridge.Aliases",
            "HostConfig.Binds", "HostConfig.LogConfig.Type", "HostConfig.NetworkMode", "HostConfig.PortBindings", "HostConfig.RestartPolicy.Name", "HostConfig.VolumesFrom", "HostConfig.CapAdd",
            "HostConfig.Dns", "HostConfig.ExtraHosts", "HostConfig.Links", "HostConfig.Privileged", "HostConfig.SecurityOpt", "HostConfig.Memory", "HostConfig.CpuShares", "HostConfig.Devices",
            "HostConfig.Ulimits", "HostConfig.ShmSize", "HostConfig.OomKillDisable", "HostConfig.PidsLimit", "HostConfig.BlkioDeviceReadBps");
        Add("/containers/{id}/json", "1.24", "", [.. Config.Select(m => "Config." + m)]);
        Add("/containers/{id}/json", "1.24", "1.51", "GraphDriver.Name", "NetworkSettings.Bridge", "NetworkSettings.HairpinMode", "NetworkSettings.LinkLocalIPv6Address",
            "NetworkSettings.LinkLocalIPv6PrefixLen", "NetworkSettings.SecondaryIPAddresses", "NetworkSettings.SecondaryIPv6Addresses", "NetworkSettings.EndpointID", "NetworkSettings.Gateway",
            "NetworkSettings.GlobalIPv6Address", "NetworkSettings.GlobalIPv6PrefixLen", "NetworkSettings.IPAddress", "NetworkSettings.IPPrefixLen", "NetworkSettings.IPv6Gateway",
            "NetworkSettings.MacAddress");
        Add("/containers/{id}/json", "1.52", "", "Storage");
        Add("/containers/{id}/json", "1.48", "", "ImageManifestDescriptor");
        Add("/containers/json?all=1", "1.24", "", "0.Id", "0.Names", "0.Image", "0.ImageID", "0.Command", "0.Created", "0.Ports", "0.Labels", "0.State", "0.Status", "0.HostConfig.NetworkMode",
            "0.NetworkSettings.Networks", "0.Mounts");
        Add("/containers/json?all=1", "1.52", "", "0.Health");
        Add("/info", "1.24", "", "ID", "Containers", "ContainersRunning", "Images", "Driver", "DriverStatus", "Plugins.Volume", "Plugins.Network", "MemoryLimit", "SwapLimit", "CpuCfsPeriod",
            "IPv4Forwarding", "Debug", "NFd", "NGoroutines", "SystemTime", "LoggingDriver", "CgroupDriver", "KernelVersion", "OperatingSystem", "OSType", "Architecture",
            "IndexServerAddress", "RegistryConfig.IndexConfigs", "NCPU", "MemTotal", "DockerRootDir", "HttpProxy", "Name", "Labels", "ServerVersion", "Swarm.LocalNodeState", "Runtimes",
            "DefaultRuntime", "LiveRestoreEnabled", "SecurityOptions");
        Add("/info", "1.24", "1.49", "BridgeNfIptables", "BridgeNfIp6tables");
        Add("/info", "1.24", "1.48", "RuncCommit.Expected", "RegistryConfig.AllowNondistributableArtifactsCIDRs");
        Add("/info", "1.24", "1.51", "KernelMemoryTCP");
        Add("/info", "1.41", "", "CgroupVersion");
        Add("/info", "1.49", "", "FirewallBackend");
        Add("/version", "1.24", "", "Version", "ApiVersion", "MinAPIVersion", "GitCommit", "GoVersion", "Os", "Arch", "KernelVersion", "BuildTime");
        Add("/system/df", "1.25", "1.51", "LayersSize", "Images", "Containers", "Volumes");
        Add("/networks/bridge", "1.24", "", "Name", "Id", "Created", "Scope", "Driver", "EnableIPv6", "IPAM.Config", "Internal", "Attachable", "Containers", "Options", "Labels");
        return data;
    }

    [Theory]
    [MemberData(nameof(Paths))]
    public async Task A_member_is_there_in_its_versions_and_in_no_other(string path)
    {
        var id = await World();
        foreach (var version in new[] { "1.24", "1.30", "1.41", "1.43", "1.44", "1.45", "1.47", "1.48", "1.49", "1.50", "1.51", "1.52", "1.55" })
        {
            if (path == "/system/df" && Number(version) is (24 or > 51))
            {
                continue;
            }

            var answer = await daemon.Get($"/v{version}{path.Replace("{id}", id, StringComparison.Ordinal)}");
            Assert.Equal(
                [],
                Members[path].Where(m => Has(answer, m.Member) != (Number(version) >= Number(m.First) && (m.Last.Length == 0 || Number(version) <= Number(m.Last))))
                    .Select(m => $"{m.Member} in {version}"));
        }
    }

    [Fact]
    public async Task Before_1_25_security_options_are_names()
    {
        Assert.All((await daemon.Get("/v1.24/info")).GetProperty("SecurityOptions").EnumerateArray(), o => Assert.DoesNotContain('=', o.GetString()!));
        Assert.Contains((await daemon.Get("/v1.25/info")).GetProperty("SecurityOptions").EnumerateArray(), o => o.GetString()!.StartsWith("name=seccomp,", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Compose_1_finds_what_it_reads_in_any_version()
    {
        using var socket = await daemon.Connect();
        await socket.SendAsync("GET /v1.55/images/busybox/json HTTP/1.1\r\nHost: docker\r\nUser-Agent: docker-compose/1.29.2 docker-py/5.0.3\r\nConnection: close\r\n\r\n"u8.ToArray());
        using var reader = new StreamReader(new NetworkStream(socket));
        Assert.Contains("\"ContainerConfig\":{", await reader.ReadToEndAsync(TestContext.Current.CancellationToken), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Compose_1_finds_in_events_what_Actor_replaced()
    {
        var id = await daemon.Create("""{"Image":"busybox"}""", "?name=of-compose");
        using var socket = await daemon.Connect();
        var until = DateTimeOffset.UtcNow.ToUnixTimeSeconds() + 1;
        await socket.SendAsync(System.Text.Encoding.ASCII.GetBytes(
            $"GET /v1.55/events?since=0&until={until} HTTP/1.1\r\nHost: docker\r\nUser-Agent: docker-compose/1.29.2 docker-py/5.0.3\r\nConnection: close\r\n\r\n"));
        using var reader = new StreamReader(new NetworkStream(socket));
        var events = await reader.ReadToEndAsync(TestContext.Current.CancellationToken);
        Assert.Contains($"\"id\":\"{id}\"", events, StringComparison.Ordinal);
        Assert.Contains("\"status\":\"create\"", events, StringComparison.Ordinal);
    }

    private static int Number(string version) => int.Parse(version[2..], System.Globalization.CultureInfo.InvariantCulture);

    private static bool Has(JsonElement at, string path)
    {
        foreach (var name in path.Split('.'))
        {
            if (at.ValueKind == JsonValueKind.Array && int.TryParse(name, out var index))
            {
                at = at.EnumerateArray().ElementAt(index);
            }
            else if (at.ValueKind != JsonValueKind.Object || !at.TryGetProperty(name, out at))
            {
                return false;
            }
        }

        return true;
    }

    /// <summary>One container that runs, for all cases.</summary>
    private async Task<string> World()
    {
        if (daemon.Engine.List().FirstOrDefault(c => c.Name == "older-answers") is { } there)
        {
            return there.Id;
        }

        var id = await daemon.Create("""{"Image":"busybox","Cmd":["sleep","600"]}""", "?name=older-answers");
        await daemon.Post($"/containers/{id}/start");
        return id;
    }
}
