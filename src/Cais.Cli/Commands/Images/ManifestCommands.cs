using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Cais.Cli.CommandLine;
using Cais.Cli.Configuration;
using Cais.Client;
using Cais.Oci;
using Cais.Oci.Images;
using Index = Cais.Oci.Images.Index;

namespace Cais.Cli.Commands.Images;

/// <summary><c>manifest ...</c>: lists of one image's manifests for several platforms, made here and kept in a registry.</summary>
internal static class ManifestGroup
{
    public static Command Define() => new()
    {
        Use = "manifest COMMAND",
        Summary = "Manage image manifests and manifest lists",
        Category = CommandCategory.Management,
        Children = [AnnotateManifest.Define, CreateManifest.Define, InspectManifest.Define, PushManifest.Define, RemoveManifest.Define],
    };

    /// <summary>The daemon decides which registries may be insecure; the flag is accepted as docker's is.</summary>
    public static readonly Flag<bool> Insecure = Flags.Bool("insecure", "Accepted for compatibility: the daemon's insecure-registries decide");

    public static ManifestStore StoreOf(Session session) => new(session.Configuration.Directory);

    public static Reference Parse(string text) => ImagePuller.Parse(text).WithDefaultTag();

    /// <summary>A manifest as its registry has it.</summary>
    public static async Task<StoredManifest> FetchAsync(Session session, Reference reference)
    {
        using var response = await session.Engine.SendAsync(
            new EngineRequest("GET", $"/distribution/{EngineRequest.Escape(reference.ToString())}/manifest")
                .WithHeader("X-Registry-Auth", new RegistryCredentials(session.Configuration).Header(reference.Domain))).ConfigureAwait(false);
        var raw = (await response.ReadAllAsync(Manifest.LargestSize).ConfigureAwait(false)).ToArray();
        var mediaType = response.Head["Content-Type"] ?? "";
        var descriptor = new Descriptor { MediaType = mediaType, Digest = reference.Digest ?? Digest.Of(raw), Size = raw.Length };
        return new StoredManifest(reference, descriptor, raw);
    }

    /// <summary>For which platform a manifest is, as its configuration says.</summary>
    public static async Task<Platform> PlatformAsync(Session session, Reference reference)
    {
        using var answer = await session.Engine.GetDocumentAsync(
            new EngineRequest("GET", $"/distribution/{EngineRequest.Escape(reference.ToString())}/json")
                .WithHeader("X-Registry-Auth", new RegistryCredentials(session.Configuration).Header(reference.Domain))).ConfigureAwait(false);
        return answer.RootElement.TryGetProperty("Platforms", out var platforms) && platforms.ValueKind == JsonValueKind.Array && platforms.GetArrayLength() > 0
            ? platforms[0].Deserialize(PlatformJson.Default.Platform)!
            : new Platform();
    }

    /// <summary>The list as it will be pushed: Docker's kind if all members are, otherwise OCI's.</summary>
    public static Index IndexOf(IReadOnlyList<StoredManifest> members) => new()
    {
        MediaType = members.All(m => m.Descriptor.MediaType == MediaTypes.DockerManifest) ? MediaTypes.DockerIndex : MediaTypes.OciIndex,
        Manifests = [.. members.Select(m => m.Descriptor)],
    };

    public static string Indented(byte[] json)
    {
        using var document = JsonDocument.Parse(json);
        var text = new StringBuilder();
        GoJson.WriteIndented(text, document.RootElement, 0, "   ");
        return text.ToString();
    }
}

[System.Text.Json.Serialization.JsonSerializable(typeof(Platform))]
internal sealed partial class PlatformJson : System.Text.Json.Serialization.JsonSerializerContext;

/// <summary><c>manifest create</c></summary>
internal static class CreateManifest
{
    private static readonly Flag<bool> Amend = Flags.Bool("amend", "Add to an existing manifest list", 'a');

