namespace Cais.Images;

/// <summary>
/// One line of progress in Docker's words. <paramref name="Id"/> is the line it replaces on a terminal (a layer's short digest, or the tag),
/// null for a line of its own; <paramref name="Current"/> and <paramref name="Total"/> are bytes, 0 where unknown.
/// </summary>
public sealed record ImageProgress(string? Id, string Status, long Current = 0, long Total = 0);
