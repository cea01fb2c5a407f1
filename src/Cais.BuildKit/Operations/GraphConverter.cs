using System.Globalization;
using Cais.Build.Graph;
using Cais.Build.Language;
using Cais.Build.Patterns;
using Cais.BuildKit.Grpc;
using Pb;
using Platform = Cais.Oci.Images.Platform;

namespace Cais.BuildKit.Operations;

/// <summary>Turns low-level operations into the solver's steps. One for one graph.</summary>
/// <param name="sources">Makes a step of a source.</param>
/// <param name="platform">What operations that name none are for.</param>
internal sealed class GraphConverter(OperationGraph graph, Func<SourceOp, Platform, string, Task<Step>> sources, Platform platform)
{
    private const string DefaultPath = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
    private const int MostDepth = 2_000;

    private readonly Dictionary<string, Step?[]> _converted = [];
    private int _depth;

    /// <summary>The step that makes what the graph is for. Throws <see cref="GrpcException"/>.</summary>
    public async Task<Step> ConvertAsync() => AsTree(await OutputAsync(graph.Result));

    private async Task<Step> OutputAsync(Input input)
    {
        if (!_converted.TryGetValue(input.Digest, out var outputs))
        {
            if (++_depth > MostDepth)
            {
                throw OperationGraph.Invalid("it is nested too deeply");
            }

            // Others go on where this has waited: what is converted is there before it is asked for again.
            _converted[input.Digest] = outputs = await ConvertAsync(input.Digest, graph[input.Digest]);
            _depth--;
        }

        return (input.Index < outputs.Length ? outputs[input.Index] : null) ?? throw OperationGraph.Invalid($"the operation {input.Digest} has no output {input.Index}");
    }

    private async Task<Step?[]> ConvertAsync(string digest, Op operation)
    {
        var inputs = new List<Step>();
        foreach (var input in operation.Inputs)
        {
            inputs.Add(await OutputAsync(input));
        }

        Step Input(long index) => index >= 0 && index < inputs.Count ? inputs[(int)index] : throw OperationGraph.Invalid($"the operation {digest} has no input {index}");
        var name = graph.MetadataOf(digest).Description.GetValueOrDefault("llb.customname");
        switch (operation.OpCase)
        {
            case Op.OpOneofCase.Source:
                return [await sources(operation.Source, PlatformOf(operation), name ?? operation.Source.Identifier)];
            case Op.OpOneofCase.Exec:
                return Exec(digest, operation, Input, name);
            case Op.OpOneofCase.File:
                return new FileOperation(operation.File, inputs, name, graph.MetadataOf(digest).IgnoreCache).Convert();
            case Op.OpOneofCase.Merge:
                return [new MergeStep([.. operation.Merge.Inputs.Select(i => i.Input < 0 ? new ScratchStep() : AsTree(Input(i.Input)))], name ?? "merge")];
            case Op.OpOneofCase.Diff:
                var (lower, upper) = (operation.Diff.Lower?.Input ?? -1, operation.Diff.Upper?.Input ?? -1);
                return [new DiffStep(lower < 0 ? new ScratchStep() : AsTree(Input(lower)), upper < 0 ? new ScratchStep() : AsTree(Input(upper)), name ?? "diff")];
            case Op.OpOneofCase.Build:
                throw new GrpcException(GrpcStatusCode.Unimplemented, "operations that build (BuildOp) are not supported: solve what they build first");
            default:
                throw new GrpcException(GrpcStatusCode.Unimplemented, $"operations of the kind {operation.OpCase} are not supported");
        }
    }

    private Platform PlatformOf(Op operation) => operation.Platform is { OS.Length: > 0, Architecture.Length: > 0 } p
        ? new Platform { Os = p.OS, Architecture = p.Architecture, Variant = p.Variant.Length > 0 ? p.Variant : null }.Normalized()
        : platform;

