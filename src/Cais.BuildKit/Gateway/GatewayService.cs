using System.Text;
using Cais.BuildKit.Builds;
using Cais.BuildKit.Control;
using Cais.BuildKit.Files;
using Cais.BuildKit.Frontend;
using Cais.BuildKit.Grpc;
using Cais.BuildKit.Sessions;
using Cais.Engine;
using Cais.Images;
using Cais.Linux;
using Cais.Linux.FileSystem;
using Cais.Oci.Images;
using Google.Protobuf;
using Moby.Buildkit.V1;
using Moby.Buildkit.V1.Frontend;
using Stat = Fsutil.Types.Stat;
using FrontendSolveRequest = Moby.Buildkit.V1.Frontend.SolveRequest;
using FrontendSolveResponse = Moby.Buildkit.V1.Frontend.SolveResponse;

namespace Cais.BuildKit.Gateway;

/// <summary>
/// moby.buildkit.v1.frontend.LLBBridge: a client that is its own frontend. buildx begins a build without one, solves <c>dockerfile.v0</c> in it by this
/// service, may look at the result, and returns it to be exported.
/// </summary>
/// <param name="buildOf">Which build a call is about.</param>
internal sealed class GatewayService(CaisEngine engine, Frontends frontends, WorkerDescription worker, Func<GrpcCall, Task<GatewayBuild>> buildOf)
{
    private const string Service = "/moby.buildkit.v1.frontend.LLBBridge/";
    private const int LargestFile = 8 << 20;

    public void Map(GrpcServer server)
    {
        server.MapUnary(Service + "Ping", PingRequest.Parser, (_, _) => Task.FromResult<IMessage>(new PongResponse
        {
            FrontendAPICaps = { Capabilities.OfFrontend() },
            LLBCaps = { Capabilities.OfBuilder() },
            Workers = { worker.Describe() },
        }));
        server.MapUnary(Service + "Solve", FrontendSolveRequest.Parser, SolveAsync);
        server.MapUnary(Service + "Evaluate", EvaluateRequest.Parser, EvaluateAsync);
        server.MapUnary(Service + "Return", ReturnRequest.Parser, ReturnAsync);
        server.MapUnary(Service + "Inputs", InputsRequest.Parser, InputsAsync);
        server.MapUnary(Service + "Warn", WarnRequest.Parser, WarnAsync);
        server.MapUnary(Service + "ReadFile", ReadFileRequest.Parser, ReadFileAsync);
        server.MapUnary(Service + "ReadDir", ReadDirRequest.Parser, ReadDirAsync);
        server.MapUnary(Service + "StatFile", StatFileRequest.Parser, StatFileAsync);
        server.MapUnary(Service + "ResolveImageConfig", ResolveImageConfigRequest.Parser, ResolveImageAsync);
    }

    private async Task<IMessage> SolveAsync(FrontendSolveRequest request, GrpcCall call)
    {
        var build = await buildOf(call);
        var job = build.Job;
        if (request.Frontend.Length == 0 && request.Definition is not { Def.Count: > 0 })
        {
            return new FrontendSolveResponse { Result = new Result() };
        }

        using var stop = CancellationTokenSource.CreateLinkedTokenSource(call.Canceled, job.Canceled);
        SolvedBuild solved;
        try
        {
            // A graph has no options of its own: those of whoever sends it say which caches to use and what to state.
            solved = await frontends.SolveAsync(
                job, request.Frontend, request.Definition, request.Frontend.Length > 0 ? request.FrontendOpt : build.Options, request.FrontendInputs, stop.Token);
        }
        catch (Exception e)
        {
            throw BuildErrors.Describe(e, null);
        }

        var result = new Result { Metadata = { solved.Metadata } };
        if (solved.Build is not null && solved.IsMultiPlatform)
        {
            result.Refs = new RefMap();
            foreach (var reference in solved.References)
            {
                result.Refs.Refs[reference.Platform.Platform.ToString()] = ToProto(job, reference);
            }
        }
        else if (solved.Build is not null)
        {
            result.Ref = ToProto(job, solved.References[0]);
        }

        return new FrontendSolveResponse { Result = result };
    }

    private static Ref ToProto(BuildJob job, SolvedReference reference) => new() { Id = reference.Id, Def = FrontendInputs.Define(job, reference) };

    /// <summary>Results are made when they are solved: there is nothing left to do.</summary>
    private async Task<IMessage> EvaluateAsync(EvaluateRequest request, GrpcCall call)
    {
        (await JobOfAsync(call)).Find(request.Ref);
        return new EvaluateResponse();
    }

    private async Task<IMessage> ReturnAsync(ReturnRequest request, GrpcCall call)
    {
        var build = await buildOf(call);
        if (request.Error is { Code: not 0 } error)
        {
            build.ReturnError(GrpcException.From(error));
        }
        else
        {
            build.Return(request.Result);
        }

        return new ReturnResponse();
    }

    private async Task<IMessage> InputsAsync(InputsRequest request, GrpcCall call) => new InputsResponse { Definitions = { ToMap((await buildOf(call)).Inputs) } };

    private static Google.Protobuf.Collections.MapField<string, Pb.Definition> ToMap(IReadOnlyDictionary<string, Pb.Definition> inputs)
    {
        var map = new Google.Protobuf.Collections.MapField<string, Pb.Definition>();
        foreach (var (name, definition) in inputs)
        {
            map[name] = definition;
        }

        return map;
    }

    private async Task<IMessage> WarnAsync(WarnRequest request, GrpcCall call)
    {
        (await JobOfAsync(call)).Log.Warn(new VertexWarning
        {
            Vertex = request.Digest,
            Level = request.Level,
            Short = request.Short,
            Detail = { request.Detail },
            Url = request.Url,
            Info = request.Info,
            Ranges = { request.Ranges },
        });
        return new WarnResponse();
    }

