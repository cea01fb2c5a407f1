using System.Buffers;
using System.Globalization;
using System.IO.Pipelines;
using System.Text;
using System.Text.Json;
using Cais.Build.Solving;
using Cais.BuildKit.Builds;
using Cais.BuildKit.Control;
using Cais.BuildKit.Gateway;
using Cais.BuildKit.Grpc;
using Cais.BuildKit.Operations;
using Cais.BuildKit.Sessions;
using Cais.Engine;
using Cais.Engine.Builds;
using Cais.Oci;
using Pb;
using FrontendResult = Moby.Buildkit.V1.Frontend.Result;

namespace Cais.BuildKit.Frontend;

/// <summary>
/// Frontends that are images (gateway.v0, a Dockerfile's <c># syntax=</c>): a program in a container that says what to build. It is a client of the gateway, over HTTP/2 on its
/// standard input and output, and can do what that can and nothing else.
/// </summary>
/// <param name="failed">Hears of failures of the gateway that are nobody's fault but ours.</param>
internal sealed class FrontendImages(CaisEngine engine, WorkerDescription worker, Action<string, Exception> failed)
{
    /// <summary>Runs a frontend's image, and gives what it returns. Throws <see cref="GrpcException"/>.</summary>
    public async Task<SolvedBuild> SolveAsync(
        Frontends frontends, BuildJob job, string image, IReadOnlyDictionary<string, string> options, IReadOnlyDictionary<string, Definition> inputs, CancellationToken cancellation)
    {
        var (toProgram, fromProgram) = (new Pipe(), new Pipe(new PipeOptions(pauseWriterThreshold: 0)));
        var build = new GatewayBuild(job, options, inputs);
        await using var server = new GrpcServer(failed, static http =>
        {
            http.Response.StatusCode = 404;
            return Task.CompletedTask;
        });
        new GatewayService(engine, frontends, worker, _ => Task.FromResult(build)).Map(server);
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        var serving = server.ServeAsync(new Duplex(fromProgram.Reader, toProgram.Writer), stop.Token);
        var program = new ProgramOutput(fromProgram.Writer);
        int code;
        try
        {
            code = await job.Progress.ShowAsync($"resolve and run the frontend {image}", async vertex =>
            {
                program.Error = data => job.Log.Output(vertex, isError: true, data);
                return await engine.Builds.RunFrontendAsync(
                    new FrontendRun { Image = image, Environment = EnvironmentOf(job, options), Input = toProgram.Reader, Output = program },
                    new ClientCredentials(job.Session),
                    job.Progress,
                    cancellation);
            });
        }
        catch (Exception e) when (e is not OperationCanceledException)
        {
            throw BuildErrors.Describe(e, null);
        }
        finally
        {
            await fromProgram.Writer.CompleteAsync();
            await stop.CancelAsync();
            await serving.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }

        if (!build.Returned.IsCompleted)
        {
            throw new GrpcException(GrpcStatusCode.Unknown, $"the frontend {image} has ended with exit code {code.ToString(CultureInfo.InvariantCulture)} and without a result");
        }

        var returned = await build.Returned ?? new FrontendResult();
        return GraphFrontend.Combine(job, returned) ?? Answer(returned);
    }

    /// <summary>A result without files: an answer to a question.</summary>
    private static SolvedBuild Answer(FrontendResult returned)
    {
        var answer = new SolvedBuild(null, isMultiPlatform: false, source: null);
        foreach (var (name, value) in returned.Metadata)
        {
            answer.Metadata[name] = value;
        }

        return answer;
    }

    /// <summary>What frontends are told at their start; see BuildKit's frontend/gateway.</summary>
    private List<string> EnvironmentOf(BuildJob job, IReadOnlyDictionary<string, string> options)
    {
        var environment = new List<string>
        {
            "BUILDKIT_SESSION_ID=" + job.Request.Session,
            "BUILDKIT_EXPORTEDPRODUCT=cais",
            "BUILDKIT_WORKERS=" + WorkersJson(),
        };
        var number = 0;
        foreach (var (name, value) in options.OrderBy(o => o.Key, StringComparer.Ordinal))
        {
            environment.Add(string.Create(CultureInfo.InvariantCulture, $"BUILDKIT_FRONTEND_OPT_{number++}={name}={value}"));
        }

        return environment;
    }

    private string WorkersJson()
    {
        var described = worker.Describe();
        using var buffer = new MemoryStream();
        using (var json = new Utf8JsonWriter(buffer, PlainJson.Options))
        {
            json.WriteStartArray();
            json.WriteStartObject();
            json.WriteString("ID", described.ID);
            json.WriteStartObject("Labels");
            foreach (var (name, value) in described.Labels)
            {
                json.WriteString(name, value);
            }

            json.WriteEndObject();
            json.WriteStartArray("Platforms");
            foreach (var platform in described.Platforms)
            {
                json.WriteStartObject();
                json.WriteString("architecture", platform.Architecture);
                json.WriteString("os", platform.OS);
                if (platform.Variant.Length > 0)
                {
                    json.WriteString("variant", platform.Variant);
                }

                json.WriteEndObject();
            }

            json.WriteEndArray();
            json.WriteEndObject();
            json.WriteEndArray();
        }

        return Encoding.UTF8.GetString(buffer.ToArray());
    }

    /// <summary>What the program writes to its standard output is the connection; to its standard error, its log.</summary>
    private sealed class ProgramOutput(PipeWriter connection) : IRunOutput
    {
        public delegate void Said(ReadOnlySpan<byte> data);

        public Said? Error { get; set; }

        public void Write(bool isError, ReadOnlySpan<byte> data)
        {
            if (isError)
            {
                Error?.Invoke(data);
                return;
            }

            // Calls are small; what a frontend sends too much waits in memory until it is answered or ends.
            connection.Write(data);
            _ = connection.FlushAsync().AsTask();
        }
    }

    private sealed class Duplex(PipeReader input, PipeWriter output) : IDuplexPipe
    {
        public PipeReader Input => input;

        public PipeWriter Output => output;
    }
}
