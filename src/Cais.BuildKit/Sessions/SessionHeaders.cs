namespace Cais.BuildKit.Sessions;

/// <summary>How a session introduces itself: headers of <c>POST /session</c>, or metadata of <c>Control/Session</c>.</summary>
public sealed record SessionHeaders(string? Id, string Name, string SharedKey, IReadOnlyList<string> Methods)
{
    internal const string IdName = "X-Docker-Expose-Session-Uuid";
    private const string NameName = "X-Docker-Expose-Session-Name";
    private const string SharedKeyName = "X-Docker-Expose-Session-Sharedkey";
    private const string MethodName = "X-Docker-Expose-Session-Grpc-Method";

    /// <summary>Reads them with a function that gives all values of a name, in any case.</summary>
    public static SessionHeaders Read(Func<string, IReadOnlyList<string>> values)
    {
        ArgumentNullException.ThrowIfNull(values);
        return new SessionHeaders(First(IdName), First(NameName) ?? "", First(SharedKeyName) ?? "", values(MethodName));

        string? First(string name) => values(name) is [var first, ..] ? first : null;
    }
}
