using Cais.Testing;

namespace Cais.EndToEnd.Tests;

/// <summary>Logins, searches, lists of manifests and checks, by both clients where both have the command.</summary>
[Trait("Tier", "e2e")]
public sealed class RegistryTests(EngineFixture fixture) : IClassFixture<EngineFixture>
{
    private readonly Engine _engine = fixture.Engine;

    public static TheoryData<string> Clients => new("cais", "docker");

    private async Task<ProcessResult> Do(string client, params string[] arguments) => (await _engine.Client(client, arguments)).Succeeded();

    private async Task Push(string name)
    {
        await Do("cais", "tag", "busybox", name);
        await Do("cais", "push", name);
    }

    [Theory]
    [MemberData(nameof(Clients))]
    public async Task A_registry_with_passwords_is_logged_into_and_out_of(string client)
    {
        await using var registry = await Registry.Start(password: "secret");
        var name = $"{registry.Address}/private/{client}:v1";
        await Do(client, "tag", "busybox", name);
        var refused = await _engine.Client(client, ["push", name]);
        Assert.Equal(1, refused.ExitCode);
        Assert.Contains("no basic auth credentials", refused.Error + refused.Output, StringComparison.Ordinal);
        var wrong = await _engine.Client(client, ["login", "-u", "me", "--password-stdin", registry.Address], "nonsense"u8.ToArray());
        Assert.Equal(1, wrong.ExitCode);
        Assert.Contains("401 Unauthorized", wrong.Error, StringComparison.Ordinal);
        var login = (await _engine.Client(client, ["login", "-u", "me", "--password-stdin", registry.Address], "secret"u8.ToArray())).Succeeded();
        Assert.Contains("Login Succeeded", login.Output, StringComparison.Ordinal);
        await Do(client, "push", name);
        await Do(client, "rmi", name);
        await Do(client, "pull", name);
        Assert.Equal("ok", (await Do(client, "run", "--rm", name, "echo", "ok")).Text);
        await Do(client, "rmi", name);
        await Do(client, "logout", registry.Address);
        Assert.Equal(1, (await _engine.Client(client, ["pull", name])).ExitCode);
    }

    [Theory]
    [MemberData(nameof(Clients))]
    public async Task A_registrys_repositories_are_searched(string client)
    {
        await using var registry = await Registry.Start();
        await Push($"{registry.Address}/tools/hammer:v1");
        await Push($"{registry.Address}/tools/saw:v1");

        var found = await Do(client, "search", "--format", "{{.Name}}", $"{registry.Address}/hamm");

        Assert.Equal($"{registry.Address}/tools/hammer", found.Text);
    }

    [Theory]
    [MemberData(nameof(Clients))]
    public async Task All_tags_of_a_repository_are_pushed_and_pulled(string client)
    {
        await using var registry = await Registry.Start();
        var name = $"{registry.Address}/all/{client}";
        await Do(client, "tag", "busybox", $"{name}:one");
        await Do(client, "tag", "busybox", $"{name}:two");
        await Do(client, "push", "-a", name);
        await Do(client, "rmi", $"{name}:one", $"{name}:two");
        await Do(client, "pull", "-a", name);
        Assert.Equal(["one", "two"], (await Do(client, "images", "--format", "{{.Tag}}", name)).Lines.Order());
        await Do(client, "rmi", $"{name}:one", $"{name}:two");
    }

    [Fact]
    public async Task A_manifest_list_is_made_annotated_pushed_and_pulled()
    {
        await using var registry = await Registry.Start();
        var (first, second, list) = ($"{registry.Address}/app:amd64", $"{registry.Address}/other:arm64", $"{registry.Address}/app:all");
        await Push(first);
        await Do("cais", "import", "--platform", "linux/arm64", await Busybox.Tar(), second);
        await Do("cais", "push", second);

        Assert.Equal($"Created manifest list {list}", (await Do("cais", "manifest", "create", list, first, second)).Text);
        Assert.Equal(1, (await _engine.Cais("manifest", "create", list, first)).ExitCode);
        await Do("cais", "manifest", "annotate", list, second, "--variant", "v8");
        Assert.Contains("\"variant\": \"v8\"", (await Do("cais", "manifest", "inspect", list)).Output, StringComparison.Ordinal);
        var digest = (await Do("cais", "manifest", "push", "--purge", list)).Lines[^1];
        Assert.Matches("^sha256:[0-9a-f]{64}$", digest);
        Assert.Equal(1, (await _engine.Cais("manifest", "rm", list)).ExitCode);

        // docker's own client reads it from the registry, and so does the daemon.
        var seen = await Do("docker", "manifest", "inspect", "--insecure", list);
        Assert.Contains("\"architecture\": \"arm64\"", seen.Output, StringComparison.Ordinal);
        Assert.Contains(digest, (await Do("docker", "pull", list)).Output, StringComparison.Ordinal);
        await Do("cais", "pull", "--platform", "all", list);
        var tree = await Do("cais", "images", "--tree", list);
        Assert.Contains("linux/arm64", tree.Output, StringComparison.Ordinal);
        Assert.Equal(1, (await _engine.Cais("rmi", "--platform", "linux/arm64", list)).ExitCode);
        await Do("cais", "rmi", first, second);
        await Do("cais", "rmi", "--platform", "linux/arm64", list);
        await Do("cais", "rmi", list);
    }

    [Fact]
    public async Task A_damaged_store_is_found_and_repaired_from_the_registry()
    {
        await using var registry = await Registry.Start();
        await using var engine = await Engine.Start();
        var name = $"{registry.Address}/precious:v1";
        await Push(name);
        (await engine.Cais("pull", name)).Succeeded();
        (await engine.Cais("system", "check")).Succeeded();
        foreach (var file in Directory.EnumerateFiles(Path.Combine(engine.DataFolder, "content/blobs/sha256")))
        {
            var bytes = await File.ReadAllBytesAsync(file, TestContext.Current.CancellationToken);
            bytes[bytes.Length / 3] ^= 2;
            await File.WriteAllBytesAsync(file, bytes, TestContext.Current.CancellationToken);
        }

        var found = await engine.Cais("system", "check");
        Assert.Equal(1, found.ExitCode);
        Assert.Contains("3 damaged, 0 repaired", found.Output, StringComparison.Ordinal);
        var repaired = (await engine.Cais("system", "check", "--repair")).Succeeded();
        Assert.Contains("3 damaged, 3 repaired", repaired.Output, StringComparison.Ordinal);
        (await engine.Cais("system", "check")).Succeeded();
        Assert.Equal("ok", (await engine.Docker("run", "--rm", name, "echo", "ok")).Succeeded().Text);
    }

    [Fact]
    public async Task Disk_use_counts_what_images_share_once()
    {
        await using var engine = await Engine.Start();
        await Busybox.Import(engine);
        (await engine.Cais("tag", "busybox", "again:1")).Succeeded();
        var single = (await engine.Docker("image", "inspect", "-f", "{{.Size}}", "busybox")).Succeeded().Text;
        var total = (await engine.Docker("system", "df", "--format", "{{.Type}} {{.Size}} {{.Reclaimable}}")).Succeeded().Lines[0];
        Assert.StartsWith("Images", total, StringComparison.Ordinal);
        Assert.Contains("(100%)", total, StringComparison.Ordinal);
        Assert.True(long.Parse(single, System.Globalization.CultureInfo.InvariantCulture) > 1_000_000);
    }
}
