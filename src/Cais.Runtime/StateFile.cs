using System.Text.Json;
using Cais.Linux;
using Cais.Oci.Runtime;

namespace Cais.Runtime;

/// <summary>What <c>state.json</c> holds: enough for any later process to find, start, signal and remove the container.</summary>
internal sealed record StateFile
{
    public required string OciVersion { get; init; }
    public required string Id { get; init; }

    /// <summary>0 until the first process is known to exist.</summary>
    public int InitProcessPid { get; init; }

    /// <summary>Clock ticks since boot; with the pid it names one process only.</summary>
    public ulong InitProcessStart { get; init; }

    /// <summary>The process that is creating the container; while it lives, so may the container.</summary>
    public int CreatorPid { get; init; }

    public ulong CreatorStart { get; init; }
    public required string Bundle { get; init; }
    public required string Rootfs { get; init; }
    public required string Created { get; init; }
    public required string Owner { get; init; }
    public IReadOnlyList<string> CgroupPaths { get; init; } = [];

    /// <summary>In resctrl: what the container's processes are in, and what was made for it.</summary>
    public IReadOnlyList<string> ResourceGroups { get; init; } = [];

    public IReadOnlyList<string> ResourceGroupsMade { get; init; } = [];
    public IReadOnlyDictionary<string, string>? Annotations { get; init; }

    /// <summary>What the plan's operations after the start do, by index from <see cref="FirstStartOperation"/>: for errors.</summary>
    public IReadOnlyList<string> StartOperations { get; init; } = [];

    public int FirstStartOperation { get; init; }

    public bool SystemdCgroup { get; init; }

    public const string Name = "state.json";

    public static StateFile? TryRead(string directory)
    {
        byte[] bytes;
        try
        {
            bytes = Files.ReadAll($"{directory}/{Name}");
        }
        catch (LinuxException e) when (e.Errno is Errno.ENOENT or Errno.ENOTDIR)
        {
            return null;
        }

        try
        {
            return Parse(bytes);
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException or FormatException)
        {
            throw new RuntimeException(RuntimeError.Failed, $"{directory}/{Name} is not readable: {e.Message}", e);
        }
    }

    /// <summary>Replaces the file in one step: a crash leaves the old state or the new one.</summary>
    public void Write(string directory)
    {
        using (var file = Files.Open($"{directory}/{Name}.new", OpenFlags.WriteOnly | OpenFlags.Create | OpenFlags.Truncate, 0x180))
        {
            Files.Write(file, ToUtf8());
        }

        Files.Rename($"{directory}/{Name}.new", $"{directory}/{Name}");
    }

    private byte[] ToUtf8() => new JsonText().BeginObject()
        .Add("ociVersion", OciVersion)
        .Add("id", Id)
        .Add("initProcessPid", (long)InitProcessPid)
        .Add("initProcessStart", InitProcessStart)
        .Add("creatorPid", (long)CreatorPid)
        .Add("creatorStart", CreatorStart)
        .Add("bundle", Bundle)
        .Add("rootfs", Rootfs)
        .Add("created", Created)
        .Add("owner", Owner)
        .Add("cgroupPaths", CgroupPaths)
        .Add("resourceGroups", ResourceGroups)
        .Add("resourceGroupsMade", ResourceGroupsMade)
        .Add("annotations", Annotations)
        .Add("startOperations", StartOperations)
        .Add("firstStartOperation", (long)FirstStartOperation)
        .Add("systemdCgroup", SystemdCgroup)
        .EndObject()
        .ToUtf8();

    private static StateFile Parse(ReadOnlySpan<byte> utf8)
    {
        var texts = new Dictionary<string, string>();
        var numbers = new Dictionary<string, ulong>();
        var lists = new Dictionary<string, List<string>>();
        Dictionary<string, string>? annotations = null;
        var systemd = false;
        var json = new Utf8JsonReader(utf8);
        json.Read();
        while (json.Read() && json.TokenType == JsonTokenType.PropertyName)
        {
            var name = json.GetString()!;
            json.Read();
            switch (json.TokenType)
            {
                case JsonTokenType.String:
                    texts[name] = json.GetString()!;
                    break;
                case JsonTokenType.Number:
                    numbers[name] = json.GetUInt64();
                    break;
                case JsonTokenType.True or JsonTokenType.False:
                    systemd |= name == "systemdCgroup" && json.GetBoolean();
                    break;
                case JsonTokenType.StartArray:
                    var list = lists[name] = [];
                    while (json.Read() && json.TokenType != JsonTokenType.EndArray)
                    {
                        list.Add(json.GetString()!);
                    }

                    break;
                case JsonTokenType.StartObject:
                    annotations = [];
                    while (json.Read() && json.TokenType == JsonTokenType.PropertyName)
                    {
                        var key = json.GetString()!;
                        json.Read();
                        annotations[key] = json.GetString()!;
                    }

                    break;
            }
        }

        return new StateFile
        {
            OciVersion = Text("ociVersion"),
            Id = Text("id"),
            InitProcessPid = (int)numbers.GetValueOrDefault("initProcessPid"),
            InitProcessStart = numbers.GetValueOrDefault("initProcessStart"),
            CreatorPid = (int)numbers.GetValueOrDefault("creatorPid"),
            CreatorStart = numbers.GetValueOrDefault("creatorStart"),
            Bundle = Text("bundle"),
            Rootfs = Text("rootfs"),
            Created = Text("created"),
            Owner = Text("owner"),
            CgroupPaths = lists.GetValueOrDefault("cgroupPaths") ?? [],
            ResourceGroups = lists.GetValueOrDefault("resourceGroups") ?? [],
            ResourceGroupsMade = lists.GetValueOrDefault("resourceGroupsMade") ?? [],
            Annotations = annotations,
            StartOperations = lists.GetValueOrDefault("startOperations") ?? [],
            FirstStartOperation = (int)numbers.GetValueOrDefault("firstStartOperation"),
            SystemdCgroup = systemd,
        };

        string Text(string name) => texts.TryGetValue(name, out var text) ? text : throw new JsonException($"\"{name}\" is missing");
    }

    /// <summary>The state as the specification has it, for hooks, agents and whoever asks.</summary>
    public ContainerState Describe(ContainerStatus status, int pid) => new()
    {
        OciVersion = OciVersion,
        Id = Id,
        Status = Text(status),
        Pid = pid,
        Bundle = Bundle,
        Annotations = Annotations,
        Rootfs = Rootfs,
        Created = Created,
        Owner = Owner,
    };

    public static string Text(ContainerStatus status) => status switch
    {
        ContainerStatus.Creating => "creating",
        ContainerStatus.Created => "created",
        ContainerStatus.Running => "running",
        ContainerStatus.Paused => "paused",
        _ => "stopped",
    };
}
