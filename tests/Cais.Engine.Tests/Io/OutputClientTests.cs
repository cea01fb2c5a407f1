using System.IO.Pipelines;
using System.Text;
using Cais.Engine.Io;
using Cais.Testing;

namespace Cais.Engine.Tests.Io;

public sealed class OutputClientTests
{
    private static readonly TimeSpan Deadline = Eventually.Deadline;
    private readonly OutputHub _hub = new();

    [Fact]
    public async Task A_client_that_never_reads_holds_up_neither_the_process_nor_another_client()
    {
        var stuck = Add(out _);
        Add(out var other);
        var reading = ReadAll(other);
        var piece = new byte[64 << 10];
        for (var sent = 0L; sent < 8 << 20; sent += piece.Length)
        {
            Assert.True(_hub.Publish(StreamKind.Stdout, piece) is null);
        }

        _hub.Complete();
        Assert.Equal(8 << 20, (await reading.WaitAsync(Deadline, TestContext.Current.CancellationToken)).Length);
        Assert.False(stuck.Done.IsCompleted);
    }

    [Fact]
    public async Task A_client_far_behind_that_takes_nothing_is_let_go()
    {
        var stuck = Add(out _);
        var piece = new byte[1 << 20];
        Task? waits = null;
        for (var sent = 0L; waits is null && sent < OutputClient.Backlog * 2; sent += piece.Length)
        {
            waits = _hub.Publish(StreamKind.Stdout, piece);
        }

        Assert.NotNull(waits);
        await waits.WaitAsync(Deadline, TestContext.Current.CancellationToken);
        Assert.False(_hub.HasClients);
        await stuck.Done.WaitAsync(Deadline, TestContext.Current.CancellationToken);
    }

    [Fact]
    public async Task A_slow_client_gets_every_byte_in_order()
    {
        Add(out var reader, framed: true);
        var expected = new StringBuilder();
        for (var i = 0; i < 20_000; i++)
        {
            var line = $"line {i} of the output, which is long enough to fill the pipe, the memory and some of the file as well\n";
            expected.Append(line);
            Assert.Null(_hub.Publish(i % 2 == 0 ? StreamKind.Stdout : StreamKind.Stderr, Encoding.ASCII.GetBytes(line)));
        }

        _hub.Complete();
        var all = await ReadAll(reader).WaitAsync(Deadline, TestContext.Current.CancellationToken);
        var text = new StringBuilder();
        for (var at = 0; at < all.Length;)
        {
            var length = System.Buffers.Binary.BinaryPrimitives.ReadInt32BigEndian(all.AsSpan(at + 4));
            text.Append(Encoding.ASCII.GetString(all, at + Frame.HeaderSize, length));
            at += Frame.HeaderSize + length;
        }

        Assert.True(expected.Equals(text));
    }

    [Fact]
    public async Task A_client_that_leaves_while_it_is_behind_is_done()
    {
        var client = Add(out var reader);
        _ = _hub.Publish(StreamKind.Stdout, new byte[2 << 20]);
        await reader.CompleteAsync();
        await client.Done.WaitAsync(Deadline, TestContext.Current.CancellationToken).ContinueWith(_ => { }, TestContext.Current.CancellationToken);
        _ = _hub.Publish(StreamKind.Stdout, new byte[1]);
        Assert.False(_hub.HasClients);
    }

    private OutputClient Add(out PipeReader reader, bool framed = false)
    {
        var pipe = new Pipe();
        reader = pipe.Reader;
        var client = new OutputClient(pipe.Writer, framed, stdout: true, stderr: true, Path.GetTempPath());
        _hub.Add(client);
        _ = client.Done.ContinueWith(_ => pipe.Writer.Complete(), TestContext.Current.CancellationToken);
        return client;
    }

    private static async Task<byte[]> ReadAll(PipeReader reader)
    {
        var all = new MemoryStream();
        while (true)
        {
            var read = await reader.ReadAsync();
            foreach (var segment in read.Buffer)
            {
                all.Write(segment.Span);
            }

            reader.AdvanceTo(read.Buffer.End);
            if (read.IsCompleted)
            {
                return all.ToArray();
            }
        }
    }
}