    public static Command Define() => new()
    {
        Use = "create MANIFEST_LIST MANIFEST [MANIFEST...]",
        Summary = "Create a local manifest list for annotating and pushing to a registry",
        Arguments = ArgumentRule.AtLeast(2),
        Flags = [Amend, ManifestGroup.Insecure],
        Run = static async context =>
        {
            var (session, store) = (context.Session, ManifestGroup.StoreOf(context.Session));
            var list = ManifestGroup.Parse(context.Arguments[0]);
            if (store.Has(list) && !context.Get(Amend))
            {
                throw new CommandException("refusing to amend an existing manifest list with no --amend flag");
            }

            // All of them first: a list of which a member cannot be had is not begun.
            var members = new List<StoredManifest>();
            foreach (var name in context.Arguments.Skip(1))
            {
                var reference = ManifestGroup.Parse(name);
                var manifest = await ManifestGroup.FetchAsync(session, reference).ConfigureAwait(false);
                if (MediaTypes.IsIndex(manifest.Descriptor.MediaType))
                {
                    throw new CommandException($"{name} is a manifest list");
                }

                var platform = await ManifestGroup.PlatformAsync(session, reference).ConfigureAwait(false);
                members.Add(manifest with { Descriptor = manifest.Descriptor with { Platform = platform } });
            }

            members.ForEach(m => store.Put(list, m));
            session.Out.Write($"Created manifest list {list}\n");
            return 0;
        },
    };
}

/// <summary><c>manifest annotate</c></summary>
internal static class AnnotateManifest
{
    private static readonly Flag<string> Arch = Flags.Text("arch", "Set architecture");
    private static readonly Flag<string> Os = Flags.Text("os", "Set operating system");
    private static readonly Flag<IReadOnlyList<string>> OsFeatures = Flags.Slice("os-features", "Set operating system features");
    private static readonly Flag<string> OsVersion = Flags.Text("os-version", "Set operating system version");
    private static readonly Flag<string> Variant = Flags.Text("variant", "Set architecture variant");

    public static Command Define() => new()
    {
        Use = "annotate [OPTIONS] MANIFEST_LIST MANIFEST",
        Summary = "Add additional information to a local image manifest",
        Arguments = ArgumentRule.Exactly(2),
        Flags = [Arch, Os, OsFeatures, OsVersion, Variant],
        Run = static context =>
        {
            var store = ManifestGroup.StoreOf(context.Session);
            var (list, reference) = (ManifestGroup.Parse(context.Arguments[0]), ManifestGroup.Parse(context.Arguments[1]));
            var member = store.Member(list, reference)
                ?? throw new CommandException($"manifest for image {context.Arguments[1]} does not exist in {context.Arguments[0]}");
            var old = member.Descriptor.Platform ?? new Platform();
            var platform = new Platform
            {
                Architecture = context.Get(Arch) is { Length: > 0 } arch ? arch : old.Architecture,
                Os = context.Get(Os) is { Length: > 0 } os ? os : old.Os,
                OsVersion = context.Get(OsVersion) is { Length: > 0 } version ? version : old.OsVersion,
                OsFeatures = context.Get(OsFeatures) is { Count: > 0 } features ? [.. (old.OsFeatures ?? []).Union(features)] : old.OsFeatures,
                Variant = context.Get(Variant) is { Length: > 0 } variant ? variant : old.Variant,
            };
            if (platform.Os.Length == 0 || platform.Architecture.Length == 0)
            {
                throw new CommandException($"manifest entry for image has unsupported os/arch combination: {platform.Os}/{platform.Architecture}");
            }

            store.Put(list, member with { Descriptor = member.Descriptor with { Platform = platform } });
            return Task.FromResult(0);
        },
    };
}

/// <summary><c>manifest inspect</c></summary>
internal static class InspectManifest
{
    private static readonly Flag<bool> Verbose = Flags.Bool("verbose", "Output additional info including layers and platform", 'v');

    public static Command Define() => new()
    {
        Use = "inspect [OPTIONS] [MANIFEST_LIST] MANIFEST",
        Summary = "Display an image manifest, or manifest list",
        Arguments = ArgumentRule.Between(1, 2),
        Flags = [ManifestGroup.Insecure, Verbose],
        Run = static async context =>
        {
            var (session, store) = (context.Session, ManifestGroup.StoreOf(context.Session));
            if (context.Arguments is [var listName, var memberName])
            {
                var member = store.Member(ManifestGroup.Parse(listName), ManifestGroup.Parse(memberName))
                    ?? throw new CommandException($"No such manifest: {memberName}");
                Print(session, member, context.Get(Verbose));
                return 0;
            }

            var reference = ManifestGroup.Parse(context.Arguments[0]);
            if (store.Has(reference))
            {
                session.Out.Write(ManifestGroup.Indented(ManifestGroup.IndexOf(store.Members(reference)).ToJson()) + "\n");
                return 0;
            }

            var found = await ManifestGroup.FetchAsync(session, reference).ConfigureAwait(false);
            if (!context.Get(Verbose))
            {
                Print(session, found, verbose: false);
            }
            else if (!MediaTypes.IsIndex(found.Descriptor.MediaType))
            {
                var platform = await ManifestGroup.PlatformAsync(session, reference).ConfigureAwait(false);
                Print(session, found with { Descriptor = found.Descriptor with { Platform = platform } }, verbose: true);
            }
            else
            {
                var members = new JsonArray();
                foreach (var entry in Index.Parse(found.Raw).Manifests)
                {
                    var member = await ManifestGroup.FetchAsync(session, reference.WithDigest(entry.Digest)).ConfigureAwait(false);
                    members.Add((JsonNode)Describe(member with { Descriptor = entry }));
                }

                session.Out.Write(ManifestGroup.Indented(Encoding.UTF8.GetBytes(members.ToJsonString())) + "\n");
            }

            return 0;
        },
    };

