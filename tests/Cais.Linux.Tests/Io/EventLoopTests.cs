using System.Collections.Concurrent;
using Cais.Linux.Io;
using Cais.Testing;

#pragma warning disable xUnit1051 // Each wait has a deadline of its own.

namespace Cais.Linux.Tests.Io;

public sealed class EventLoopTests
{
    private static readonly TimeSpan Deadline = Eventually.Deadline;

    [Fact]
    public async Task Thousands_of_pipes_are_served_by_one_thread()
    {
        using var loop = EventLoop.Start();
        var threads = new ConcurrentDictionary<int, bool>();
        var writers = new List<FileDescriptor>();
        var readers = new List<DescriptorReader>();
        var received = 0;
        var ended = 0;
        const int Count = 2000;
        for (var i = 0; i < Count; i++)
        {
            var (reader, writer) = Pipe.Create(nonBlocking: true);
            writers.Add(writer);
            readers.Add(DescriptorReader.Start(
                loop,
                reader,
                data =>
                {
                    threads.TryAdd(Environment.CurrentManagedThreadId, true);
                    received += data.Length;
                    return true;
                },
                _ => ended++));
        }

        for (var round = 0; round < 5; round++)
        {
            foreach (var writer in writers)
            {
                Assert.Equal(3, Descriptors.TryWrite(writer, "abc"u8));
            }
        }

        await Eventually.Holds(() => OnLoop(loop, () => received == Count * 5 * 3), "all is read");
        writers.ForEach(w => w.Dispose());
        await Eventually.Holds(() => OnLoop(loop, () => ended == Count), "all ends are seen");
        Assert.Single(threads);
    }

    [Fact]
    public async Task A_paused_reader_reads_nothing_until_it_is_resumed()
    {
        using var loop = EventLoop.Start();
        var (reader, writer) = Pipe.Create(nonBlocking: true);
        var received = 0;
        var taken = new SemaphoreSlim(0);
        using var reading = DescriptorReader.Start(
            loop,
            reader,
            data =>
            {
                received += data.Length;
                taken.Release();
                return false;
            },
            _ => taken.Release());
        using (writer)
        {
            Descriptors.TryWrite(writer, "first"u8);
            Assert.True(await taken.WaitAsync(Deadline));
            Descriptors.TryWrite(writer, "second"u8);
            for (var i = 0; i < 3; i++)
            {
                Assert.True(await OnLoop(loop, () => received == 5));
            }

            reading.Resume();
            Assert.True(await taken.WaitAsync(Deadline));
            Assert.Equal(11, received);
        }

        // The hang-up of a paused reader neither ends it nor keeps the thread busy.
        Assert.True(await OnLoop(loop, () => true));
        Assert.Equal(0, taken.CurrentCount);
        reading.Resume();
        Assert.True(await taken.WaitAsync(Deadline));
    }

    [Fact]
    public async Task A_hang_up_while_paused_costs_no_processor_time()
    {
        using var loop = EventLoop.Start();
        var (reader, writer) = Pipe.Create(nonBlocking: true);
        var taken = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        using var reading = DescriptorReader.Start(
            loop,
            reader,
            _ =>
            {
                taken.TrySetResult();
                return false;
            },
            _ => { });
        Descriptors.TryWrite(writer, "x"u8);
        await taken.Task.WaitAsync(Deadline);
        writer.Dispose();
        var before = await OnLoop(loop, ThreadTime);
        await Task.Delay(200, TestContext.Current.CancellationToken);
        Assert.True(await OnLoop(loop, ThreadTime) - before <= 5);

        // utime and stime, in ticks of ten milliseconds.
        static long ThreadTime()
        {
            var fields = File.ReadAllText("/proc/thread-self/stat").Split(") ")[^1].Split(' ');
            return long.Parse(fields[11], System.Globalization.CultureInfo.InvariantCulture) + long.Parse(fields[12], System.Globalization.CultureInfo.InvariantCulture);
        }
    }

    [Fact]
    public async Task A_writer_waits_for_room_and_keeps_order()
    {
        using var loop = EventLoop.Start();
        var (reader, writer) = Pipe.Create(nonBlocking: true);
        using var source = reader;
        using var writing = new DescriptorWriter(loop, writer);
        var expected = Enumerable.Range(0, 40).SelectMany(i => Enumerable.Repeat((byte)i, 10_000)).ToArray();
        var writes = Enumerable.Range(0, 40).Select(i => writing.WriteAsync(Enumerable.Repeat((byte)i, 10_000).ToArray()).AsTask()).ToList();
        Assert.False(writes[^1].IsCompleted);
        var all = new MemoryStream();
        var buffer = new byte[7777];
        while (all.Length < expected.Length)
        {
            var count = Descriptors.TryRead(reader, buffer);
            if (count > 0)
            {
                all.Write(buffer, 0, count);
            }
        }

        await Task.WhenAll(writes).WaitAsync(Deadline);
        Assert.Equal(expected, all.ToArray());
    }

    [Fact]
    public async Task A_writer_whose_reader_goes_fails_all_that_waits()
    {
        using var loop = EventLoop.Start();
        var (reader, writer) = Pipe.Create(nonBlocking: true);
        using var writing = new DescriptorWriter(loop, writer);
        var waiting = writing.WriteAsync(new byte[200_000]).AsTask();
        Assert.False(waiting.IsCompleted);
        reader.Dispose();
        Assert.Equal(Errno.EPIPE, (await Assert.ThrowsAsync<LinuxException>(() => waiting.WaitAsync(Deadline))).Errno);
        Assert.Equal(Errno.EPIPE, (await Assert.ThrowsAsync<LinuxException>(() => writing.WriteAsync(new byte[1]).AsTask())).Errno);
    }

