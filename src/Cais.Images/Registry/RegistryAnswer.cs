namespace Cais.Images.Registry;

/// <summary>Reads a registry's answers, which are bounded like everything that comes from outside.</summary>
internal static class RegistryAnswer
{
    private const int LargestErrorBody = 64 * 1024;

    /// <summary>The answer itself if it is a good one; otherwise throws what it says.</summary>
    public static async Task<HttpResponseMessage> CheckedAsync(HttpResponseMessage answer, CancellationToken cancellation)
    {
        try
        {
            await EnsureSuccessAsync(answer, cancellation).ConfigureAwait(false);
            return answer;
        }
        catch
        {
            answer.Dispose();
            throw;
        }
    }

    public static async Task EnsureSuccessAsync(HttpResponseMessage answer, CancellationToken cancellation)
    {
        if (!answer.IsSuccessStatusCode)
        {
            throw await ErrorOfAsync(answer, cancellation).ConfigureAwait(false);
        }
    }

    public static async Task<RegistryException> ErrorOfAsync(HttpResponseMessage answer, CancellationToken cancellation)
    {
        byte[] body;
        try
        {
            body = await ReadAsync(answer.Content, LargestErrorBody, cancellation).ConfigureAwait(false);
        }
        catch (Exception e) when (e is ImageException or HttpRequestException or IOException)
        {
            body = [];
        }

        var error = RegistryJson.FirstError(body);
        var message = error?.ToString()
            ?? $"unexpected status from {answer.RequestMessage?.Method} request to {answer.RequestMessage?.RequestUri?.GetLeftPart(UriPartial.Path)}: {(int)answer.StatusCode} {answer.ReasonPhrase}";
        var retry = answer.Headers.RetryAfter;
        return new RegistryException(answer.StatusCode, error?.Code, message, retry?.Delta ?? (retry?.Date is { } at ? at - DateTimeOffset.UtcNow : null));
    }

    /// <summary>A whole body. Throws <see cref="ImageException"/> if it is longer than <paramref name="largest"/> bytes.</summary>
    public static async Task<byte[]> ReadAsync(HttpContent content, int largest, CancellationToken cancellation)
    {
        using var deadline = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        deadline.CancelAfter(RegistryConnection.Patience);
        using var stream = await content.ReadAsStreamAsync(deadline.Token).ConfigureAwait(false);
        var body = new MemoryStream();
        var buffer = new byte[16 * 1024];
        for (int n; (n = await stream.ReadAsync(buffer, deadline.Token).ConfigureAwait(false)) > 0;)
        {
            body.Write(buffer, 0, n);
            if (body.Length > largest)
            {
                throw new ImageException(ImageErrorKind.Corrupt, $"the registry's answer is longer than the {largest} bytes that are accepted");
            }
        }

        return body.ToArray();
    }

    /// <summary>The Link header's next page (RFC 8288), on the same host only.</summary>
    public static Uri? NextPage(HttpResponseMessage answer, Uri current)
    {
        if (!answer.Headers.TryGetValues("Link", out var values))
        {
            return null;
        }

        var link = values.FirstOrDefault(v => v.Contains("next", StringComparison.Ordinal)) ?? "";
        var (start, end) = (link.IndexOf('<', StringComparison.Ordinal), link.IndexOf('>', StringComparison.Ordinal));
        return start >= 0 && end > start && Uri.TryCreate(current, link[(start + 1)..end], out var next) && next.Authority == current.Authority ? next : null;
    }
}
