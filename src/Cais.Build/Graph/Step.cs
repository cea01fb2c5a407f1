using Cais.Build.Language;
using Cais.Build.Sources;
using Cais.Oci.Images;

namespace Cais.Build.Graph;

/// <summary>
/// One node of the build graph: something that makes a file system out of other file systems. A step is called by what it does: two with the same
/// <see cref="Digest"/> are the same work, wherever they stand. Steps never change.
/// </summary>
public abstract class Step
{
    private readonly Lazy<Digest> _digest;

    protected Step(IReadOnlyList<Step> inputs, string name)
    {
        Inputs = inputs;
        Name = name;
        _digest = new Lazy<Digest>(() =>
        {
            using var hash = new DefinitionHash(GetType().Name);
            Define(hash);
            hash.Add(Inputs.Count);
            foreach (var input in Inputs)
            {
                hash.Add(input.Digest);
            }

            return hash.Finish();
        });
    }

    /// <summary>What the step reads. The first, if any, is what it changes; see <see cref="HasBase"/>.</summary>
    public IReadOnlyList<Step> Inputs { get; }

    /// <summary>Whether the first input is the file system that the step adds a layer to.</summary>
    public virtual bool HasBase => Inputs.Count > 0;

    /// <summary>What progress calls it: <c>[builder 2/5] RUN make</c>.</summary>
    public string Name { get; }

    /// <summary>Identifies definition and inputs. Says nothing of what sources contain.</summary>
    public Digest Digest => _digest.Value;

    /// <summary>
    /// Whether what the step makes may change although nothing in its definition does: it is done each time, and what it made decides what is done after it.
    /// </summary>
    public virtual bool IsVolatile => false;

    /// <summary>Run even if the cache has it.</summary>
    public bool IgnoreCache { get; init; }

    /// <summary>Where in the Dockerfile it stands.</summary>
    public SourceRange Range { get; init; }

    /// <summary>Writes everything but the inputs that decides what the step does.</summary>
    internal abstract void Define(DefinitionHash hash);

    public override string ToString() => Name;
}

/// <summary>An empty file system.</summary>
public sealed class ScratchStep() : Step([], "scratch")
{
    internal override void Define(DefinitionHash hash)
    {
    }
}

/// <summary>Work beside the graph that progress shows as it shows steps: reading the Dockerfile, sending the context, writing the image.</summary>
public sealed class ActivityStep(string name) : Step([], name)
{
    private readonly Guid _id = Guid.NewGuid();

    internal override void Define(DefinitionHash hash) => hash.Add(_id.ToString());
}

/// <summary>An image's file system.</summary>
public sealed class ImageStep(string reference, ImageIdentity image, string name) : Step([], name)
{
    public string Reference { get; } = reference;

    public ImageIdentity Image { get; } = image;

    internal override void Define(DefinitionHash hash) => hash.Add(Image.DiffIds.Select(d => d.ToString()).ToList()).Add(Image.Platform.ToString());
}

/// <summary>What the graph knows of an image: what it is made of.</summary>
public sealed record ImageIdentity(Digest Manifest, IReadOnlyList<Digest> DiffIds, Platform Platform);

/// <summary>Files of the user: the build context, or a named one.</summary>
public sealed class ContextStep(string context, string name) : Step([], name)
{
    public string Context { get; } = context;

    internal override void Define(DefinitionHash hash) => hash.Add(Context);
}

/// <summary>A file fetched by HTTP, as one file in an otherwise empty file system.</summary>
public sealed class HttpStep(Uri url, string fileName, Digest? checksum, string name) : Step([], name)
{
    public Uri Url { get; } = url;

    /// <summary>What the file is called.</summary>
    public string FileName { get; } = fileName;

    /// <summary>What the content must be.</summary>
    public Digest? Checksum { get; } = checksum;

    public uint Permissions { get; init; } = 0x180;

    public uint Uid { get; init; }

    public uint Gid { get; init; }

    /// <summary>The secret that is the header Authorization; null for those that go by the host's name.</summary>
    public string? HeaderSecret { get; init; }

    /// <summary>Headers of the request, by their names.</summary>
    public IReadOnlyDictionary<string, string> Headers { get; init; } = new Dictionary<string, string>();

    public override bool IsVolatile => Checksum is null;

    internal override void Define(DefinitionHash hash)
    {
        hash.Add(Url.AbsoluteUri).Add(FileName).Add(Checksum?.ToString()).Add(Permissions).Add(Uid).Add(Gid).Add(Headers.Count);
        foreach (var (name, value) in Headers.OrderBy(h => h.Key, StringComparer.Ordinal))
        {
            hash.Add(name).Add(value);
        }
    }
}

