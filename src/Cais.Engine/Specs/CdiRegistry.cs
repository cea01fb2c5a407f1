using System.Globalization;
using Cais.Api;
using Cais.Linux.Status;
using Cais.Oci.Runtime;

namespace Cais.Engine.Specs;

/// <summary>
/// The devices that descriptions on this machine offer (CDI), by <c>vendor.com/class=name</c>. Read anew at every use: drivers write these files whenever they like.
/// </summary>
internal sealed class CdiRegistry(IReadOnlyList<string> directories)
{
    /// <summary>Whose devices <c>--gpus</c> means, in this order.</summary>
    private static readonly string[] GpuKinds = ["nvidia.com/gpu", "amd.com/gpu", "intel.com/gpu"];

    public IReadOnlyList<string> Directories => directories;

    /// <summary>All devices, with why a file could not be read in place of its devices.</summary>
    public (IReadOnlyList<string> Devices, IReadOnlyList<string> Problems) List()
    {
        var problems = new List<string>();
        var names = Specs(problems).SelectMany(s => s.Devices!.Select(d => $"{s.Kind}={d.Name}")).Distinct().Order(StringComparer.Ordinal).ToList();
        return (names, problems);
    }

    /// <summary>What the requests of a container change; null when there are none.</summary>
    /// <exception cref="EngineException">A device that nothing describes, or a driver that does not exist.</exception>
    public CdiEdits? EditsOf(IReadOnlyList<DeviceRequest>? requests)
    {
        if (requests is not { Count: > 0 })
        {
            return null;
        }

        var problems = new List<string>();
        var specs = Specs(problems).ToList();
        var names = requests.SelectMany(r => Names(r, specs)).Distinct().ToList();
        var edits = new CdiEdits();
        var missing = new List<string>();
        var seen = new HashSet<CdiSpec>(ReferenceEqualityComparer.Instance);
        foreach (var name in names)
        {
            var equals = name.IndexOf('=');
            var (kind, device) = equals < 0 ? (name, "") : (name[..equals], name[(equals + 1)..]);
            var spec = specs.FindLast(s => s.Kind == kind && s.Devices!.Any(d => d.Name == device));
            if (spec is null)
            {
                missing.Add(name);
                continue;
            }

            edits = (seen.Add(spec) ? edits.Append(spec.ContainerEdits) : edits).Append(spec.Devices!.Last(d => d.Name == device).ContainerEdits);
        }

        return missing.Count == 0 ? edits : throw EngineException.InvalidParameter(
            $"CDI device injection failed: unresolvable CDI devices {string.Join(", ", missing)}{(problems.Count > 0 ? $" ({string.Join("; ", problems)})" : "")}");
    }

    /// <summary>Applies them as the specification says: values over values, nodes and mounts and hooks beside what is there.</summary>
    public static Spec Apply(Spec spec, CdiEdits edits)
    {
        var devices = (edits.DeviceNodes ?? []).Select(Node).ToList();
        var paths = devices.Select(d => d.Device.Path).ToHashSet();
        var hooks = spec.Hooks ?? new Hooks();
        foreach (var hook in edits.Hooks ?? [])
        {
            var oci = new Hook { Path = hook.Path ?? "", Args = hook.Args, Env = hook.Env, Timeout = hook.Timeout is > 0 ? hook.Timeout : null };
            hooks = hook.HookName switch
            {
                "prestart" => hooks with { Prestart = [.. hooks.Prestart ?? [], oci] },
                "createRuntime" => hooks with { CreateRuntime = [.. hooks.CreateRuntime ?? [], oci] },
                "createContainer" => hooks with { CreateContainer = [.. hooks.CreateContainer ?? [], oci] },
                "startContainer" => hooks with { StartContainer = [.. hooks.StartContainer ?? [], oci] },
                "poststart" => hooks with { Poststart = [.. hooks.Poststart ?? [], oci] },
                "poststop" => hooks with { Poststop = [.. hooks.Poststop ?? [], oci] },
                _ => throw EngineException.System($"CDI device injection failed: unknown hook name \"{hook.HookName}\""),
            };
        }

        var process = spec.Process!;
        return spec with
        {
            Hooks = hooks == new Hooks() ? null : hooks,
            Process = process with
            {
                Env = Merge(process.Env ?? [], edits.Env ?? []),
                User = process.User! with { AdditionalGids = [.. (process.User.AdditionalGids ?? []).Concat(edits.AdditionalGids ?? []).Where(g => g != 0 || process.User.Gid == 0).Distinct()] },
            },
            Mounts =
            [
                .. spec.Mounts!.Where(m => !(edits.Mounts ?? []).Any(e => e.ContainerPath == m.Destination)),
                .. (edits.Mounts ?? []).Select(m => new Mount
                {
                    Destination = m.ContainerPath ?? "",
                    Source = m.HostPath,
                    Type = string.IsNullOrEmpty(m.Type) ? "bind" : m.Type,
                    Options = m.Options is { Count: > 0 } options ? options : ["rbind", "rprivate"],
                }),
            ],
            Linux = spec.Linux! with
            {
                Devices = [.. (spec.Linux.Devices ?? []).Where(d => !paths.Contains(d.Path)), .. devices.Select(d => d.Device)],
                Resources = spec.Linux.Resources! with { Devices = [.. spec.Linux.Resources.Devices ?? [], .. devices.Select(d => d.Rule).OfType<DeviceRule>()] },
            },
        };
    }

