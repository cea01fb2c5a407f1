using System.Text.Json;
using Cais.Testing;

namespace Cais.EndToEnd.Tests;

[Trait("Tier", "e2e")]
public sealed class VolumeTests(EngineFixture fixture) : IClassFixture<EngineFixture>
{
    private readonly Engine _engine = fixture.Engine;

    public static TheoryData<string> Clients => new("cais", "docker");

    [Theory]
    [MemberData(nameof(Clients))]
    public async Task A_plugins_volumes_are_made_mounted_listed_and_removed(string client)
    {
        using var scratch = new Scratch("plugin");
        using var plugin = Shelf(scratch.Folder);
        Assert.Equal("books", (await Do(client, "volume", "create", "-d", "shelf", "-o", "color=red", "books")).Text);
        Assert.Equal("red", plugin.Last("VolumeDriver.Create").GetProperty("Opts").GetProperty("color").GetString());
        await Do(client, "run", "--rm", "-v", "books:/v", "busybox", "sh", "-c", "echo quay >/v/word");
        Assert.Equal("quay\n", await File.ReadAllTextAsync(Path.Combine(scratch["books"], "word"), TestContext.Current.CancellationToken));
        Assert.Equal(plugin.Count("VolumeDriver.Mount"), plugin.Count("VolumeDriver.Unmount"));
        Assert.Equal($"shelf {scratch["books"]} 5", (await Do(client, "volume", "inspect", "-f", "{{.Driver}} {{.Mountpoint}} {{.Status.pages}}", "books")).Text);
        Assert.Contains("attic", (await Do(client, "volume", "ls", "-q", "-f", "driver=shelf")).Lines);
        var other = await _engine.Client(client, ["volume", "create", "-d", "local", "books"]);
        Assert.Contains("volume name must be unique", other.Error, StringComparison.Ordinal);
        var id = (await Do(client, "run", "-d", "-v", "books:/v", "busybox", "sleep", "300")).Text;
        Assert.Contains("volume is in use", (await _engine.Client(client, ["volume", "rm", "books"])).Error, StringComparison.Ordinal);
        await Do(client, "rm", "-f", id);
        await Do(client, "volume", "rm", "books");
        Assert.Equal(1, plugin.Count("VolumeDriver.Remove"));
        var refused = await _engine.Client(client, ["volume", "create", "-d", "shelf", "-o", "broken=1", "more"]);
        Assert.Contains("create more: the shelf is broken", refused.Error, StringComparison.Ordinal);
        var unknown = await _engine.Client(client, ["volume", "create", "-d", "nobody", "more"]);
        Assert.Contains("plugin \"nobody\" not found", unknown.Error, StringComparison.Ordinal);
    }

    [Theory]
    [MemberData(nameof(Clients))]
    public async Task A_container_with_a_plugins_volume_outlives_daemon_and_plugin(string client)
    {
        using var scratch = new Scratch("plugin");
        using (var plugin = Shelf(scratch.Folder))
        {
            await Do(client, "run", "-d", "--name", "reader", "-v", "novel:/v", "--volume-driver", "shelf", "busybox", "sleep", "300");
            await _engine.Crash();
            await _engine.StartDaemon();
            await Do(client, "run", "--rm", "-v", "novel:/v", "busybox", "touch", "/v/mark");
            Assert.Equal(1, plugin.Count("VolumeDriver.Mount") - plugin.Count("VolumeDriver.Unmount"));
        }

        // Without its plugin the container can still be stopped and removed, and the volume be forgotten.
        await Do(client, "rm", "-f", "reader");
        Assert.NotEqual(0, (await _engine.Client(client, ["volume", "rm", "novel"])).ExitCode);
        await Do(client, "volume", "rm", "-f", "novel");
        Assert.DoesNotContain("novel", (await Do(client, "volume", "ls", "-q")).Lines);
    }

