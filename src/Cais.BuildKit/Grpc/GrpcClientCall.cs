using System.Buffers;
using System.IO.Pipelines;
using System.Net;
using Google.Protobuf;
using Google.Rpc;

namespace Cais.BuildKit.Grpc;

/// <summary>A call in progress, of our making. Sending is for one at a time, and so is reading; both may go on at once.</summary>
internal sealed class GrpcClientCall : IDisposable
{
    private readonly CancellationTokenSource _cancel;
    private readonly CancellationToken _lost;
    private readonly HttpRequestMessage _request;
    private readonly OpenContent _content = new();
    private readonly ArrayBufferWriter<byte> _buffer = new(4096);
    private readonly Task<HttpResponseMessage> _response;
    private PipeReader? _body;

    internal GrpcClientCall(HttpMessageInvoker http, HttpRequestMessage request, CancellationTokenSource cancel, CancellationToken lost)
    {
        (_request, _cancel, _lost) = (request, cancel, lost);
        request.Content = _content;
        _response = http.SendAsync(request, cancel.Token);
        // Whoever waits for the stream must hear that there will be none.
        _ = _response.ContinueWith(
            (r, content) =>
            {
                if (!r.IsCompletedSuccessfully)
                {
                    ((OpenContent)content!).Fail(r.Exception?.InnerException ?? new OperationCanceledException());
                }
            },
            _content,
            CancellationToken.None,
            TaskContinuationOptions.ExecuteSynchronously,
            TaskScheduler.Default);
    }

    private CancellationToken Cancellation => _cancel.Token;

    /// <summary>Sends a message. It is on its way when this returns, unless <paramref name="flush"/> is false.</summary>
    public async ValueTask SendAsync(IMessage message, bool flush = true)
    {
        try
        {
            var stream = await _content.Stream.WaitAsync(Cancellation);
            _buffer.ResetWrittenCount();
            MessageFraming.Write(_buffer, message);
            await stream.WriteAsync(_buffer.WrittenMemory, Cancellation);
            if (flush)
            {
                await stream.FlushAsync(Cancellation);
            }
        }
        catch (Exception e) when (e is HttpRequestException or IOException or OperationCanceledException)
        {
            throw await ExplainAsync(e);
        }
    }

    public async ValueTask FlushAsync()
    {
        try
        {
            await (await _content.Stream.WaitAsync(Cancellation)).FlushAsync(Cancellation);
        }
        catch (Exception e) when (e is HttpRequestException or IOException or OperationCanceledException)
        {
            throw await ExplainAsync(e);
        }
    }

    /// <summary>Says that no more messages will come.</summary>
    public async ValueTask FinishSendingAsync()
    {
        try
        {
            await _content.Stream.WaitAsync(Cancellation);
        }
        catch (Exception e) when (e is HttpRequestException or IOException or OperationCanceledException)
        {
            throw await ExplainAsync(e);
        }

        _content.Finish();
    }

    /// <summary>The next message, or null when the call has ended well. Throws <see cref="GrpcException"/>.</summary>
    public async ValueTask<T?> ReadAsync<T>(MessageParser<T> parser) where T : class, IMessage<T>
    {
        try
        {
            if (_body is null)
            {
                var response = await _response;
                ThrowIfFailed(response);
                _body = PipeReader.Create(await response.Content.ReadAsStreamAsync(Cancellation), new StreamPipeReaderOptions(bufferSize: 64 << 10, minimumReadSize: 4 << 10));
            }

            if (await new MessageReader<T>(_body, parser).ReadAsync(Cancellation) is { } message)
            {
                return message;
            }

            ThrowIfFailed(await _response);
            return null;
        }
        catch (Exception e) when (e is HttpRequestException or IOException or OperationCanceledException)
        {
            throw Explain(e);
        }
    }

