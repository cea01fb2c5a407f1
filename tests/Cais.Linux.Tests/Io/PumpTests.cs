using Cais.Linux.Io;
using Cais.Testing;

#pragma warning disable xUnit1051 // Each wait has a deadline of its own.

namespace Cais.Linux.Tests.Io;

public sealed class PumpTests : IDisposable
{
    private static readonly TimeSpan Deadline = Eventually.Deadline;

    private readonly EventLoop _loop = EventLoop.Start();
    private readonly TaskCompletionSource<Exception?> _end = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public void Dispose() => _loop.Dispose();

    public static TheoryData<string> Kinds => ["pipe to pipe", "socket to pipe", "pipe to socket", "socket to socket"];

    [Theory]
    [MemberData(nameof(Kinds))]
    public async Task Everything_arrives_in_order_however_slow_the_reader(string kind)
    {
        var (from, source) = kind.StartsWith("pipe", StringComparison.Ordinal) ? NewPipe() : NewSocket();
        var (sink, to) = kind.EndsWith("pipe", StringComparison.Ordinal) ? NewPipe() : NewSocket();
        using var result = sink;
        var pump = Pump.Start(_loop, from, to, _end.SetResult);
        var expected = new byte[1_500_000];
        new Random(7).NextBytes(expected);
        using var writer = new DescriptorWriter(_loop, source);
        var writing = writer.WriteAsync(expected).AsTask();
        var all = new MemoryStream();
        var buffer = new byte[9999];
        await Eventually.Holds(
            () =>
            {
                for (var i = 0; i < 100; i++)
                {
                    switch (Descriptors.TryRead(sink, buffer))
                    {
                        case 0:
                            return true;
                        case var count and > 0:
                            all.Write(buffer, 0, count);
                            break;
                    }

                    if (writing.IsCompleted)
                    {
                        writer.Complete();
                    }
                }

                return false;
            },
            "everything has arrived");
        Assert.Equal(expected, all.ToArray());
        Assert.Null(await _end.Task.WaitAsync(Deadline));
        Assert.Equal(expected.Length, pump.Count);
    }

    [Fact]
    public async Task A_reader_that_goes_ends_the_pump_with_the_reason()
    {
        var (from, source) = NewPipe();
        var (sink, to) = NewPipe();
        using (source)
        {
            Pump.Start(_loop, from, to, _end.SetResult);
            sink.Dispose();
            Descriptors.TryWrite(source, "x"u8);
            var failure = Assert.IsType<LinuxException>(await _end.Task.WaitAsync(Deadline));
            Assert.Equal(Errno.EPIPE, failure.Errno);
        }
    }

    [Fact]
    public async Task A_regular_file_can_be_the_destination()
    {
        var path = Path.GetTempFileName();
        try
        {
            var (from, source) = NewPipe();
            var file = Files.Open(path, OpenFlags.WriteOnly | OpenFlags.Append | OpenFlags.CloseOnExec);
            Pump.Start(_loop, from, file, _end.SetResult);
            Descriptors.TryWrite(source, "into the file"u8);
            source.Dispose();
            Assert.Null(await _end.Task.WaitAsync(Deadline));
            Assert.Equal("into the file", await File.ReadAllTextAsync(path, TestContext.Current.CancellationToken));
        }
        finally
        {
            File.Delete(path);
        }
    }

    [Fact]
    public async Task A_terminal_ends_when_its_last_user_has_gone_and_not_while_it_is_held()
    {
        var (master, slave) = Pty.Open();
        Descriptors.SetNonBlocking(master, true);
        using var held = TerminalPeer.Open(master);
        var (sink, to) = NewPipe();
        using var result = sink;
        Pump.Start(_loop, master, to, _end.SetResult);
        Descriptors.TryWrite(slave, "last words"u8);
        slave.Dispose();
        var buffer = new byte[100];
        await Eventually.Holds(() => Descriptors.TryRead(sink, buffer) == 10, "the last words");
        Assert.False(_end.Task.IsCompleted);
        held.Dispose();
        Assert.Null(await _end.Task.WaitAsync(Deadline));
    }

