using System.Globalization;
using System.Text.Json;
using Cais.Build.Checks;
using Cais.Build.Language;
using Cais.Build.Patterns;
using Cais.BuildKit.Builds;
using Cais.BuildKit.Files;
using Cais.BuildKit.Grpc;
using Cais.BuildKit.Operations;
using Cais.BuildKit.Sessions;
using Cais.Engine.Builds;
using Cais.Oci;
using Google.Protobuf;
using Moby.Buildkit.V1;
using Pb;
using ImageFormatException = Cais.Oci.Images.ImageFormatException;
using Platform = Cais.Oci.Images.Platform;

namespace Cais.BuildKit.Frontend;

/// <summary>The frontend <c>dockerfile.v0</c>: brings the Dockerfile from the client, builds it, and answers questions about it.</summary>
internal sealed class DockerfileFrontend(BuildService builds, SessionRegistry sessions, ContextStore contexts, FrontendInputs inputs, GraphFrontend graphs, string scratch)
{
    private const int LargestIgnoreFile = 1 << 20;

    /// <summary>Builds, or answers a question. Throws <see cref="GrpcException"/> for everything that can go wrong.</summary>
    /// <param name="foreign">Solves it with the frontend that the Dockerfile asks for, an image, if that is not this one.</param>
    public async Task<SolvedBuild> SolveAsync(
        BuildJob job,
        IReadOnlyDictionary<string, string> options,
        IReadOnlyDictionary<string, Definition> definitions,
        Func<string, Task<SolvedBuild>> foreign,
        CancellationToken cancellation)
    {
        var attributes = new FrontendAttributes(options);
        DockerfileSource? source = null;
        try
        {
            if (attributes.MissingCapability is { } missing)
            {
                throw new GrpcException(GrpcStatusCode.Unimplemented, $"unsupported frontend capability {missing}");
            }

            if (attributes.Subrequest == Subrequests.Describe)
            {
                return Subrequests.DescribeThem();
            }

            using var client = new SessionBuildClient(job, sessions, contexts, builds.Remotes, attributes, scratch);
            var (dockerfile, vertex) = await LoadDockerfileAsync(job, client, attributes, cancellation);
            source = dockerfile;
            if (attributes.ForeignSyntax(dockerfile) is { } image)
            {
                return await foreign(image);
            }

            if (attributes.Subrequest is { } subrequest and not Subrequests.Lint)
            {
                return Subrequests.Answer(subrequest, dockerfile, attributes.ToOptions());
            }

            var request = await RequestAsync(job, client, dockerfile, attributes, definitions, cancellation);
            if (attributes.Subrequest == Subrequests.Lint)
            {
                return await LintAsync(job, client, request, cancellation);
            }

            var result = await builds.SolveAsync(request, client, job.Progress, cancellation);
            Warn(job, dockerfile, vertex, result.Findings);
            return Describe(new SolvedBuild(result, attributes.IsMultiPlatform, dockerfile) { Attestations = attributes.Attestations, Begun = job.Record.CreatedAt.ToDateTimeOffset() });
        }
        catch (Exception e) when (e is not GrpcException && !(e is OperationCanceledException && cancellation.IsCancellationRequested))
        {
            throw BuildErrors.Describe(e, source);
        }
    }

    private async Task<(DockerfileSource Source, string Vertex)> LoadDockerfileAsync(BuildJob job, SessionBuildClient client, FrontendAttributes attributes, CancellationToken cancellation)
    {
        var name = attributes.FileName;
        if (attributes.RemoteContext is { } url)
        {
            client.RemoteContext = await LoadRemoteAsync(job, client, url, attributes, cancellation);
        }

        // In a context that is one file only, that is the Dockerfile.
        var isLocal = client.RemoteContext is null || attributes.HasDockerfileDirectory;
        var directory = isLocal ? attributes.DockerfileDirectory : "";
        var activity = $"[internal] load build definition from {name}";
        var (content, ignore) = await job.Progress.ShowAsync(activity, async vertex =>
        {
            var from = client.RemoteContext!;
            if (isLocal)
            {
                var received = await client.ReceiveAsync(directory, name, FileSelection.Of([name, name + ".dockerignore"]), _ => { }, cancellation);
                job.Progress.Status(vertex, "transferring dockerfile:", received.Bytes, 0, isDone: true);
                from = received.Path;
            }

            var text = FileSync.ReadSmall(from, name, DockerfileSource.LargestSize)
                ?? throw new GrpcException(GrpcStatusCode.NotFound, $"failed to read dockerfile: open {name}: no such file or directory");
            return (text, FileSync.ReadSmall(from, name + ".dockerignore", LargestIgnoreFile));
        });
        if (client.RemoteContext is not null)
        {
            // An ignore file is for directories of the client's: what is in a repository or an archive was chosen.
            ignore = null;
        }
        else if (ignore is null)
        {
            ignore = await job.Progress.ShowAsync("[internal] load .dockerignore", async vertex =>
            {
                var received = await client.ReceiveAsync(attributes.ContextDirectory, ".dockerignore", FileSelection.Of([".dockerignore"]), _ => { }, cancellation);
                job.Progress.Status(vertex, "transferring context:", received.Bytes, 0, isDone: true);
                return FileSync.ReadSmall(received.Path, ".dockerignore", LargestIgnoreFile);
            });
        }

        client.Ignore = ignore is null ? IgnoreFile.Empty : IgnoreFile.Parse(ignore);
        return (DockerfileSource.FromBytes(name, content), JobProgress.DigestOf(activity));
    }