/// <summary>A Git repository's files.</summary>
public sealed class GitStep(GitAddress address, bool keepGitDirectory, string name) : Step([], name)
{
    public GitAddress Address { get; } = address;

    public bool KeepGitDirectory { get; } = keepGitDirectory;

    /// <summary>A branch moves; a whole commit does not.</summary>
    public override bool IsVolatile => Address.Checksum is not { Length: 40 or 64 };

    internal override void Define(DefinitionHash hash) =>
        hash.Add(Address.Url).Add(Address.Reference).Add(Address.Directory).Add(Address.Checksum).Add(KeepGitDirectory).Add(Address.Submodules);
}

/// <summary>Makes a directory (WORKDIR) unless it is there.</summary>
public sealed class DirectoryStep(Step root, string path, string owner, string name) : Step([root], name)
{
    public string Path { get; } = path;

    /// <summary>The user that owns a new directory, as USER writes it; looked up in the file system.</summary>
    public string Owner { get; } = owner;

    internal override void Define(DefinitionHash hash) => hash.Add(Path).Add(Owner);
}

/// <summary>COPY and ADD: the first input is changed, the others are sources.</summary>
public sealed class CopyStep : Step
{
    public CopyStep(Step root, IReadOnlyList<CopySource> sources, string name)
        : base([root, .. sources.Where(s => s.Root is not null).Select(s => s.Root!)], name) => Sources = sources;

    public IReadOnlyList<CopySource> Sources { get; }

    /// <summary>Absolute; ends in a slash if it must be a directory.</summary>
    public required string Destination { get; init; }

    /// <summary><c>user[:group]</c> as written, or null for 0:0.</summary>
    public string? Owner { get; init; }

    /// <summary>Whether files without an <see cref="Owner"/> keep the source's.</summary>
    public bool KeepsOwner { get; init; }

    /// <summary>Octal or symbolic, or null to keep the source's.</summary>
    public string? Mode { get; init; }

    /// <summary>Build the files as a layer of their own that depends on nothing below it.</summary>
    public bool IsLink { get; init; }

    /// <summary>Whether it is built so: a user's or group's name can be looked up only in the file system below.</summary>
    public bool IsIndependent => IsLink && (Owner is null || Owner.AsSpan().IndexOfAnyExcept("0123456789:") < 0);

    public bool KeepsParents { get; init; }

    public IReadOnlyList<string> Exclude { get; init; } = [];

    /// <summary>Unpack local archives (ADD), never, or always.</summary>
    public UnpackMode Unpack { get; init; }

    /// <summary>Seconds since 1970 that no file is newer than, or null.</summary>
    public long? LatestTime { get; init; }

    /// <summary>Whether all files get that time, the older ones too.</summary>
    public bool IsTimeExact { get; init; }

    /// <summary>Whether a source that is a symbolic link means what it leads to.</summary>
    public bool FollowsLinks { get; init; } = true;

    /// <summary>Whether a directory goes into a destination that is there as what it is called, as <c>cp</c> has it, and not its contents only, as COPY does.</summary>
    public bool KeepsDirectory { get; init; }

    /// <summary>Whether it is an error that a wildcard matches nothing.</summary>
    public bool DemandsMatch { get; init; }

    /// <summary>Whether what is at a file's place is removed if it is of another kind; if not, that is an error.</summary>
    public bool ReplacesOtherKinds { get; init; }

    /// <summary>Paths below the source that <see cref="Exclude"/> must leave something of.</summary>
    public IReadOnlyList<string> Required { get; init; } = [];

    /// <summary>Whether the destination's directory is made if it is missing, or that is an error.</summary>
    public bool MakesDestination { get; init; } = true;

    internal override void Define(DefinitionHash hash)
    {
        hash.Add(Destination).Add(Owner).Add(Mode).Add(IsLink).Add(KeepsParents).Add(Exclude).Add((int)Unpack).Add(LatestTime ?? -1)
            .Add(IsTimeExact).Add(FollowsLinks).Add(KeepsDirectory).Add(DemandsMatch).Add(MakesDestination).Add(KeepsOwner)
            .Add(ReplacesOtherKinds).Add(Required).Add(Sources.Count);
        foreach (var source in Sources)
        {
            hash.Add(source.Path).Add(source.Content).Add(source.Root is null);
        }
    }
}

public enum UnpackMode
{
    Never,
    Archives,
    Always,
}

/// <summary>One source of a copy: a path, maybe with wildcards, in another step's result; or a file of its own (a heredoc).</summary>
public sealed record CopySource(Step? Root, string Path, string? Content = null);