    [Theory]
    [MemberData(nameof(Clients))]
    public async Task A_tmpfs_volume_is_one_for_all_its_containers_also_over_a_crash(string client)
    {
        await Do(client, "volume", "create", "-o", "type=tmpfs", "-o", "device=tmpfs", "-o", "o=size=1m,uid=7", "memory");
        var id = (await Do(client, "run", "-d", "-v", "memory:/m", "busybox", "sh", "-c", "echo quay >/m/word; exec sleep 300")).Text;
        await Eventually.Holds(async () => (await _engine.Client(client, ["exec", id, "cat", "/m/word"])).Text == "quay", "the word is written");
        await _engine.Crash();
        await _engine.StartDaemon();
        var seen = await Do(client, "run", "--rm", "-v", "memory:/m", "busybox", "sh", "-c", "cat /m/word; stat -c %u /m; df -k /m | tail -n 1");
        Assert.Equal("quay", seen.Lines[0]);
        Assert.Equal("7", seen.Lines[1]);
        Assert.Contains("1024", seen.Lines[2], StringComparison.Ordinal);
        await Do(client, "exec", id, "cat", "/m/word");
        await Do(client, "rm", "-f", id);
        await Do(client, "volume", "rm", "memory");
        Assert.DoesNotContain("/volumes/memory/", await File.ReadAllTextAsync("/proc/mounts", TestContext.Current.CancellationToken), StringComparison.Ordinal);
    }

    [Theory]
    [MemberData(nameof(Clients))]
    public async Task A_bind_volume_gets_its_options_and_the_images_content_only_when_empty(string client)
    {
        using var scratch = new Scratch("bind");
        Directory.CreateDirectory(scratch["full"]);
        Directory.CreateDirectory(scratch["empty"]);
        await File.WriteAllTextAsync(Path.Combine(scratch["full"], "own"), "", TestContext.Current.CancellationToken);
        await Do(client, "volume", "create", "-o", "type=none", "-o", "o=bind,ro", "-o", $"device={scratch["full"]}", "fixed");
        await Do(client, "volume", "create", "-o", "type=none", "-o", "o=bind", "-o", $"device={scratch["empty"]}", "filled");
        var wrote = await _engine.Client(client, ["run", "--rm", "-v", "fixed:/bin/x", "busybox", "touch", "/bin/x/new"]);
        Assert.Contains("Read-only file system", wrote.Error, StringComparison.Ordinal);
        await Do(client, "run", "--rm", "-v", "filled:/bin", "busybox", "true");
        Assert.True(File.Exists(Path.Combine(scratch["empty"], "busybox")), "what the image has there is in the device, not beneath it");
        await Do(client, "volume", "rm", "fixed", "filled");
    }

    [Theory]
    [MemberData(nameof(Clients))]
    public async Task What_the_local_driver_cannot_do_is_said(string client)
    {
        async Task<string> Refused(params string[] options) => (await _engine.Client(client, ["volume", "create", .. options, "no-such"])).Error;
        Assert.Contains("invalid option: \"bogus\"", await Refused("-o", "bogus=1"), StringComparison.Ordinal);
        Assert.Contains("missing required option: \"device\"", await Refused("-o", "type=tmpfs"), StringComparison.Ordinal);
        Assert.Contains("missing required option: \"type\"", await Refused("-o", "device=/x"), StringComparison.Ordinal);
        Assert.Contains("quota size requested but no quota support", await Refused("-o", "size=10m"), StringComparison.Ordinal);
        Assert.DoesNotContain("no-such", (await Do(client, "volume", "ls", "-q")).Lines);
        await Do(client, "volume", "create", "-o", "type=cifs", "-o", "device=//127.0.0.1/x", "-o", "o=username=me,password=secret", "share");
        var failed = await _engine.Client(client, ["run", "--rm", "-v", "share:/s", "busybox", "true"]);
        Assert.Contains("failed to mount local volume", failed.Error, StringComparison.Ordinal);
        Assert.DoesNotContain("secret", failed.Error, StringComparison.Ordinal);
        await Do(client, "volume", "rm", "share");
    }

