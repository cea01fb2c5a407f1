using System.IO.Pipelines;
using Google.Protobuf;

namespace Cais.BuildKit.Grpc;

/// <summary>The messages that come in on one call, one after the other. For one reader at a time.</summary>
internal sealed class MessageReader<T>(PipeReader input, MessageParser<T> parser) where T : class, IMessage<T>
{
    private enum Progress
    {
        Incomplete,
        Message,
        End,
    }

    /// <summary>The next message, or null at the end of the stream. Throws <see cref="GrpcException"/>, or what the transport throws.</summary>
    public async ValueTask<T?> ReadAsync(CancellationToken cancellation)
    {
        while (true)
        {
            var ready = input.TryRead(out var waiting) ? waiting : await input.ReadAsync(cancellation);
            switch (Take(ready, out var message))
            {
                case Progress.Message:
                    return message;
                case Progress.End:
                    return null;
                default:
                    if (ready.IsCanceled)
                    {
                        throw new OperationCanceledException();
                    }

                    break;
            }
        }
    }

    private Progress Take(ReadResult ready, out T? message)
    {
        var buffer = ready.Buffer;
        if (MessageFraming.TryRead(ref buffer, parser, out message))
        {
            input.AdvanceTo(buffer.Start);
            return Progress.Message;
        }

        var isEmpty = buffer.IsEmpty;
        input.AdvanceTo(buffer.Start, buffer.End);
        if (!ready.IsCompleted)
        {
            return Progress.Incomplete;
        }

        return isEmpty ? Progress.End : throw new GrpcException(GrpcStatusCode.Internal, "the stream ended in the middle of a message");
    }
}