    private static void Print(Session session, StoredManifest manifest, bool verbose) => session.Out.Write(
        ManifestGroup.Indented(verbose ? Encoding.UTF8.GetBytes(Describe(manifest).ToJsonString()) : manifest.Raw) + "\n");

    private static JsonObject Describe(StoredManifest manifest) => new()
    {
        ["Ref"] = manifest.Reference.ToString(),
        ["Descriptor"] = JsonNode.Parse(PlainJson.Bytes(manifest.Descriptor, OciImagesJson.Default.Descriptor)),
        ["Raw"] = Convert.ToBase64String(manifest.Raw),
        [manifest.Descriptor.MediaType == MediaTypes.DockerManifest ? "SchemaV2Manifest" : "OCIManifest"] = JsonNode.Parse(manifest.Raw),
    };
}

/// <summary><c>manifest push</c></summary>
internal static class PushManifest
{
    private static readonly Flag<bool> Purge = Flags.Bool("purge", "Remove the local manifest list after push", 'p');

    public static Command Define() => new()
    {
        Use = "push [OPTIONS] MANIFEST_LIST",
        Summary = "Push a manifest list to a repository",
        Arguments = ArgumentRule.Exactly(1),
        Flags = [ManifestGroup.Insecure, Purge],
        Run = static async context =>
        {
            var (session, store) = (context.Session, ManifestGroup.StoreOf(context.Session));
            var list = ManifestGroup.Parse(context.Arguments[0]);
            var members = store.Members(list);
            foreach (var member in members.Where(m => m.Descriptor.Platform is not { Os.Length: > 0, Architecture.Length: > 0 }))
            {
                throw new CommandException($"manifest {member.Reference} must have an OS and Architecture to be pushed to a registry");
            }

            var index = ManifestGroup.IndexOf(members);
            var request = new EngineRequest("PUT", $"/distribution/{EngineRequest.Escape(list.ToString())}/manifest") { Body = index.ToJson(), ContentType = index.MediaType }
                .WithEach("source", members.Select(m => m.Reference.WithDigest(m.Descriptor.Digest).ToString()))
                .WithHeader("X-Registry-Config", new RegistryCredentials(session.Configuration).AllHeader());
            using var answer = await session.Engine.GetDocumentAsync(request).ConfigureAwait(false);
            foreach (var member in members)
            {
                session.Out.Write($"Pushed ref {list.WithDigest(member.Descriptor.Digest)} with digest: {member.Descriptor.Digest}\n");
            }

            session.Out.Write(answer.RootElement.GetProperty("digest").GetString() + "\n");
            if (context.Get(Purge))
            {
                store.Remove(list);
            }

            return 0;
        },
    };
}

/// <summary><c>manifest rm</c></summary>
internal static class RemoveManifest
{
    public static Command Define() => new()
    {
        Use = "rm MANIFEST_LIST [MANIFEST_LIST...]",
        Summary = "Delete one or more manifest lists from local storage",
        Arguments = ArgumentRule.AtLeast(1),
        Flags = [],
        Run = static context =>
        {
            var store = ManifestGroup.StoreOf(context.Session);
            var failures = new List<string>();
            foreach (var name in context.Arguments)
            {
                var list = ManifestGroup.Parse(name);
                if (store.Has(list))
                {
                    store.Remove(list);
                }
                else
                {
                    failures.Add($"No such manifest: {name}");
                }
            }

            return failures.Count == 0 ? Task.FromResult(0) : throw new CommandException(string.Join('\n', failures));
        },
    };
}
