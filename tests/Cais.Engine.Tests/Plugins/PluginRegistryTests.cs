using System.Text.Json;
using System.Text.Json.Serialization;
using Cais.Plugins;
using Cais.Testing;

namespace Cais.Engine.Tests.Plugins;

/// <summary>How plugins are found and spoken to.</summary>
public sealed partial class PluginRegistryTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("cais-plugins-").FullName;
    private readonly PluginRegistry _registry;
    private readonly PluginFolders _folders;

    public PluginRegistryTests()
    {
        _folders = new PluginFolders(In("sockets"), [In("etc"), In("usr")]);
        _registry = new PluginRegistry(_folders);
        Directory.CreateDirectory(In("etc"));
        Directory.CreateDirectory(In("usr/lake"));
    }

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task They_are_found_by_socket_spec_and_json_each_also_in_a_folder_of_its_own()
    {
        using var socket = FakePlugin.Start(In("sockets/brook/brook.sock"), ["VolumeDriver"], Echo);
        using var spec = FakePlugin.StartTcp(["NetworkDriver", "IpamDriver"], Echo);
        using var json = FakePlugin.Start(In("elsewhere.sock"), ["VolumeDriver"], Echo);
        await File.WriteAllTextAsync(In("etc/river.spec"), $"tcp://127.0.0.1:{spec.Port}\n", Cancel);
        await File.WriteAllTextAsync(In("usr/lake/lake.json"), JsonSerializer.Serialize(new Dictionary<string, string> { ["Name"] = "lake", ["Addr"] = $"unix://{In("elsewhere.sock")}" }), Cancel);
        await File.WriteAllTextAsync(In("usr/notes.txt"), "no plugin", Cancel);
        Assert.Equal(["brook", "lake", "river"], _folders.Names());
        Assert.Equal("hello brook", await Say("brook", "VolumeDriver", "brook"));
        Assert.Equal("hello river", await Say("river", "IpamDriver", "river"));
        Assert.Equal("hello lake", await Say("lake:latest", "VolumeDriver", "lake"));
        Assert.Equal(["brook", "lake"], (await _registry.FindAsync("VolumeDriver", Cancel)).Select(p => p.Name));
        Assert.Equal(1, spec.Count("Plugin.Activate"));
    }

    [Fact]
    public async Task What_is_not_there_or_of_another_kind_is_said_at_once()
    {
        using var plugin = FakePlugin.Start(In("sockets/brook.sock"), ["VolumeDriver"], Echo);
        foreach (var name in (string[])["none-such", "../brook", "", ".", "a/b"])
        {
            var missing = await Assert.ThrowsAsync<PluginException>(() => _registry.GetAsync(name, "VolumeDriver", Cancel));
            Assert.True(missing.IsNotFound);
        }

        var kind = await Assert.ThrowsAsync<PluginException>(() => _registry.GetAsync("brook", "NetworkDriver", Cancel));
        Assert.Equal("plugin \"brook\" does not implement the \"NetworkDriver\" interface", kind.Message);
        await File.WriteAllTextAsync(In("etc/odd.spec"), "gopher://x", Cancel);
        Assert.Contains("unknown protocol", (await Assert.ThrowsAsync<PluginException>(() => _registry.GetAsync("odd", "VolumeDriver", Cancel))).Message, StringComparison.Ordinal);
        await File.WriteAllTextAsync(In("sockets/dead.sock"), "", Cancel);
        Assert.False((await Assert.ThrowsAsync<PluginException>(() => _registry.GetAsync("dead", "VolumeDriver", Cancel))).IsNotFound);
    }

    [Fact]
    public async Task A_plugin_that_says_no_is_quoted_and_one_that_talks_nonsense_is_named()
    {
        using var plugin = FakePlugin.Start(In("sockets/brook.sock"), ["VolumeDriver"], (method, _) => method switch
        {
            "Test.No" => """{"Err":"dried up"}""",
            "Test.Fail" => """!{"Err":"flooded"}""",
            "Test.Odd" => "<html>",
            "Test.Empty" => "",
            _ => null,
        });
        var found = await _registry.GetAsync("brook", "VolumeDriver", Cancel);
        async Task<PluginException> Refused(string method) => await Assert.ThrowsAsync<PluginException>(() => Call(found, method, "x"));
        Assert.Equal("dried up", (await Refused("Test.No")).Message);
        Assert.Equal("Test.Fail: flooded", (await Refused("Test.Fail")).Message);
        Assert.Contains("the answer is no valid JSON", (await Refused("Test.Odd")).Message, StringComparison.Ordinal);
        Assert.True((await Refused("Test.Unknown")).IsUnsupported);
        Assert.Null((await Call(found, "Test.Empty", "x")).Word);
    }

    [Fact]
    public async Task A_plugin_that_was_restarted_is_found_again()
    {
        using (FakePlugin.Start(In("sockets/brook.sock"), ["VolumeDriver"], Echo))
        {
            Assert.Equal("hello one", await Say("brook", "VolumeDriver", "one"));
        }

        using var again = FakePlugin.Start(In("sockets/brook.sock"), ["VolumeDriver"], Echo);
        Assert.Equal("hello two", await Say("brook", "VolumeDriver", "two"));
    }

    public void Dispose()
    {
        _registry.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    private static string? Echo(string method, JsonElement body) => $$"""{"Word":"hello {{body.GetProperty("Word").GetString()}}"}""";

    private static Task<Message> Call(Plugin plugin, string method, string word) =>
        plugin.CallAsync(method, new Message { Word = word }, MessageJson.Default.Message, MessageJson.Default.Message, Cancel);

    private async Task<string?> Say(string name, string kind, string word) => (await Call(await _registry.GetAsync(name, kind, Cancel), "Test.Say", word)).Word;

    private string In(string path) => Path.Combine(_folder, path);

    internal sealed record Message
    {
        public string? Word { get; init; }
    }

    [JsonSerializable(typeof(Message))]
    internal sealed partial class MessageJson : JsonSerializerContext;
}
