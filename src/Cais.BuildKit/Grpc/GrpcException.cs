using Google.Protobuf;
using Google.Protobuf.WellKnownTypes;
using Google.Rpc;

namespace Cais.BuildKit.Grpc;

/// <summary>A call's end that is not well: ours to a client, or a client's to us.</summary>
internal sealed class GrpcException(GrpcStatusCode code, string message, Exception? inner = null) : Exception(message, inner)
{
    public GrpcStatusCode Code { get; } = code;

    /// <summary>Typed details, as in <c>google.rpc.Status</c>.</summary>
    public IReadOnlyList<Any> Details { get; init; } = [];

    public Status ToStatus()
    {
        var status = new Status { Code = (int)Code, Message = Message };
        status.Details.AddRange(Details);
        return status;
    }

    public static GrpcException From(Status status) => new((GrpcStatusCode)status.Code, status.Message) { Details = [.. status.Details] };

    /// <summary>What an exception of any kind is to the caller.</summary>
    public static GrpcException From(Exception e) => e switch
    {
        GrpcException grpc => grpc,
        OperationCanceledException => new GrpcException(GrpcStatusCode.Canceled, "context canceled", e),
        InvalidProtocolBufferException => new GrpcException(GrpcStatusCode.InvalidArgument, $"malformed message: {e.Message}", e),
        _ => new GrpcException(GrpcStatusCode.Unknown, e.Message.Length > 0 ? e.Message : e.GetType().Name, e),
    };
}
