using System.Collections;
using System.Runtime.InteropServices;
using System.Text;

namespace Cais.Linux.Io;

/// <summary>A program to start.</summary>
public sealed record ChildCommand
{
    /// <summary>A path, or a name to look for in PATH.</summary>
    public required string Program { get; init; }

    /// <summary>Without argument 0.</summary>
    public required IReadOnlyList<string> Arguments { get; init; }

    /// <summary>Argument 0; the program where null.</summary>
    public string? Name { get; init; }

    public string? WorkingDirectory { get; init; }

    /// <summary>Added to this process's environment, or replacing it; a null value removes.</summary>
    public IReadOnlyDictionary<string, string?> Environment { get; init; } = new Dictionary<string, string?>();

    /// <summary>The child's descriptors 0, 1, 2, 3…; null is /dev/null. Nothing else is inherited. The caller keeps its own.</summary>
    public IReadOnlyList<FileDescriptor?> Descriptors { get; init; } = [];

    /// <summary>Begin a session, so that a terminal's signals do not reach it.</summary>
    public bool NewSession { get; init; }
}

/// <summary>
/// Starts programs by posix_spawn(3), which copies no page tables, with the signal state a program expects: nothing blocked, nothing
/// ignored (.NET ignores SIGPIPE). Unlike <c>System.Diagnostics.Process</c> it installs no signal handlers and reaps nobody else's children.
/// </summary>
public sealed unsafe partial class ChildProcess : IDisposable
{
    // Larger than the C libraries' opaque types: posix_spawnattr_t is 336 bytes in glibc, sigset_t 128.
    private const int OpaqueSize = 512;
    private const short SetSigDefault = 4;
    private const short SetSigMask = 8;
    private const short SetSid = 0x80;

    private ChildProcess(int pid, FileDescriptor pidFd) => (Pid, PidFd) = (pid, pidFd);

    public int Pid { get; }

    /// <summary>Readable when the child has ended; see <see cref="Pidfd"/>.</summary>
    public FileDescriptor PidFd { get; }

    /// <summary>Starts the program.</summary>
    /// <exception cref="LinuxException">ENOENT, EACCES, …: it cannot be executed.</exception>
    public static ChildProcess Start(ChildCommand command)
    {
        var actions = stackalloc byte[OpaqueSize];
        var attributes = stackalloc byte[OpaqueSize];
        var signals = stackalloc byte[OpaqueSize];
        Check(posix_spawn_file_actions_init(actions), command);
        var inherited = new List<FileDescriptor>();
        using var arguments = new StringVector([command.Name ?? command.Program, .. command.Arguments]);
        using var environment = new StringVector(Environment(command.Environment));
        try
        {
            Check(posix_spawnattr_init(attributes), command);
            new Span<byte>(signals, OpaqueSize).Clear();
            Check(posix_spawnattr_setsigmask(attributes, signals), command);
            new Span<byte>(signals, OpaqueSize).Fill(0xff);
            Check(posix_spawnattr_setsigdefault(attributes, signals), command);
            Check(posix_spawnattr_setflags(attributes, (short)(SetSigMask | SetSigDefault | (command.NewSession ? SetSid : 0))), command);

            var count = Math.Max(3, command.Descriptors.Count);
            for (var i = 0; i < count; i++)
            {
                // Moved out of the way first: a source must not be overwritten before its turn.
                var source = i < command.Descriptors.Count && command.Descriptors[i] is { } given
                    ? EventLoop.Own(IoCalls.fcntl(given, IoCalls.F_DUPFD_CLOEXEC, count + 8), "duplicate a descriptor")
                    : EventLoop.Own(IoCalls.open("/dev/null", IoCalls.O_RDWR | IoCalls.O_CLOEXEC, 0), "open /dev/null");
                inherited.Add(source);
                if (source.Number < count)
                {
                    inherited[^1] = EventLoop.Own(IoCalls.fcntl(source, IoCalls.F_DUPFD_CLOEXEC, count + 8), "duplicate a descriptor");
                    source.Dispose();
                }

                Check(posix_spawn_file_actions_adddup2(actions, inherited[^1].Number, i), command);
            }

            // What this process itself was given without close-on-exec is not the child's either.
            Check(posix_spawn_file_actions_addclosefrom_np(actions, count), command);
            if (command.WorkingDirectory is { } directory)
            {
                Check(posix_spawn_file_actions_addchdir_np(actions, directory), command);
            }

            int pid;
            Check(posix_spawnp(&pid, command.Program, actions, attributes, arguments.Pointer, environment.Pointer), command);
            return new ChildProcess(pid, Pidfd.TryOpen(pid) ?? throw new LinuxException(Errno.ESRCH, $"watch {command.Program}"));
        }
        finally
        {
            inherited.ForEach(fd => fd.Dispose());
            _ = posix_spawn_file_actions_destroy(actions);
            _ = posix_spawnattr_destroy(attributes);
        }
    }

