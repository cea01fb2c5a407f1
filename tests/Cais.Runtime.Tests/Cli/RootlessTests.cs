using System.Text.Json;
using Cais.Linux;
using Cais.Oci.Runtime;
using Cais.Runtime.Tests.Support;
using Cais.Testing;

namespace Cais.Runtime.Tests.Cli;

/// <summary>The published program, run by an ordinary user: with newuidmap's ranges, and with nothing but the own id.</summary>
[Trait("Tier", "integration")]
[Collection(nameof(Alone))]
public sealed class RootlessTests : IDisposable
{
    private const uint User = 61_234;
    private readonly TestBundle _bundle = new();
    private readonly string _state;

    public RootlessTests()
    {
        _state = Path.Combine(_bundle.Directory, "own");
        Directory.CreateDirectory(_state);
        foreach (var path in (string[])[_state, _bundle.Directory, .. Directory.EnumerateDirectories(_bundle.Rootfs, "*", SearchOption.AllDirectories), _bundle.Rootfs])
        {
            using var directory = Files.Open(path, OpenFlags.ReadOnly);
            Files.ChangeOwner(directory, User, User);
        }
    }

    public void Dispose() => _bundle.Dispose();

    private (int Code, string Output) Run(params string[] args)
    {
        var output = Path.Combine(_bundle.Directory, $"output-{args[0]}");
        using var process = System.Diagnostics.Process.Start(
            "/bin/sh",
            ["-c", $"exec setpriv --reuid={User} --regid={User} --clear-groups -- \"$0\" \"$@\" < /dev/null > {output} 2>&1", PublishedRuntime.Program, "--root", _state, .. args]);
        Assert.True(process.WaitForExit(Eventually.Patience(60)), $"{string.Join(' ', args)} does not end");
        return (process.ExitCode, File.ReadAllText(output));
    }

    private void Write(Spec spec, IReadOnlyList<IdMapping> mappings) => File.WriteAllBytes(
        Path.Combine(_bundle.Directory, "config.json"),
        JsonSerializer.SerializeToUtf8Bytes(
            spec.With(linux => linux with
            {
                Namespaces = [.. linux.Namespaces!, new LinuxNamespace { Type = "user" }],
                UidMappings = mappings,
                GidMappings = mappings,
            }),
            SpecJson.Default.Spec));

    private static IdMapping[] OwnIdOnly => [new IdMapping { ContainerId = 0, HostId = User, Size = 1 }];

    /// <summary>gid=5 is nobody's in a namespace of one.</summary>
    private Spec Spec(params string[] args)
    {
        var spec = _bundle.Spec(args);
        return spec with { Mounts = [.. spec.Mounts!.Select(m => m.Type == "devpts" ? m with { Options = [.. m.Options!.Where(o => !o.StartsWith("gid=", StringComparison.Ordinal))] } : m)] };
    }

    [Fact]
    public void A_container_of_the_own_id_alone_runs_and_leaves_nothing()
    {
        Write(Spec("sh", "-c", "id -u; hostname; cat /proc/self/uid_map; echo $$; touch /made; exit 7"), OwnIdOnly);
        var (code, output) = Run("run", "-b", _bundle.Directory, "own");
        Assert.Equal((7, $"0\nharbour\n         0      {User}          1\n1\n"), (code, output));
        using var made = Files.Open(Path.Combine(_bundle.Rootfs, "made"), OpenFlags.ReadOnly);
        Assert.Equal(User, Files.Status(made.Number).Uid);
        Assert.Empty(Directory.GetFileSystemEntries(_state));
    }