    /// <summary>A context that is not a directory of the client: what it has on its standard input, an archive; or something behind an address, which is fetched from here.</summary>
    private async Task<string> LoadRemoteAsync(BuildJob job, SessionBuildClient client, string url, FrontendAttributes attributes, CancellationToken cancellation)
    {
        var isStream = MessageUpload.IsSessionUrl(url);
        var name = isStream ? "[internal] load remote build context" : $"[internal] load remote build context {url}";
        return await job.Progress.ShowAsync(name, async _ =>
        {
            var folder = isStream
                ? await UnpackAsync(job, url, cancellation)
                : await builds.Remotes.FetchAsync(url, attributes.FileName, attributes.KeepsGitDirectory, client, cancellation);
            client.Hold(folder);
            return attributes.ContextSubdirectory is { } subdirectory ? Path.Combine(folder.Path, Path.GetFullPath(subdirectory, "/")[1..]) : folder.Path;
        });
    }

    private async Task<ContextFolder> UnpackAsync(BuildJob job, string url, CancellationToken cancellation)
    {
        var session = job.Session ?? throw new GrpcException(GrpcStatusCode.FailedPrecondition, "the build context comes through a session, and there is none");
        using var scratch = builds.Contexts.Make();
        await using var archive = File.Create(Path.Combine(scratch.Path, "context"));
        await MessageUpload.PullAsync(session, url, archive, cancellation);
        archive.Position = 0;
        return await builds.Contexts.UnpackAsync(archive, cancellation);
    }

    private async Task<BuildRequest> RequestAsync(
        BuildJob job,
        SessionBuildClient client,
        DockerfileSource dockerfile,
        FrontendAttributes attributes,
        IReadOnlyDictionary<string, Definition> definitions,
        CancellationToken cancellation)
    {
        var graph = definitions.ContainsKey("context") ? "context" : definitions.ContainsKey("dockerfile") ? "dockerfile" : null;
        if (graph is not null)
        {
            throw new GrpcException(GrpcStatusCode.Unimplemented, $"the {graph} is given as a graph of operations, which is not supported: give a local directory");
        }

        var platforms = attributes.Platforms;
        var named = new Dictionary<string, string>();
        foreach (var (key, value) in attributes.NamedContexts)
        {
            var (name, platform) = key.IndexOf("::", StringComparison.Ordinal) is var colons and > 0 ? (key[..colons], key[(colons + 2)..]) : (key, null);
            if (platform is not null && !platforms.Contains(Platform.Parse(platform).Normalized()))
            {
                continue;
            }

            named[name] = await ResolveContextAsync(job, client, name, value, definitions, cancellation);
        }

        return new BuildRequest
        {
            Dockerfile = dockerfile,
            Options = attributes.ToOptions() with { NamedContexts = named, Ignore = client.Ignore },
            Platforms = platforms,
            Pull = attributes.Pull,
            AllowInsecure = job.Request.Entitlements.Contains("security.insecure"),
            AllowHostNetwork = job.Request.Entitlements.Contains("network.host"),
            CacheFrom = await FetchCachesAsync(job, client, attributes.CacheFrom, cancellation),
            Planned = client.Expect,
        };
    }

    /// <summary>Caches in directories of the client are brought here first. One that cannot be had is no error: the build then does the work itself.</summary>
    private async Task<IReadOnlyList<CacheExchange>> FetchCachesAsync(BuildJob job, SessionBuildClient client, IReadOnlyList<CacheExchange> sources, CancellationToken cancellation)
    {
        var fetched = new List<CacheExchange>();
        foreach (var source in sources)
        {
            if (source.Type != "local" || job.Session is not { } session || source.Attributes.GetValueOrDefault("digest") is not { Length: > 0 } digest)
            {
                fetched.Add(source);
                continue;
            }

            var name = source.Attributes.GetValueOrDefault("src") ?? "";
            var folder = builds.Contexts.Make();
            client.Hold(folder);
            try
            {
                await job.Progress.ShowAsync($"[internal] load cache from client directory {name}", async _ =>
                {
                    await new ClientContent(session, "local:" + name).FetchAsync(digest, folder.Path, cancellation);
                    return 0;
                });
                fetched.Add(new CacheExchange("local", new Dictionary<string, string> { ["src"] = folder.Path }));
            }
            catch (Exception e) when (e is GrpcException or InvalidDataException or IOException or ImageFormatException)
            {
                // Shown with its vertex.
            }
        }

        return fetched;
    }

