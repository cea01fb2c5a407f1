using System.Text;
using System.Text.Json;
using Cais.Build.Language;
using Cais.Build.Solving;
using Cais.BuildKit.Grpc;
using Cais.Engine;
using Cais.Images;
using Cais.Oci;
using Google.Protobuf;
using Google.Protobuf.WellKnownTypes;

namespace Cais.BuildKit.Builds;

/// <summary>
/// Why a build failed, as BuildKit's clients understand it: a status whose details say where in the Dockerfile and in which vertex. The details are JSON in
/// <c>google.protobuf.Any</c>, by the names that BuildKit's typed errors have.
/// </summary>
internal static class BuildErrors
{
    private const string SourceType = "github.com/moby/buildkit/errdefs.Source+json";
    private const string VertexType = "github.com/moby/buildkit/errdefs.Vertex+json";
    private const string SubrequestType = "github.com/moby/buildkit/errdefs.Subrequest+json";

    /// <param name="source">The Dockerfile, if it was read.</param>
    public static GrpcException Describe(Exception e, DockerfileSource? source) => e switch
    {
        GrpcException grpc => grpc,
        DockerfileException dockerfile => new GrpcException(GrpcStatusCode.InvalidArgument, dockerfile.Message, e)
        {
            Details = (dockerfile.SourceFile ?? source) is { } file && dockerfile.Range.Start.Line > 0 ? [Source(file, dockerfile.Range)] : [],
        },
        StepFailedException step => new GrpcException(GrpcStatusCode.Unknown, MessageOf(step), e)
        {
            Details =
            [
                Json(VertexType, json => json.WriteString("digest", step.Step.Digest.ToString())),
                .. source is not null && step.Step.Range.Start.Line > 0 ? (Any[])[Source(source, step.Step.Range)] : [],
            ],
        },
        ImageException image => new GrpcException(
            image.Kind switch
            {
                ImageErrorKind.NotFound => GrpcStatusCode.NotFound,
                ImageErrorKind.Denied => GrpcStatusCode.PermissionDenied,
                ImageErrorKind.Unauthorized => GrpcStatusCode.Unauthenticated,
                ImageErrorKind.InvalidArgument => GrpcStatusCode.InvalidArgument,
                _ => GrpcStatusCode.Unknown,
            },
            image.Message,
            e),
        EngineException engine => new GrpcException(
            engine.Kind switch
            {
                ErrorKind.NotFound => GrpcStatusCode.NotFound,
                ErrorKind.InvalidParameter => GrpcStatusCode.InvalidArgument,
                ErrorKind.Conflict => GrpcStatusCode.AlreadyExists,
                ErrorKind.NotImplemented => GrpcStatusCode.Unimplemented,
                _ => GrpcStatusCode.Unknown,
            },
            engine.Message,
            e),
        _ => GrpcException.From(e),
    };

    public static GrpcException UnknownSubrequest(string name) => new(GrpcStatusCode.Unimplemented, $"unsupported request {name}")
    {
        Details = [Json(SubrequestType, json => json.WriteString("name", name))],
    };

    private static string MessageOf(StepFailedException e) => e.ExitCode is { } code
        ? $"process \"{CommandOf(e)}\" did not complete successfully: exit code: {code}"
        : e.Message;

    private static string CommandOf(StepFailedException e) => e.Step is Cais.Build.Graph.RunStep run ? string.Join(' ', run.Arguments) : e.Step.Name;

    private static Any Source(DockerfileSource source, SourceRange range) => Json(SourceType, json =>
    {
        json.WriteStartObject("info");
        json.WriteString("filename", source.Name);
        json.WriteBase64String("data", TextOf(source));
        json.WriteString("language", "Dockerfile");
        json.WriteEndObject();
        json.WriteStartArray("ranges");
        json.WriteStartObject();
        Position("start", range.Start);
        Position("end", LastOf(range));
        json.WriteEndObject();
        json.WriteEndArray();

        void Position(string name, Position position)
        {
            json.WriteStartObject(name);
            json.WriteNumber("line", position.Line);
            json.WriteEndObject();
        }
    });

    /// <summary>BuildKit's ranges end with their last line; ours end before the first character that is no more part.</summary>
    public static Position LastOf(SourceRange range) =>
        range.End.Column <= 1 && range.End.Line > range.Start.Line ? new Position(range.End.Line - 1, 1) : range.End;

    public static byte[] TextOf(DockerfileSource source) =>
        Encoding.UTF8.GetBytes(string.Concat(Enumerable.Range(1, source.LineCount).Select(source.RawLine)));

    private static Any Json(string type, Action<Utf8JsonWriter> write)
    {
        using var buffer = new MemoryStream();
        using (var json = new Utf8JsonWriter(buffer, PlainJson.Options))
        {
            json.WriteStartObject();
            write(json);
            json.WriteEndObject();
        }

        return new Any { TypeUrl = type, Value = ByteString.CopyFrom(buffer.ToArray()) };
    }
}