    public void Dispose()
    {
        _content.Finish();
        _cancel.Cancel();
        _body?.Complete();
        _ = _response.ContinueWith(r => { if (r.IsCompletedSuccessfully) { r.Result.Dispose(); } else { _ = r.Exception; } }, CancellationToken.None, TaskContinuationOptions.None, TaskScheduler.Default);
        _request.Dispose();
        _cancel.Dispose();
    }

    /// <summary>The other side may have ended the call while we sent: its reason is better than "cannot write".</summary>
    private async Task<Exception> ExplainAsync(Exception e)
    {
        if (_response.IsCompletedSuccessfully && !_lost.IsCancellationRequested)
        {
            try
            {
                var response = await _response;
                ThrowIfFailed(response);
                var body = await response.Content.ReadAsStreamAsync(Cancellation);
                var nothing = new byte[4096];
                while (await body.ReadAsync(nothing, Cancellation) > 0)
                {
                }

                ThrowIfFailed(response);
            }
            catch (GrpcException told)
            {
                return told;
            }
            catch (Exception other) when (other is HttpRequestException or IOException or OperationCanceledException or InvalidOperationException)
            {
                return Explain(e);
            }
        }

        return Explain(e);
    }

    private Exception Explain(Exception e) => e switch
    {
        _ when _lost.IsCancellationRequested => new GrpcException(GrpcStatusCode.Unavailable, "the client's session has ended", e),
        OperationCanceledException => e,
        _ => new GrpcException(GrpcStatusCode.Unavailable, $"the client's session does not answer: {e.Message}", e),
    };

    private static void ThrowIfFailed(HttpResponseMessage response)
    {
        if (response.StatusCode != HttpStatusCode.OK)
        {
            throw new GrpcException(GrpcStatusCode.Unavailable, $"the client's session answered with HTTP status {(int)response.StatusCode}");
        }

        // A call without messages may have its end in the head.
        var headers = response.TrailingHeaders.TryGetValues("grpc-status", out var status) ? response.TrailingHeaders
            : response.Headers.TryGetValues("grpc-status", out status) ? response.Headers : null;
        if (headers is null || !int.TryParse(status!.First(), out var code) || code == 0)
        {
            return;
        }

        if (headers.TryGetValues("grpc-status-details-bin", out var details) && TryParse(details.First()) is { Code: > 0 } typed)
        {
            throw GrpcException.From(typed);
        }

        var message = headers.TryGetValues("grpc-message", out var texts) ? MessageFraming.DecodeText(texts.First()) : "";
        throw new GrpcException((GrpcStatusCode)code, message);
    }

    private static Status? TryParse(string base64)
    {
        try
        {
            return Status.Parser.ParseFrom(Convert.FromBase64String(base64.PadRight((base64.Length + 3) / 4 * 4, '=')));
        }
        catch (Exception e) when (e is FormatException or InvalidProtocolBufferException)
        {
            return null;
        }
    }

    /// <summary>A request body that stays open until it is finished, and whose stream others write to.</summary>
    private sealed class OpenContent : HttpContent
    {
        private readonly TaskCompletionSource<Stream> _stream = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private readonly TaskCompletionSource _finished = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public OpenContent() => Headers.ContentType = new("application/grpc");

        public Task<Stream> Stream => _stream.Task;

        public void Finish() => _finished.TrySetResult();

        public void Fail(Exception e)
        {
            if (_stream.TrySetException(e))
            {
                _ = _stream.Task.Exception;
            }

            _finished.TrySetResult();
        }

        protected override Task SerializeToStreamAsync(Stream stream, TransportContext? context) => SerializeToStreamAsync(stream, context, CancellationToken.None);

        protected override async Task SerializeToStreamAsync(Stream stream, TransportContext? context, CancellationToken cancellationToken)
        {
            // The head must go out even if the first message is long in coming.
            await stream.FlushAsync(cancellationToken);
            _stream.TrySetResult(stream);
            await _finished.Task.WaitAsync(cancellationToken);
        }

        protected override bool TryComputeLength(out long length)
        {
            length = 0;
            return false;
        }
    }
}
