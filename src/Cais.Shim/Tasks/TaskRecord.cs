using System.Text.Json;
using System.Text.Json.Serialization;
using Cais.Linux;
using Cais.Oci.Runtime;
using Cais.Shim.Runtimes;

namespace Cais.Shim.Tasks;

/// <summary>
/// What <c>delete</c> needs to clean up after a shim that died: written to the bundle before anything is made, so that whatever was made
/// is found. The bundle's directory does not outlive a reboot, so it is replaced atomically but not synced.
/// </summary>
internal sealed record TaskRecord
{
    private const string FileName = "cais-shim.json";
    private const uint OwnerOnly = 0x180; // 0600

    public required string Id { get; init; }

    /// <summary>Empty for the runtime in process.</summary>
    public required string Binary { get; init; }

    public required string Root { get; init; }
    public bool SystemdCgroup { get; init; }

    /// <summary>Whether the shim mounts the root filesystem at <c>rootfs</c> in the bundle.</summary>
    public bool MountsRootfs { get; init; }

    /// <summary>Of the container's first process, once known.</summary>
    public int Pid { get; init; }

    public void Save(string bundle)
    {
        var path = Path.Combine(bundle, FileName);
        using (var file = Files.Open(path + ".new", OpenFlags.WriteOnly | OpenFlags.Create | OpenFlags.Truncate, OwnerOnly))
        {
            Files.Write(file, ToUtf8());
        }

        Files.Rename(path + ".new", path);
    }

    /// <summary>Null where there is none or it was never written whole.</summary>
    public static TaskRecord? Load(string bundle)
    {
        try
        {
            return JsonSerializer.Deserialize(File.ReadAllBytes(Path.Combine(bundle, FileName)), ShimJson.Default.TaskRecord);
        }
        catch (IOException)
        {
            return null;
        }
        catch (JsonException)
        {
            return null;
        }
    }

    /// <summary>As <see cref="ShimJson"/> reads it; every start of a container writes this, few read it.</summary>
    private byte[] ToUtf8() => new JsonText().BeginObject()
        .Add(nameof(Id), Id)
        .Add(nameof(Binary), Binary)
        .Add(nameof(Root), Root)
        .Add(nameof(SystemdCgroup), SystemdCgroup)
        .Add(nameof(MountsRootfs), MountsRootfs)
        .Add(nameof(Pid), (long)Pid)
        .EndObject()
        .ToUtf8();

    public static void Remove(string bundle) => File.Delete(Path.Combine(bundle, FileName));

    public RuntimeChoice Choice => new(Binary, Root, SystemdCgroup);
}

[JsonSerializable(typeof(TaskRecord))]
internal sealed partial class ShimJson : JsonSerializerContext;
