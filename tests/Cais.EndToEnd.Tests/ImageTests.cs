using Cais.Testing;

namespace Cais.EndToEnd.Tests;

[Trait("Tier", "e2e")]
public sealed class ImageTests(EngineFixture fixture) : IClassFixture<EngineFixture>
{
    private readonly Engine _engine = fixture.Engine;

    public static TheoryData<string> Clients => new("cais", "docker");

    [Theory]
    [MemberData(nameof(Clients))]
    public async Task An_image_is_tagged_listed_and_removed_by_name(string client)
    {
        var name = $"quay/{client}:v1";
        await Do(client, "tag", "busybox", name);
        Assert.Contains(name, (await Do(client, "images", "--format", "{{.Repository}}:{{.Tag}}")).Lines);
        var removed = await Do(client, "rmi", name);
        Assert.Equal($"Untagged: {name}", removed.Text);
        (await Do(client, "run", "--rm", "busybox", "true")).Succeeded();
        var unknown = await _engine.Client(client, ["rmi", name]);
        Assert.Equal(1, unknown.ExitCode);
        Assert.Contains($"No such image: {name}", unknown.Error, StringComparison.OrdinalIgnoreCase);
    }

    [Theory]
    [MemberData(nameof(Clients))]
    public async Task Save_and_load_bring_an_image_back_with_its_identity(string client)
    {
        using var scratch = new Scratch("archive");
        var name = $"travel-{client}:v1";
        await Do(client, "import", "--change", "ENV PLACE=quay", "--change", "CMD [\"sh\", \"-c\", \"echo at the $PLACE\"]", await Busybox.Tar(), name);
        var id = (await Do(client, "inspect", "-f", "{{.Id}}", name)).Text;
        await Do(client, "save", "-o", scratch["image.tar"], name);
        await Do(client, "rmi", name);
        var loaded = await Do(client, "load", "-i", scratch["image.tar"]);
        Assert.Contains($"Loaded image: {name}", loaded.Output, StringComparison.Ordinal);
        Assert.Equal(id, (await Do(client, "inspect", "-f", "{{.Id}}", name)).Text);
        Assert.Equal("at the quay", (await Do(client, "run", "--rm", name)).Text);
        await Do(client, "rmi", name);
    }

    [Theory]
    [MemberData(nameof(Clients))]
    public async Task Push_and_pull_through_a_real_registry_keep_the_digest(string client)
    {
        await using var registry = await Registry.Start();
        var name = $"{registry.Address}/team/{client}:v1";
        await Do(client, "tag", "busybox", name);
        var pushed = await Do(client, "push", name);
        Assert.Matches(@"v1: digest: sha256:[0-9a-f]{64} size: \d+", pushed.Output);
        await Do(client, "rmi", name);
        var pulled = await Do(client, "pull", name);
        Assert.Contains($"Status: Downloaded newer image for {name}", pulled.Output, StringComparison.Ordinal);
        var digest = pulled.Lines.Single(l => l.StartsWith("Digest: ", StringComparison.Ordinal))["Digest: ".Length..];
        Assert.Contains(digest, pushed.Output, StringComparison.Ordinal);
        Assert.Equal("ok", (await Do(client, "run", "--rm", name, "echo", "ok")).Text);
        Assert.Contains("Image is up to date for", (await Do(client, "pull", name)).Output, StringComparison.Ordinal);
        await Do(client, "rmi", name);
        Assert.Equal("ok", (await Do(client, "run", "--rm", $"{registry.Address}/team/{client}@{digest}", "echo", "ok")).Lines[^1]);
        await Do(client, "rmi", $"{registry.Address}/team/{client}@{digest}");
    }

    [Theory]
    [MemberData(nameof(Clients))]
    public async Task Run_pulls_an_image_that_is_missing(string client)
    {
        await using var registry = await Registry.Start();
        var name = $"{registry.Address}/auto:v1";
        await Do(client, "tag", "busybox", name);
        await Do(client, "push", name);
        await Do(client, "rmi", name);
        var run = await Do(client, "run", "--rm", name, "echo", "pulled");
        Assert.Equal("pulled", run.Text);
        Assert.Contains($"Unable to find image '{name}' locally", run.Error, StringComparison.Ordinal);
        await Do(client, "rmi", name);
    }

