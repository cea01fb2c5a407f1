using System.IO.Pipelines;
using Google.Protobuf;
using Microsoft.AspNetCore.Http;

namespace Cais.BuildKit.Grpc;

/// <summary>One call as its handler sees it, between the request's and the response's messages.</summary>
internal sealed class GrpcCall(HttpContext http)
{
    /// <summary>Fires when the client has canceled the call or is gone.</summary>
    public CancellationToken Canceled => http.RequestAborted;

    /// <summary>A value of the call's metadata, or null.</summary>
    public string? Metadata(string name) => http.Request.Headers.TryGetValue(name, out var values) && values.Count > 0 ? values[0] : null;

    /// <summary>All values of the call's metadata under one name.</summary>
    public IReadOnlyList<string> MetadataAll(string name) => http.Request.Headers.TryGetValue(name, out var values) ? [.. values.OfType<string>()] : [];

    /// <summary>Metadata in the form that a session's opening has: canonical names and their values.</summary>
    public IEnumerable<KeyValuePair<string, IReadOnlyList<string>>> AllMetadata() =>
        http.Request.Headers.Select(h => KeyValuePair.Create(h.Key, (IReadOnlyList<string>)[.. h.Value.OfType<string>()]));

    public MessageReader<T> Reader<T>(MessageParser<T> parser) where T : class, IMessage<T> => new(http.Request.BodyReader, parser);

    /// <summary>The only message of a call that has one.</summary>
    public async Task<T> RequestAsync<T>(MessageParser<T> parser) where T : class, IMessage<T> =>
        await Reader(parser).ReadAsync(Canceled) ?? throw new GrpcException(GrpcStatusCode.Internal, "the call has no message");

    /// <summary>Sends a message and does not wait for the client to have it, but for room to send more.</summary>
    public async ValueTask SendAsync(IMessage message, CancellationToken cancellation)
    {
        var output = http.Response.BodyWriter;
        MessageFraming.Write(output, message);
        FlushResult result = await output.FlushAsync(cancellation);
        if (result.IsCompleted)
        {
            throw new OperationCanceledException("the client is gone");
        }
    }

    /// <summary>Lets the client see that the call has begun.</summary>
    public Task BeginAsync() => http.Response.StartAsync();
}
