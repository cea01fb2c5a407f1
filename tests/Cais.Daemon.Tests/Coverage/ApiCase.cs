namespace Cais.Daemon.Tests.Coverage;

/// <summary>What a case shows of an endpoint.</summary>
public enum CaseKind
{
    /// <summary>It does what it is for.</summary>
    Good,

    /// <summary>A request that makes no sense is refused.</summary>
    BadInput,

    /// <summary>What is not there is not found.</summary>
    NotFound,
}

/// <summary>One request to one endpoint, and what must come of it.</summary>
/// <param name="Operation">Method and path as in the API's description: <c>GET /containers/{id}/json</c>.</param>
/// <param name="Kind">What it shows.</param>
/// <param name="Target">Path and query. <c>{created}</c>, <c>{running}</c> and so on stand for things that are made for the case; see <see cref="CaseWorld"/>.</param>
/// <param name="Status">The answer's.</param>
/// <param name="Body">JSON, or null for none; a world's <c>{…}</c> may stand in it too. <c>@name</c> sends one of the world's archives.</param>
public sealed record ApiCase(string Operation, CaseKind Kind, string Target, int Status, string? Body = null)
{
    public string Method => Operation[..Operation.IndexOf(' ', StringComparison.Ordinal)];

    public override string ToString() => $"{Operation}: {Kind}, {Method} {Target} {Body} -> {Status}";
}
