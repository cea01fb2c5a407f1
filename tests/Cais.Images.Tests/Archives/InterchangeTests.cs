using System.Diagnostics;
using System.Text.Json;
using Cais.Images.Tests.Registry;
using Cais.Oci.Images;

namespace Cais.Images.Tests.Archives;

/// <summary>Other people's tools read what we write and write what we read: skopeo, umoci and docker-registry of Debian.</summary>
[Trait("Tier", "integration")]
public sealed class InterchangeTests : IDisposable
{
    private readonly string _directory = Directory.CreateTempSubdirectory("cais-inter-").FullName;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public void Dispose() => Cais.Linux.FileSystem.Trees.Remove(_directory);

    private string Run(string program, params string[] arguments)
    {
        using var process = Process.Start(new ProcessStartInfo(program, arguments) { WorkingDirectory = _directory, RedirectStandardOutput = true, RedirectStandardError = true })!;
        var error = process.StandardError.ReadToEndAsync();
        var output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        Assert.True(process.ExitCode == 0, $"{program} {string.Join(' ', arguments)}: {error.Result}");
        return output;
    }

    /// <summary>A real file system: busybox with its links.</summary>
    private static byte[] Busybox()
    {
        var tar = new TarMaker().Directory("bin/").File("bin/busybox", File.ReadAllBytes("/bin/busybox"));
        foreach (var name in new[] { "sh", "ls", "cat", "true" })
        {
            tar.Hardlink("bin/" + name, "bin/busybox");
        }

        return tar.Directory("etc/").File("etc/passwd", "root:x:0:0::/:/bin/sh\n").Symlink("usr", "bin").ToArray();
    }

    private static async Task<Descriptor> Load(TestStore store, string name, Func<byte[], byte[]>? compress)
    {
        var maker = new ImageMaker();
        var image = maker.Image([Busybox(), new TarMaker().Directory("etc/").File("etc/.wh.passwd", "").File("etc/new").ToArray()], compress);
        await store.Images.LoadAsync(new MemoryStream(maker.OciArchive((image, name))), new Heard(), Token);
        return image;
    }

    [Fact]
    public async Task Skopeo_reads_a_saved_archive_as_OCI_and_as_docker_archive()
    {
        await using var store = new TestStore();
        var image = await Load(store, "docker.io/library/app:1", TarMaker.Gzip);
        await using (var file = File.Create(Path.Combine(_directory, "saved.tar")))
        {
            await store.Images.SaveAsync(["app:1"], file, null, Token);
        }

        using var oci = JsonDocument.Parse(Run("skopeo", "inspect", "oci-archive:saved.tar:1"));
        using var docker = JsonDocument.Parse(Run("skopeo", "inspect", "docker-archive:saved.tar:app:1"));

        Assert.Equal(image.Digest.ToString(), oci.RootElement.GetProperty("Digest").GetString());
        Assert.Equal(2, docker.RootElement.GetProperty("Layers").GetArrayLength());
        Run("skopeo", "copy", "oci-archive:saved.tar:1", "dir:copied");
    }

