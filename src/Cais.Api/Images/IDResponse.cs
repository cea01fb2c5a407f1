namespace Cais.Api;

/// <summary>Response to an API call that returns just an Id</summary>
public sealed record IDResponse
{
    /// <summary>The id of the newly created object.</summary>
    public string? Id { get; init; }
}
