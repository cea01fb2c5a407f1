using Cais.BuildKit.Grpc;
using Google.Protobuf.WellKnownTypes;
using Grpc.Health.V1;
using Google.Protobuf;

namespace Cais.BuildKit.Control;

/// <summary>What clients ask or tell besides builds: whether the server is well, and how long things took them.</summary>
internal static class Diagnostics
{
    public static void Map(GrpcServer server)
    {
        server.MapUnary("/grpc.health.v1.Health/Check", HealthCheckRequest.Parser, (_, _) =>
            Task.FromResult<IMessage>(new HealthCheckResponse { Status = HealthCheckResponse.Types.ServingStatus.Serving }));

        // Traces of the client. Taken, so that it does not complain, and not kept; the answer is a message without fields.
        server.MapUnary("/opentelemetry.proto.collector.trace.v1.TraceService/Export", Empty.Parser, (_, _) => Task.FromResult<IMessage>(new Empty()));
    }
}
