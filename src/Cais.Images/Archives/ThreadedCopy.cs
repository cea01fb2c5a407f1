using System.IO.Pipelines;
using Cais.Images.Layers;

namespace Cais.Images.Archives;

/// <summary>
/// Lets code that writes synchronously (walking a directory tree, making a tar) feed a stream that must be written asynchronously, with bounded
/// memory between the two.
/// </summary>
internal static class ThreadedCopy
{
    private const int Ahead = 1024 * 1024;

    public static async Task RunAsync(string name, Action<Stream> produce, Stream to, CancellationToken cancellation)
    {
        var pipe = new Pipe(new PipeOptions(pauseWriterThreshold: Ahead, resumeWriterThreshold: Ahead / 2, minimumSegmentSize: 64 * 1024, useSynchronizationContext: false));
        var producing = OwnThread.Run(name, () =>
        {
            Exception? failure = null;
            try
            {
                using var stream = new PipeSink(pipe.Writer);
                produce(stream);
            }
            catch (Exception e)
            {
                failure = e;
                throw;
            }
            finally
            {
                pipe.Writer.Complete(failure);
            }

            return true;
        });
        try
        {
            await pipe.Reader.CopyToAsync(to, cancellation).ConfigureAwait(false);
        }
        finally
        {
            // The producer learns at its next flush that nobody reads any more.
            await pipe.Reader.CompleteAsync().ConfigureAwait(false);
            await ((Task)producing).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }

        await producing.ConfigureAwait(false);
    }

    private sealed class PipeSink(PipeWriter writer) : Stream
    {
        private const int FlushAt = 128 * 1024;
        private int _unflushed;

        public override bool CanRead => false;

        public override bool CanSeek => false;

        public override bool CanWrite => true;

        public override long Length => throw new NotSupportedException();

        public override long Position
        {
            get => throw new NotSupportedException();
            set => throw new NotSupportedException();
        }

        public override void Write(ReadOnlySpan<byte> buffer)
        {
            while (!buffer.IsEmpty)
            {
                var room = writer.GetSpan();
                var n = Math.Min(room.Length, buffer.Length);
                buffer[..n].CopyTo(room);
                writer.Advance(n);
                buffer = buffer[n..];
                _unflushed += n;
                if (_unflushed >= FlushAt)
                {
                    Flush();
                }
            }
        }

        public override void Write(byte[] buffer, int offset, int count) => Write(buffer.AsSpan(offset, count));

        public override void Flush()
        {
            _unflushed = 0;
            var flush = writer.FlushAsync();
            var result = flush.IsCompleted ? flush.Result : flush.AsTask().GetAwaiter().GetResult();
            if (result.IsCompleted || result.IsCanceled)
            {
                throw new IOException("the reader is gone");
            }
        }

        public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

        public override void SetLength(long value) => throw new NotSupportedException();
    }
}
