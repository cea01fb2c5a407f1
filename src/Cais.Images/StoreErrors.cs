using Cais.Images.Tar;
using Cais.Linux;
using Cais.Oci.Images;

namespace Cais.Images;

/// <summary>Turns what the lower layers throw into what the store's callers are promised.</summary>
internal static class StoreErrors
{
    public static async Task<T> Guard<T>(Func<Task<T>> work)
    {
        try
        {
            return await work().ConfigureAwait(false);
        }
        catch (Exception e) when (Translate(e) is { } translated)
        {
            throw translated;
        }
    }

    /// <summary>The promised exception, or null if <paramref name="e"/> is one or is nothing that we know.</summary>
    public static ImageException? Translate(Exception e) => e switch
    {
        LinuxException { Errno: Errno.ENOSPC or Errno.EDQUOT } l => new ImageException(ImageErrorKind.NoSpace, l.Message, l),
        Microsoft.Data.Sqlite.SqliteException { SqliteErrorCode: 13 } full => new ImageException(ImageErrorKind.NoSpace, $"no space left on device: {full.Message}", full),
        IOException { HResult: 28 } io => new ImageException(ImageErrorKind.NoSpace, io.Message, io),
        TarFormatException t => new ImageException(ImageErrorKind.InvalidArgument, t.Message, t),
        ImageFormatException f => new ImageException(ImageErrorKind.Corrupt, f.Message, f),
        InvalidDataException d => new ImageException(ImageErrorKind.InvalidArgument, $"damaged compressed data: {d.Message}", d),
        ZstdSharp.ZstdException z => new ImageException(ImageErrorKind.InvalidArgument, $"damaged compressed data: {z.Message}", z),
        AggregateException { InnerExceptions: [var only] } => Translate(only),
        _ => null,
    };
}