    [Fact]
    public async Task A_tag_or_repository_that_the_registry_does_not_have_is_named()
    {
        await using var registry = await Registry.Start();
        var missing = await _engine.Docker("pull", $"{registry.Address}/nobody/nothing:v1");
        Assert.Equal(1, missing.ExitCode);
        Assert.Contains($"{registry.Address}/nobody/nothing", missing.Error, StringComparison.Ordinal);
        Assert.Contains("not found", missing.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_blob_that_the_registry_spoiled_is_refused_and_nothing_is_kept()
    {
        await using var registry = await Registry.Start();
        using var scratch = new Scratch("spoil");
        // A layer of its own, so that no other image brings the true bytes.
        await File.WriteAllTextAsync(scratch["only-here"], Guid.NewGuid().ToString(), TestContext.Current.CancellationToken);
        (await Command.Run("tar", ["-C", scratch.Folder, "-cf", scratch["layer.tar"], "only-here"])).Succeeded();
        var name = $"{registry.Address}/spoiled:v1";
        await Do("cais", "import", scratch["layer.tar"], name);
        await Do("cais", "push", name);
        await Do("cais", "rmi", name);

        var blobs = Directory.GetFiles(Path.GetDirectoryName(Path.GetDirectoryName(Path.GetDirectoryName(registry.BlobFile("sha256:" + new string('0', 64)))))!, "data", SearchOption.AllDirectories);
        foreach (var blob in blobs)
        {
            var bytes = await File.ReadAllBytesAsync(blob, TestContext.Current.CancellationToken);
            if (bytes[0] != (byte)'{') // the layer, whatever its compression
            {
                bytes[bytes.Length / 2] ^= 0x40;
                await File.WriteAllBytesAsync(blob, bytes, TestContext.Current.CancellationToken);
            }
        }

        var pull = await _engine.Docker("pull", name);
        Assert.Equal(1, pull.ExitCode);
        Assert.Matches("digest|checksum|corrupt|verification", pull.Error);
        Assert.Equal("", (await Do("cais", "images", "-q", name)).Text);
    }

    [Theory]
    [InlineData("../escape", '0', "")]
    [InlineData("/absolute/../../escape", '0', "")]
    [InlineData("hard", '1', "../../../../etc/passwd")]
    public async Task A_layer_that_tries_to_leave_its_root_does_not(string path, char type, string target)
    {
        using var scratch = new Scratch("hostile");
        await File.WriteAllBytesAsync(scratch["evil.tar"], HostileTar.Entry(path, type, target, "owned"u8), TestContext.Current.CancellationToken);
        var import = await _engine.Client("cais", ["import", scratch["evil.tar"], "evil:v1"]);
        if (import.ExitCode == 0)
        {
            // Kept inside the root, as Docker does with "..": then it must be there and nowhere else.
            await Do("cais", "rmi", "evil:v1");
        }

        Assert.Empty(Directory.GetFiles(_engine.DataFolder, "escape", SearchOption.TopDirectoryOnly));
        Assert.False(File.Exists("/escape"));
        Assert.Empty(Directory.GetFiles(Path.Combine(_engine.DataFolder, "snapshots"), "escape", SearchOption.TopDirectoryOnly));
    }

    [Fact]
    public async Task A_symlink_in_a_layer_does_not_lead_the_next_entry_outside()
    {
        using var scratch = new Scratch("hostile");
        using var outside = new Scratch("outside");
        byte[] tar =
        [
            .. HostileTar.Entry("way", '2', outside.Folder, [], end: false),
            .. HostileTar.Entry("way/owned", '0', "", "owned"u8),
        ];
        await File.WriteAllBytesAsync(scratch["evil.tar"], tar, TestContext.Current.CancellationToken);
        var import = await _engine.Client("cais", ["import", scratch["evil.tar"], "evil:v2"]);
        Assert.Empty(Directory.GetFileSystemEntries(outside.Folder));
        if (import.ExitCode == 0)
        {
            await Do("cais", "rmi", "evil:v2");
        }
    }

    [Fact]
    public async Task A_truncated_archive_is_an_error_and_leaves_no_image()
    {
        using var scratch = new Scratch("truncated");
        await Do("cais", "tag", "busybox", "whole:v1");
        await Do("cais", "save", "-o", scratch["image.tar"], "whole:v1");
        await Do("cais", "rmi", "whole:v1");
        var bytes = await File.ReadAllBytesAsync(scratch["image.tar"], TestContext.Current.CancellationToken);
        await File.WriteAllBytesAsync(scratch["image.tar"], bytes[..(bytes.Length / 2)], TestContext.Current.CancellationToken);
        var load = await _engine.Docker("load", "-i", scratch["image.tar"]);
        Assert.Equal(1, load.ExitCode);
        Assert.Equal("", (await Do("cais", "images", "-q", "whole")).Text);
    }

    private async Task<ProcessResult> Do(string client, params string[] arguments) => (await _engine.Client(client, arguments)).Succeeded();
}