    [Fact]
    public async Task Abandoned_fifos_are_read_to_their_end()
    {
        var path = Path.Combine(Path.GetTempPath(), $"fifo-{Guid.NewGuid():n}");
        Fifo.Create(path);
        try
        {
            using var keeper = Fifo.OpenRead(path);
            using (var writer = Fifo.OpenWrite(path))
            {
                Descriptors.TryWrite(writer, "left behind"u8);
            }

            var text = "";
            var ended = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            using var reading = DescriptorReader.Start(
                _loop,
                Fifo.OpenRead(path),
                data =>
                {
                    text += System.Text.Encoding.UTF8.GetString(data);
                    return true;
                },
                _ => ended.SetResult(),
                writerMayComeLater: false);
            await ended.Task.WaitAsync(Deadline);
            Assert.Equal("left behind", text);
        }
        finally
        {
            File.Delete(path);
        }
    }

    [Fact]
    public void Descriptors_pass_over_a_socket_and_are_closed_on_exec()
    {
        var (first, second) = UnixSocket.CreatePair();
        var (reader, writer) = NewPipe();
        using (first)
        using (second)
        using (reader)
        using (writer)
        {
            Assert.Equal(4, UnixSocket.TrySend(first, "take"u8, [writer, reader]));
            var received = new List<FileDescriptor>();
            var buffer = new byte[16];
            Assert.Equal(4, UnixSocket.TryReceive(second, buffer, received));
            Assert.Equal(2, received.Count);
            Descriptors.TryWrite(received[0], "x"u8);
            Assert.Equal(1, Descriptors.TryRead(received[1], buffer));
            Assert.All(received, fd => Assert.Contains("02", File.ReadAllText($"/proc/self/fdinfo/{fd.Number}").Split('\n')[1], StringComparison.Ordinal));
            received.ForEach(fd => fd.Dispose());
        }
    }

    [Fact]
    public async Task Children_get_clean_signals_their_descriptors_and_nothing_else()
    {
        var (output, writer) = Pipe.Create();
        Descriptors.SetNonBlocking(output, true);
        var text = "";
        var ended = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        using var reading = DescriptorReader.Start(
            _loop,
            output,
            data =>
            {
                text += System.Text.Encoding.UTF8.GetString(data);
                return true;
            },
            _ => ended.SetResult());
        using (writer)
        {
            using var child = ChildProcess.Start(new ChildCommand
            {
                Program = "sh",
                Arguments = ["-c", "grep -E 'Sig(Blk|Ign)' /proc/self/status; ls /proc/self/fd | wc -l; pwd; echo $ADDED$HOME; echo three >&3; exit 5"],
                WorkingDirectory = "/usr",
                Descriptors = [null, writer, writer, writer],
                Environment = new Dictionary<string, string?> { ["ADDED"] = "added", ["HOME"] = null },
            });
            writer.Dispose();
            Assert.Equal(new ExitStatus(5, 0), await child.WaitAsync(_loop).WaitAsync(Deadline));
        }

        await ended.Task.WaitAsync(Deadline);
        var lines = text.Split('\n');
        Assert.EndsWith("0000000000000000", lines[0], StringComparison.Ordinal);
        Assert.EndsWith("0000000000000000", lines[1], StringComparison.Ordinal);
        Assert.Equal("5", lines[2]); // 0 to 3, and the directory that ls reads
        Assert.Equal(["/usr", "added", "three"], lines[3..6]);
        Assert.Equal(Errno.ENOENT, Assert.Throws<LinuxException>(() => ChildProcess.Start(new ChildCommand { Program = "/no/such/program", Arguments = [] })).Errno);
    }

    private static (FileDescriptor Reader, FileDescriptor Writer) NewPipe() => Pipe.Create(nonBlocking: true);

    private static (FileDescriptor, FileDescriptor) NewSocket() => UnixSocket.CreatePair();
}