    [Fact]
    public async Task All_of_a_containers_life_works_without_a_cgroup()
    {
        Write(Spec("sleep", "1000"), OwnIdOnly);
        Assert.Equal((0, ""), Run("create", "-b", _bundle.Directory, "own"));
        Assert.Equal((0, ""), Run("start", "own"));
        Assert.Equal((4, "0\nharbour\n"), Run("exec", "own", "sh", "-c", "id -u; hostname; exit 4"));
        var state = JsonDocument.Parse(Run("state", "own").Output).RootElement;
        Assert.Equal("running", state.GetProperty("status").GetString());
        Assert.Equal($"[{state.GetProperty("pid")}]\n", Run("ps", "-f", "json", "own").Output);
        Assert.Contains("has no cgroup", Run("pause", "own").Output, StringComparison.Ordinal);
        Assert.Equal((0, ""), Run("kill", "own", "KILL"));
        await Eventually.Holds(() => Run("state", "own").Output.Contains("stopped", StringComparison.Ordinal), "stopped");
        Assert.Equal((0, ""), Run("delete", "own"));
        Assert.Empty(Directory.GetFileSystemEntries(_state));
    }

    [Fact]
    public void A_limit_that_nobody_would_enforce_is_refused()
    {
        Write(Spec("true").With(linux => linux with { Resources = new LinuxResources { Pids = new PidsResources { Limit = 5 } } }), OwnIdOnly);
        var (code, output) = Run("run", "-b", _bundle.Directory, "own");
        Assert.Equal(1, code);
        Assert.Contains("permission denied", output, StringComparison.Ordinal);
        Assert.Empty(Directory.GetFileSystemEntries(_state));
    }

    [Fact]
    public void Ranges_of_ids_come_from_newuidmap()
    {
        Assert.SkipUnless(File.Exists("/usr/bin/newuidmap"), "needs the package uidmap");
        using var ranges = new SubordinateIds();
        Write(
            _bundle.Spec("sh", "-c", "cat /proc/self/uid_map; touch /tmp/x; id -u").With(process => process with { User = new User { Uid = 1000, Gid = 1000, AdditionalGids = [7] }, Capabilities = null }),
            [new IdMapping { ContainerId = 0, HostId = User, Size = 1 }, new IdMapping { ContainerId = 1, HostId = 700_000, Size = 65_535 }]);
        File.SetUnixFileMode(Path.Combine(_bundle.Rootfs, "tmp"), (UnixFileMode)0x3ff);
        var (code, output) = Run("run", "-b", _bundle.Directory, "own");
        Assert.Equal((0, $"         0      {User}          1\n         1     700000      65535\n1000\n"), (code, output));
        using var made = Files.Open(Path.Combine(_bundle.Rootfs, "tmp/x"), OpenFlags.ReadOnly);
        Assert.Equal(700_999u, Files.Status(made.Number).Uid);
    }

    [Fact]
    public void Ranges_that_are_not_granted_are_explained()
    {
        Assert.SkipUnless(File.Exists("/usr/bin/newuidmap"), "needs the package uidmap");
        Write(_bundle.Spec("true"), [new IdMapping { ContainerId = 0, HostId = 900_000, Size = 10 }]);
        var (code, output) = Run("run", "-b", _bundle.Directory, "own");
        Assert.Equal(1, code);
        Assert.Contains("/etc/subuid", output, StringComparison.Ordinal);
    }

    /// <summary>The user's lines in /etc/subuid and /etc/subgid, over copies that only this mount namespace sees.</summary>
    private sealed class SubordinateIds : IDisposable
    {
        private static readonly string[] Lists = ["/etc/subuid", "/etc/subgid"];
        private static readonly string[] WithUser = ["/etc/subuid", "/etc/subgid", "/etc/passwd"];
        private readonly DirectoryInfo _copies = Directory.CreateTempSubdirectory("cais-rt-");

        public SubordinateIds()
        {
            foreach (var list in WithUser)
            {
                var copy = Path.Combine(_copies.FullName, Path.GetFileName(list));
                File.WriteAllText(copy, Lists.Contains(list) ? $"caisrt:700000:65536\n" : File.ReadAllText(list) + $"caisrt:x:{User}:{User}::/:/bin/sh\n");
                Mounts.Bind(copy, list);
            }
        }

        public void Dispose()
        {
            foreach (var list in WithUser)
            {
                Mounts.Unmount(list);
            }

            _copies.Delete(recursive: true);
        }
    }
}