    private async Task<IMessage> ReadFileAsync(ReadFileRequest request, GrpcCall call)
    {
        using var tree = (await JobOfAsync(call)).Find(request.Ref).Platform.OpenTree();
        using var file = Open(tree, request.FilePath, FileAt.ReadOnly | FileAt.NonBlocking);
        FileAt.Status(file.Number, "\0"u8, out var status);
        if (status.Kind != FileKind.Regular)
        {
            throw new GrpcException(GrpcStatusCode.InvalidArgument, $"{request.FilePath} is not a regular file");
        }

        var offset = request.Range?.Offset ?? 0;
        var length = Math.Min(request.Range is { Length: > 0 } range ? range.Length : long.MaxValue, Math.Max(0, status.Size - offset));
        if (offset < 0 || length > LargestFile)
        {
            throw new GrpcException(GrpcStatusCode.OutOfRange, $"{request.FilePath}: at most {LargestFile} bytes can be read at once");
        }

        var content = new byte[length];
        var at = 0;
        for (int read; at < content.Length && (read = FileAt.Read(file.Number, content.AsSpan(at), offset + at)) > 0;)
        {
            at += read;
        }

        return new ReadFileResponse { Data = UnsafeByteOperations.UnsafeWrap(content.AsMemory(0, at)) };
    }

    private async Task<IMessage> ReadDirAsync(ReadDirRequest request, GrpcCall call)
    {
        using var tree = (await JobOfAsync(call)).Find(request.Ref).Platform.OpenTree();
        using var directory = Open(tree, request.DirPath, FileAt.ReadOnly | FileAt.DirectoryOnly);
        var pattern = request.IncludePattern.Length > 0 ? Cais.Build.Patterns.IgnoreFile.FromPatterns([request.IncludePattern]) : null;
        var response = new ReadDirResponse();
        foreach (var name in DirectoryEntries.Read(directory.Number))
        {
            var text = Encoding.UTF8.GetString(name.AsSpan(0, name.Length - 1));
            if ((pattern is null || pattern.IsIgnored(text)) && FileAt.Status(directory.Number, name, out var status) == 0)
            {
                response.Entries.Add(Describe(text, status, directory.Number, name));
            }
        }

        return response;
    }

    private async Task<IMessage> StatFileAsync(StatFileRequest request, GrpcCall call)
    {
        using var tree = (await JobOfAsync(call)).Find(request.Ref).Platform.OpenTree();
        using var file = Open(tree, request.Path, FileAt.PathOnly | FileAt.NoFollow);
        FileAt.Status(file.Number, "\0"u8, out var status);
        return new StatFileResponse { Stat = Describe(request.Path.TrimEnd('/').Split('/')[^1], status, -1, []) };
    }

    private async Task<IMessage> ResolveImageAsync(ResolveImageConfigRequest request, GrpcCall call)
    {
        var job = await JobOfAsync(call);
        if (!Reference.TryParse(request.Ref, out var name))
        {
            throw new GrpcException(GrpcStatusCode.InvalidArgument, $"invalid reference format: {request.Ref}");
        }

        name = name.WithDefaultTag();
        var platform = request.Platform is { OS.Length: > 0 } p ? Cais.Oci.Images.Platform.Parse(p.Variant.Length > 0 ? $"{p.OS}/{p.Architecture}/{p.Variant}" : $"{p.OS}/{p.Architecture}") : Cais.Oci.Images.Platform.Current;
        try
        {
            var image = request.ResolveMode == "pull" ? null : engine.Images.Resolve(name.ToString(), platform);
            if (image is null)
            {
                var options = new PullOptions { Platform = platform, Credentials = await new ClientCredentials(job.Session).FindCredentialsAsync(name.Domain, call.Canceled) };
                image = (await engine.Images.PullAsync(name, options, new Progress<ImageProgress>(), call.Canceled)).Image;
            }

            return new ResolveImageConfigResponse { Digest = image.Id.ToString(), Config = ByteString.CopyFrom(image.Config.ToJson()), Ref = name.ToString() };
        }
        catch (ImageException e)
        {
            throw BuildErrors.Describe(e, null);
        }
    }

    private async Task<BuildJob> JobOfAsync(GrpcCall call) => (await buildOf(call)).Job;

    private static FileDescriptor Open(FileDescriptor tree, string path, int flags)
    {
        var fd = FileAt.OpenInRoot(tree.Number, Encoding.UTF8.GetBytes((path.Trim('/') is { Length: > 0 } inside ? inside : ".") + '\0'), flags);
        return fd >= 0 ? new FileDescriptor(fd)
            : throw new GrpcException(fd == -2 ? GrpcStatusCode.NotFound : GrpcStatusCode.Unknown, $"open {path}: {((Errno)(-fd)).Describe()}");
    }

    private static Stat Describe(string name, FileStatus status, int directory, byte[] entry)
    {
        var stat = new Stat
        {
            Path = name,
            Mode = GoFileMode.Of(status.Kind, status.Permissions),
            Uid = status.Uid,
            Gid = status.Gid,
            Size = status.Size,
            ModTime = unchecked((status.Modified.Seconds * 1_000_000_000) + status.Modified.Nanoseconds),
        };
        if (status.Kind == FileKind.SymbolicLink && directory >= 0)
        {
            Span<byte> target = stackalloc byte[4097];
            var length = FileAt.ReadLink(directory, entry, target);
            stat.Linkname = length < 0 ? "" : Encoding.UTF8.GetString(target[..length]);
        }

        return stat;
    }
}
