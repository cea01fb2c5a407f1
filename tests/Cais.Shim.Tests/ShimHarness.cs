using System.Text;
using System.Text.Json.Nodes;
using Cais.Linux;
using Cais.Linux.Io;
using Cais.Testing;
using Cais.Ttrpc;
using Containerd.Runc.V1;
using Containerd.Task.V2;
using Google.Protobuf;
using Google.Protobuf.WellKnownTypes;
using ContainerdMount = Containerd.Types.Mount;

namespace Cais.Shim.Tests;

/// <summary>What a container uses, of a shim's statistics.</summary>
/// <param name="MemoryLimit">Bytes.</param>
/// <param name="Processes">How many there are.</param>
/// <param name="Cpu">Nanoseconds.</param>
/// <param name="OomKills">How often a process was killed for its memory.</param>
internal sealed record Usage(ulong MemoryLimit, ulong Processes, ulong Cpu, ulong OomKills);

/// <summary>A shim process started as our engine does it, a bundle, FIFOs, and the client's side of both. Cleans up after itself.</summary>
internal sealed class ShimHarness : IAsyncDisposable
{
    public static readonly TimeSpan Deadline = Eventually.Deadline;

    private static int _serial;

    private readonly List<IDisposable> _owned = [];
    private readonly string _runtime;
    private ChildProcess _shim = null!;
    private Task<ExitStatus> _shimExit = null!;

    private ShimHarness(string runtime)
    {
        _runtime = runtime;
        Id = $"shim-{Environment.ProcessId}-{Interlocked.Increment(ref _serial)}";
        Root = Path.Combine("/tmp", Id);
        Bundle = Path.Combine(Root, "bundle");
        Loop = EventLoop.Start();
    }

    public string Id { get; }

    public string Root { get; }

    public string Bundle { get; }

    public EventLoop Loop { get; }

    public TaskClient Client { get; private set; } = null!;

    public int ShimPid => _shim.Pid;

    public Task<ExitStatus> ShimExit => _shimExit;

    public string Socket => Path.Combine(Root, "shim.sock");

    public StringBuilder Output { get; } = new();

    public StringBuilder Errors { get; } = new();

    /// <summary>The published program where CAIS_BIN tells where it is, else the build beside the tests.</summary>
    public static string ShimProgram => Path.Combine(Environment.GetEnvironmentVariable("CAIS_BIN") ?? AppContext.BaseDirectory, "containerd-shim-cais-v2");

    /// <summary>Starts a shim; nothing is created in it yet.</summary>
    /// <param name="runtime">Which runtime the containers get: <c>cais</c>, <c>runc</c> or <c>crun</c>.</param>
    /// <param name="environment">Added for the shim.</param>
    /// <param name="action"><c>serve</c> as our engine says; empty as containerd's shims start themselves.</param>
    public static async Task<ShimHarness> StartAsync(
        string runtime, IReadOnlyDictionary<string, string?>? environment = null, string action = "serve")
    {
        var harness = new ShimHarness(runtime);
        Directory.CreateDirectory(harness.Bundle);
        BusyboxImage.Create(Path.Combine(harness.Root, "lower"));
        foreach (var directory in (string[])["upper", "work", "state", "bundle/rootfs"])
        {
            Directory.CreateDirectory(Path.Combine(harness.Root, directory));
        }

        foreach (var name in (string[])["stdin", "stdout", "stderr"])
        {
            Fifo.Create(harness.FifoPath(name));
        }

        await harness.StartShimAsync(environment, action);
        return harness;
    }

    public string FifoPath(string name) => Path.Combine(Root, name);

    /// <summary>Connects once more, as a daemon that was restarted.</summary>
    public async Task<TaskClient> ReconnectAsync(string service = TaskClient.V2)
    {
        var client = await TtrpcClient.ConnectAsync(Loop, Socket);
        _owned.Add(client);
        return new TaskClient(client, service);
    }

    /// <summary>Writes config.json.</summary>
    public void Configure(bool terminal, params string[] arguments) => Configure(_ => { }, terminal, arguments);

    public void Configure(Action<JsonObject> change, bool terminal, params string[] arguments)
    {
        var spec = JsonNode.Parse(SpecText)!.AsObject();
        var process = spec["process"]!.AsObject();
        process["terminal"] = terminal;
        process["args"] = new JsonArray([.. arguments.Select(a => (JsonNode)a)]);
        spec["linux"]!["cgroupsPath"] = $"/cais-shim-tests/{Id}";
        change(spec);
        File.WriteAllText(Path.Combine(Bundle, "config.json"), spec.ToJsonString());
    }

