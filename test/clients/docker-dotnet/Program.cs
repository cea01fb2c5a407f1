// Docker.DotNet: an agent that deploys a service, watches it and takes it away.
using System.Collections.Concurrent;
using System.Formats.Tar;
using System.Globalization;
using System.Net;
using System.Text;
using Docker.DotNet;
using Docker.DotNet.Models;
using static Cais.Clients.Checks;

using var configuration = new DockerClientConfiguration(new Uri(Environment.GetEnvironmentVariable("DOCKER_HOST")!));
using var docker = configuration.CreateClient();

await Check("ping, version, info", async () =>
{
    await docker.System.PingAsync();
    Equal("linux", (await docker.System.GetVersionAsync()).Os);
    True((await docker.System.GetSystemInfoAsync()).NCPU > 0, "no processors");
});

await Check("errors are typed", async () =>
{
    await Throws<DockerContainerNotFoundException>(() => docker.Containers.InspectContainerAsync("nonesuch"));
    await Throws<DockerImageNotFoundException>(() => docker.Images.InspectImageAsync("nonesuch"));
    var e = await Throws<DockerApiException>(() => docker.Containers.CreateContainerAsync(new CreateContainerParameters { Image = "tiny", HostConfig = new HostConfig { Memory = 1 } }));
    Equal(HttpStatusCode.BadRequest, e.StatusCode);
});

await Check("a build, its messages, its image", async () =>
{
    var said = new ConcurrentQueue<string>();
    using var context = Tar(("Dockerfile", "FROM tiny\nCOPY file /file\nLABEL agent=yes\nCMD [\"cat\", \"/file\"]\n"), ("file", "from dotnet\n"));
    await docker.Images.BuildImageFromDockerfileAsync(
        new ImageBuildParameters { Tags = ["dotnet-built:1"], BuildArgs = new Dictionary<string, string> { ["x"] = "1" } }, context, null, null,
        new Reporter<JSONMessage>(m => said.Enqueue(m.Stream ?? "")));
    True(said.Any(s => s.StartsWith("Step 1/4", StringComparison.Ordinal)), string.Join('|', said));
    Equal("yes", (await docker.Images.InspectImageAsync("dotnet-built:1")).Config.Labels["agent"]);
    Equal(1, (await docker.Images.ListImagesAsync(new ImagesListParameters
    {
        Filters = new Dictionary<string, IDictionary<string, bool>> { ["label"] = new Dictionary<string, bool> { ["agent=yes"] = true } },
    })).Count);
    True((await docker.Images.GetImageHistoryAsync("dotnet-built:1")).Count >= 3, "a short history");
});

await Check("save, remove, load, tag", async () =>
{
    using var saved = new MemoryStream();
    await using (var stream = await docker.Images.SaveImageAsync("dotnet-built:1"))
    {
        await stream.CopyToAsync(saved);
    }

    await docker.Images.DeleteImageAsync("dotnet-built:1", new ImageDeleteParameters { Force = true });
    saved.Position = 0;
    await docker.Images.LoadImageAsync(new ImageLoadParameters(), saved, new Reporter<JSONMessage>(_ => { }));
    await docker.Images.TagImageAsync("dotnet-built:1", new ImageTagParameters { RepositoryName = "dotnet-built", Tag = "2" });
    await docker.Images.DeleteImageAsync("dotnet-built:2", new ImageDeleteParameters());
});

var network = await docker.Networks.CreateNetworkAsync(new NetworksCreateParameters { Name = "dotnet-net", Driver = "bridge" });
var volume = await docker.Volumes.CreateAsync(new VolumesCreateParameters { Name = "dotnet-data", Labels = new Dictionary<string, string> { ["agent"] = "yes" } });
using var watching = new CancellationTokenSource();
var seen = new ConcurrentQueue<string>();
var watch = docker.System.MonitorEventsAsync(
    new ContainerEventsParameters { Filters = new Dictionary<string, IDictionary<string, bool>> { ["type"] = new Dictionary<string, bool> { ["container"] = true } } },
    new Reporter<Message>(m => seen.Enqueue(m.Action)), watching.Token);
