// Testcontainers for .NET: the integration tests of a program that needs a store and a web server.
using System.Net.Sockets;
using System.Text;
using DotNet.Testcontainers.Builders;
using DotNet.Testcontainers.Configurations;
using DotNet.Testcontainers.Containers;
using Testcontainers.Redis;
using static Cais.Clients.Checks;

await Check("a store by its module, with the module's wait strategy", async () =>
{
    await using var store = new RedisBuilder("redis:7").Build();
    await store.StartAsync();
    Equal("+PONG", await Ask(store, "PING"));
    Equal("+OK", await Ask(store, "SET answer 42"));
    var read = await store.ExecAsync(["redis-cli", "get", "answer"]);
    Equal((0L, "42\n", ""), (read.ExitCode, read.Stdout, read.Stderr));
    Equal("OK", (await store.ExecScriptAsync("return redis.call('set', 'script', 'ran')")).Stdout.Trim());
    var (stdout, _) = await store.GetLogsAsync();
    True(stdout.Contains("Ready to accept connections", StringComparison.Ordinal), stdout);
});

foreach (var (name, strategy) in new (string, IWaitForContainerOS)[]
{
    ("a line of the log", Wait.ForUnixContainer().UntilMessageIsLogged("Ready to accept connections")),
    ("health", Wait.ForUnixContainer().UntilContainerIsHealthy()),
    ("a command", Wait.ForUnixContainer().UntilCommandIsCompleted("redis-cli", "ping")),
    ("a port inside", Wait.ForUnixContainer().UntilInternalTcpPortIsAvailable(6379)),
    ("a port outside", Wait.ForUnixContainer().UntilExternalTcpPortIsAvailable(6379)),
    ("a file", Wait.ForUnixContainer().UntilFileExists("/data/appendonlydir/appendonly.aof.manifest", FileSystem.Container)),
})
{
    await Check("waits for " + name, async () =>
    {
        await using var store = new ContainerBuilder("redis:7").WithPortBinding(6379, assignRandomHostPort: true).WithWaitStrategy(strategy).Build();
        await store.StartAsync();
        await Until(async () => await Ask(store, "PING") == "+PONG");
    });
}

await Check("what ends before it is ready is reported", async () =>
{
    await using var broken = new ContainerBuilder("tiny").WithCommand("sh", "-c", "echo no licence >&2; exit 3").WithWaitStrategy(Wait.ForUnixContainer().UntilMessageIsLogged("ready")).Build();
    var e = await Throws<ContainerNotRunningException>(() => broken.StartAsync());
    True(e.Message.Contains("no licence", StringComparison.Ordinal), e.Message);
});

await Check("a network of two, with files, variables and a web server's answer", async () =>
{
    await using var network = new NetworkBuilder().Build();
    await using var volume = new VolumeBuilder().Build();
    await using var store = new RedisBuilder("redis:7").WithNetwork(network).WithNetworkAliases("store").WithVolumeMount(volume, "/data").Build();
    await using var web = new ContainerBuilder("tiny")
        .WithNetwork(network)
        .WithEnvironment("MODE", "test")
        .WithPortBinding(80, true)
        .WithResourceMapping("#!/bin/sh\nprintf 'Content-Type: text/plain\\n\\n'; printf 'INCR hits\\r\\nQUIT\\r\\n' | nc store 6379 | head -1\n"u8.ToArray(), "/www/cgi-bin/hit",
            fileMode: UnixFileModes.UserRead | UnixFileModes.UserExecute)
        .WithTmpfsMount("/scratch")
        .WithCommand("httpd", "-f", "-p", "80", "-h", "/www")
        .WithCreateParameterModifier(p => p.HostConfig!.Memory = 64 << 20)
        .DependsOn(store)
        .WithWaitStrategy(Wait.ForUnixContainer().UntilHttpRequestIsSucceeded(r => r.ForPort(80).ForPath("/cgi-bin/hit")))
        .Build();
    await web.StartAsync();
    using var http = new HttpClient();
    var answer = await http.GetStringAsync(new UriBuilder("http", web.Hostname, web.GetMappedPublicPort(80), "/cgi-bin/hit").Uri);
    Equal(":2", answer.Trim());
    Equal("test\n", (await web.ExecAsync(["sh", "-c", "echo $MODE"])).Stdout);
    await web.CopyAsync("copied"u8.ToArray(), "/www/file");
    Equal("copied", Encoding.UTF8.GetString(await web.ReadFileAsync("/www/file")));
    await web.PauseAsync();
    Equal(TestcontainersStates.Paused, web.State);
    await web.UnpauseAsync();
    await web.StopAsync();
    Equal(TestcontainersStates.Exited, web.State);
});

await Check("an image made for the test", async () =>
{
    var context = Directory.CreateTempSubdirectory("testcontainers-").FullName;
    try
    {
        await File.WriteAllTextAsync(Path.Combine(context, "Dockerfile"), "FROM redis:7\nARG greeting\nRUN echo $greeting >/greeting\nCMD [\"sh\", \"-c\", \"cat /greeting; sleep 100\"]\n");
        var image = new ImageFromDockerfileBuilder().WithDockerfileDirectory(context).WithBuildArgument("greeting", "made for it").WithName("made-for-it:1").WithCleanUp(true).Build();
        await image.CreateAsync();
        await using (var container = new ContainerBuilder(image).WithWaitStrategy(Wait.ForUnixContainer().UntilMessageIsLogged("made for it")).Build())
        {
            await container.StartAsync();
        }

        await image.DeleteAsync();
        await image.DisposeAsync();
    }
    finally
    {
        Directory.Delete(context, recursive: true);
    }
});

await Check("output to a consumer", async () =>
{
    using var consumer = Consume.RedirectStdoutAndStderrToStream(new MemoryStream(), new MemoryStream());
    await using var talker = new ContainerBuilder("tiny").WithOutputConsumer(consumer).WithCommand("sh", "-c", "echo heard; echo whispered >&2; sleep 100").WithWaitStrategy(Wait.ForUnixContainer().UntilMessageIsLogged("heard")).Build();
    await talker.StartAsync();
    await Until(() => Task.FromResult(Text(consumer.Stdout) == "heard\n" && Text(consumer.Stderr) == "whispered\n"));
});

await Check("ten stores at once", async () =>
{
    var stores = Enumerable.Range(0, 10).Select(_ => new RedisBuilder("redis:7").Build()).ToList();
    try
    {
        await Task.WhenAll(stores.Select(s => s.StartAsync()));
        Equal(10, (await Task.WhenAll(stores.Select(s => Ask(s, "PING")))).Count(a => a == "+PONG"));
    }
    finally
    {
        await Task.WhenAll(stores.Select(s => s.DisposeAsync().AsTask()));
    }
});

return ExitCode;

static string Text(Stream stream)
{
    stream.Seek(0, SeekOrigin.Begin);
    using var reader = new StreamReader(stream, leaveOpen: true);
    return reader.ReadToEnd();
}

static async Task<string> Ask(IContainer store, string command)
{
    using var client = new TcpClient();
    await client.ConnectAsync(store.Hostname, store.GetMappedPublicPort(6379));
    using var stream = client.GetStream();
    await stream.WriteAsync(Encoding.ASCII.GetBytes(command + "\r\n"));
    using var reader = new StreamReader(stream);
    return await reader.ReadLineAsync() ?? "";
}