    public CreateTaskRequest CreateRequest(bool terminal = false, bool input = false)
    {
        var request = new CreateTaskRequest
        {
            Id = Id,
            Bundle = Bundle,
            Terminal = terminal,
            Stdin = input ? FifoPath("stdin") : "",
            Stdout = FifoPath("stdout"),
            Stderr = terminal ? "" : FifoPath("stderr"),
            Options = new Any
            {
                TypeUrl = "containerd.runc.v1.Options",
                Value = new Options { BinaryName = _runtime, Root = Path.Combine(Root, "state") }.ToByteString(),
            },
        };
        request.Rootfs.Add(new ContainerdMount
        {
            Type = "overlay",
            Source = "overlay",
            Options = { $"lowerdir={Root}/lower", $"upperdir={Root}/upper", $"workdir={Root}/work" },
        });
        return request;
    }

    /// <summary>Reads both outputs as a daemon does, into <see cref="Output"/> and <see cref="Errors"/>; completes when both have ended.</summary>
    public Task ReadOutputAsync(string output = "stdout", string? errors = "stderr")
    {
        var ends = new List<Task> { Read(output, Output) };
        if (errors is not null)
        {
            ends.Add(Read(errors, Errors));
        }

        return Task.WhenAll(ends).WaitAsync(Deadline);
    }

    public Task Read(string fifo, StringBuilder into)
    {
        var end = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        _owned.Add(DescriptorReader.Start(Loop, Fifo.OpenRead(FifoPath(fifo)), Take, e => End(end, e)));
        return end.Task;

        bool Take(ReadOnlySpan<byte> data)
        {
            lock (into)
            {
                into.Append(Encoding.UTF8.GetString(data));
            }

            return true;
        }
    }

    public DescriptorWriter OpenInput(string fifo = "stdin")
    {
        var writer = new DescriptorWriter(Loop, Fifo.OpenWrite(FifoPath(fifo)));
        _owned.Add(writer);
        return writer;
    }

    public static string Text(StringBuilder builder)
    {
        lock (builder)
        {
            return builder.ToString();
        }
    }

    /// <summary>Creates and starts; the outputs are read from before the start.</summary>
    public async Task<Task> RunAsync(bool terminal = false, bool input = false)
    {
        var outputs = ReadOutputAsync(errors: terminal ? null : "stderr");
        await Client.CreateAsync(CreateRequest(terminal, input)).WaitAsync(Deadline);
        await Client.StartAsync(new StartRequest { Id = Id }).WaitAsync(Deadline);
        return outputs;
    }

    public Task<WaitResponse> WaitAsync(string execId = "") => Client.WaitAsync(new WaitRequest { Id = Id, ExecId = execId }).WaitAsync(Deadline);

    public async Task KillAsync(int signal = 9, string execId = "", bool all = false) =>
        await Client.KillAsync(new KillRequest { Id = Id, Signal = (uint)signal, ExecId = execId, All = all }).WaitAsync(Deadline);

    public Task<DeleteResponse> DeleteAsync(string execId = "") => Client.DeleteAsync(new DeleteRequest { Id = Id, ExecId = execId }).WaitAsync(Deadline);

    /// <summary>Declares an exec; its FIFOs are named after it.</summary>
    public async Task ExecAsync(string execId, bool terminal, bool input, params string[] arguments)
    {
        foreach (var name in (string[])["stdin", "stdout", "stderr"])
        {
            Fifo.Create(FifoPath($"{execId}-{name}"));
        }

        var process = JsonNode.Parse(SpecText)!["process"]!.DeepClone().AsObject();
        process["terminal"] = terminal;
        process["args"] = new JsonArray([.. arguments.Select(a => (JsonNode)a)]);
        await Client.ExecAsync(new ExecProcessRequest
        {
            Id = Id,
            ExecId = execId,
            Terminal = terminal,
            Stdin = input ? FifoPath($"{execId}-stdin") : "",
            Stdout = FifoPath($"{execId}-stdout"),
            Stderr = terminal ? "" : FifoPath($"{execId}-stderr"),
            Spec = new Any
            {
                TypeUrl = "types.containerd.io/opencontainers/runtime-spec/1/Process",
                Value = ByteString.CopyFromUtf8(process.ToJsonString()),
            },
        }).WaitAsync(Deadline);
    }