var server = (await docker.Containers.CreateContainerAsync(new CreateContainerParameters
{
    Image = "tiny",
    Name = "dotnet-server",
    Cmd = ["sh", "-c", "trap 'exit 8' TERM; echo begun; echo warned >&2; httpd -p 80 -h /srv; while true; do sleep 0.1; done"],
    Env = ["MODE=agent"],
    Labels = new Dictionary<string, string> { ["agent"] = "yes" },
    ExposedPorts = new Dictionary<string, EmptyStruct> { ["80/tcp"] = default },
    Healthcheck = new HealthConfig { Test = ["CMD", "true"], Interval = TimeSpan.FromMilliseconds(200), Timeout = TimeSpan.FromSeconds(5), Retries = 1 },
    HostConfig = new HostConfig
    {
        PortBindings = new Dictionary<string, IList<PortBinding>> { ["80/tcp"] = [new PortBinding { HostIP = "127.0.0.1", HostPort = "" }] },
        Mounts = [new Mount { Type = "volume", Source = "dotnet-data", Target = "/srv" }, new Mount { Type = "tmpfs", Target = "/scratch", TmpfsOptions = new TmpfsOptions { SizeBytes = 1 << 20 } }],
        NetworkMode = "dotnet-net",
        Memory = 64 << 20,
        RestartPolicy = new RestartPolicy { Name = RestartPolicyKind.OnFailure, MaximumRetryCount = 1 },
    },
})).ID;
try
{
    await Check("start, inspect, list", async () =>
    {
        True(await docker.Containers.StartContainerAsync(server, new ContainerStartParameters()), "it ran before");
        True(!await docker.Containers.StartContainerAsync(server, new ContainerStartParameters()), "it was started twice");
        var found = await docker.Containers.InspectContainerAsync(server);
        True(found.State.Running && found.State.Pid > 0 && found.NetworkSettings.Networks["dotnet-net"].IPAddress.Length > 0, "it does not run as asked");
        Equal(64L << 20, found.HostConfig.Memory);
        var listed = await docker.Containers.ListContainersAsync(new ContainersListParameters
        {
            Filters = new Dictionary<string, IDictionary<string, bool>> { ["label"] = new Dictionary<string, bool> { ["agent"] = true } },
        });
        Equal("/dotnet-server", listed.Single().Names.Single());
    });

    await Check("it becomes healthy", () => Until(async () => (await docker.Containers.InspectContainerAsync(server)).State.Health.Status == "healthy"));

    await Check("files in, a request, files out", async () =>
    {
        using var files = Tar(("index.html", "served"));
        await docker.Containers.ExtractArchiveToContainerAsync(server, new ContainerPathStatParameters { Path = "/srv" }, files);
        var port = (await docker.Containers.InspectContainerAsync(server)).NetworkSettings.Ports["80/tcp"][0].HostPort;
        using var http = new HttpClient();
        Equal("served", await http.GetStringAsync(new Uri($"http://127.0.0.1:{port}/index.html")));
        var archive = await docker.Containers.GetArchiveFromContainerAsync(server, new GetArchiveFromContainerParameters { Path = "/srv/index.html" }, false);
        Equal(("index.html", 6L), (archive.Stat.Name, archive.Stat.Size));
        using var reader = new TarReader(archive.Stream);
        Equal("index.html", (await reader.GetNextEntryAsync(copyData: true))!.Name);
    });

    await Check("exec: output apart and exit code", async () =>
    {
        var exec = await docker.Exec.ExecCreateContainerAsync(server, new ContainerExecCreateParameters { Cmd = ["sh", "-c", "echo $MODE; echo oops >&2; exit 6"], AttachStdout = true, AttachStderr = true });
        using var stream = await docker.Exec.StartAndAttachContainerExecAsync(exec.ID, tty: false);
        Equal(("agent\n", "oops\n"), await stream.ReadOutputToEndAsync(CancellationToken.None));
        Equal(6L, (await docker.Exec.InspectContainerExecAsync(exec.ID)).ExitCode);
    });

    await Check("exec: input, and its end", async () =>
    {
        var exec = await docker.Exec.ExecCreateContainerAsync(server, new ContainerExecCreateParameters { Cmd = ["wc", "-c"], AttachStdin = true, AttachStdout = true });
        using var stream = await docker.Exec.StartAndAttachContainerExecAsync(exec.ID, tty: false);
        await stream.WriteAsync(new byte[50_000], 0, 50_000, CancellationToken.None);
        stream.CloseWrite();
        Equal("50000", (await stream.ReadOutputToEndAsync(CancellationToken.None)).stdout.Trim());
    });

    await Check("logs, whole and followed", async () =>
    {
        using var whole = await docker.Containers.GetContainerLogsAsync(server, false, new ContainerLogsParameters { ShowStdout = true, ShowStderr = true });
        Equal(("begun\n", "warned\n"), await whole.ReadOutputToEndAsync(CancellationToken.None));
        using var follow = await docker.Containers.GetContainerLogsAsync(server, false, new ContainerLogsParameters { ShowStdout = true, Follow = true });
        var buffer = new byte[100];
        var read = await follow.ReadOutputAsync(buffer, 0, buffer.Length, CancellationToken.None);
        Equal("begun\n", Encoding.UTF8.GetString(buffer, 0, read.Count));
    });

    await Check("statistics, once and as a stream", async () =>
    {
        var stats = new ConcurrentQueue<ContainerStatsResponse>();
        await docker.Containers.GetContainerStatsAsync(server, new ContainerStatsParameters { Stream = false }, new Reporter<ContainerStatsResponse>(stats.Enqueue));
        True(stats.Single().MemoryStats.Usage > 0 && stats.Single().Networks.ContainsKey("eth0"), "empty numbers");
        using var enough = new CancellationTokenSource();
        await Throws<OperationCanceledException>(() => docker.Containers.GetContainerStatsAsync(server, new ContainerStatsParameters { Stream = true }, new Reporter<ContainerStatsResponse>(s =>
        {
            stats.Enqueue(s);
            if (stats.Count >= 3)
            {
                enough.Cancel();
            }
        }), enough.Token));
    });

    await Check("top, changes, update, rename, pause, restart", async () =>
    {
        True((await docker.Containers.ListProcessesAsync(server, new ContainerListProcessesParameters())).Processes.Count >= 2, "few processes");
        await docker.Containers.InspectChangesAsync(server);
        await docker.Containers.UpdateContainerAsync(server, new ContainerUpdateParameters { Memory = 96 << 20, MemorySwap = 96 << 20 });
        await docker.Containers.RenameContainerAsync(server, new ContainerRenameParameters { NewName = "dotnet-renamed" }, CancellationToken.None);
        await docker.Containers.PauseContainerAsync(server);
        True((await docker.Containers.InspectContainerAsync("dotnet-renamed")).State.Paused, "it is not paused");
        await docker.Containers.UnpauseContainerAsync(server);
        await docker.Containers.RestartContainerAsync(server, new ContainerRestartParameters { WaitBeforeKillSeconds = 3 });
    });

    await Check("networks: connect and disconnect", async () =>
    {
        var other = await docker.Networks.CreateNetworkAsync(new NetworksCreateParameters { Name = "dotnet-other" });
        await docker.Networks.ConnectNetworkAsync(other.ID, new NetworkConnectParameters { Container = server, EndpointConfig = new EndpointSettings { Aliases = ["seen"] } });
        True((await docker.Networks.InspectNetworkAsync(other.ID)).Containers.ContainsKey(server), "it is not in the network");
        await docker.Networks.DisconnectNetworkAsync(other.ID, new NetworkDisconnectParameters { Container = server });
        await docker.Networks.DeleteNetworkAsync(other.ID);
    });

    await Check("commit", async () =>
    {
        var image = await docker.Images.CommitContainerChangesAsync(new CommitContainerChangesParameters { ContainerID = server, RepositoryName = "dotnet-committed", Tag = "1", Comment = "as it is" });
        await docker.Images.DeleteImageAsync(image.ID, new ImageDeleteParameters { Force = true });
    });

    await Check("wait, stop, and the events of it all", async () =>
    {
        var waiting = docker.Containers.WaitContainerAsync(server);
        True(await docker.Containers.StopContainerAsync(server, new ContainerStopParameters { WaitBeforeKillSeconds = 5 }), "it did not run");
        Equal(8L, (await waiting).StatusCode);
        string[] expected = ["create", "start", "pause", "unpause", "update", "rename", "restart", "kill", "die", "stop", "commit"];
        await Until(() => Task.FromResult(expected.All(seen.Contains)));
    });
}
finally
{
    await watching.CancelAsync();
    await Throws<OperationCanceledException>(() => watch);
    await docker.Containers.RemoveContainerAsync(server, new ContainerRemoveParameters { Force = true, RemoveVolumes = true });
    await docker.Volumes.RemoveAsync(volume.Name, force: false);
    await docker.Networks.DeleteNetworkAsync(network.ID);
    await docker.Images.DeleteImageAsync("dotnet-built:1", new ImageDeleteParameters());
}

