using System.Text.Json;
using Cais.Daemon.Configuration;
using Cais.Engine.Logging;

namespace Cais.Daemon.Tests.Api;

[Collection(DaemonCollection.Name)]
[Trait("Tier", "integration")]
public sealed class ReloadTests(TestDaemon daemon)
{
    [Fact]
    public async Task What_may_change_does_and_everything_else_stays()
    {
        var before = daemon.Engine.Options;
        var images = daemon.Engine.Images.Options;
        var said = new StringWriter();
        var log = new EngineLog(said, LogLevel.Info);
        var file = """
            {"labels":["a=b"],"debug":true,"default-shm-size":"8m","default-ipc-mode":"shareable","default-stop-timeout":3,"default-runtime":"runc","max-concurrent-downloads":1,
             "insecure-registries":["here:5000"],"registry-mirrors":["https://mirror"],"features":{"x":true},"runtimes":{"other":{"path":"/bin/other"}},
             "data-root":"/elsewhere","log-driver":"none","init":true}
            """;
        using (var reload = new Reload(daemon.Engine, DaemonOptions.From(DaemonSettings.Load([], _ => null), _ => null), "some-id", log, null, () => DaemonSettings.Load([], _ => file)))
        {
            using var events = await daemon.Client.GetAsync(
                new Uri("/events?filters=%7B%22type%22%3A%5B%22daemon%22%5D%7D", UriKind.Relative), HttpCompletionOption.ResponseHeadersRead, TestContext.Current.CancellationToken);
            reload.Now();
            using var reader = new StreamReader(await events.Content.ReadAsStreamAsync(TestContext.Current.CancellationToken));
            using var told = JsonDocument.Parse((await reader.ReadLineAsync(TestContext.Current.CancellationToken))!);
            Assert.Equal("reload", told.RootElement.GetProperty("Action").GetString());
            Assert.Equal("some-id", told.RootElement.GetProperty("Actor").GetProperty("ID").GetString());
            Assert.Equal("[\"a=b\"]", told.RootElement.GetProperty("Actor").GetProperty("Attributes").GetProperty("labels").GetString());
        }

        var after = daemon.Engine.Options;
        Assert.Equal((true, 8L << 20, "shareable", 3, "runc"), (after.Debug, after.DefaultShmSize, after.DefaultIpcMode, after.DefaultStopTimeout, after.DefaultRuntime));
        Assert.Equal("/bin/other", after.Runtimes["other"].Path);
        Assert.Equal((before.Root, before.LogDriver, before.Init), (after.Root, after.LogDriver, after.Init));
        Assert.Equal((1, "here:5000", "https://mirror"), (daemon.Engine.Images.Options.MaxConcurrentDownloads, daemon.Engine.Images.Options.InsecureRegistries[0], daemon.Engine.Images.Options.RegistryMirrors[0]));
        Assert.Equal(LogLevel.Debug, log.Level);
        daemon.Engine.Reload(before, images);
    }

    [Fact]
    public void A_file_that_is_wrong_changes_nothing()
    {
        var before = daemon.Engine.Options;
        var said = new StringWriter();
        using var reload = new Reload(
            daemon.Engine, DaemonOptions.From(DaemonSettings.Load([], _ => null), _ => null), "id", new EngineLog(said, LogLevel.Info), null, () => DaemonSettings.Load([], _ => """{"labels":["x"]}"""));
        reload.Now();
        Assert.Same(before, daemon.Engine.Options);
        Assert.Contains("Error reloading the configuration: nothing is changed", said.ToString(), StringComparison.Ordinal);
        Assert.Contains("bad attribute format: x", said.ToString(), StringComparison.Ordinal);
    }
}