    public Task StartExecAsync(string execId) => Client.StartAsync(new StartRequest { Id = Id, ExecId = execId }).WaitAsync(Deadline);

    /// <summary>Ends the shim as a crash would.</summary>
    public async Task KillShimAsync()
    {
        Signals.Send(ShimPid, Signals.Kill);
        await _shimExit.WaitAsync(Deadline);
    }

    /// <summary>Runs another command of the shim, as containerd does.</summary>
    public async Task<(int Code, byte[] Output, string Errors)> CommandAsync(IReadOnlyList<string> arguments, byte[]? input = null, IReadOnlyDictionary<string, string?>? environment = null)
    {
        var (inputReader, inputWriter) = Pipe.Create(nonBlocking: false);
        var (outputReader, outputWriter) = Pipe.Create(nonBlocking: false);
        var (errorReader, errorWriter) = Pipe.Create(nonBlocking: false);
        Descriptors.SetNonBlocking(outputReader, true);
        Descriptors.SetNonBlocking(errorReader, true);
        Descriptors.SetNonBlocking(inputWriter, true);
        var output = new MemoryStream();
        var errors = new MemoryStream();
        var outputEnd = new TaskCompletionSource();
        var errorEnd = new TaskCompletionSource();
        _owned.Add(DescriptorReader.Start(Loop, outputReader, d => { output.Write(d); return true; }, e => End(outputEnd, e)));
        _owned.Add(DescriptorReader.Start(Loop, errorReader, d => { errors.Write(d); return true; }, e => End(errorEnd, e)));
        var (program, prefix) = Launcher();
        var command = ChildProcess.Start(new ChildCommand
        {
            Program = program,
            Arguments = [.. prefix, .. arguments],
            WorkingDirectory = Bundle,
            Descriptors = [inputReader, outputWriter, errorWriter],
            Environment = environment ?? new Dictionary<string, string?>(),
        });
        inputReader.Dispose();
        outputWriter.Dispose();
        errorWriter.Dispose();
        using (var writer = new DescriptorWriter(Loop, inputWriter))
        {
            await writer.WriteAsync(input ?? []);
        }

        var status = await command.WaitAsync(Loop).WaitAsync(Deadline);
        await Task.WhenAll(outputEnd.Task, errorEnd.Task).WaitAsync(Deadline);
        return (status.ShellCode, output.ToArray(), Encoding.UTF8.GetString(errors.ToArray()));
    }

    public static bool Exists(int pid) => Directory.Exists($"/proc/{pid}");

    /// <summary>Mounts in this namespace below the harness's directory.</summary>
    public IReadOnlyList<string> Mounts() =>
        [.. File.ReadLines("/proc/self/mountinfo").Select(l => l.Split(' ')[4]).Where(m => m.StartsWith(Root, StringComparison.Ordinal))];

    /// <summary>The container's cgroups that are there.</summary>
    public IReadOnlyList<string> Cgroups() => [.. Hierarchies().Select(top => $"{top}/cais-shim-tests/{Id}").Where(Directory.Exists)];

    /// <summary>The tops of the mounted hierarchies: v1's are directories, v2's is the place itself.</summary>
    public static IEnumerable<string> Hierarchies() => Directory.EnumerateDirectories("/sys/fs/cgroup").Prepend("/sys/fs/cgroup");

    /// <summary>What the shim says that the container uses, in whichever form this machine's cgroups have.</summary>
    public async Task<Usage> UsageAsync()
    {
        var stats = (await Client.StatsAsync(new StatsRequest { Id = Id })).Stats;
        if (File.Exists("/sys/fs/cgroup/cgroup.controllers"))
        {
            Assert.Equal("io.containerd.cgroups.v2.Metrics", stats.TypeUrl);
            var v2 = Io.Containerd.Cgroups.V2.Metrics.Parser.ParseFrom(stats.Value);
            return new Usage(v2.Memory.UsageLimit, v2.Pids.Current, v2.Cpu.UsageUsec * 1000, v2.MemoryEvents.OomKill);
        }

        Assert.Equal("io.containerd.cgroups.v1.Metrics", stats.TypeUrl);
        var v1 = Io.Containerd.Cgroups.V1.Metrics.Parser.ParseFrom(stats.Value);
        return new Usage(v1.Memory.Usage.Limit, v1.Pids.Current, v1.Cpu.Usage.Total, v1.MemoryOomControl.OomKill);
    }

