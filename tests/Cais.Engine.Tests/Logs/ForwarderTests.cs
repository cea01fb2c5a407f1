using System.Text;
using Cais.Engine.Io;
using Cais.Engine.Logs;
using Cais.Engine.Logs.Remote;
using Cais.Testing;

namespace Cais.Engine.Tests.Logs;

public sealed class ForwarderTests
{
    [Fact]
    public async Task Every_line_arrives_once_and_in_order()
    {
        var receiver = new FakeReceiver();
        var forwarder = LogTest.Forward(receiver);
        for (var i = 0; i < 1000; i++)
        {
            LogTest.Say(forwarder, $"{i}\n");
        }

        forwarder.Dispose();
        await forwarder.Finished.WaitAsync(Eventually.Deadline, TestContext.Current.CancellationToken);
        Assert.Equal(Enumerable.Range(0, 1000).Select(i => $"{i}"), receiver.Lines);
        Assert.True(receiver.Disposed);
    }

    [Fact]
    public async Task A_receiver_that_is_away_for_a_while_gets_everything_when_it_is_back()
    {
        var receiver = new FakeReceiver { Away = true };
        var forwarder = LogTest.Forward(receiver);
        LogTest.Say(forwarder, "one\n");
        await Eventually.Holds(() => receiver.Attempts > 3, "it is tried again and again");
        LogTest.Say(forwarder, "two\n");
        receiver.Away = false;
        await Eventually.Holds(() => receiver.Lines.Count == 2, "both lines are there");
        forwarder.Dispose();
        await forwarder.Finished.WaitAsync(Eventually.Deadline, TestContext.Current.CancellationToken);
        Assert.Equal(["one", "two"], receiver.Lines);
    }

    [Fact]
    public async Task A_dead_receiver_costs_lines_and_never_holds_the_container()
    {
        var receiver = new FakeReceiver { Away = true };
        var forwarder = LogTest.Forward(receiver, LogTest.Prompt with { LargestQueue = 2000 });
        LogTest.Say(forwarder, "first\n");
        await Eventually.Holds(() => receiver.Attempts > 1, "it is known to be away");
        for (var i = 0; i < 1000; i++)
        {
            forwarder.Append(new LogLine(StreamKind.Stdout, LogTest.Time, Encoding.UTF8.GetBytes($"{i}\n")));
            Assert.Null(forwarder.Flush());
        }

        Assert.True(forwarder.Dropped > 900);
        receiver.Away = false;
        forwarder.Dispose();
        await forwarder.Finished.WaitAsync(Eventually.Deadline, TestContext.Current.CancellationToken);
        Assert.Equal("first", receiver.Lines[0]);
        Assert.Equal(1001, receiver.Lines.Count + forwarder.Dropped);
    }

    [Fact]
    public async Task A_receiver_that_stops_taking_holds_the_container_no_longer_than_a_send_may_take()
    {
        var receiver = new FakeReceiver { Silent = true };
        var forwarder = LogTest.Forward(receiver, LogTest.Prompt with { LargestQueue = 1000, SendTimeout = TimeSpan.FromMilliseconds(50), DrainPatience = TimeSpan.Zero });
        Task? held = null;
        for (var i = 0; held is null; i++)
        {
            forwarder.Append(new LogLine(StreamKind.Stdout, LogTest.Time, Encoding.UTF8.GetBytes($"{i}\n")));
            held = forwarder.Flush();
        }

        await held.WaitAsync(Eventually.Deadline, TestContext.Current.CancellationToken);
        Assert.Null(forwarder.Flush());
        forwarder.Dispose();
        await forwarder.Finished.WaitAsync(Eventually.Deadline, TestContext.Current.CancellationToken);
    }