    [Theory]
    [InlineData("oci-archive:a.tar:example.com/app:1")]
    [InlineData("docker-archive:a.tar:example.com/app:1")]
    public async Task An_archive_that_skopeo_wrote_is_loaded(string destination)
    {
        await using var store = new TestStore();
        await using var other = new TestStore();
        await Load(store, "docker.io/library/app:1", TarMaker.Gzip);
        await using (var file = File.Create(Path.Combine(_directory, "saved.tar")))
        {
            await store.Images.SaveAsync(["app:1"], file, null, Token);
        }

        Run("skopeo", "copy", "oci-archive:saved.tar:1", destination);
        await using var archive = File.OpenRead(Path.Combine(_directory, "a.tar"));
        await other.Images.LoadAsync(archive, new Heard(), Token);

        var record = other.Images.Get("example.com/app:1");
        Assert.Equal(store.Images.Get("app:1").Config.RootFs.DiffIds, record.Config.RootFs.DiffIds);
        Assert.True(File.Exists(Path.Combine(other.PathOf(record.Config.RootFs.DiffIds[0]), "bin/busybox")));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Skopeo_and_we_push_and_pull_the_same_bytes(bool weFirst)
    {
        await using var registry = await TestRegistry.StartAsync();
        await using var store = new TestStore();
        var image = await Load(store, $"{registry.Host}/app:1", TarMaker.Gzip);
        if (weFirst)
        {
            await store.Images.PushAsync(Reference.Parse($"{registry.Host}/app:1"), new PushOptions(), new Heard(), Token);
            Run("skopeo", "copy", "--preserve-digests", "--src-tls-verify=false", $"docker://{registry.Host}/app:1", "oci:layout:1");
            using var inspected = JsonDocument.Parse(Run("skopeo", "inspect", "oci:layout:1"));
            Assert.Equal(image.Digest.ToString(), inspected.RootElement.GetProperty("Digest").GetString());
            Run("umoci", "unpack", "--image", "layout:1", "bundle");
            Assert.True(File.Exists(Path.Combine(_directory, "bundle/rootfs/etc/new")));
            Assert.False(File.Exists(Path.Combine(_directory, "bundle/rootfs/etc/passwd")));
            return;
        }

        await using (var file = File.Create(Path.Combine(_directory, "saved.tar")))
        {
            await store.Images.SaveAsync([$"{registry.Host}/app:1"], file, null, Token);
        }

        Run("skopeo", "copy", "--preserve-digests", "--dest-tls-verify=false", "oci-archive:saved.tar:1", $"docker://{registry.Host}/app:2");
        await using var other = new TestStore();
        Assert.Equal(image.Digest, (await other.Images.PullAsync(Reference.Parse($"{registry.Host}/app:2"), new PullOptions(), new Heard(), Token)).Digest);
    }

    [Fact]
    public async Task An_image_that_umoci_built_is_loaded()
    {
        Run("umoci", "init", "--layout", "l");
        Run("umoci", "new", "--image", "l:1");
        Run("umoci", "unpack", "--image", "l:1", "b");
        Directory.CreateDirectory(Path.Combine(_directory, "b/rootfs/sub"));
        File.WriteAllText(Path.Combine(_directory, "b/rootfs/sub/file"), "from umoci");
        Run("umoci", "repack", "--image", "l:1", "b");
        Run("umoci", "config", "--image", "l:1", "--config.cmd", "/bin/x", "--config.env", "A=b");
        Run("tar", "cf", "l.tar", "-C", "l", ".");
        await using var store = new TestStore();
        await using var archive = File.OpenRead(Path.Combine(_directory, "l.tar"));

        var loaded = await store.Images.LoadAsync(archive, new Heard(), Token);

        var record = store.Images.Get(loaded[0].Id.ToString());
        Assert.Equal(["/bin/x"], record.Config.Config!.Cmd);
        Assert.Contains(record.Config.RootFs.DiffIds, d => File.Exists(Path.Combine(store.PathOf(d), "sub/file")));
    }

    /// <summary>podman with a store of its own, which keeps layers as plain directories.</summary>
    private string Podman(params string[] arguments) =>
        Run("podman", ["--root", Path.Combine(_directory, "podman"), "--runroot", Path.Combine(_directory, "podman-run"), "--storage-driver", "vfs", "--tmpdir", Path.Combine(_directory, "podman-tmp"), .. arguments]);

    [Theory]
    [InlineData("oci-archive")]
    [InlineData("docker-archive")]
    public async Task Podman_loads_what_we_save_and_we_load_what_podman_saves(string format)
    {
        await using var store = new TestStore();
        await using var second = new TestStore();
        var image = await Load(store, "docker.io/library/app:1", TarMaker.Gzip);
        await using (var file = File.Create(Path.Combine(_directory, "saved.tar")))
        {
            await store.Images.SaveAsync(["app:1"], file, null, Token);
        }

        Podman("load", "-i", "saved.tar");
        using var inspected = JsonDocument.Parse(Podman("image", "inspect", "docker.io/library/app:1"));
        var config = store.Images.Get("app:1").Manifest.Config.Digest;
        Assert.Equal(config.Hex, inspected.RootElement[0].GetProperty("Id").GetString());
        Podman("save", "--format", format, "-o", "podman.tar", "docker.io/library/app:1");
        await using (var file = File.OpenRead(Path.Combine(_directory, "podman.tar")))
        {
            await second.Images.LoadAsync(file, new Heard(), Token);
        }

        // podman compresses anew; what the image is made of is the same.
        var back = second.Images.List().Single();
        Assert.Equal(store.Images.Get("app:1").Config.RootFs.DiffIds, back.Config.RootFs.DiffIds);
        Assert.Equal(config, back.Manifest.Config.Digest);
        Assert.NotEqual(default, image.Digest);
    }

    [Theory]
    [InlineData("xz")]
    [InlineData("bzip2")]
    public async Task Archives_that_xz_and_bzip2_compressed_are_loaded_and_imported(string program)
    {
        await using var store = new TestStore();
        var maker = new ImageMaker();
        var image = maker.Image([Busybox()], TarMaker.Gzip);
        await File.WriteAllBytesAsync(Path.Combine(_directory, "image.tar"), maker.OciArchive((image, "app:1")), Token);
        await File.WriteAllBytesAsync(Path.Combine(_directory, "root.tar"), Busybox(), Token);
        Run(program, "-1", "-k", "image.tar", "root.tar");
        var ending = program == "xz" ? "xz" : "bz2";
        await using (var file = File.OpenRead(Path.Combine(_directory, $"image.tar.{ending}")))
        {
            await store.Images.LoadAsync(file, new Heard(), Token);
        }

        await using var root = File.OpenRead(Path.Combine(_directory, $"root.tar.{ending}"));
        var imported = await store.Images.ImportAsync(root, new ImportOptions(), Token);

        Assert.Equal(image.Digest, store.Images.Get("app:1").Id);
        Assert.Equal(Digest.Of(Busybox()), imported.Config.RootFs.DiffIds.Single());
    }
}