    public async ValueTask DisposeAsync()
    {
        if (!_shimExit.IsCompleted)
        {
            try
            {
                using var connection = await TtrpcClient.ConnectAsync(Loop, Socket);
                var client = new TaskClient(connection);
                try
                {
                    await client.KillAsync(new KillRequest { Id = Id, Signal = 9, All = true }).WaitAsync(Deadline);
                    await client.WaitAsync(new WaitRequest { Id = Id }).WaitAsync(Deadline);
                }
                catch (TtrpcException)
                {
                    // Not created, or over.
                }

                try
                {
                    await client.DeleteAsync(new DeleteRequest { Id = Id }).WaitAsync(Deadline);
                }
                catch (TtrpcException)
                {
                    // Not created.
                }

                await client.ShutdownAsync(new ShutdownRequest { Id = Id }).WaitAsync(Deadline);
            }
            catch (IOException)
            {
                // It ends while we speak.
            }

            if (await Task.WhenAny(_shimExit, Task.Delay(Deadline)) != _shimExit)
            {
                Signals.Send(ShimPid, Signals.Kill);
            }

            await _shimExit.WaitAsync(Deadline);
        }

        foreach (var owned in _owned)
        {
            owned.Dispose();
        }

        Loop.Dispose();
        foreach (var mount in Mounts().Reverse())
        {
            Linux.Mounts.Unmount(mount, lazy: true);
        }

        foreach (var top in Hierarchies())
        {
            TryRemove($"{top}/cais-shim-tests/{Id}");
            TryRemove($"{top}/cais-shim-tests");
        }

        Directory.Delete(Root, recursive: true);
    }

    private static void TryRemove(string cgroup)
    {
        try
        {
            Directory.Delete(cgroup);
        }
        catch (IOException)
        {
            // Not there, or another test's.
        }
    }

    private async Task StartShimAsync(IReadOnlyDictionary<string, string?>? environment, string action)
    {
        var (program, prefix) = Launcher();
        using (var listener = UnixSocket.Listen(Socket))
        using (var errors = Files.Open(Path.Combine(Root, "shim.log"), OpenFlags.WriteOnly | OpenFlags.Create | OpenFlags.CloseOnExec, 0x1A4))
        {
            _shim = ChildProcess.Start(new ChildCommand
            {
                Program = program,
                Arguments = [.. prefix, "-namespace", "tests", "-id", Id, "-address", "", "-bundle", Bundle, "-debug", .. action.Length > 0 ? [action] : Array.Empty<string>()],
                WorkingDirectory = Bundle,
                Descriptors = [null, errors, errors, listener],
                Environment = environment ?? new Dictionary<string, string?>(),
            });
        }

        _owned.Add(_shim);
        _shimExit = _shim.WaitAsync(Loop);
        Client = await ReconnectAsync();
    }

    /// <summary>crun refuses a machine with both cgroup versions mounted; it gets one without the second.</summary>
    private (string Program, string[] Prefix) Launcher() => _runtime == "crun"
        ? ("unshare", ["--mount", "--propagation", "slave", "sh", "-c", "umount /sys/fs/cgroup/unified 2>/dev/null; exec \"$@\"", "sh", ShimProgram])
        : (ShimProgram, []);

    private static void End(TaskCompletionSource end, Exception? failure)
    {
        if (failure is null)
        {
            end.TrySetResult();
        }
        else
        {
            end.TrySetException(failure);
        }
    }

    private const string SpecText = """
        {
          "ociVersion": "1.0.2",
          "process": {
            "user": { "uid": 0, "gid": 0 },
            "args": [ "true" ],
            "env": [ "PATH=/bin", "TERM=xterm" ],
            "cwd": "/",
            "capabilities": {
              "bounding": [ "CAP_KILL", "CAP_CHOWN" ], "effective": [ "CAP_KILL", "CAP_CHOWN" ], "permitted": [ "CAP_KILL", "CAP_CHOWN" ]
            }
          },
          "root": { "path": "rootfs" },
          "hostname": "shim",
          "mounts": [
            { "destination": "/proc", "type": "proc", "source": "proc" },
            { "destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": [ "nosuid", "mode=755", "size=65536k" ] },
            { "destination": "/dev/pts", "type": "devpts", "source": "devpts", "options": [ "nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620" ] }
          ],
          "linux": {
            "namespaces": [ { "type": "pid" }, { "type": "mount" }, { "type": "ipc" }, { "type": "uts" }, { "type": "network" } ],
            "resources": { "devices": [ { "allow": true, "access": "rwm" } ] }
          }
        }
        """;
}
