namespace Cais.Api;

public sealed record ImageDeleteResponseItem
{
    /// <summary>The image ID of an image that was untagged</summary>
    public string? Untagged { get; init; }

    /// <summary>The image ID of an image that was deleted</summary>
    public string? Deleted { get; init; }
}
