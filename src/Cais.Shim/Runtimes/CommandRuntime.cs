using System.Globalization;
using System.Text;
using System.Text.Json;
using Cais.Linux;
using Cais.Linux.Io;
using Cais.Runtime;

namespace Cais.Shim.Runtimes;

/// <summary>
/// Any OCI runtime by its command line: runc, crun, runsc, youki, cais-runtime. Its words for errors come from the log that it is told to
/// write, because its standard streams are the container's.
/// </summary>
internal sealed class CommandRuntime(EventLoop loop, RuntimeChoice choice, string id, string bundle) : ITaskRuntime
{
    private int _serial;
    private bool _restored;

    public bool MountsRootfs => false;

    public async Task<StartedProcess> CreateAsync(TaskCreation creation)
    {
        var isRestore = _restored = creation.Checkpoint.Length > 0;
        var arguments = new List<string> { isRestore ? "restore" : "create", "--bundle", bundle };
        if (creation.NoPivotRoot)
        {
            arguments.Add("--no-pivot");
        }

        if (creation.NoNewKeyring && !isRestore)
        {
            arguments.Add("--no-new-keyring");
        }

        if (isRestore)
        {
            arguments.AddRange(["--detach", "--image-path", creation.Checkpoint, "--work-path", Path.Combine(bundle, "criu-work")]);
        }

        return await LaunchAsync(isRestore ? "restore" : "create", "init", arguments, [id], creation.Terminal, creation.Streams);
    }

    /// <summary>What was restored runs already.</summary>
    public Task StartAsync() => _restored ? Task.CompletedTask : RunAsync("start", [id]);

    public async Task<StartedProcess> ExecAsync(TaskExec exec)
    {
        var processFile = Path.Combine(bundle, exec.Name + ".json");
        File.WriteAllBytes(processFile, exec.Process.Span);
        try
        {
            return await LaunchAsync("exec", exec.Name, ["exec", "--process", processFile, "--detach"], [id], exec.Terminal, exec.Streams);
        }
        finally
        {
            File.Delete(processFile);
        }
    }

    public Task KillAsync(int signal, bool all)
    {
        var number = signal.ToString(CultureInfo.InvariantCulture);
        return RunAsync("kill", all ? ["--all", id, number] : [id, number]);
    }

    public Task PauseAsync() => RunAsync("pause", [id]);

    public Task ResumeAsync() => RunAsync("resume", [id]);

    public async Task UpdateAsync(ReadOnlyMemory<byte> resources)
    {
        var file = Path.Combine(bundle, $"resources-{++_serial}.json");
        File.WriteAllBytes(file, resources.Span);
        try
        {
            await RunAsync("update", ["--resources", file, id]);
        }
        finally
        {
            File.Delete(file);
        }
    }

    public async Task<IReadOnlyList<int>> PidsAsync()
    {
        var output = await RunAsync("ps", ["--format", "json", id]);
        using var document = JsonDocument.Parse(output);
        return [.. document.RootElement.EnumerateArray().Select(pid => pid.GetInt32())];
    }

    public Task CheckpointAsync(TaskCheckpoint checkpoint)
    {
        var arguments = new List<string> { "--image-path", checkpoint.ImagePath };
        Add(checkpoint.WorkPath.Length > 0, "--work-path", checkpoint.WorkPath);
        Add(checkpoint.ParentPath.Length > 0, "--parent-path", checkpoint.ParentPath);
        Add(!checkpoint.Exit, "--leave-running");
        Add(checkpoint.OpenTcp, "--tcp-established");
        Add(checkpoint.ExternalUnixSockets, "--ext-unix-sk");
        Add(checkpoint.Terminal, "--shell-job");
        Add(checkpoint.FileLocks, "--file-locks");
        Add(checkpoint.CgroupsMode.Length > 0, "--manage-cgroups-mode", checkpoint.CgroupsMode);
        foreach (var kind in checkpoint.EmptyNamespaces)
        {
            Add(true, "--empty-ns", kind);
        }

        return RunAsync("checkpoint", [.. arguments, id]);

        void Add(bool wanted, params ReadOnlySpan<string> words)
        {
            if (wanted)
            {
                arguments.AddRange(words);
            }
        }
    }