/// <summary>RUN: a command in a container over the first input.</summary>
public sealed class RunStep : Step
{
    public RunStep(Step root, IReadOnlyList<StepMount> mounts, string name)
        : base([root, .. mounts.Where(m => m.From is not null).Select(m => m.From!)], name) => Mounts = mounts;

    public IReadOnlyList<StepMount> Mounts { get; }

    public required IReadOnlyList<string> Arguments { get; init; }

    /// <summary><c>NAME=value</c>: the image's variables and the build arguments in scope.</summary>
    public required IReadOnlyList<string> Environment { get; init; }

    /// <summary>Variables that the command gets but that do not decide what it makes: proxies.</summary>
    public IReadOnlyList<string> UncachedEnvironment { get; init; } = [];

    public required string WorkingDirectory { get; init; }

    public required string User { get; init; }

    public RunNetwork Network { get; init; }

    public bool IsInsecure { get; init; }

    /// <summary>Files that exist while the command runs: scripts of heredocs.</summary>
    public IReadOnlyList<ScriptFile> Scripts { get; init; } = [];

    public RunEnvironment Surroundings { get; init; } = RunEnvironment.Default;

    /// <summary>Exit codes that count as success; empty for 0 alone.</summary>
    public IReadOnlyList<int> ExpectedExitCodes { get; init; } = [];

    /// <summary>The machine that the command is for. Part of what the first input is, so not of the definition.</summary>
    public Platform Platform { get; init; } = Platform.Current;

    internal override void Define(DefinitionHash hash)
    {
        hash.Add(Arguments).Add(Environment).Add(WorkingDirectory).Add(User).Add((int)Network).Add(IsInsecure).Add(Scripts.Count);
        foreach (var script in Scripts)
        {
            hash.Add(script.Path).Add(script.Content);
        }

        hash.Add(Mounts.Count);
        foreach (var mount in Mounts)
        {
            // Secrets, agents and cache contents must not decide anything; that they are there does.
            hash.Add((int)mount.Mount.Kind).Add(mount.Target).Add(mount.Mount.Source).Add(mount.Mount.IsReadOnly).Add(mount.From is null)
                .Add(mount.Mount.Kind is MountKind.Cache ? mount.CacheId : mount.Mount.Id).Add((int)mount.Mount.Sharing).Add(mount.Mount.Mode ?? -1L)
                .Add(mount.Mount.Uid ?? -1L).Add(mount.Mount.Gid ?? -1L).Add(mount.Mount.Size ?? -1).Add(mount.Mount.Variable).Add(mount.HasOutput);
        }

        hash.Add(ExpectedExitCodes.Select(c => c.ToString(System.Globalization.CultureInfo.InvariantCulture)).ToList());
        Surroundings.Define(hash);
    }
}

/// <summary>A mount of a RUN step, resolved: <paramref name="Target"/> is absolute, <paramref name="From"/> is whose result it shows.</summary>
public sealed record StepMount(RunMount Mount, string Target, Step? From, string? CacheId)
{
    /// <summary>Whether what the command writes there is a result of the step, see <see cref="MountOutputStep"/>. If not, it is thrown away.</summary>
    public bool HasOutput { get; init; }
}

/// <summary>A file, executable, that is there while a command runs.</summary>
public sealed record ScriptFile(string Path, string Content);

/// <summary>What all RUN steps of a build have in common.</summary>
public sealed record RunEnvironment
{
    public static readonly RunEnvironment Default = new();

    /// <summary><c>host:address</c> lines for /etc/hosts.</summary>
    public IReadOnlyList<string> ExtraHosts { get; init; } = [];

    public string? Hostname { get; init; }

    /// <summary>Bytes of /dev/shm.</summary>
    public long? SharedMemory { get; init; }

    /// <summary><c>name=soft[:hard]</c>.</summary>
    public IReadOnlyList<string> Ulimits { get; init; } = [];

    /// <summary>Bytes; limits do not decide what a command makes and are no part of its definition.</summary>
    public long? Memory { get; init; }

    public long? MemoryAndSwap { get; init; }

    public long? CpuShares { get; init; }

    public long? CpuPeriod { get; init; }

    public long? CpuQuota { get; init; }

    public string? CpuSet { get; init; }

    public string? MemoryNodes { get; init; }

    public string? CgroupParent { get; init; }

    /// <summary>The network of commands that ask for no other, by name; null for the engine's default.</summary>
    public string? NetworkName { get; init; }

    internal void Define(DefinitionHash hash) => hash.Add(ExtraHosts).Add(Hostname);
}
