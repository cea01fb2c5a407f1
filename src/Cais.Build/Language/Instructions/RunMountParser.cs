using System.Globalization;
using System.Text;

namespace Cais.Build.Language;

/// <summary>Reads <c>type=cache,target=/x,…</c>: comma-separated, with CSV's quotes.</summary>
internal static class RunMountParser
{
    private static readonly string[] Keys =
        ["type", "from", "source", "src", "target", "dst", "destination", "readonly", "ro", "rw", "readwrite", "id", "sharing", "mode", "uid", "gid", "required", "size", "env"];

    /// <summary>What can be wrong without knowing variables.</summary>
    public static void Check(Text mount) => Parse(mount, static v => v, isFinal: false);

    /// <summary>The mount, each value but <c>from</c> passed through <paramref name="expand"/>.</summary>
    public static RunMount Parse(Text mount, Func<string, string> expand) => Parse(mount, expand, isFinal: true);

    private static RunMount Parse(Text mount, Func<string, string> expand, bool isFinal)
    {
        var result = new RunMount();
        DockerfileException Error(string message) => new(message, mount.Range);
        foreach (var field in Fields(mount.Value, Error))
        {
            var equals = field.IndexOf('=', StringComparison.Ordinal);
            var key = (equals < 0 ? field : field[..equals]).ToLowerInvariant();
            if (equals < 0)
            {
                result = key switch
                {
                    "readonly" or "ro" => result with { ReadOnly = true },
                    "readwrite" or "rw" => result with { ReadOnly = false },
                    "required" when result.Kind is MountKind.Secret or MountKind.Ssh => result with { Required = true },
                    "required" => throw Error("unexpected key 'required' for mount type '" + NameOf(result.Kind) + "': only secret and ssh mounts have it, and type must come first"),
                    _ => throw Error($"invalid field '{field}' must be a key=value pair"),
                };
                continue;
            }

            var written = field[(equals + 1)..];
            if (key == "from" && isFinal && written.Contains('$', StringComparison.Ordinal))
            {
                throw Error($"'{field}' is invalid: variable expansion is not supported for from, define a new stage with FROM using ARG from global scope");
            }

            var value = key == "from" ? written : expand(written);
            if (!isFinal && value.Contains('$', StringComparison.Ordinal) && key != "type")
            {
                if (!Keys.Contains(key))
                {
                    throw Error($"unexpected key '{key}' in '{field}'{Suggestions.For(key, Keys)}");
                }

                result = key is "target" or "dst" or "destination" ? result with { Target = value } : key is "env" ? result with { Variable = value } : result;
                continue;
            }

            result = Set(result, key, value, field, Error);
        }

        return Checked(result, Error);
    }