    [Theory]
    [MemberData(nameof(Clients))]
    public async Task A_part_of_a_volume_is_mounted_and_no_link_leads_out_of_it(string client)
    {
        await Do(client, "run", "--rm", "-v", "parts:/v", "busybox", "sh", "-c", "mkdir /v/one; echo quay >/v/one/word; ln -s one /v/alias; ln -s /etc /v/trap; ln -s ../../../.. /v/up");
        Task<ProcessResult> Part(string path, string command) =>
            _engine.Client(client, ["run", "--rm", "--mount", $"type=volume,src=parts,dst=/p,volume-subpath={path}", "busybox", "sh", "-c", command]);
        Assert.Equal("quay", (await Part("one", "cat /p/word")).Succeeded().Text);
        Assert.Equal("quay", (await Part("alias", "cat /p/word")).Succeeded().Text);
        Assert.Equal("quay", (await Part("one/word", "cat /p")).Succeeded().Text);
        Assert.Contains("leads out of the volume", (await Part("trap", "true")).Error, StringComparison.Ordinal);
        Assert.Contains("leads out of the volume", (await Part("up", "true")).Error, StringComparison.Ordinal);
        Assert.Contains("no such file or directory", (await Part("two", "true")).Error, StringComparison.Ordinal);
        Assert.DoesNotContain("/subpaths/", await File.ReadAllTextAsync("/proc/mounts", TestContext.Current.CancellationToken), StringComparison.Ordinal);
        await Do(client, "volume", "rm", "parts");
    }

    [Theory]
    [MemberData(nameof(Clients))]
    public async Task Prune_takes_nameless_volumes_and_only_when_asked_those_with_names(string client)
    {
        await Do(client, "volume", "create", "--label", "keep=yes", "named");
        await Do(client, "volume", "create", "plain");
        var used = (await Do(client, "run", "-d", "-v", "/used", "busybox", "sleep", "300")).Text;
        var left = (await Do(client, "run", "-d", "-v", "/left", "busybox", "true")).Text;
        await Do(client, "wait", left);
        var nameless = (await Do(client, "inspect", "-f", "{{(index .Mounts 0).Name}}", left)).Text;
        await Do(client, "rm", left);
        Assert.Contains(nameless, (await Do(client, "volume", "ls", "-q", "-f", "dangling=true")).Lines);
        var pruned = await Do(client, "volume", "prune", "-f");
        Assert.Contains(nameless, pruned.Lines);
        Assert.DoesNotContain("plain", pruned.Lines);
        var all = await Do(client, "volume", "prune", "-f", "-a", "--filter", "label!=keep");
        Assert.Contains("plain", all.Lines);
        Assert.Contains("named", (await Do(client, "volume", "ls", "-q")).Lines);
        await Do(client, "rm", "-f", "-v", used);
        await Do(client, "volume", "rm", "named");
    }

    /// <summary>A volume plugin that keeps volumes as folders. It has one already, <c>attic</c>.</summary>
    private static FakePlugin Shelf(string folder)
    {
        var volumes = new HashSet<string> { "attic" };
        return FakePlugin.Start("/run/docker/plugins/shelf.sock", ["VolumeDriver"], (method, body) =>
        {
            var name = body.TryGetProperty("Name", out var given) ? given.GetString()! : "";
            var path = JsonSerializer.Serialize(Path.Combine(folder, name));
            switch (method)
            {
                case "VolumeDriver.Create" when body.GetProperty("Opts").TryGetProperty("broken", out _):
                    return """{"Err":"the shelf is broken"}""";
                case "VolumeDriver.Create":
                    volumes.Add(name);
                    Directory.CreateDirectory(Path.Combine(folder, name));
                    return "{}";
                case "VolumeDriver.Remove":
                    volumes.Remove(name);
                    return "{}";
                case "VolumeDriver.Mount" or "VolumeDriver.Path":
                    return $$"""{"Mountpoint":{{path}}}""";
                case "VolumeDriver.Get":
                    return volumes.Contains(name) ? "{\"Volume\":{\"Name\":\"" + name + "\",\"Mountpoint\":" + path + ",\"Status\":{\"pages\":5}}}" : """{"Err":"no such volume"}""";
                case "VolumeDriver.List":
                    return $$"""{"Volumes":[{{string.Join(',', volumes.Select(v => $$"""{"Name":"{{v}}"}"""))}}]}""";
                case "VolumeDriver.Unmount":
                    return "{}";
                default:
                    return null;
            }
        });
    }

    private async Task<ProcessResult> Do(string client, params string[] arguments) => (await _engine.Client(client, arguments)).Succeeded();
}