    private static List<string> Merge(IReadOnlyList<string> before, IReadOnlyList<string> more)
    {
        var result = new List<string>(before);
        foreach (var variable in more)
        {
            var name = variable.Split('=', 2)[0] + "=";
            result.RemoveAll(v => v.StartsWith(name, StringComparison.Ordinal));
            result.Add(variable);
        }

        return result;
    }

    private static (LinuxDevice Device, DeviceRule? Rule) Node(CdiDeviceNode node)
    {
        var path = node.Path ?? throw EngineException.System("CDI device injection failed: a device node has no path");
        var host = node.HostPath is { Length: > 0 } given ? given : path;
        var found = node.Type is { Length: > 0 } && node.Major is not null ? null : EntryStatus.Of(host, follow: true);
        if (node.Type is not { Length: > 0 } && found is not { Kind: FileKind.CharacterDevice or FileKind.BlockDevice })
        {
            throw EngineException.System($"CDI device injection failed: {host} is not a device");
        }

        var type = node.Type is { Length: > 0 } said ? said : found!.Value.Kind == FileKind.BlockDevice ? "b" : "c";
        var device = new LinuxDevice
        {
            Type = type,
            Path = path,
            Major = node.Major ?? found?.DeviceMajor ?? 0,
            Minor = node.Minor ?? found?.DeviceMinor ?? 0,
            FileMode = node.FileMode ?? found?.Permissions,
            Uid = node.Uid ?? found?.Uid,
            Gid = node.Gid ?? found?.Gid,
        };
        var rule = type is "b" or "c"
            ? new DeviceRule { Allow = true, Type = type, Major = device.Major, Minor = device.Minor, Access = node.Permissions is { Length: > 0 } access ? access : "rwm" }
            : null;
        return (device, rule);
    }

    /// <summary>The devices that a request means.</summary>
    private static IEnumerable<string> Names(DeviceRequest request, List<CdiSpec> specs)
    {
        if (request.Driver == "cdi")
        {
            return request.DeviceIDs ?? [];
        }

        var wantsGpu = request.Capabilities?.Any(set => set.Contains("gpu")) == true;
        var kind = wantsGpu && request.Driver is null or "" or "nvidia" or "amd"
            ? GpuKinds.FirstOrDefault(k => (string.IsNullOrEmpty(request.Driver) || k.StartsWith(request.Driver, StringComparison.Ordinal)) && specs.Exists(s => s.Kind == k))
            : null;
        if (kind is null)
        {
            var capabilities = string.Join(' ', (request.Capabilities ?? []).Select(set => $"[{string.Join(' ', set)}]"));
            throw EngineException.System($"could not select device driver \"{request.Driver}\" with capabilities: [{capabilities}]");
        }

        if (request.DeviceIDs is { Count: > 0 } ids)
        {
            return ids.Select(i => $"{kind}={i}");
        }

        var all = specs.Where(s => s.Kind == kind).SelectMany(s => s.Devices!).Select(d => d.Name!).Distinct().ToList();
        if (request.Count is null or < 0)
        {
            return all.Contains("all") ? [$"{kind}=all"] : all.Select(n => $"{kind}={n}");
        }

        return Enumerable.Range(0, (int)Math.Min(request.Count.Value, 1024)).Select(i => string.Create(CultureInfo.InvariantCulture, $"{kind}={i}"));
    }

    private IEnumerable<CdiSpec> Specs(List<string> problems)
    {
        foreach (var directory in directories.Where(Directory.Exists))
        {
            foreach (var path in Directory.EnumerateFiles(directory).Where(p => Path.GetExtension(p) is ".json" or ".yaml" or ".yml").Order(StringComparer.Ordinal))
            {
                CdiSpec? spec = null;
                try
                {
                    spec = CdiSpec.Read(path);
                }
                catch (Exception e) when (e is IOException or InvalidDataException or UnauthorizedAccessException)
                {
                    problems.Add(e.Message);
                }

                if (spec is not null)
                {
                    yield return spec;
                }
            }
        }
    }
}
