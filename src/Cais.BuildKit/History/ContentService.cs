using Cais.BuildKit.Grpc;
using Containerd.Services.Content.V1;
using Google.Protobuf;
using Google.Protobuf.WellKnownTypes;

namespace Cais.BuildKit.History;

/// <summary>containerd.services.content.v1.Content, as far as clients of the history read with it what records describe: logs, errors, statements.</summary>
internal sealed class ContentService(BuildHistory history)
{
    private const string Service = "/containerd.services.content.v1.Content/";
    private const int PartLength = 1 << 20;

    public void Map(GrpcServer server)
    {
        server.MapUnary(Service + "Info", InfoRequest.Parser, InfoAsync);
        server.Map(Service + "Read", ReadAsync);
    }

    private async Task<IMessage> InfoAsync(InfoRequest request, GrpcCall call)
    {
        await using var content = Open(request.Digest);
        var written = Timestamp.FromDateTime(File.GetLastWriteTimeUtc(content.SafeFileHandle));
        return new InfoResponse { Info = new Info { Digest = request.Digest, Size = content.Length, CreatedAt = written, UpdatedAt = written } };
    }

    private async Task ReadAsync(GrpcCall call)
    {
        var request = await call.RequestAsync(ReadContentRequest.Parser);
        await using var content = Open(request.Digest);
        if (request.Offset < 0 || request.Size < 0 || request.Offset > content.Length)
        {
            throw new GrpcException(GrpcStatusCode.OutOfRange, $"content {request.Digest} has {content.Length} bytes: {request.Size} bytes from {request.Offset} on cannot be read");
        }

        content.Position = request.Offset;
        var left = request.Size == 0 ? content.Length - request.Offset : Math.Min(request.Size, content.Length - request.Offset);
        while (left > 0)
        {
            var part = new byte[Math.Min(PartLength, left)];
            await content.ReadExactlyAsync(part, call.Canceled);
            await call.SendAsync(new ReadContentResponse { Offset = content.Position - part.Length, Data = UnsafeByteOperations.UnsafeWrap(part) }, call.Canceled);
            left -= part.Length;
        }
    }

    private FileStream Open(string digest) =>
        history.OpenContent(digest) ?? throw new GrpcException(GrpcStatusCode.NotFound, $"content {digest}: not found");
}
