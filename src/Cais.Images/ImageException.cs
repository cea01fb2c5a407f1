namespace Cais.Images;

/// <summary>What went wrong, as far as a caller must know to answer with the right status.</summary>
public enum ImageErrorKind
{
    /// <summary>No such image, tag, manifest or repository (404).</summary>
    NotFound,

    /// <summary>Not a valid image name, digest, platform, tar archive or option (400).</summary>
    InvalidArgument,

    /// <summary>In use, ambiguous, or already taken (409).</summary>
    Conflict,

    /// <summary>Content is not what its digest says. Nothing of it was kept (500).</summary>
    DigestMismatch,

    /// <summary>Content that was stored or received cannot be understood (500).</summary>
    Corrupt,

    /// <summary>The registry wants other credentials (401).</summary>
    Unauthorized,

    /// <summary>The registry refuses: no access, or no such repository (404 in Docker's API for pulls).</summary>
    Denied,

    /// <summary>The registry cannot be reached, or keeps failing (500).</summary>
    Unavailable,

    /// <summary>The disk is full. Nothing half-made was kept (500).</summary>
    NoSpace,
}

/// <summary>An image operation failed. The message is the sentence that Docker's users know, where Docker has one.</summary>
public sealed class ImageException : Exception
{
    public ImageException(ImageErrorKind kind, string message) : base(message) => Kind = kind;

    public ImageException(ImageErrorKind kind, string message, Exception inner) : base(message, inner) => Kind = kind;

    public ImageErrorKind Kind { get; }
}
