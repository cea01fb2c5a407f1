using Cais.Api;
using Cais.Cli.CommandLine;
using Cais.Cli.Values;

namespace Cais.Cli.Commands.Builds;

/// <summary>Where the result goes, and how what comes back is put there.</summary>
internal static class BuildOutputs
{
    public static IReadOnlyList<BuildOutput> Parse(CommandContext context)
    {
        var tags = string.Join(',', context.Get(BuildFlags.Tag).Select(Name));
        var outputs = context.Get(BuildFlags.Output).Select(o => Read(o, tags)).ToList();
        if (context.Get(BuildFlags.Push))
        {
            if (tags.Length == 0)
            {
                throw new CommandException("tag is needed when pushing to registry");
            }

            outputs.RemoveAll(o => o.Type == "image" && o.Attributes?.Count <= 1);
            outputs.Add(new BuildOutput { Type = "registry", Attributes = new Dictionary<string, string> { ["name"] = tags } });
        }

        if (outputs.Count == 0 || (context.Get(BuildFlags.Load) && !outputs.Exists(o => o.Type is "image" or "docker" or "registry")))
        {
            outputs.Add(new BuildOutput { Type = "image", Attributes = new Dictionary<string, string> { ["name"] = tags } });
        }

        return outputs;
    }

    /// <summary>Puts an archive of files, or an archive as it is, where an output says.</summary>
    public static async Task ReceiveAsync(BuildOutput output, Stream content, Session session)
    {
        var destination = output.Attributes?.GetValueOrDefault("dest") ?? "";
        var isTree = output.Type == "local" || (output.Type is "oci" or "docker" && output.Attributes?.GetValueOrDefault("tar") == "false");
        if (isTree)
        {
            Directory.CreateDirectory(destination);
            await Archives.ArchiveReader.ExtractAsync(content, "", destination, "", keepOwners: Terminal.Posix.getuid() == 0).ConfigureAwait(false);
            return;
        }

        await LocalFile.WriteAsync(destination == "-" ? "" : destination, session.Streams.RawOut, content).ConfigureAwait(false);
    }

    private static BuildOutput Read(string text, string tags)
    {
        // A bare name is a directory, a dash is standard output.
        if (!text.Contains('=', StringComparison.Ordinal))
        {
            return text == "-"
                ? new BuildOutput { Type = "tar", Attributes = new Dictionary<string, string> { ["dest"] = "-" } }
                : new BuildOutput { Type = "local", Attributes = new Dictionary<string, string> { ["dest"] = text } };
        }

        var attributes = new Dictionary<string, string>();
        foreach (var field in CommaList.Read(text))
        {
            var equals = field.IndexOf('=', StringComparison.Ordinal);
            if (equals < 0)
            {
                throw new CommandException($"invalid value {field} for output: expected key=value");
            }

            attributes[field[..equals].ToLowerInvariant()] = field[(equals + 1)..];
        }

        if (!attributes.Remove("type", out var type))
        {
            throw new CommandException($"type is required for output \"{text}\"");
        }

        attributes.TryAdd("name", tags);
        switch (type)
        {
            case "local" or "tar" or "oci" when !attributes.ContainsKey("dest"):
                if (type == "local")
                {
                    throw new CommandException("dest is required for local exporter");
                }

                attributes["dest"] = "-";
                break;
            case "image" or "registry" or "docker" or "local" or "tar" or "oci" or "cacheonly":
                break;
            default:
                throw new CommandException($"unknown output type \"{type}\": image, registry, docker, oci, tar, local and cacheonly are known");
        }

        return new BuildOutput { Type = type, Attributes = attributes };
    }

    private static string Name(string text) => Cais.Oci.Images.Reference.TryParse(text, out var name)
        ? name.WithDefaultTag().ToString()
        : throw new CommandException($"invalid argument {GoQuote.Quote(text)} for \"-t, --tag\" flag: invalid reference format");
}
