namespace Cais.Api;

/// <summary>An identity token was generated successfully.</summary>
public sealed record AuthResponse
{
    /// <summary>The status of the authentication</summary>
    public string? Status { get; init; }

    /// <summary>An opaque token used to authenticate a user after a successful login</summary>
    public string? IdentityToken { get; init; }
}