    public async Task DeleteAsync(bool force)
    {
        try
        {
            await RunAsync("delete", force ? ["--force", id] : [id]);
        }
        catch (RuntimeException e) when (force && e.Error == RuntimeError.NotFound)
        {
            // Nothing was made, or it is gone already.
        }
    }

    public void Dispose()
    {
    }

    /// <summary>Runs a command that leaves a process behind, which this one as subreaper inherits.</summary>
    private async Task<StartedProcess> LaunchAsync(
        string verb, string name, List<string> arguments, string[] last, bool terminal, StandardStreams streams)
    {
        var pidFile = Path.Combine(bundle, name + ".pid");
        File.Delete(pidFile);
        arguments.AddRange(["--pid-file", pidFile]);
        using var console = terminal ? new ConsoleSocket(bundle, name) : null;
        if (console is not null)
        {
            arguments.AddRange(["--console-socket", console.RelativePath]);
        }

        arguments.AddRange(last);
        await ExecuteAsync(verb, arguments, terminal ? [] : [streams.Input, streams.Output, streams.Error]);
        try
        {
            var text = File.ReadAllText(pidFile);
            if (!int.TryParse(text.AsSpan().Trim(), NumberStyles.None, CultureInfo.InvariantCulture, out var pid))
            {
                throw new RuntimeException(RuntimeError.Failed, $"{choice.Binary} {verb} wrote no pid to {pidFile}");
            }

            var pidFd = Pidfd.TryOpen(pid) ?? throw new RuntimeException(RuntimeError.Failed, $"the process {pid} that {choice.Binary} {verb} started is gone");
            return new StartedProcess(pid, pidFd, console?.Receive());
        }
        catch (FileNotFoundException)
        {
            throw new RuntimeException(RuntimeError.Failed, $"{choice.Binary} {verb} left no pid in {pidFile}");
        }
        finally
        {
            File.Delete(pidFile);
        }
    }

    /// <summary>Runs a command and returns what it printed.</summary>
    private async Task<byte[]> RunAsync(string verb, string[] arguments)
    {
        var (reader, writer) = Pipe.Create();
        Descriptors.SetNonBlocking(reader, true);
        var output = new MemoryStream();
        var ended = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        using var capture = DescriptorReader.Start(loop, reader, Keep, _ => ended.TrySetResult());
        using (writer)
        {
            await ExecuteAsync(verb, [verb, .. arguments], [null, writer, writer], output);
        }

        // A command whose helpers keep its output open has nothing more to say to us.
        using var deadline = loop.Schedule(TimeSpan.FromSeconds(2), () => ended.TrySetResult());
        await ended.Task;
        return output.ToArray();

        bool Keep(ReadOnlySpan<byte> data)
        {
            if (output.Length < 4 << 20)
            {
                output.Write(data);
            }

            return true;
        }
    }

    private async Task ExecuteAsync(
        string verb, IReadOnlyList<string> arguments, IReadOnlyList<FileDescriptor?> descriptors, MemoryStream? output = null)
    {
        var log = Path.Combine(bundle, $"runtime-{++_serial}.log");
        var global = new List<string> { "--root", choice.Root, "--log", log, "--log-format", "json" };
        if (choice.SystemdCgroup)
        {
            global.Add("--systemd-cgroup");
        }

        try
        {
            using var child = Start([.. global, .. arguments], descriptors);
            var status = await child.WaitAsync(loop);
            if (status is not { Code: 0, Signal: 0 })
            {
                throw RuntimeLog.Explain(choice.Binary, verb, status, log, output is null ? "" : Encoding.UTF8.GetString(output.ToArray()));
            }
        }
        finally
        {
            File.Delete(log);
        }
    }

    private ChildProcess Start(IReadOnlyList<string> arguments, IReadOnlyList<FileDescriptor?> descriptors)
    {
        try
        {
            return ChildProcess.Start(new ChildCommand
            {
                Program = choice.Binary,
                Arguments = arguments,
                WorkingDirectory = bundle,
                Descriptors = descriptors,
            });
        }
        catch (LinuxException e)
        {
            throw new RuntimeException(RuntimeError.Failed, $"unable to run the OCI runtime {choice.Binary}: {e.Message}", e);
        }
    }
}

/// <summary>Which runtime, and where it keeps its state.</summary>
internal sealed record RuntimeChoice(string Binary, string Root, bool SystemdCgroup);
