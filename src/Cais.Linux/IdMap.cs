using System.Buffers.Binary;
using System.Globalization;
using System.Text;

namespace Cais.Linux;

/// <summary>A range of ids: <paramref name="Count"/> ids from <paramref name="Inside"/> on are those from <paramref name="Outside"/> on to the namespace above.</summary>
public readonly record struct IdRange(uint Inside, uint Outside, uint Count);

/// <summary>The ids of a user namespace, seen from the namespace above it; user_namespaces(7).</summary>
public sealed record IdMap(IReadOnlyList<IdRange> Users, IReadOnlyList<IdRange> Groups)
{
    /// <summary>What an id that has no counterpart appears as: the kernel's <c>overflowuid</c>.</summary>
    public const uint Nobody = 65534;

    private const int CapabilitySize2 = 20;
    private const int CapabilitySize3 = 24;
    private const uint CapabilityRevisionMask = 0xff000000;
    private const uint CapabilityRevision2 = 0x02000000;
    private const uint CapabilityRevision3 = 0x03000000;

    /// <summary>The ids of a running process; null for those of this process's own namespace, or when it is gone.</summary>
    public static IdMap? OfProcess(int pid)
    {
        try
        {
            var users = Read(string.Create(CultureInfo.InvariantCulture, $"/proc/{pid}/uid_map"));
            var groups = Read(string.Create(CultureInfo.InvariantCulture, $"/proc/{pid}/gid_map"));
            return users is [{ Inside: 0, Outside: 0, Count: uint.MaxValue }] ? null : new IdMap(users, groups);
        }
        catch (Exception e) when (e is IOException or LinuxException)
        {
            return null;
        }
    }

    /// <summary>The id that a user of the namespace has outside; <see cref="uint.MaxValue"/> for none.</summary>
    public uint UserOutside(uint inside) => Outside(Users, inside);

    public uint GroupOutside(uint inside) => Outside(Groups, inside);

    /// <summary>The id that somebody outside has in the namespace; <see cref="Nobody"/> for none.</summary>
    public uint UserInside(uint outside) => Inside(Users, outside);

    public uint GroupInside(uint outside) => Inside(Groups, outside);

    /// <summary>The lines that the kernel takes in uid_map and gid_map.</summary>
    public static string Text(IReadOnlyList<IdRange> ranges)
    {
        var text = new StringBuilder();
        foreach (var range in ranges)
        {
            text.Append(CultureInfo.InvariantCulture, $"{range.Inside} {range.Outside} {range.Count}\n");
        }

        return text.ToString();
    }

    /// <summary>
    /// A file's capabilities as the namespace's root would have stored them, for writing from outside: capabilities of a namespace bear the number of its root. Any other
    /// value comes back as it is.
    /// </summary>
    public byte[] CapabilityOutside(byte[] value)
    {
        if (value.Length != CapabilitySize2 || Revision(value) != CapabilityRevision2)
        {
            return value;
        }

        var owned = new byte[CapabilitySize3];
        value.CopyTo(owned, 0);
        var magic = BinaryPrimitives.ReadUInt32LittleEndian(value);
        BinaryPrimitives.WriteUInt32LittleEndian(owned, (magic & ~CapabilityRevisionMask) | CapabilityRevision3);
        BinaryPrimitives.WriteUInt32LittleEndian(owned.AsSpan(CapabilitySize2), UserOutside(0));
        return owned;
    }

    /// <summary>Undoes <see cref="CapabilityOutside"/>.</summary>
    public byte[] CapabilityInside(byte[] value)
    {
        if (value.Length != CapabilitySize3 || Revision(value) != CapabilityRevision3
            || BinaryPrimitives.ReadUInt32LittleEndian(value.AsSpan(CapabilitySize2)) != UserOutside(0))
        {
            return value;
        }

        var plain = value[..CapabilitySize2];
        var magic = BinaryPrimitives.ReadUInt32LittleEndian(value);
        BinaryPrimitives.WriteUInt32LittleEndian(plain, (magic & ~CapabilityRevisionMask) | CapabilityRevision2);
        return plain;
    }

    /// <summary>
    /// The ranges that an overlay's mount options name, in containerd's way (<c>uidmap=0:100000:65536</c>, once for each range); null where there are none.
    /// </summary>
    /// <exception cref="FormatException">One of them is not three numbers.</exception>
    public static IdMap? OfMountOptions(IEnumerable<string> options)
    {
        List<IdRange> users = [], groups = [];
        foreach (var option in options)
        {
            if (option.StartsWith("uidmap=", StringComparison.Ordinal))
            {
                users.Add(Parse(option[7..], ':'));
            }
            else if (option.StartsWith("gidmap=", StringComparison.Ordinal))
            {
                groups.Add(Parse(option[7..], ':'));
            }
        }

        return users.Count == 0 && groups.Count == 0 ? null : new IdMap(users, groups);
    }

    /// <summary>Whether a mount option is one of those that <see cref="OfMountOptions"/> reads, which no filesystem knows.</summary>
    public static bool IsMountOption(string option) =>
        option.StartsWith("uidmap=", StringComparison.Ordinal) || option.StartsWith("gidmap=", StringComparison.Ordinal);

    /// <summary>The reverse of <see cref="OfMountOptions"/>.</summary>
    public IEnumerable<string> ToMountOptions() =>
    [
        .. Users.Select(r => string.Create(CultureInfo.InvariantCulture, $"uidmap={r.Inside}:{r.Outside}:{r.Count}")),
        .. Groups.Select(r => string.Create(CultureInfo.InvariantCulture, $"gidmap={r.Inside}:{r.Outside}:{r.Count}")),
    ];

    private static uint Revision(byte[] capability) => BinaryPrimitives.ReadUInt32LittleEndian(capability) & CapabilityRevisionMask;

    private static List<IdRange> Read(string path) =>
        [.. File.ReadLines(path).Select(line => Parse(string.Join(' ', line.Split(' ', StringSplitOptions.RemoveEmptyEntries)), ' '))];

    private static IdRange Parse(string text, char separator)
    {
        var parts = text.Split(separator);
        return parts.Length == 3
            && uint.TryParse(parts[0], NumberStyles.None, CultureInfo.InvariantCulture, out var inside)
            && uint.TryParse(parts[1], NumberStyles.None, CultureInfo.InvariantCulture, out var outside)
            && uint.TryParse(parts[2], NumberStyles.None, CultureInfo.InvariantCulture, out var count)
            ? new IdRange(inside, outside, count)
            : throw new FormatException($"\"{text}\" is no range of ids: first inside, first outside, count");
    }

    private static uint Outside(IReadOnlyList<IdRange> ranges, uint inside)
    {
        foreach (var range in ranges)
        {
            if (inside >= range.Inside && inside - range.Inside < range.Count)
            {
                return range.Outside + (inside - range.Inside);
            }
        }

        return uint.MaxValue;
    }

    private static uint Inside(IReadOnlyList<IdRange> ranges, uint outside)
    {
        foreach (var range in ranges)
        {
            if (outside >= range.Outside && outside - range.Outside < range.Count)
            {
                return range.Inside + (outside - range.Outside);
            }
        }

        return Nobody;
    }
}