    [Fact]
    public async Task A_slow_receiver_slows_the_container_down_and_loses_nothing()
    {
        var receiver = new FakeReceiver { Gate = new SemaphoreSlim(0) };
        var forwarder = LogTest.Forward(receiver, LogTest.Prompt with { LargestQueue = 1000 });
        var sending = Task.Run(async () =>
        {
            for (var i = 0; i < 200; i++)
            {
                forwarder.Append(new LogLine(StreamKind.Stdout, LogTest.Time, Encoding.UTF8.GetBytes($"{i}\n")));
                if (forwarder.Flush() is { } held)
                {
                    receiver.Gate!.Release();
                    await held.WaitAsync(Eventually.Deadline);
                }
            }
        }, TestContext.Current.CancellationToken);
        while (!sending.IsCompleted)
        {
            receiver.Gate.Release();
            await Task.Yield();
        }

        await sending;
        receiver.Gate.Release(1000);
        forwarder.Dispose();
        await forwarder.Finished.WaitAsync(Eventually.Deadline, TestContext.Current.CancellationToken);
        Assert.Equal(Enumerable.Range(0, 200).Select(i => $"{i}"), receiver.Lines);
        Assert.Equal(0, forwarder.Dropped);
    }

    [Fact]
    public async Task Non_blocking_mode_never_waits_and_drops_what_the_buffer_cannot_take()
    {
        var receiver = new FakeReceiver { Gate = new SemaphoreSlim(0) };
        var forwarder = LogTest.Forward(receiver, LogTest.Prompt with { LargestQueue = 1000, NonBlocking = true });
        for (var i = 0; i < 1000; i++)
        {
            forwarder.Append(new LogLine(StreamKind.Stdout, LogTest.Time, Encoding.UTF8.GetBytes($"{i}\n")));
            Assert.Null(forwarder.Flush());
        }

        receiver.Gate.Release(1000);
        forwarder.Dispose();
        await forwarder.Finished.WaitAsync(Eventually.Deadline, TestContext.Current.CancellationToken);
        Assert.Equal("0", receiver.Lines[0]);
        Assert.InRange(forwarder.Dropped, 900, 999);
        Assert.Equal(1000, receiver.Lines.Count + forwarder.Dropped);
    }

    [Fact]
    public async Task Attempts_can_be_limited()
    {
        var receiver = new FakeReceiver { Away = true };
        var forwarder = LogTest.Forward(receiver, LogTest.Prompt with { MostAttempts = 3 });
        LogTest.Say(forwarder, "lost\n");
        await Eventually.Holds(() => forwarder.Dropped == 1, "the line is given up");
        Assert.Equal(3, receiver.Attempts);
        receiver.Away = false;
        LogTest.Say(forwarder, "kept\n");
        forwarder.Dispose();
        await forwarder.Finished.WaitAsync(Eventually.Deadline, TestContext.Current.CancellationToken);
        Assert.Equal(["kept"], receiver.Lines);
    }

    private sealed class FakeReceiver : ILogReceiver
    {
        private readonly List<string> _lines = [];
        private int _attempts;

        public volatile bool Away;

        public bool Silent { get; init; }

        public SemaphoreSlim? Gate { get; init; }

        public bool Disposed { get; private set; }

        public int Attempts => _attempts;

        public IReadOnlyList<string> Lines
        {
            get
            {
                lock (_lines)
                {
                    return [.. _lines];
                }
            }
        }

        public string Name => "the test";

        public int LargestBatch => 3;

        public async Task Send(IReadOnlyList<QueuedLine> lines, CancellationToken cancellation)
        {
            Interlocked.Increment(ref _attempts);
            if (Away)
            {
                throw new IOException("away");
            }

            if (Silent)
            {
                await Task.Delay(Timeout.Infinite, cancellation);
            }

            await (Gate?.WaitAsync(cancellation) ?? Task.CompletedTask);
            lock (_lines)
            {
                _lines.AddRange(lines.Select(l => Encoding.UTF8.GetString(l.Text)));
            }
        }

        public void Reset()
        {
        }

        public void Dispose() => Disposed = true;
    }
}
