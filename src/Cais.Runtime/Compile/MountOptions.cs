using Cais.Linux;

namespace Cais.Runtime.Compile;

/// <summary>A mount's options, sorted into what each of the kernel's calls takes; the words are those of config.md.</summary>
internal sealed record MountOptions
{
    private const MountAttributes Atime = MountAttributes.AccessTimeMask;

    /// <summary>Words for the mount itself: mount(2)'s flag, and whether the word sets or clears it.</summary>
    private static readonly Dictionary<string, (MountFlags Flag, bool Clear)> FlagWords = new(StringComparer.Ordinal)
    {
        ["async"] = (MountFlags.Synchronous, true),
        ["atime"] = (MountFlags.NoAccessTime, true),
        ["bind"] = (MountFlags.Bind, false),
        ["defaults"] = (MountFlags.None, false),
        ["dev"] = (MountFlags.NoDev, true),
        ["diratime"] = (MountFlags.NoDirectoryAccessTime, true),
        ["dirsync"] = (MountFlags.DirectorySync, false),
        ["exec"] = (MountFlags.NoExec, true),
        ["iversion"] = (MountFlags.InodeVersion, false),
        ["lazytime"] = (MountFlags.LazyTime, false),
        ["loud"] = (MountFlags.Silent, true),
        ["mand"] = (MountFlags.MandatoryLock, false),
        ["noatime"] = (MountFlags.NoAccessTime, false),
        ["nodev"] = (MountFlags.NoDev, false),
        ["nodiratime"] = (MountFlags.NoDirectoryAccessTime, false),
        ["noexec"] = (MountFlags.NoExec, false),
        ["noiversion"] = (MountFlags.InodeVersion, true),
        ["nolazytime"] = (MountFlags.LazyTime, true),
        ["nomand"] = (MountFlags.MandatoryLock, true),
        ["norelatime"] = (MountFlags.RelativeAccessTime, true),
        ["nostrictatime"] = (MountFlags.StrictAccessTime, true),
        ["nosuid"] = (MountFlags.NoSuid, false),
        ["nosymfollow"] = (MountFlags.NoSymlinkFollow, false),
        ["rbind"] = (MountFlags.Bind | MountFlags.Recursive, false),
        ["relatime"] = (MountFlags.RelativeAccessTime, false),
        ["remount"] = (MountFlags.Remount, false),
        ["ro"] = (MountFlags.ReadOnly, false),
        ["rw"] = (MountFlags.ReadOnly, true),
        ["silent"] = (MountFlags.Silent, false),
        ["strictatime"] = (MountFlags.StrictAccessTime, false),
        ["suid"] = (MountFlags.NoSuid, true),
        ["sync"] = (MountFlags.Synchronous, false),
        ["symfollow"] = (MountFlags.NoSymlinkFollow, true),
    };

    private static readonly Dictionary<string, MountFlags> PropagationWords = new(StringComparer.Ordinal)
    {
        ["private"] = MountFlags.Private,
        ["rprivate"] = MountFlags.Private | MountFlags.Recursive,
        ["shared"] = MountFlags.Shared,
        ["rshared"] = MountFlags.Shared | MountFlags.Recursive,
        ["slave"] = MountFlags.Slave,
        ["rslave"] = MountFlags.Slave | MountFlags.Recursive,
        ["unbindable"] = MountFlags.Unbindable,
        ["runbindable"] = MountFlags.Unbindable | MountFlags.Recursive,
    };

    /// <summary>Words for a mount and all below it: mount_setattr(2)'s bits to set and to clear.</summary>
    private static readonly Dictionary<string, (MountAttributes Set, MountAttributes Clear)> RecursiveWords = new(StringComparer.Ordinal)
    {
        ["rro"] = (MountAttributes.ReadOnly, 0),
        ["rrw"] = (0, MountAttributes.ReadOnly),
        ["rnosuid"] = (MountAttributes.NoSuid, 0),
        ["rsuid"] = (0, MountAttributes.NoSuid),
        ["rnodev"] = (MountAttributes.NoDev, 0),
        ["rdev"] = (0, MountAttributes.NoDev),
        ["rnoexec"] = (MountAttributes.NoExec, 0),
        ["rexec"] = (0, MountAttributes.NoExec),
        ["rnodiratime"] = (MountAttributes.NoDirectoryAccessTime, 0),
        ["rdiratime"] = (0, MountAttributes.NoDirectoryAccessTime),
        ["rnosymfollow"] = (MountAttributes.NoSymlinkFollow, 0),
        ["rsymfollow"] = (0, MountAttributes.NoSymlinkFollow),
        ["rnoatime"] = (MountAttributes.NoAccessTime, Atime),
        ["ratime"] = (0, Atime),
        ["rrelatime"] = (0, Atime),
        ["rnorelatime"] = (0, Atime),
        ["rstrictatime"] = (MountAttributes.StrictAccessTime, Atime),
        ["rnostrictatime"] = (0, Atime),
    };

