using Cais.Cli.CommandLine;
using Cais.Cli.Commands.Containers;

namespace Cais.Cli.Commands.Builds;

/// <summary>The flags of <c>build</c>: the legacy builder's, and buildx's.</summary>
internal static class BuildFlags
{
    public static readonly Flag<IReadOnlyList<string>> Allow = Flags.List("allow", "Let the build have what it may not have otherwise (\"network.host\", \"security.insecure\")");
    public static readonly Flag<IReadOnlyList<string>> Annotation = Flags.List("annotation", "Annotate the image");
    public static readonly Flag<IReadOnlyList<string>> Attest = Flags.List("attest", "Attach a statement about the image (\"type=sbom\", \"type=provenance,mode=max\")");
    public static readonly Flag<IReadOnlyList<string>> BuildArg = Flags.List("build-arg", "Set a build argument");
    public static readonly Flag<IReadOnlyList<string>> BuildContext = Flags.List("build-context", "A further build context (NAME=PATH, URL or docker-image://IMAGE)");
    public static readonly Flag<IReadOnlyList<string>> CacheFrom = Flags.Custom<IReadOnlyList<string>>(
        "cache-from", "stringSlice", "Use the cache of an image, registry or directory (\"type=local,src=DIR\")", [], static (text, previous) => [.. previous, .. Names(text)], defaultText: "[]");
    public static readonly Flag<IReadOnlyList<string>> CacheTo = Flags.List("cache-to", "Send the cache there afterwards (\"type=registry,ref=NAME,mode=max\")");
    public static readonly Flag<string> Call = Flags.Text("call", "What to do: \"build\", \"check\" or \"targets\"", defaultValue: "build");
    public static readonly Flag<string> CgroupParent = Flags.Text("cgroup-parent", "Parent cgroup of RUN commands");
    public static readonly Flag<bool> Check = Flags.Bool("check", "Only check the Dockerfile (--call=check)");
    public static readonly Flag<bool> Compress = Flags.Bool("compress", "Without effect: only what has changed is sent");
    public static readonly Flag<long> CpuPeriod = Flags.Int64("cpu-period", "Limit the CPU CFS (Completely Fair Scheduler) period");
    public static readonly Flag<long> CpuQuota = Flags.Int64("cpu-quota", "Limit the CPU CFS (Completely Fair Scheduler) quota");
    public static readonly Flag<long> CpuShares = Flags.Int64("cpu-shares", "CPU shares (relative weight)", 'c');
    public static readonly Flag<string> CpusetCpus = Flags.Text("cpuset-cpus", "CPUs in which to allow execution (0-3, 0,1)");
    public static readonly Flag<string> CpusetMems = Flags.Text("cpuset-mems", "MEMs in which to allow execution (0-3, 0,1)");
    public static readonly Flag<string> File = Flags.Text("file", "Name of the Dockerfile (default: \"PATH/Dockerfile\")", 'f');
    public static readonly Flag<bool> ForceRm = Flags.Bool("force-rm", "Without effect: nothing is left in between");
    public static readonly Flag<string> IidFile = Flags.Text("iidfile", "Write the image ID to the file");
    public static readonly Flag<string> Isolation = Flags.Text("isolation", "Container isolation technology");
    public static readonly Flag<IReadOnlyList<string>> Label = Flags.List("label", "Set metadata for an image");
    public static readonly Flag<bool> Load = Flags.Bool("load", "Put the image into the daemon's store (--output=type=docker): what happens anyway");
    public static readonly Flag<long> Memory = Flags.Bytes("memory", "Memory limit", 'm');
    public static readonly Flag<long> MemorySwap = Flags.SwapBytes("memory-swap", "Swap limit equal to memory plus swap: -1 to enable unlimited swap");
    public static readonly Flag<string> MetadataFile = Flags.Text("metadata-file", "Write what was made to the file, as JSON");
    public static readonly Flag<string> Network = Flags.Text("network", "Networking mode of RUN commands", defaultValue: "default", api: "1.25");
    public static readonly Flag<bool> NoCache = Flags.Bool("no-cache", "Do not use the cache");
    public static readonly Flag<IReadOnlyList<string>> NoCacheFilter = Flags.List("no-cache-filter", "Do not use the cache for these stages");
    public static readonly Flag<IReadOnlyList<string>> Output = Flags.List("output", "Where the result goes (\"type=local,dest=DIR\")", 'o');
    public static readonly Flag<IReadOnlyList<string>> Platform = Flags.Custom<IReadOnlyList<string>>(
        "platform", "string", "Platforms to build for, with commas between them", [], static (text, previous) => [.. previous, .. text.Split(',')], api: "1.38");
    public static readonly Flag<string> Progress = Flags.Text("progress", "How to show the progress (\"auto\", \"plain\", \"tty\", \"quiet\", \"rawjson\")", defaultValue: "auto");
    public static readonly Flag<string> Provenance = Flags.Text("provenance", "Shorthand for --attest=type=provenance");
    public static readonly Flag<bool> Pull = Flags.Bool("pull", "Always ask the registries for newer base images");
    public static readonly Flag<bool> Push = Flags.Bool("push", "Shorthand for --output=type=registry");
    public static readonly Flag<bool> Quiet = Flags.Bool("quiet", "Show nothing but the image ID at the end", 'q');
    public static readonly Flag<bool> Remove = Flags.Bool("rm", "Without effect: nothing is left in between", defaultValue: true);
    public static readonly Flag<string> Sbom = Flags.Text("sbom", "Shorthand for --attest=type=sbom");
    public static readonly Flag<IReadOnlyList<string>> Secret = Flags.List("secret", "A secret for RUN --mount=type=secret (\"id=ID[,src=PATH|,env=NAME]\")");
    public static readonly Flag<IReadOnlyList<string>> SecurityOpt = Flags.Slice("security-opt", "Security options");
    public static readonly Flag<long> ShmSize = Flags.Bytes("shm-size", "Size of \"/dev/shm\"");
    public static readonly Flag<bool> Squash = Flags.Bool("squash", "Squash newly built layers into a single new layer", api: "1.25");
    public static readonly Flag<IReadOnlyList<string>> Ssh = Flags.List("ssh", "An SSH agent for RUN --mount=type=ssh (\"default|ID[=SOCKET]\")");
    public static readonly Flag<IReadOnlyList<string>> Tag = Flags.List("tag", "Name and optionally a tag (\"name:tag\")", 't');
    public static readonly Flag<string> Target = Flags.Text("target", "Set the target build stage to build");

    public static IReadOnlyList<Flag> All { get; } =
    [
        ContainerFlags.AddHost, Allow, Annotation, Attest, BuildArg, BuildContext, CacheFrom, CacheTo, Call, CgroupParent, Check, Compress, CpuPeriod, CpuQuota, CpuShares,
        CpusetCpus, CpusetMems, ContainerFlags.DisableContentTrust, File, ForceRm, IidFile, Isolation, Label, Load, Memory, MemorySwap, MetadataFile, Network, NoCache, NoCacheFilter, Output,
        Platform, Progress, Provenance, Pull, Push, Quiet, Remove, Sbom, Secret, SecurityOpt, ShmSize, Squash, Ssh, Tag, Target, ContainerFlags.UlimitFlag,
    ];

    /// <summary>Several names with commas, or one description of a cache, whose own commas belong to it.</summary>
    private static IReadOnlyList<string> Names(string text) => text.Contains('=', StringComparison.Ordinal) ? [text] : Values.CommaList.Read(text);
}