    /// <summary>Waits for the end on the loop, and reaps.</summary>
    public Task<ExitStatus> WaitAsync(EventLoop loop)
    {
        var done = new TaskCompletionSource<ExitStatus>(TaskCreationOptions.RunContinuationsAsynchronously);
        IoWatch? watch = null;
        watch = loop.Watch(PidFd, IoInterest.None, _ =>
        {
            watch!.Dispose();
            try
            {
                done.TrySetResult(Pidfd.Wait(PidFd));
            }
            catch (LinuxException e)
            {
                done.TrySetException(e);
            }
        });
        watch.Interest = IoInterest.Read;
        return done.Task;
    }

    /// <summary>Lets go of the child, which goes on; whoever waits for it must have finished.</summary>
    public void Dispose() => PidFd.Dispose();

    private static IEnumerable<string> Environment(IReadOnlyDictionary<string, string?> changes)
    {
        foreach (DictionaryEntry variable in System.Environment.GetEnvironmentVariables())
        {
            if (!changes.ContainsKey((string)variable.Key))
            {
                yield return $"{variable.Key}={variable.Value}";
            }
        }

        foreach (var (name, value) in changes)
        {
            if (value is not null)
            {
                yield return $"{name}={value}";
            }
        }
    }

    private static void Check(int error, ChildCommand command)
    {
        if (error != 0)
        {
            throw new LinuxException((Errno)error, $"start {command.Program}");
        }
    }

    [LibraryImport("libc")]
    private static partial int posix_spawn_file_actions_init(void* actions);

    [LibraryImport("libc")]
    private static partial int posix_spawn_file_actions_destroy(void* actions);

    [LibraryImport("libc")]
    private static partial int posix_spawn_file_actions_adddup2(void* actions, int from, int to);

    [LibraryImport("libc")]
    private static partial int posix_spawn_file_actions_addclosefrom_np(void* actions, int from);

    [LibraryImport("libc", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int posix_spawn_file_actions_addchdir_np(void* actions, string path);

    [LibraryImport("libc")]
    private static partial int posix_spawnattr_init(void* attributes);

    [LibraryImport("libc")]
    private static partial int posix_spawnattr_destroy(void* attributes);

    [LibraryImport("libc")]
    private static partial int posix_spawnattr_setflags(void* attributes, short flags);

    [LibraryImport("libc")]
    private static partial int posix_spawnattr_setsigmask(void* attributes, void* signals);

    [LibraryImport("libc")]
    private static partial int posix_spawnattr_setsigdefault(void* attributes, void* signals);

    [LibraryImport("libc", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int posix_spawnp(int* pid, string program, void* actions, void* attributes, byte** arguments, byte** environment);

    /// <summary>A null-terminated array of C strings.</summary>
    private readonly struct StringVector : IDisposable
    {
        private readonly nint[] _strings;

        public StringVector(IEnumerable<string> strings)
        {
            _strings = [.. strings.Select(Allocate)];
            Pointer = (byte**)NativeMemory.AllocZeroed((nuint)_strings.Length + 1, (nuint)sizeof(nint));
            for (var i = 0; i < _strings.Length; i++)
            {
                Pointer[i] = (byte*)_strings[i];
            }
        }

        public byte** Pointer { get; }

        public void Dispose()
        {
            foreach (var text in _strings)
            {
                NativeMemory.Free((void*)text);
            }

            NativeMemory.Free(Pointer);
        }

        private static nint Allocate(string text)
        {
            var length = Encoding.UTF8.GetByteCount(text);
            var memory = (byte*)NativeMemory.Alloc((nuint)length + 1);
            Encoding.UTF8.GetBytes(text, new Span<byte>(memory, length));
            memory[length] = 0;
            return (nint)memory;
        }
    }
}
