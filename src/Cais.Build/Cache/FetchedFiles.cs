using Cais.Oci.Images;
using Cais.Storage;

namespace Cais.Build.Cache;

/// <summary>What servers said of files that were fetched from them, so that they can be asked whether a file has changed instead of for all of it.</summary>
internal sealed class FetchedFiles(Database database)
{
    /// <summary>The last time that a step fetched its file; null if it never did.</summary>
    public FetchedFile? Find(Digest step) => database.Read(c => c.Query(
        "SELECT tag, modified, key FROM build_fetch WHERE step = $1",
        r => new FetchedFile(r.TextOrNull(0), r.TextOrNull(1), Digest.Parse(r.GetString(2))), step.ToString())).FirstOrDefault();

    public void Store(Digest step, FetchedFile file) => database.Write(c => c.Execute(
        "INSERT INTO build_fetch (step, tag, modified, key) VALUES ($1, $2, $3, $4) ON CONFLICT (step) DO UPDATE SET tag = $2, modified = $3, key = $4",
        step.ToString(), file.Tag, file.Modified, file.Key.ToString()));
}

/// <summary>A file that was fetched.</summary>
/// <param name="Tag">The server's ETag, as it wrote it.</param>
/// <param name="Modified">The server's Last-Modified.</param>
/// <param name="Key">Leads to the result.</param>
internal sealed record FetchedFile(string? Tag, string? Modified, Digest Key);
