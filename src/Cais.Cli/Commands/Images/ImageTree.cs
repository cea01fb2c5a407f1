using Cais.Cli.CommandLine;
using Cais.Cli.Formatting;
using Cais.Cli.Values;
using Cais.Client;

namespace Cais.Cli.Commands.Images;

/// <summary><c>images --tree</c>: every image with its platforms below it.</summary>
internal static class ImageTree
{
    public static async Task<int> PrintAsync(CommandContext context, FilterSet filter, bool all)
    {
        var session = context.Session;
        using var answer = await session.Engine.GetDocumentAsync(
            new EngineRequest("GET", "/images/json").With("all", all).With("filters", filter.ToJson()).With("manifests", true)).ConfigureAwait(false);
        var text = new StringWriter { NewLine = "\n" };
        text.Write("IMAGE\tID\tDISK USAGE\tCONTENT SIZE\tIN USE\n");
        foreach (var image in answer.RootElement.EnumerateArray())
        {
            var names = image.Texts("RepoTags").DefaultIfEmpty("<untagged>");
            var manifests = image.Items("Manifests").Where(static m => m.Text("Kind") == "image").ToList();
            var content = manifests.Sum(static m => m.Member("Size")?.Number("Content") ?? 0);
            var used = image.Number("Containers") > 0 || manifests.Any(static m => m.Member("ImageData")?.Items("Containers").Any() == true);
            text.Write($"{string.Join(", ", names)}\t{Human.ShortId(image.Text("Id"))}\t{Human.Size(image.Number("Size"), 3)}\t{Human.Size(content, 3)}\t{Mark(used)}\n");
            for (var i = 0; i < manifests.Count; i++)
            {
                var (manifest, last) = (manifests[i], i == manifests.Count - 1);
                var platform = manifest.Member("ImageData")?.Member("Platform");
                var name = platform is { } p
                    ? string.Join('/', new[] { p.Text("os"), p.Text("architecture"), p.Text("variant") }.Where(static s => s.Length > 0))
                    : "unknown";
                var size = manifest.Member("Size");
                text.Write($"{(last ? "└─" : "├─")} {name}\t{Human.ShortId(manifest.Text("ID"))}\t{Human.Size(size?.Number("Total") ?? 0, 3)}\t"
                    + $"{Human.Size(size?.Number("Content") ?? 0, 3)}\t{Mark(manifest.Member("ImageData")?.Items("Containers").Any() == true)}\n");
            }
        }

        session.Out.Write(TabWriter.Align(text.ToString()));
        return 0;

        static string Mark(bool used) => used ? "✔" : "";
    }
}
