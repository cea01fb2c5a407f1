using System.Buffers;
using System.Net;
using Cais.Images.Content;
using Cais.Oci.Images;

namespace Cais.Images.Registry;

/// <summary>
/// Fetches one blob, taking a broken transfer up again where it stopped. A server that cannot resume sends the beginning again, which is skipped: the
/// digest over everything decides in the end whether the pieces fit.
/// </summary>
internal sealed class BlobDownload(RegistryClient client, Descriptor blob, ImageStoreOptions options)
{
    private const int BufferSize = 128 * 1024;

    /// <summary>Writes the whole blob into <paramref name="ingest"/> and verifies it. <paramref name="progress"/> gets the bytes so far.</summary>
    public async Task RunAsync(Ingest ingest, Action<long> progress, Action<string> retrying, CancellationToken cancellation)
    {
        for (var failures = 0; ingest.Length < blob.Size || blob.Size == 0;)
        {
            var before = ingest.Length;
            try
            {
                await TransferAsync(ingest, progress, cancellation).ConfigureAwait(false);
                if (blob.Size == 0)
                {
                    break;
                }
            }
            catch (Exception e) when (IsWorthAnotherTry(e, cancellation))
            {
                // Progress, however little, makes the count start again: only a transfer that stands still is hopeless.
                failures = ingest.Length > before ? 1 : failures + 1;
                if (failures >= options.MaxDownloadAttempts)
                {
                    throw;
                }

                var delay = Backoff.Delay(e, failures, options);
                retrying(Backoff.Sentence(delay));
                await Task.Delay(delay, options.Time, cancellation).ConfigureAwait(false);
            }
        }

        ingest.Verify(blob.Size);
    }

    private static bool IsWorthAnotherTry(Exception e, CancellationToken cancellation) => !cancellation.IsCancellationRequested && e switch
    {
        RegistryException r => r.IsTransient,
        HttpRequestException or HttpIOException => true,
        Linux.LinuxException => false,
        IOException or OperationCanceledException => true,
        _ => false,
    };

    private async Task TransferAsync(Ingest ingest, Action<long> progress, CancellationToken cancellation)
    {
        using var answer = await client.GetBlobAsync(blob, ingest.Length, cancellation).ConfigureAwait(false);
        var skip = answer.StatusCode == HttpStatusCode.PartialContent ? StartsWhereAsked(answer, ingest.Length) : ingest.Length;
        using var stream = await answer.Content.ReadAsStreamAsync(cancellation).ConfigureAwait(false);
        using var stall = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        var buffer = ArrayPool<byte>.Shared.Rent(BufferSize);
        try
        {
            while (true)
            {
                stall.CancelAfter(RegistryConnection.Patience);
                var n = await stream.ReadAsync(buffer, stall.Token).ConfigureAwait(false);
                if (n == 0)
                {
                    break;
                }

                var skipped = (int)Math.Min(skip, n);
                skip -= skipped;
                var data = buffer.AsSpan(skipped, n - skipped);
                if (ingest.Length + data.Length > blob.Size)
                {
                    throw new ImageException(
                        ImageErrorKind.DigestMismatch, $"unexpected size: {blob.Digest} goes on after the {blob.Size} bytes that were announced");
                }

                ingest.Write(data);
                progress(ingest.Length);
            }
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }

        if (ingest.Length < blob.Size)
        {
            throw new IOException($"unexpected EOF: {blob.Digest} ended after {ingest.Length} of {blob.Size} bytes");
        }
    }

    /// <summary>0 if the partial answer begins where we stopped; otherwise how much of it we have already.</summary>
    private static long StartsWhereAsked(HttpResponseMessage answer, long offset) =>
        answer.Content.Headers.ContentRange?.From is { } from && from <= offset
            ? offset - from
            : throw new IOException($"the registry sent another range than the one from {offset} that was asked for");
}
