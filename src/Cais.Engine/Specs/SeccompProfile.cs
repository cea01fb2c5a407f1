using System.Text.Json;
using System.Text.Json.Serialization;
using Cais.Oci.Runtime;

namespace Cais.Engine.Specs;

/// <summary>
/// A seccomp profile in docker's form, whose rules may depend on architecture, kernel version and the container's capabilities; resolving it
/// gives the runtime specification's form. The default one is moby's (see seccomp-default.md).
/// </summary>
internal sealed record SeccompProfile
{
    public string? DefaultAction { get; init; }

    public uint? DefaultErrnoRet { get; init; }

    /// <summary>Plain form: architectures as they are.</summary>
    public IReadOnlyList<string>? Architectures { get; init; }

    public IReadOnlyList<SeccompArchitecture>? ArchMap { get; init; }

    public IReadOnlyList<string>? Flags { get; init; }

    public string? ListenerPath { get; init; }

    public string? ListenerMetadata { get; init; }

    public IReadOnlyList<SeccompSyscall>? Syscalls { get; init; }

    /// <summary>Docker's default profile.</summary>
    public static SeccompProfile LoadDefault()
    {
        using var stream = typeof(SeccompProfile).Assembly.GetManifestResourceStream("seccomp-default.json")!;
        return JsonSerializer.Deserialize(stream, SeccompJson.Default.SeccompProfile)!;
    }

    /// <summary>A profile that a user sent. Throws docker's sentence for what is not one.</summary>
    public static SeccompProfile Parse(string json)
    {
        SeccompProfile? profile;
        try
        {
            profile = JsonSerializer.Deserialize(json, SeccompJson.Default.SeccompProfile);
        }
        catch (JsonException e)
        {
            throw EngineException.InvalidParameter($"Decoding seccomp profile failed: line {(e.LineNumber ?? 0) + 1}, byte {e.BytePositionInLine ?? 0} is not what was expected");
        }

        if (profile?.DefaultAction is null)
        {
            throw EngineException.InvalidParameter("Decoding seccomp profile failed: it has no defaultAction");
        }

        return profile.Architectures is { Count: > 0 } && profile.ArchMap is { Count: > 0 }
            ? throw EngineException.InvalidParameter("both 'architectures' and 'archMap' are specified in the seccomp profile, use either 'architectures' or 'archMap'")
            : profile;
    }

    /// <param name="capabilities">What the container may have at most.</param>
    /// <param name="host">Architecture and kernel.</param>
    public Seccomp Resolve(IReadOnlyList<string> capabilities, HostFacts host)
    {
        var native = ArchMap?.FirstOrDefault(a => a.Architecture == host.SeccompArchitecture);
        var rules = new List<SeccompRule>();
        foreach (var syscall in Syscalls ?? [])
        {
            if (syscall.Excludes is { } excludes
                && (excludes.Arches?.Contains(host.Architecture) == true
                    || excludes.Caps?.Any(capabilities.Contains) == true
                    || (excludes.MinKernel is { } except && host.KernelIsAtLeast(except))))
            {
                continue;
            }

            if (syscall.Includes is { } includes
                && ((includes.Arches is { Count: > 0 } arches && !arches.Contains(host.Architecture))
                    || (includes.Caps is { Count: > 0 } caps && !caps.All(capabilities.Contains))
                    || (includes.MinKernel is { } from && !host.KernelIsAtLeast(from))))
            {
                continue;
            }

            rules.Add(new SeccompRule
            {
                Names = syscall.Names is { Count: > 0 } names ? names : syscall.Name is { } name ? [name] : [],
                Action = syscall.Action ?? DefaultAction!,
                ErrnoRet = syscall.ErrnoRet,
                Args = syscall.Args is { Count: > 0 } args ? args : null,
            });
        }

        return new Seccomp
        {
            DefaultAction = DefaultAction!,
            DefaultErrnoRet = DefaultErrnoRet,
            Architectures = native is not null ? [native.Architecture, .. native.SubArchitectures ?? []] : Architectures,
            Flags = Flags,
            ListenerPath = ListenerPath,
            ListenerMetadata = ListenerMetadata,
            Syscalls = rules,
        };
    }
}

internal sealed record SeccompArchitecture
{
    public string Architecture { get; init; } = "";

    public IReadOnlyList<string>? SubArchitectures { get; init; }
}

internal sealed record SeccompSyscall
{
    public string? Name { get; init; }

    public IReadOnlyList<string>? Names { get; init; }

    public string? Action { get; init; }

    public uint? ErrnoRet { get; init; }

    public IReadOnlyList<SeccompArgument>? Args { get; init; }

    public SeccompCondition? Includes { get; init; }

    public SeccompCondition? Excludes { get; init; }
}

internal sealed record SeccompCondition
{
    public IReadOnlyList<string>? Caps { get; init; }

    public IReadOnlyList<string>? Arches { get; init; }

    public string? MinKernel { get; init; }
}

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, PropertyNameCaseInsensitive = true)]
[JsonSerializable(typeof(SeccompProfile))]
internal sealed partial class SeccompJson : JsonSerializerContext;
