using System.Text;
using System.Text.Json;
using Cais.Linux;
using Cais.Oci.Runtime;

namespace Cais.Runtime.Tests.Support;

/// <summary>A bundle with busybox as its root filesystem, a runtime with its own state root, and what they leave behind taken away.</summary>
public sealed class TestBundle : IDisposable
{
    private static int _count;
    private readonly List<Container> _containers = [];

    public TestBundle()
    {
        Id = $"cais-rt-test-{Environment.ProcessId}-{Interlocked.Increment(ref _count)}";
        Directory = System.IO.Directory.CreateTempSubdirectory("cais-rt-").FullName;
        File.SetUnixFileMode(Directory, (UnixFileMode)0x1ed);
        Rootfs = Path.Combine(Directory, "rootfs");
        BusyboxRoot.Create(Rootfs);
        Runtime = new OciRuntime(Path.Combine(Directory, "state"));
    }

    public string Id { get; }

    public string Directory { get; }

    public string Rootfs { get; }

    public OciRuntime Runtime { get; }

    /// <summary>All namespaces, the usual mounts, a cgroup of its own; <paramref name="args"/> is what runs.</summary>
    public Spec Spec(params string[] args) => TestSpec.Default(Id, args);

    public CreateRequest Request(Spec spec, StandardStreams? streams = null) =>
        new() { Id = Id, Bundle = Directory, Configuration = JsonSerializer.SerializeToUtf8Bytes(spec, SpecJson.Default.Spec), Streams = streams };

    public Container Create(Spec spec, StandardStreams? streams = null, Func<CreateRequest, CreateRequest>? change = null)
    {
        var request = Request(spec, streams);
        var container = Runtime.Create(change?.Invoke(request) ?? request);
        _containers.Add(container);
        return container;
    }

    /// <summary>Creates, starts, waits, deletes.</summary>
    public RunResult Run(Spec spec, Func<CreateRequest, CreateRequest>? change = null)
    {
        using var input = Files.Open("/dev/null", OpenFlags.ReadOnly);
        using var output = new CapturedStream();
        using var container = Create(spec, new StandardStreams(input, output.Writer, output.Writer), change);
        container.Start();
        output.Close();
        var text = output.Read();
        Assert.True(Pidfd.WaitForEnd(container.PidFd!, 30_000), "the container does not end");
        var status = Pidfd.Wait(container.PidFd!);
        container.Delete();
        return new RunResult(status, text);
    }

    /// <summary>Runs a shell script, which must succeed, and returns what it wrote.</summary>
    public string Shell(string script, Func<Spec, Spec>? change = null)
    {
        var spec = Spec("sh", "-c", script);
        var result = Run(change?.Invoke(spec) ?? spec);
        Assert.True(result.Status.ShellCode == 0, $"\"{script}\" ended with {result.Status}: {result.Output}");
        return result.Output.TrimEnd('\n');
    }

    /// <summary>Gives the root filesystem to the user that is root in a user namespace.</summary>
    public void MapRootfs(uint owner)
    {
        foreach (var path in (string[])[Rootfs, .. System.IO.Directory.GetDirectories(Rootfs)])
        {
            using var directory = Files.Open(path, OpenFlags.ReadOnly);
            Files.ChangeOwner(directory, owner, owner);
        }
    }

    /// <summary>Runs a command in a container that is running, and returns what it wrote.</summary>
    public static RunResult Exec(Container container, params string[] args) =>
        Exec(container, TestSpec.Process(args));

    public static RunResult Exec(Container container, Process process)
    {
        using var input = Files.Open("/dev/null", OpenFlags.ReadOnly);
        using var output = new CapturedStream();
        using var handle = container.Exec(new ExecRequest
        {
            Process = process,
            Streams = new StandardStreams(input, output.Writer, output.Writer),
        });
        output.Close();
        var text = output.Read();
        return new RunResult(handle.Wait(), text);
    }

    public void Dispose()
    {
        foreach (var container in _containers)
        {
            container.Dispose();
        }

        foreach (var id in Runtime.List().Select(state => state.Id).ToList())
        {
            using var left = Runtime.Load(id);
            left.Delete(force: true);
            if (left.PidFd is not null)
            {
                Pidfd.TryWait(left.PidFd);
            }
        }

        System.IO.Directory.Delete(Directory, recursive: true);
    }
}

public sealed record RunResult(ExitStatus Status, string Output);

/// <summary>A pipe that collects what a container writes.</summary>
public sealed class CapturedStream : IDisposable
{
    private readonly FileDescriptor _reader;

    public CapturedStream() => (_reader, Writer) = Files.Pipe();

    public FileDescriptor Writer { get; }

    /// <summary>Closes the own end, so that reading ends with the last writer.</summary>
    public void Close() => Writer.Dispose();

    public string Read() => Encoding.UTF8.GetString(Files.ReadAll(_reader, "output"));

    /// <summary>One line, while the writer lives on.</summary>
    public string ReadLine()
    {
        var line = new StringBuilder();
        Span<byte> one = stackalloc byte[1];
        while (Files.Read(_reader, one) == 1 && one[0] != '\n')
        {
            line.Append((char)one[0]);
        }

        return line.ToString();
    }

    public void Dispose()
    {
        _reader.Dispose();
        Writer.Dispose();
    }
}