await Check("attach, with input, before the start", async () =>
{
    var made = await docker.Containers.CreateContainerAsync(new CreateContainerParameters { Image = "tiny", Cmd = ["cat"], OpenStdin = true, StdinOnce = true });
    using var stream = await docker.Containers.AttachContainerAsync(made.ID, false, new ContainerAttachParameters { Stream = true, Stdin = true, Stdout = true });
    await docker.Containers.StartContainerAsync(made.ID, null);
    await stream.WriteAsync("to the cat"u8.ToArray(), 0, 10, CancellationToken.None);
    stream.CloseWrite();
    Equal("to the cat", (await stream.ReadOutputToEndAsync(CancellationToken.None)).stdout);
    await docker.Containers.RemoveContainerAsync(made.ID, new ContainerRemoveParameters { Force = true });
});

await Check("twenty at once", async () =>
{
    var codes = await Task.WhenAll(Enumerable.Range(0, 20).Select(async i =>
    {
        var made = await docker.Containers.CreateContainerAsync(new CreateContainerParameters { Image = "tiny", Cmd = ["sh", "-c", "exit " + i.ToString(CultureInfo.InvariantCulture)] });
        await docker.Containers.StartContainerAsync(made.ID, null);
        var code = (await docker.Containers.WaitContainerAsync(made.ID)).StatusCode;
        await docker.Containers.RemoveContainerAsync(made.ID, new ContainerRemoveParameters());
        return code;
    }));
    Equal(string.Join(' ', Enumerable.Range(0, 20)), string.Join(' ', codes));
});

return ExitCode;

static MemoryStream Tar(params (string Name, string Content)[] files)
{
    var archive = new MemoryStream();
    using (var tar = new TarWriter(archive, leaveOpen: true))
    {
        foreach (var (name, content) in files)
        {
            tar.WriteEntry(new PaxTarEntry(TarEntryType.RegularFile, name) { DataStream = new MemoryStream(Encoding.UTF8.GetBytes(content)) });
        }
    }

    archive.Position = 0;
    return archive;
}

/// <summary>Tells each thing at once, in order.</summary>
internal sealed class Reporter<T>(Action<T> report) : IProgress<T>
{
    public void Report(T value) => report(value);
}
