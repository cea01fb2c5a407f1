using System.Security.Cryptography;
using System.Text;
using Cais.Build.Cache;
using Cais.Build.Graph;
using Cais.Linux;
using Cais.Linux.FileSystem;
using Cais.Oci.Images;

namespace Cais.Build.Solving;

/// <summary>Fetches files by HTTP, and asks whether one that was fetched before is still the same.</summary>
internal sealed class HttpFetcher(HttpClient http, IBuildInputs inputs)
{
    /// <summary>Asks for a file. Throws <see cref="IOException"/> or <see cref="HttpRequestException"/>.</summary>
    /// <param name="before">What the server said when the file was fetched before: it need not send it again.</param>
    public async Task<Fetch> BeginAsync(HttpStep step, FetchedFile? before, CancellationToken cancellation)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, step.Url);
        foreach (var (name, value) in step.Headers)
        {
            request.Headers.TryAddWithoutValidation(name, value);
        }

        if (await inputs.FindSecretAsync(step.HeaderSecret ?? "HTTP_AUTH_HEADER_" + step.Url.Host, cancellation).ConfigureAwait(false) is { } header)
        {
            request.Headers.TryAddWithoutValidation("Authorization", Encoding.UTF8.GetString(header.Span).Trim());
        }
        else if (await inputs.FindSecretAsync("HTTP_AUTH_TOKEN_" + step.Url.Host, cancellation).ConfigureAwait(false) is { } token)
        {
            request.Headers.TryAddWithoutValidation("Authorization", "Bearer " + Encoding.UTF8.GetString(token.Span).Trim());
        }

        if (before?.Tag is { } tag)
        {
            request.Headers.TryAddWithoutValidation("If-None-Match", tag);
        }

        if (before?.Modified is { } modified)
        {
            request.Headers.TryAddWithoutValidation("If-Modified-Since", modified);
        }

        var response = await http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, cancellation).ConfigureAwait(false);
        if (response.IsSuccessStatusCode || (before is not null && response.StatusCode == System.Net.HttpStatusCode.NotModified))
        {
            return new Fetch(step, response);
        }

        using (response)
        {
            throw new IOException($"invalid response status {(int)response.StatusCode} for {step.Url}");
        }
    }
}

/// <summary>A server's answer.</summary>
internal sealed class Fetch(HttpStep step, HttpResponseMessage response) : IDisposable
{
    /// <summary>The file is what it was before, and is not sent.</summary>
    public bool IsUnchanged => response.StatusCode == System.Net.HttpStatusCode.NotModified;

    /// <summary>By what the server can be asked later whether the file has changed; null if by nothing.</summary>
    public FetchedFile? Describe(Digest key)
    {
        var tag = response.Headers.ETag?.ToString();
        var modified = response.Content.Headers.LastModified?.ToString("R", System.Globalization.CultureInfo.InvariantCulture);
        return tag is null && modified is null ? null : new FetchedFile(tag, modified, key);
    }

    /// <summary>Writes the file into a directory. Throws <see cref="IOException"/> if it is not what was expected.</summary>
    public async Task WriteAsync(string directory, CancellationToken cancellation)
    {
        var path = Path.Combine(directory, step.FileName);
        using (var file = new FileStream(path, new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.Write, UnixCreateMode = (UnixFileMode)step.Permissions }))
        {
            using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
            var body = await response.Content.ReadAsStreamAsync(cancellation).ConfigureAwait(false);
            var buffer = new byte[128 * 1024];
            for (int n; (n = await body.ReadAsync(buffer, cancellation).ConfigureAwait(false)) > 0;)
            {
                hash.AppendData(buffer, 0, n);
                await file.WriteAsync(buffer.AsMemory(0, n), cancellation).ConfigureAwait(false);
            }

            var digest = Digest.FromSha256(hash.GetHashAndReset());
            if (step.Checksum is { } expected && expected != digest)
            {
                throw new IOException($"digest mismatch for {step.Url}: it is {digest}, and {expected} was expected");
            }
        }

        var owned = FileAt.ChangeOwner(FileAt.CurrentDirectory, Encoding.UTF8.GetBytes(path + '\0'), step.Uid, step.Gid);
        if (owned < 0)
        {
            throw new LinuxException((Errno)(-owned), $"chown {step.FileName}");
        }

        File.SetLastWriteTimeUtc(path, response.Content.Headers.LastModified?.UtcDateTime ?? DateTime.UnixEpoch);
    }

    public void Dispose() => response.Dispose();
}