    private static RunMount Set(RunMount mount, string key, string value, string field, Func<string, DockerfileException> error)
    {
        bool Boolean() => GoValues.TryBoolean(value, out var b) ? b : throw error($"invalid value for {key}: {value}: expected true or false");
        uint Number() => uint.TryParse(value, NumberStyles.None, CultureInfo.InvariantCulture, out var n) ? n : throw error($"invalid value {value} for {key}: expected a number");
        DockerfileException Unexpected(string kinds) => error($"unexpected key '{key}' for mount type '{NameOf(mount.Kind)}': only {kinds} mounts have it, and type must come first");
        switch (key)
        {
            case "type":
                return mount with
                {
                    Kind = value.ToLowerInvariant() switch
                    {
                        "bind" => MountKind.Bind,
                        "cache" => MountKind.Cache,
                        "tmpfs" => MountKind.Tmpfs,
                        "secret" => MountKind.Secret,
                        "ssh" => MountKind.Ssh,
                        _ => throw error($"unsupported mount type \"{value}\": expected bind, cache, tmpfs, secret or ssh"),
                    },
                };
            case "from":
                return mount with { From = value };
            case "source" or "src":
                return mount with { Source = value };
            case "target" or "dst" or "destination":
                return mount with { Target = value };
            case "readonly" or "ro":
                return mount with { ReadOnly = Boolean() };
            case "readwrite" or "rw":
                return mount with { ReadOnly = !Boolean() };
            case "id":
                return mount with { Id = value };
            case "required":
                return mount.Kind is MountKind.Secret or MountKind.Ssh ? mount with { Required = Boolean() } : throw Unexpected("secret and ssh");
            case "size":
                return mount.Kind != MountKind.Tmpfs ? throw Unexpected("tmpfs")
                    : GoValues.TryBytes(value, out var bytes) ? mount with { Size = bytes }
                    : throw error($"invalid value for {key}: {value}: expected bytes, with a unit such as 64m");
            case "sharing":
                return mount with
                {
                    Sharing = value.ToLowerInvariant() switch
                    {
                        "shared" => CacheSharing.Shared,
                        "private" => CacheSharing.Private,
                        "locked" => CacheSharing.Locked,
                        _ => throw error($"unsupported sharing value \"{value}\": expected shared, private or locked"),
                    },
                    Kind = mount.Kind is MountKind.Cache ? mount.Kind : throw Unexpected("cache"),
                };
            case "mode":
                try
                {
                    return mount with { Mode = Convert.ToUInt32(value, 8) };
                }
                catch (Exception e) when (e is FormatException or OverflowException or ArgumentException)
                {
                    throw error($"invalid value {value} for mode: expected an octal number");
                }

            case "uid":
                return mount with { Uid = Number() };
            case "gid":
                return mount with { Gid = Number() };
            case "env":
                return mount with { Variable = value };
            default:
                throw error($"unexpected key '{key}' in '{field}'{Suggestions.For(key, Keys)}");
        }
    }

    private static RunMount Checked(RunMount mount, Func<string, DockerfileException> error)
    {
        var kind = NameOf(mount.Kind);
        if (mount.Kind is MountKind.Bind or MountKind.Cache or MountKind.Tmpfs)
        {
            if (string.IsNullOrEmpty(mount.Target))
            {
                throw error($"{kind} mount requires a target: target=<path> was expected");
            }

            if (mount.Mode is not null && mount.Kind != MountKind.Cache)
            {
                throw error($"{kind} mounts do not support mode");
            }

            if ((mount.Uid is not null || mount.Gid is not null) && mount.Kind != MountKind.Cache)
            {
                throw error($"{kind} mounts do not support uid or gid");
            }
        }

        if (mount.Variable is not null && mount.Kind != MountKind.Secret)
        {
            throw error($"{kind} mounts do not support env");
        }

        if (mount.Kind == MountKind.Secret)
        {
            if (mount.From is not null)
            {
                throw error("secret mount should not have a from");
            }

            if (mount.Id is not null && mount.Source is not null)
            {
                throw error("both id and source can't be set on a secret mount");
            }

            if (string.IsNullOrEmpty(mount.Id ?? mount.Source) && string.IsNullOrEmpty(mount.Target))
            {
                throw error("invalid secret mount: one of id, source or target was expected");
            }
        }

        return mount.Kind is MountKind.Tmpfs && mount.From is not null
            ? throw error("tmpfs mounts do not support from")
            : mount;
    }

    private static string NameOf(MountKind kind) => kind.ToString().ToLowerInvariant();

    private static List<string> Fields(string text, Func<string, DockerfileException> error)
    {
        var fields = new List<string>();
        var field = new StringBuilder();
        var quoted = false;
        for (var i = 0; i < text.Length; i++)
        {
            if (text[i] == '"' && (quoted || field.Length == 0))
            {
                if (quoted && i + 1 < text.Length && text[i + 1] == '"')
                {
                    field.Append(text[++i]);
                }
                else
                {
                    quoted = !quoted;
                }
            }
            else if (text[i] == ',' && !quoted)
            {
                fields.Add(field.ToString());
                field.Clear();
            }
            else
            {
                field.Append(text[i]);
            }
        }

        fields.Add(field.ToString());
        return quoted ? throw error("failed to parse csv mounts: a quote is not closed") : fields;
    }
}