    private Step?[] Exec(string digest, Op operation, Func<long, Step> input, string? name)
    {
        var exec = operation.Exec;
        var meta = exec.Meta ?? throw OperationGraph.Invalid($"the operation {digest} says nothing of what to run");
        if (meta.Args.Count == 0)
        {
            throw OperationGraph.Invalid($"the operation {digest} has no arguments");
        }

        if (exec.CdiDevices.Any(d => !d.Optional))
        {
            throw new GrpcException(GrpcStatusCode.Unimplemented, "CDI devices are not given to builds");
        }

        Step? root = null;
        long rootOutput = -1;
        var mounts = new List<(StepMount Mount, long Output)>();
        foreach (var mount in exec.Mounts)
        {
            var from = mount.Input < 0 ? null : input(mount.Input);
            if (mount.Dest == "/" && mount.MountType == MountType.Bind)
            {
                root = AsTree(from ?? new ScratchStep());
                rootOutput = mount.Output;
                continue;
            }

            mounts.Add((MountOf(mount, from), mount.Output));
        }

        foreach (var secret in exec.Secretenv)
        {
            mounts.Add((new StepMount(new RunMount { Kind = MountKind.Secret, Id = secret.ID, Variable = secret.Name, Required = !secret.Optional }, "", null, null), -1));
        }

        var metadata = graph.MetadataOf(digest);
        var run = new RunStep(
            root ?? throw OperationGraph.Invalid($"the operation {digest} has nothing mounted at /"), [.. mounts.Select(m => m.Mount)], name ?? string.Join(' ', meta.Args))
        {
            Arguments = [.. meta.Args],
            Environment = meta.Env.Any(e => e.StartsWith("PATH=", StringComparison.Ordinal)) ? [.. meta.Env] : [DefaultPath, .. meta.Env],
            UncachedEnvironment = [.. Proxies(meta.ProxyEnv)],
            WorkingDirectory = meta.Cwd.Length > 0 ? GoPath.Rooted(meta.Cwd) : "/",
            User = meta.User,
            Network = exec.Network switch
            {
                NetMode.Host => RunNetwork.Host,
                NetMode.None => RunNetwork.None,
                _ => RunNetwork.Default,
            },
            IsInsecure = exec.Security == SecurityMode.Insecure,
            ExpectedExitCodes = [.. meta.ValidExitCodes],
            Surroundings = SurroundingsOf(meta, metadata.LinuxResources),
            Platform = PlatformOf(operation),
            IgnoreCache = metadata.IgnoreCache,
        };
        var last = exec.Mounts.Max(m => m.Output);
        var outputs = new Step?[last <= exec.Mounts.Count ? last + 1 : throw OperationGraph.Invalid($"the operation {digest} has an output {last}")];
        if (rootOutput >= 0)
        {
            outputs[rootOutput] = run;
        }

        for (var i = 0; i < mounts.Count; i++)
        {
            if (mounts[i].Mount.HasOutput)
            {
                outputs[mounts[i].Output] = new MountOutputStep(run, i, $"{run.Name}: {mounts[i].Mount.Target}");
            }
        }

        return outputs;
    }

