using Cais.BuildKit.Grpc;
using Google.Protobuf;
using Moby.Upload.V1;

namespace Cais.BuildKit.Sessions;

/// <summary>Byte streams between client and daemon: what the client has on its standard input, and files that it wants to have.</summary>
internal static class MessageUpload
{
    private const string PullMethod = "/moby.upload.v1.Upload/Pull";
    private const string SendMethod = "/moby.filesync.v1.FileSend/DiffCopy";

    /// <summary>Hosts of URLs that mean a stream of the session itself.</summary>
    public static bool IsSessionUrl(string url) =>
        url.StartsWith("http://buildkit-session/", StringComparison.Ordinal) || url.StartsWith("https://buildkit-session/", StringComparison.Ordinal);

    /// <summary>Copies a stream that the client offers under a URL (<c>docker build - &lt; context.tar</c>).</summary>
    public static async Task PullAsync(Session session, string url, Stream to, CancellationToken cancellation)
    {
        var parsed = new Uri(url);
        using var call = session.Begin(
            PullMethod,
            [KeyValuePair.Create("urlpath", (IReadOnlyList<string>)[parsed.AbsolutePath]), KeyValuePair.Create("urlhost", (IReadOnlyList<string>)[parsed.Host])],
            cancellation);
        while (await call.ReadAsync(BytesMessage.Parser) is { } message)
        {
            await to.WriteAsync(message.Data.Memory, cancellation);
        }

        await call.FinishSendingAsync();
    }

    /// <summary>
    /// A stream to a file of the client, the output of one exporter. <see cref="ClientFile.FinishAsync"/> waits until the client has all of it.
    /// </summary>
    /// <param name="metadata">What the exporter says of the file.</param>
    public static ClientFile Create(Session session, int exporter, IReadOnlyDictionary<string, string> metadata, CancellationToken cancellation)
    {
        var headers = metadata.Select(m => KeyValuePair.Create("exporter-md-" + m.Key, (IReadOnlyList<string>)[m.Value])).ToList();
        headers.Add(ExporterId(exporter));
        return new ClientFile(session.Begin(SendMethod, headers, cancellation));
    }

    /// <summary>Which of several exporters a stream belongs to.</summary>
    public static KeyValuePair<string, IReadOnlyList<string>> ExporterId(int exporter) =>
        KeyValuePair.Create("buildkit-attachable-exporter-id", (IReadOnlyList<string>)[exporter.ToString(System.Globalization.CultureInfo.InvariantCulture)]);

    /// <summary>A file being written at the client's.</summary>
    internal sealed class ClientFile(GrpcClientCall call) : Stream
    {
        private const int PartLength = 256 << 10;

        private readonly byte[] _buffer = new byte[PartLength];
        private int _used;

        public override bool CanRead => false;

        public override bool CanWrite => true;

        public override bool CanSeek => false;

        public override long Length => throw new NotSupportedException();

        public override long Position
        {
            get => throw new NotSupportedException();
            set => throw new NotSupportedException();
        }

        public override async ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
        {
            while (!buffer.IsEmpty)
            {
                var part = Math.Min(buffer.Length, _buffer.Length - _used);
                buffer[..part].CopyTo(_buffer.AsMemory(_used));
                buffer = buffer[part..];
                _used += part;
                if (_used == _buffer.Length)
                {
                    await SendAsync();
                }
            }
        }

        public override Task WriteAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
            WriteAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

        public override void Write(byte[] buffer, int offset, int count) => WriteAsync(buffer.AsMemory(offset, count)).AsTask().GetAwaiter().GetResult();

        public async Task FinishAsync()
        {
            await SendAsync();
            await call.FinishSendingAsync();
            await call.ReadAsync(Moby.Filesync.V1.BytesMessage.Parser);
        }

        public override void Flush()
        {
        }

        public override Task FlushAsync(CancellationToken cancellationToken) => Task.CompletedTask;

        public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

        public override void SetLength(long value) => throw new NotSupportedException();

        protected override void Dispose(bool disposing)
        {
            if (disposing)
            {
                call.Dispose();
            }

            base.Dispose(disposing);
        }

        private async Task SendAsync()
        {
            if (_used > 0)
            {
                var data = UnsafeByteOperations.UnsafeWrap(_buffer.AsMemory(0, _used));
                _used = 0;
                await call.SendAsync(new Moby.Filesync.V1.BytesMessage { Data = data });
            }
        }
    }
}