    /// <summary>For mount(2).</summary>
    public MountFlags Flags { get; private init; }

    /// <summary>Flags that were cleared by name: a bind mount takes them away from what its source has.</summary>
    public MountFlags Cleared { get; private init; }

    /// <summary>One call each, in order.</summary>
    public IReadOnlyList<MountFlags> Propagation { get; private init; } = [];

    public MountAttributes RecursiveSet { get; private init; }
    public MountAttributes RecursiveClear { get; private init; }

    /// <summary>Fill a new tmpfs with what the directory below it holds.</summary>
    public bool CopyUp { get; private init; }

    public bool IdMap { get; private init; }
    public bool IdMapRecursive { get; private init; }

    /// <summary>What is left: for the filesystem, joined by commas.</summary>
    public string Data { get; private init; } = "";

    public bool IsBind => (Flags & MountFlags.Bind) != 0;

    public bool IsRecursive => (Flags & MountFlags.Recursive) != 0;

    /// <summary>All words that mean something here; what <c>features</c> lists.</summary>
    public static IReadOnlyList<string> KnownWords()
    {
        var words = new List<string>();
        words.AddRange(FlagWords.Keys);
        words.AddRange(PropagationWords.Keys);
        words.AddRange(RecursiveWords.Keys);
        words.AddRange(["idmap", "ridmap", "tmpcopyup"]);
        words.Sort(StringComparer.Ordinal);
        return words;
    }

    public static MountOptions Parse(IReadOnlyList<string>? words)
    {
        MountFlags flags = 0, cleared = 0;
        MountAttributes recursiveSet = 0, recursiveClear = 0;
        List<MountFlags>? propagation = null;
        List<string>? data = null;
        bool copyUp = false, idMap = false, idMapRecursive = false;
        foreach (var word in words ?? [])
        {
            if (FlagWords.TryGetValue(word, out var flag))
            {
                flags = flag.Clear ? flags & ~flag.Flag : flags | flag.Flag;
                cleared = flag.Clear ? cleared | flag.Flag : cleared & ~flag.Flag;
            }
            else if (PropagationWords.TryGetValue(word, out var kind))
            {
                (propagation ??= []).Add(kind);
            }
            else if (RecursiveWords.TryGetValue(word, out var recursive))
            {
                recursiveSet = (recursiveSet & ~recursive.Clear) | recursive.Set;
                recursiveClear = (recursiveClear & ~recursive.Set) | recursive.Clear;
            }
            else if (word == "tmpcopyup")
            {
                copyUp = true;
            }
            else if (word is "idmap" or "ridmap")
            {
                idMap = true;
                idMapRecursive = word == "ridmap";
            }
            else
            {
                (data ??= []).Add(word);
            }
        }

        return new MountOptions
        {
            Flags = flags,
            Cleared = cleared,
            Propagation = propagation ?? (IReadOnlyList<MountFlags>)[],
            RecursiveSet = recursiveSet,
            RecursiveClear = recursiveClear,
            CopyUp = copyUp,
            IdMap = idMap,
            IdMapRecursive = idMapRecursive,
            Data = data is null ? "" : string.Join(',', data),
        };
    }

    /// <summary>The per-mount part of <see cref="Flags"/> as mount_setattr(2) takes it: what to set and what to clear.</summary>
    public (MountAttributes Set, MountAttributes Clear) Attributes()
    {
        var set = Translate(Flags);
        var clear = Translate(Cleared);
        if ((set & Atime) != 0 || (clear & Atime) != 0 || (Flags & MountFlags.RelativeAccessTime) != 0)
        {
            clear |= Atime;
        }

        return (set, clear);
    }

    private static MountAttributes Translate(MountFlags flags) =>
        ((flags & MountFlags.ReadOnly) != 0 ? MountAttributes.ReadOnly : 0)
        | ((flags & MountFlags.NoSuid) != 0 ? MountAttributes.NoSuid : 0)
        | ((flags & MountFlags.NoDev) != 0 ? MountAttributes.NoDev : 0)
        | ((flags & MountFlags.NoExec) != 0 ? MountAttributes.NoExec : 0)
        | ((flags & MountFlags.NoDirectoryAccessTime) != 0 ? MountAttributes.NoDirectoryAccessTime : 0)
        | ((flags & MountFlags.NoSymlinkFollow) != 0 ? MountAttributes.NoSymlinkFollow : 0)
        | ((flags & MountFlags.NoAccessTime) != 0 ? MountAttributes.NoAccessTime
            : (flags & MountFlags.StrictAccessTime) != 0 ? MountAttributes.StrictAccessTime : 0);
}
