using System.Text.Json;

namespace Cais.Oci.Runtime;

/// <content>Types of Spec.cs.</content>
public static partial class SpecReader
{
    private static Spec? SpecOf(ref Utf8JsonReader json)
    {
        if (!Begin(ref json))
        {
            return null;
        }

        string? ociVersion = null;
        Process? process = null;
        Root? root = null;
        string? hostname = null;
        string? domainname = null;
        IReadOnlyList<Mount>? mounts = null;
        Hooks? hooks = null;
        IReadOnlyDictionary<string, string>? annotations = null;
        LinuxConfig? linux = null;
        while (Next(ref json))
        {
            if (json.ValueTextEquals("ociVersion"u8))
            {
                ociVersion = Text(ref json);
            }
            else if (json.ValueTextEquals("process"u8))
            {
                json.Read();
                process = ProcessOf(ref json);
            }
            else if (json.ValueTextEquals("root"u8))
            {
                json.Read();
                root = RootOf(ref json);
            }
            else if (json.ValueTextEquals("hostname"u8))
            {
                hostname = Text(ref json);
            }
            else if (json.ValueTextEquals("domainname"u8))
            {
                domainname = Text(ref json);
            }
            else if (json.ValueTextEquals("mounts"u8))
            {
                mounts = List(ref json, MountOf);
            }
            else if (json.ValueTextEquals("hooks"u8))
            {
                json.Read();
                hooks = HooksOf(ref json);
            }
            else if (json.ValueTextEquals("annotations"u8))
            {
                annotations = Texts(ref json);
            }
            else if (json.ValueTextEquals("linux"u8))
            {
                json.Read();
                linux = LinuxConfigOf(ref json);
            }
            else
            {
                Skip(ref json);
            }
        }

        return new Spec
        {
            OciVersion = ociVersion ?? throw Missing("ociVersion"),
            Process = process,
            Root = root,
            Hostname = hostname,
            Domainname = domainname,
            Mounts = mounts,
            Hooks = hooks,
            Annotations = annotations,
            Linux = linux,
        };
    }

    private static Root? RootOf(ref Utf8JsonReader json)
    {
        if (!Begin(ref json))
        {
            return null;
        }

        string? path = null;
        bool? isReadonly = null;
        while (Next(ref json))
        {
            if (json.ValueTextEquals("path"u8))
            {
                path = Text(ref json);
            }
            else if (json.ValueTextEquals("readonly"u8))
            {
                isReadonly = Flag(ref json);
            }
            else
            {
                Skip(ref json);
            }
        }

        return new Root
        {
            Path = path ?? throw Missing("path"),
            Readonly = isReadonly ?? false,
        };
    }

    private static Mount? MountOf(ref Utf8JsonReader json)
    {
        if (!Begin(ref json))
        {
            return null;
        }

        string? destination = null;
        string? source = null;
        string? type = null;
        IReadOnlyList<string>? options = null;
        IReadOnlyList<IdMapping>? uidMappings = null;
        IReadOnlyList<IdMapping>? gidMappings = null;
        while (Next(ref json))
        {
            if (json.ValueTextEquals("destination"u8))
            {
                destination = Text(ref json);
            }
            else if (json.ValueTextEquals("source"u8))
            {
                source = Text(ref json);
            }
            else if (json.ValueTextEquals("type"u8))
            {
                type = Text(ref json);
            }
            else if (json.ValueTextEquals("options"u8))
            {
                options = Strings(ref json);
            }
            else if (json.ValueTextEquals("uidMappings"u8))
            {
                uidMappings = List(ref json, IdMappingOf);
            }
            else if (json.ValueTextEquals("gidMappings"u8))
            {
                gidMappings = List(ref json, IdMappingOf);
            }
            else
            {
                Skip(ref json);
            }
        }

        return new Mount
        {
            Destination = destination ?? throw Missing("destination"),
            Source = source,
            Type = type,
            Options = options,
            UidMappings = uidMappings,
            GidMappings = gidMappings,
        };
    }

    private static Hooks? HooksOf(ref Utf8JsonReader json)
    {
        if (!Begin(ref json))
        {
            return null;
        }

        IReadOnlyList<Hook>? prestart = null;
        IReadOnlyList<Hook>? createRuntime = null;
        IReadOnlyList<Hook>? createContainer = null;
        IReadOnlyList<Hook>? startContainer = null;
        IReadOnlyList<Hook>? poststart = null;
        IReadOnlyList<Hook>? poststop = null;
        while (Next(ref json))
        {
            if (json.ValueTextEquals("prestart"u8))
            {
                prestart = List(ref json, HookOf);
            }
            else if (json.ValueTextEquals("createRuntime"u8))
            {
                createRuntime = List(ref json, HookOf);
            }
            else if (json.ValueTextEquals("createContainer"u8))
            {
                createContainer = List(ref json, HookOf);
            }
            else if (json.ValueTextEquals("startContainer"u8))
            {
                startContainer = List(ref json, HookOf);
            }
            else if (json.ValueTextEquals("poststart"u8))
            {
                poststart = List(ref json, HookOf);
            }
            else if (json.ValueTextEquals("poststop"u8))
            {
                poststop = List(ref json, HookOf);
            }
            else
            {
                Skip(ref json);
            }
        }

        return new Hooks
        {
            Prestart = prestart,
            CreateRuntime = createRuntime,
            CreateContainer = createContainer,
            StartContainer = startContainer,
            Poststart = poststart,
            Poststop = poststop,
        };
    }

    private static Hook? HookOf(ref Utf8JsonReader json)
    {
        if (!Begin(ref json))
        {
            return null;
        }

        string? path = null;
        IReadOnlyList<string>? args = null;
        IReadOnlyList<string>? env = null;
        int? timeout = null;
        while (Next(ref json))
        {
            if (json.ValueTextEquals("path"u8))
            {
                path = Text(ref json);
            }
            else if (json.ValueTextEquals("args"u8))
            {
                args = Strings(ref json);
            }
            else if (json.ValueTextEquals("env"u8))
            {
                env = Strings(ref json);
            }
            else if (json.ValueTextEquals("timeout"u8))
            {
                timeout = Int32(ref json);
            }
            else
            {
                Skip(ref json);
            }
        }

        return new Hook
        {
            Path = path ?? throw Missing("path"),
            Args = args,
            Env = env,
            Timeout = timeout,
        };
    }

    private static IdMapping? IdMappingOf(ref Utf8JsonReader json)
    {
        if (!Begin(ref json))
        {
            return null;
        }

        uint? containerId = null;
        uint? hostId = null;
        uint? size = null;
        while (Next(ref json))
        {
            if (json.ValueTextEquals("containerID"u8))
            {
                containerId = UInt32(ref json);
            }
            else if (json.ValueTextEquals("hostID"u8))
            {
                hostId = UInt32(ref json);
            }
            else if (json.ValueTextEquals("size"u8))
            {
                size = UInt32(ref json);
            }
            else
            {
                Skip(ref json);
            }
        }

        return new IdMapping
        {
            ContainerId = containerId ?? throw Missing("containerID"),
            HostId = hostId ?? throw Missing("hostID"),
            Size = size ?? throw Missing("size"),
        };
    }
}