    [Fact]
    public async Task A_cancelled_write_lets_the_next_one_through()
    {
        using var loop = EventLoop.Start();
        var (reader, writer) = Pipe.Create(nonBlocking: true);
        using var source = reader;
        using var writing = new DescriptorWriter(loop, writer);
        using var cancel = new CancellationTokenSource();
        var first = writing.WriteAsync(new byte[200_000], cancel.Token).AsTask();
        var second = writing.WriteAsync("end"u8.ToArray()).AsTask();
        await cancel.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => first);
        var buffer = new byte[65536];
        var last = Array.Empty<byte>();
        await Eventually.Holds(
            () =>
            {
                if (Descriptors.TryRead(reader, buffer) is var count and > 0)
                {
                    last = buffer[..count];
                }

                return second.IsCompleted && last.AsSpan().EndsWith("end"u8);
            },
            "the second write arrives");
    }

    [Fact]
    public async Task What_is_completed_is_written_before_the_end()
    {
        using var loop = EventLoop.Start();
        var (reader, writer) = Pipe.Create(nonBlocking: true);
        var writing = new DescriptorWriter(loop, writer);
        _ = writing.WriteAsync(new byte[300_000]).AsTask();
        writing.Complete();
        long count = 0;
        var end = new TaskCompletionSource<long>(TaskCreationOptions.RunContinuationsAsynchronously);
        using var reading = DescriptorReader.Start(
            loop,
            reader,
            data =>
            {
                count += data.Length;
                return true;
            },
            _ => end.SetResult(count));
        Assert.Equal(300_000, await end.Task.WaitAsync(Deadline));
    }

    [Fact]
    public async Task Timers_run_in_order_and_not_when_cancelled()
    {
        using var loop = EventLoop.Start();
        var order = new ConcurrentQueue<int>();
        var done = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        loop.Schedule(TimeSpan.FromMilliseconds(60), () =>
        {
            order.Enqueue(3);
            done.SetResult();
        });
        loop.Schedule(TimeSpan.FromMilliseconds(1), () => order.Enqueue(1));
        loop.Schedule(TimeSpan.FromMilliseconds(30), () => order.Enqueue(2));
        loop.Schedule(TimeSpan.FromMilliseconds(10), () => order.Enqueue(99)).Dispose();
        await done.Task.WaitAsync(Deadline);
        Assert.Equal([1, 2, 3], order);
    }

    [Fact]
    public async Task An_exception_in_a_callback_closes_that_watch_only()
    {
        var errors = new ConcurrentQueue<Exception>();
        using var loop = EventLoop.Start("test", errors.Enqueue);
        var (reader, writer) = Pipe.Create(nonBlocking: true);
        using (reader)
        using (writer)
        {
            loop.Watch(reader, IoInterest.Read, _ => throw new InvalidOperationException("a bug"));
            Descriptors.TryWrite(writer, "x"u8);
            await Eventually.Holds(() => !errors.IsEmpty, "the error is told");
            loop.Post(() => throw new InvalidOperationException("another"));
            Assert.True(await OnLoop(loop, () => true));
            Assert.Equal(2, errors.Count);
        }
    }

    [Fact]
    public async Task A_callback_may_dispose_what_the_same_batch_is_about_to_report()
    {
        using var loop = EventLoop.Start("test");
        for (var round = 0; round < 50; round++)
        {
            var pipes = Enumerable.Range(0, 30).Select(_ => Pipe.Create(nonBlocking: true)).ToList();
            var watches = new List<IoWatch>();
            var calls = 0;
            await OnLoop(loop, () =>
            {
                foreach (var (reader, writer) in pipes)
                {
                    Descriptors.TryWrite(writer, "x"u8);
                    watches.Add(loop.Watch(reader, IoInterest.Read, _ =>
                    {
                        calls++;
                        foreach (var watch in watches)
                        {
                            watch.Dispose();
                        }

                        pipes.ForEach(p => p.Reader.Dispose());
                    }));
                }

                return true;
            });
            await Eventually.Holds(() => OnLoop(loop, () => calls > 0), "one is called");
            Assert.Equal(1, await OnLoop(loop, () => calls));
            pipes.ForEach(p => p.Writer.Dispose());
        }
    }

    [Fact]
    public async Task Watching_what_cannot_be_watched_is_an_error_and_takes_no_slot()
    {
        using var loop = EventLoop.Start("test");
        using var file = Descriptors.OpenDirectory("/");
        Assert.Throws<LinuxException>(() => loop.Watch(file, IoInterest.Read, _ => { }));
        var (reader, writer) = Pipe.Create(nonBlocking: true);
        using (reader)
        using (writer)
        {
            using var watch = loop.Watch(reader, IoInterest.Read, _ => { });
            Assert.Equal(Errno.EEXIST, Assert.Throws<LinuxException>(() => loop.Watch(reader, IoInterest.Read, _ => { })).Errno);
            Assert.True(await OnLoop(loop, () => true));
        }
    }

    private static Task<T> OnLoop<T>(EventLoop loop, Func<T> work)
    {
        var done = new TaskCompletionSource<T>(TaskCreationOptions.RunContinuationsAsynchronously);
        loop.Post(() => done.SetResult(work()));
        return done.Task.WaitAsync(Deadline);
    }
}
