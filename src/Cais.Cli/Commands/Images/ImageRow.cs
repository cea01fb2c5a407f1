using System.Globalization;
using System.Text.Json;
using Cais.Cli.Formatting;
using Cais.Oci.Images;

namespace Cais.Cli.Commands.Images;

/// <summary>One line of the list of images: an image under one of its names.</summary>
internal sealed class ImageRow(JsonElement image, string repository, string tag, string digest, bool truncate, DateTimeOffset now)
{
    private const string None = "<none>";

    public static readonly RowSchema<ImageRow> Schema = new(
        "*formatter.imageContext",
        [
            new("Containers", "CONTAINERS", static r => r.Count("Containers")),
            new("CreatedAt", "CREATED AT", static r => Human.GoTime(Human.Unix(r.Created))),
            new("CreatedSince", "CREATED", static r => Human.Unix(r.Created).Year <= 1 ? "" : Human.Ago(r.Created, r.Now)),
            new("Digest", "DIGEST", static r => r.Digest),
            new("ID", "IMAGE ID", static r => r.Id),
            new("Repository", "REPOSITORY", static r => r.Repository),
            new("SharedSize", "SHARED SIZE", static r => r.Size("SharedSize")),
            new("Size", "SIZE", static r => Human.Size(r.Image.Number("Size"), 3)),
            new("Tag", "TAG", static r => r.Tag),
            new("UniqueSize", "UNIQUE SIZE", static r => r.UniqueSize),
            new("VirtualSize", "SIZE", static r => Human.Size(r.Image.Number("Size"), 3)),
        ]);

    private JsonElement Image => image;

    private DateTimeOffset Now => now;

    private long Created => image.Number("Created");

    private string Repository => repository;

    private string Tag => tag.Length > 0 ? tag : None;

    private string Digest => digest.Length > 0 ? digest : None;

    private string Id => truncate ? Human.ShortId(image.Text("Id")) : image.Text("Id");

    private string UniqueSize => image.Number("Size", -1) is >= 0 and var size && image.Number("SharedSize", -1) is >= 0 and var shared
        ? Human.Size(size - shared, 3)
        : "N/A";

    /// <summary>One row for each name of each image (or of the one image given); an image without any gets one of its own.</summary>
    public static IEnumerable<ImageRow> Expand(JsonElement images, bool digests, bool truncate, DateTimeOffset now)
    {
        foreach (var image in images.ValueKind == JsonValueKind.Array ? images.EnumerateArray().ToArray() : [images])
        {
            var names = Names(image, digests);
            foreach (var (repository, tag, digest) in names.Count > 0 ? names : [(None, "", "")])
            {
                yield return new ImageRow(image, repository, tag, digest, truncate, now);
            }
        }
    }

    private static List<(string Repository, string Tag, string Digest)> Names(JsonElement image, bool withDigests)
    {
        var tags = Parse(image, "RepoTags").Where(static r => r.Tag is not null).ToLookup(static r => r.FamiliarName, static r => r.Tag!);
        var digests = Parse(image, "RepoDigests").Where(static r => r.Digest is not null).ToLookup(static r => r.FamiliarName, static r => r.Digest!.Value.ToString());
        var rows = new List<(string, string, string)>();
        foreach (var group in tags)
        {
            foreach (var tag in group)
            {
                var known = withDigests ? digests[group.Key].ToList() : [];
                rows.AddRange(known.Count == 0 ? [(group.Key, tag, "")] : known.Select(d => (group.Key, tag, d)));
            }
        }

        // What is known by digest alone.
        foreach (var group in digests.Where(g => !tags.Contains(g.Key)))
        {
            rows.AddRange(withDigests ? group.Select(d => (group.Key, "", d)) : [(group.Key, "", "")]);
        }

        return rows;
    }

    private static IEnumerable<Reference> Parse(JsonElement image, string member)
    {
        foreach (var text in image.Texts(member))
        {
            if (Reference.TryParse(text, out var reference))
            {
                yield return reference;
            }
        }
    }

    private string Count(string member) =>
        image.Number(member, -1) is >= 0 and var count ? count.ToString(CultureInfo.InvariantCulture) : "N/A";

    private string Size(string member) => image.Number(member, -1) is >= 0 and var size ? Human.Size(size, 3) : "N/A";
}
