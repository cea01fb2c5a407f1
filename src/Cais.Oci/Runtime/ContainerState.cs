namespace Cais.Oci.Runtime;

/// <summary>A container's state as the specification has it (runtime.md): what <c>state</c> prints and hooks read.</summary>
public sealed record ContainerState
{
    public string OciVersion { get; init; } = Spec.NewestVersion;
    public required string Id { get; init; }

    /// <summary><c>creating</c>, <c>created</c>, <c>running</c>, <c>stopped</c>, and as runc says it <c>paused</c>.</summary>
    public required string Status { get; init; }

    /// <summary>In the runtime's pid namespace; 0 when there is no process.</summary>
    public int Pid { get; init; }

    /// <summary>Absolute path.</summary>
    public required string Bundle { get; init; }

    public IReadOnlyDictionary<string, string>? Annotations { get; init; }

    /// <summary>Absolute path of the root filesystem; runc's addition.</summary>
    public string? Rootfs { get; init; }

    /// <summary>RFC 3339, with nanoseconds; runc's addition.</summary>
    public string? Created { get; init; }

    /// <summary>Name of the user who made it; runc's addition.</summary>
    public string? Owner { get; init; }

    /// <summary>Adds it as an object to a document.</summary>
    public void WriteTo(JsonText json, string? name = null) => json.BeginObject(name)
        .Add("ociVersion", OciVersion)
        .Add("id", Id)
        .Add("pid", (long)Pid)
        .Add("status", Status)
        .Add("bundle", Bundle)
        .Add("rootfs", Rootfs)
        .Add("created", Created)
        .Add("annotations", Annotations)
        .Add("owner", Owner)
        .EndObject();

    public byte[] ToUtf8(bool indented = false)
    {
        var json = new JsonText(indented);
        WriteTo(json);
        return json.ToUtf8();
    }
}