    private static StepMount MountOf(Mount mount, Step? from)
    {
        static uint? Given(uint value) => value;
        var selector = mount.Selector.Length > 0 ? mount.Selector : null;
        var target = mount.Dest.Length > 0 ? GoPath.Rooted(mount.Dest) : "";
        switch (mount.MountType)
        {
            case MountType.Bind:
                var hasOutput = mount.Output >= 0 && !mount.Readonly;
                from ??= new ScratchStep();
                return new StepMount(
                    new RunMount { Kind = MountKind.Bind, Source = selector, ReadOnly = mount.Readonly, Target = target }, target, hasOutput ? AsTree(from) : from, null)
                { HasOutput = hasOutput };
            case MountType.Cache:
                var sharing = mount.CacheOpt?.Sharing switch
                {
                    CacheSharingOpt.Private => CacheSharing.Private,
                    CacheSharingOpt.Locked => CacheSharing.Locked,
                    _ => CacheSharing.Shared,
                };
                var id = mount.CacheOpt is { ID.Length: > 0 } cache ? cache.ID : target;
                return new StepMount(
                    new RunMount { Kind = MountKind.Cache, Source = selector, ReadOnly = mount.Readonly, Target = target, Sharing = sharing, Id = id }, target, from, id);
            case MountType.Tmpfs:
                return new StepMount(new RunMount { Kind = MountKind.Tmpfs, Target = target, Size = mount.TmpfsOpt is { Size: > 0 } memory ? memory.Size : null }, target, null, null);
            case MountType.Secret:
                var secret = mount.SecretOpt ?? new SecretOpt();
                return new StepMount(
                    new RunMount
                    {
                        Kind = MountKind.Secret,
                        Id = secret.ID.Length > 0 ? secret.ID : target,
                        Target = target,
                        Uid = Given(secret.Uid),
                        Gid = Given(secret.Gid),
                        Mode = secret.Mode == 0 ? null : secret.Mode,
                        Required = !secret.Optional,
                    },
                    target, null, null);
            case MountType.Ssh:
                var agent = mount.SSHOpt ?? new SSHOpt();
                return new StepMount(
                    new RunMount
                    {
                        Kind = MountKind.Ssh,
                        Id = agent.ID,
                        Target = target,
                        Uid = Given(agent.Uid),
                        Gid = Given(agent.Gid),
                        Mode = agent.Mode == 0 ? null : agent.Mode,
                        Required = !agent.Optional,
                    },
                    target, null, null);
            default:
                throw new GrpcException(GrpcStatusCode.Unimplemented, $"mounts of the kind {mount.MountType} are not supported");
        }
    }

    /// <summary>A context's files as something that can be changed: they are copied when they are more than the source of a copy.</summary>
    internal static Step AsTree(Step step) => step is ContextStep
        ? new CopyStep(new ScratchStep(), [new CopySource(step, "/")], $"copy {step.Name}") { Destination = "/" }
        : step;

    private static RunEnvironment SurroundingsOf(Meta meta, LinuxResources? limits) => new()
    {
        ExtraHosts = [.. meta.ExtraHosts.Select(h => $"{h.Host}:{h.IP}")],
        Hostname = meta.Hostname.Length > 0 ? meta.Hostname : null,
        Ulimits = [.. meta.Ulimit.Select(u => string.Create(CultureInfo.InvariantCulture, $"{u.Name}={u.Soft}:{u.Hard}"))],
        CgroupParent = meta.CgroupParent.Length > 0 ? meta.CgroupParent : null,
        Memory = Positive(limits?.Memory),
        MemoryAndSwap = Positive(limits?.MemorySwap),
        CpuShares = Positive((long?)limits?.CpuShares),
        CpuPeriod = Positive((long?)limits?.CpuPeriod),
        CpuQuota = Positive(limits?.CpuQuota),
        CpuSet = limits is { CpusetCpus.Length: > 0 } ? limits.CpusetCpus : null,
        MemoryNodes = limits is { CpusetMems.Length: > 0 } ? limits.CpusetMems : null,
    };

    private static long? Positive(long? value) => value > 0 ? value : null;

    private static IEnumerable<string> Proxies(ProxyEnv? proxies)
    {
        (string Name, string? Value)[] all =
        [
            ("HTTP_PROXY", proxies?.HttpProxy), ("HTTPS_PROXY", proxies?.HttpsProxy), ("FTP_PROXY", proxies?.FtpProxy), ("NO_PROXY", proxies?.NoProxy), ("ALL_PROXY", proxies?.AllProxy),
        ];
        return all.Where(p => !string.IsNullOrEmpty(p.Value)).SelectMany(p => (IEnumerable<string>)[$"{p.Name}={p.Value}", $"{p.Name.ToLowerInvariant()}={p.Value}"]);
    }
}