    /// <summary>A named context in the planner's terms: an image, or anything else for files that the client is asked for.</summary>
    private async Task<string> ResolveContextAsync(
        BuildJob job, SessionBuildClient client, string name, string value, IReadOnlyDictionary<string, Definition> definitions, CancellationToken cancellation)
    {
        const string local = "local:";
        const string input = "input:";
        const string layout = "oci-layout://";
        if (value.StartsWith("docker-image://", StringComparison.Ordinal))
        {
            return value;
        }

        if (value.StartsWith(local, StringComparison.Ordinal))
        {
            client.LocalContexts[name] = value[local.Length..];
            return value;
        }

        if (value.StartsWith(input, StringComparison.Ordinal) && definitions.TryGetValue(value[input.Length..], out var definition))
        {
            return "docker-image://" + await graphs.ToImageAsync(job, definition, cancellation);
        }

        if (value.StartsWith(layout, StringComparison.Ordinal))
        {
            return "docker-image://" + await inputs.LoadLayoutAsync(job, value[layout.Length..], cancellation);
        }

        if (RemoteContext.IsRemote(value))
        {
            client.RemoteContexts[name] = value;
            return value;
        }

        throw new GrpcException(
            GrpcStatusCode.Unimplemented, $"the context {name}={value} is not supported: give a local directory, docker-image://NAME, an address or another target");
    }

    private async Task<SolvedBuild> LintAsync(BuildJob job, SessionBuildClient client, BuildRequest request, CancellationToken cancellation)
    {
        try
        {
            var plan = await builds.PlanAsync(request, client, job.Progress, cancellation);
            return Subrequests.LintResult(request.Dockerfile!, plan.Findings, null);
        }
        catch (DockerfileException e)
        {
            return Subrequests.LintResult(request.Dockerfile!, [], e);
        }
    }

    private static void Warn(BuildJob job, DockerfileSource source, string vertex, IReadOnlyList<Finding> findings)
    {
        foreach (var finding in findings)
        {
            var last = BuildErrors.LastOf(finding.Range);
            job.Log.Warn(new VertexWarning
            {
                Vertex = vertex,
                Level = 1,
                Short = ByteString.CopyFromUtf8($"{finding.Rule}: {finding.Message} (line {finding.Range.Start.Line.ToString(CultureInfo.InvariantCulture)})"),
                Detail = { ByteString.CopyFromUtf8(finding.Message) },
                Url = finding.Url,
                Info = new SourceInfo { Filename = source.Name, Data = ByteString.CopyFrom(BuildErrors.TextOf(source)), Language = "Dockerfile" },
                Ranges =
                {
                    new Pb.Range
                    {
                        Start = new Pb.Position { Line = finding.Range.Start.Line, Character = finding.Range.Start.Column },
                        End = new Pb.Position { Line = last.Line, Character = last.Column },
                    },
                },
            });
        }
    }

    /// <summary>What clients know results by: the images' configurations, and which platform is which.</summary>
    private static SolvedBuild Describe(SolvedBuild solved)
    {
        const string config = "containerimage.config";
        foreach (var reference in solved.References)
        {
            var image = reference.Platform;
            var json = ByteString.CopyFrom(image.Plan.Config.ToJson());
            if (!solved.IsMultiPlatform)
            {
                solved.Metadata[config] = json;
            }

            solved.Metadata[$"{config}/{image.Platform}"] = json;
        }

        if (!solved.IsMultiPlatform)
        {
            solved.Metadata.Remove($"{config}/{solved.References[0].Platform.Platform}");
        }

        solved.Metadata["refs.platforms"] = ByteString.CopyFrom(PlatformsJson(solved));
        return solved;
    }

    private static byte[] PlatformsJson(SolvedBuild solved)
    {
        using var buffer = new MemoryStream();
        using (var json = new Utf8JsonWriter(buffer, PlainJson.Options))
        {
            json.WriteStartObject();
            json.WriteStartArray("Platforms");
            foreach (var platform in solved.References.Select(r => r.Platform.Platform))
            {
                json.WriteStartObject();
                json.WriteString("ID", platform.ToString());
                json.WriteStartObject("Platform");
                json.WriteString("architecture", platform.Architecture);
                json.WriteString("os", platform.Os);
                if (!string.IsNullOrEmpty(platform.Variant))
                {
                    json.WriteString("variant", platform.Variant);
                }

                json.WriteEndObject();
                json.WriteEndObject();
            }

            json.WriteEndArray();
            json.WriteEndObject();
        }

        return buffer.ToArray();
    }
}
