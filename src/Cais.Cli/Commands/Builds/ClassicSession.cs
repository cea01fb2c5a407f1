using System.IO.Pipelines;
using System.Text.Json;
using Cais.Api;
using Cais.Build.Patterns;
using Cais.Cli.CommandLine;
using Cais.Cli.Commands.Containers;
using Cais.Cli.Formatting;
using Cais.Cli.Values;
using Cais.Client;

namespace Cais.Cli.Commands.Builds;

/// <summary>A build by an engine that has only POST /build: all of the context is sent, and what the legacy builder does not know is refused.</summary>
internal sealed class ClassicSession(CommandContext context, BuildSources sources, IReadOnlyList<BuildOutput> outputs)
{
    private const string DockerfileName = ".dockerfile.cais";

    public async Task<int> RunAsync(Dictionary<string, string> arguments, CancellationToken cancellation)
    {
        foreach (var flag in new Flag[] { BuildFlags.Secret, BuildFlags.Ssh, BuildFlags.BuildContext, BuildFlags.CacheTo, BuildFlags.Push, BuildFlags.Attest, BuildFlags.Sbom, BuildFlags.Provenance }
            .Where(context.Flags.Changed))
        {
            throw new CommandException($"--{flag.Name} needs a builder that this engine does not have");
        }

        if (outputs is not [{ Type: "image" or "docker" } only] || only.Attributes?.ContainsKey("dest") == true)
        {
            throw new CommandException("--output needs a builder that this engine does not have");
        }

        var quiet = context.Get(BuildFlags.Quiet);
        var pipe = new Pipe();
        var writing = sources.Archive is null ? SendAsync(pipe.Writer) : Task.CompletedTask;
        var request = new EngineRequest("POST", "/build") { BodyStream = sources.Archive ?? pipe.Reader.AsStream(), ContentType = "application/x-tar" }
            .With("dockerfile", sources.Archive is null && sources.Remote is null ? DockerfileName : sources.DockerfileName)
            .With("remote", sources.Remote)
            .WithEach("t", context.Get(BuildFlags.Tag))
            .With("target", context.Get(BuildFlags.Target))
            .With("buildargs", JsonSerializer.Serialize(arguments, ApiJson.Default.DictionaryStringString))
            .With("labels", JsonSerializer.Serialize(context.Get(BuildFlags.Label).Select(MapOption.Split).GroupBy(l => l.Key).ToDictionary(g => g.Key, g => g.Last().Value), ApiJson.Default.DictionaryStringString))
            .With("nocache", context.Get(BuildFlags.NoCache))
            .With("pull", context.Get(BuildFlags.Pull))
            .With("q", quiet)
            .With("rm", true)
            .With("networkmode", context.Get(BuildFlags.Network))
            .With("platform", context.Get(BuildFlags.Platform).FirstOrDefault())
            .WithEach("extrahosts", context.Get(ContainerFlags.AddHost));
        using var response = await context.Session.Engine.SendAsync(request, cancellation).ConfigureAwait(false);
        var id = "";
        await new ProgressDisplay(context.Session.Out, context.Session.Streams.OutIsTerminal)
            .ShowAsync(response.ReadJsonStream(), aux => id = aux.Text("ID") is { Length: > 0 } found ? found : id).ConfigureAwait(false);
        await writing.ConfigureAwait(false);
        if (context.Get(BuildFlags.IidFile) is { Length: > 0 } path)
        {
            await File.WriteAllTextAsync(path, id, cancellation).ConfigureAwait(false);
        }

        return 0;
    }

    private async Task SendAsync(PipeWriter output)
    {
        var files = sources.Directory is { } directory ? ContextFiles.Walk(directory, IgnoreFile.Parse(sources.Ignore ?? "")) : null;
        await ContextFiles.WriteAsync(files, DockerfileName, sources.Dockerfile ?? "", output).ConfigureAwait(false);
    }
}
