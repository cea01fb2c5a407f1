// The codes of grpc-status; see gRPC's doc/statuscodes.md. ttrpc has the same.
global using GrpcStatusCode = Cais.Ttrpc.TtrpcStatusCode;
