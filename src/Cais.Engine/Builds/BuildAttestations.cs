using System.Globalization;
using System.Text;
using System.Text.Json;
using Cais.Build.Graph;
using Cais.Linux;
using Cais.Oci;
using Cais.Oci.Images;

namespace Cais.Engine.Builds;

/// <summary>What a build says about its images: how they were made (SLSA provenance), and what is in them (SPDX).</summary>
public static class BuildAttestations
{
    private const string Provenance = "https://slsa.dev/provenance/v0.2";
    private const string Spdx = "https://spdx.dev/Document";

    /// <summary>Makes the statements that the values of <c>--attest</c> ask for. Throws <see cref="EngineException"/> for a kind that is not known.</summary>
    public static IReadOnlyList<Attestation> Of(CaisEngine engine, IEnumerable<string> wanted, BuildResult result, DateTimeOffset begun)
    {
        ArgumentNullException.ThrowIfNull(engine);
        ArgumentNullException.ThrowIfNull(wanted);
        ArgumentNullException.ThrowIfNull(result);
        var statements = new List<Attestation>();
        // Clients send them in any order. The image has them in one, or two builds of the same would differ.
        foreach (var attributes in wanted.Select(Attributes).GroupBy(a => a.GetValueOrDefault("type")).Select(g => g.Last()).OrderByDescending(a => a.GetValueOrDefault("type"), StringComparer.Ordinal))
        {
            if (attributes.GetValueOrDefault("disabled") is "true" or "1")
            {
                continue;
            }

            foreach (var platform in result.Platforms)
            {
                statements.Add(attributes.GetValueOrDefault("type") switch
                {
                    "provenance" => new Attestation(
                        platform.Platform, Provenance, WriteProvenance(result, platform, attributes.GetValueOrDefault("mode") == "max", begun, engine.Time.GetUtcNow())),
                    "sbom" => new Attestation(platform.Platform, Spdx, WriteSpdx(platform, result.Request.Options.Epoch ?? begun)),
                    var other => throw EngineException.InvalidParameter($"unknown attestation type \"{other}\": provenance and sbom are known"),
                });
            }
        }

        return statements;
    }

    /// <summary>What the build arguments <c>BUILDKIT_ATTEST_TYPE</c> ask for, as <c>--attest</c> writes it.</summary>
    public static IEnumerable<string> FromArguments(IReadOnlyDictionary<string, string> arguments)
    {
        const string prefix = "BUILDKIT_ATTEST_";
        ArgumentNullException.ThrowIfNull(arguments);
        foreach (var (name, value) in arguments.Where(a => a.Key.StartsWith(prefix, StringComparison.Ordinal)))
        {
            var type = $"type={name[prefix.Length..].ToLowerInvariant()}";
            yield return value switch
            {
                "" or "1" or "true" => type,
                "0" or "false" => type + ",disabled=true",
                _ => $"{type},{value}",
            };
        }
    }

    private static Dictionary<string, string> Attributes(string value) =>
        value.Split(',').Select(f => f.Split('=', 2)).GroupBy(f => f[0]).ToDictionary(f => f.Key, f => f.Last() is [_, var text] ? text : "true");

    private static byte[] WriteProvenance(BuildResult result, PlatformResult platform, bool isMax, DateTimeOffset begun, DateTimeOffset ended) => Write(json =>
    {
        var epoch = result.Request.Options.Epoch;
        json.WriteStartObject("builder");
        json.WriteString("id", "");
        json.WriteEndObject();
        json.WriteString("buildType", "https://mobyproject.org/buildkit@v1");
        json.WriteStartArray("materials");
        foreach (var image in platform.Plan.Steps().OfType<ImageStep>().DistinctBy(i => i.Image.Manifest))
        {
            json.WriteStartObject();
            json.WriteString("uri", $"pkg:docker/{image.Reference}?platform={Uri.EscapeDataString(image.Image.Platform.ToString())}");
            WriteDigest(json, image.Image.Manifest);
            json.WriteEndObject();
        }

        foreach (var fetch in platform.Plan.Steps().OfType<HttpStep>())
        {
            json.WriteStartObject();
            json.WriteString("uri", fetch.Url.AbsoluteUri);
            if (fetch.Checksum is { } checksum)
            {
                WriteDigest(json, checksum);
            }

            json.WriteEndObject();
        }

        json.WriteEndArray();
        json.WriteStartObject("invocation");
        json.WriteStartObject("configSource");
        if (result.Request.Dockerfile is { } file)
        {
            json.WriteString("entryPoint", file.Name);
        }

        json.WriteEndObject();
        json.WriteStartObject("parameters");
        if (result.Request.Dockerfile is not null)
        {
            json.WriteString("frontend", "dockerfile.v0");
        }

        if (isMax)
        {
            json.WriteStartObject("args");
            foreach (var (name, value) in result.Request.Options.Arguments.OrderBy(a => a.Key, StringComparer.Ordinal))
            {
                json.WriteString("build-arg:" + name, value);
            }

            foreach (var (name, value) in result.Request.Options.Labels.OrderBy(a => a.Key, StringComparer.Ordinal))
            {
                json.WriteString("label:" + name, value);
            }

            if (result.Request.Options.Target is { } target)
            {
                json.WriteString("target", target);
            }

            json.WriteEndObject();
        }

        json.WriteEndObject();
        json.WriteStartObject("environment");
        json.WriteString("platform", Platform.Current.ToString());
        json.WriteEndObject();
        json.WriteEndObject();
        json.WriteStartObject("metadata");
        json.WriteString("buildStartedOn", Time(epoch ?? begun));
        json.WriteString("buildFinishedOn", Time(epoch ?? ended));
        json.WriteStartObject("completeness");
        json.WriteBoolean("parameters", isMax);
        json.WriteBoolean("environment", true);
        json.WriteBoolean("materials", false);
        json.WriteEndObject();
        json.WriteBoolean("reproducible", false);
        if (isMax && result.Request.Dockerfile is { } dockerfile)
        {
            json.WriteStartObject("https://mobyproject.org/buildkit@v1#metadata");
            json.WriteStartObject("source");
            json.WriteStartArray("infos");
            json.WriteStartObject();
            json.WriteString("filename", dockerfile.Name);
            json.WriteString("language", "Dockerfile");
            var text = new StringBuilder();
            for (var line = 1; line <= dockerfile.LineCount; line++)
            {
                text.Append(dockerfile.RawLine(line));
            }

            json.WriteBase64String("data", Encoding.UTF8.GetBytes(text.ToString()));
            json.WriteEndObject();
            json.WriteEndArray();
            json.WriteEndObject();
            json.WriteEndObject();
        }

        json.WriteEndObject();
    });

    private static byte[] WriteSpdx(PlatformResult platform, DateTimeOffset time)
    {
        using var tree = platform.OpenTree();
        var packages = Packages(tree);
        return Write(json =>
        {
            json.WriteString("spdxVersion", "SPDX-2.3");
            json.WriteString("dataLicense", "CC0-1.0");
            json.WriteString("SPDXID", "SPDXRef-DOCUMENT");
            json.WriteString("name", "image");
            json.WriteString("documentNamespace", $"https://spdx.org/spdxdocs/image-{Digest.Of(Encoding.UTF8.GetBytes(string.Join('\n', packages))).Hex}");
            json.WriteStartObject("creationInfo");
            json.WriteString("created", time.UtcDateTime.ToString("yyyy-MM-dd'T'HH:mm:ss'Z'", CultureInfo.InvariantCulture));
            json.WriteStartArray("creators");
            json.WriteStringValue("Tool: cais");
            json.WriteEndArray();
            json.WriteEndObject();
            json.WriteStartArray("packages");
            foreach (var (name, version, kind, architecture) in packages)
            {
                json.WriteStartObject();
                json.WriteString("name", name);
                json.WriteString("SPDXID", $"SPDXRef-Package-{kind}-{string.Concat(name.Select(c => char.IsAsciiLetterOrDigit(c) || c is '.' or '-' ? c : '-'))}");
                json.WriteString("versionInfo", version);
                json.WriteString("downloadLocation", "NOASSERTION");
                json.WriteBoolean("filesAnalyzed", false);
                json.WriteStartArray("externalRefs");
                json.WriteStartObject();
                json.WriteString("referenceCategory", "PACKAGE-MANAGER");
                json.WriteString("referenceType", "purl");
                json.WriteString("referenceLocator", $"pkg:{kind}/{Uri.EscapeDataString(name)}@{Uri.EscapeDataString(version)}{(architecture.Length > 0 ? "?arch=" + architecture : "")}");
                json.WriteEndObject();
                json.WriteEndArray();
                json.WriteEndObject();
            }

            json.WriteEndArray();
        });
    }

    /// <summary>What the image's package databases list: Debian's and Alpine's.</summary>
    private static List<(string Name, string Version, string Kind, string Architecture)> Packages(FileDescriptor tree)
    {
        var packages = new List<(string, string, string, string)>();
        string name = "", version = "", architecture = "";
        var installed = true;
        foreach (var line in Lines(tree, "/var/lib/dpkg/status"))
        {
            if (line.Length == 0)
            {
                Add("deb");
            }
            else if (line.StartsWith("Package: ", StringComparison.Ordinal))
            {
                name = line[9..];
            }
            else if (line.StartsWith("Version: ", StringComparison.Ordinal))
            {
                version = line[9..];
            }
            else if (line.StartsWith("Architecture: ", StringComparison.Ordinal))
            {
                architecture = line[14..];
            }
            else if (line.StartsWith("Status: ", StringComparison.Ordinal))
            {
                installed = line.EndsWith(" installed", StringComparison.Ordinal);
            }
        }

        Add("deb");
        foreach (var line in Lines(tree, "/lib/apk/db/installed"))
        {
            if (line.Length == 0)
            {
                Add("apk");
            }
            else if (line.Length > 2 && line[1] == ':')
            {
                _ = line[0] switch
                {
                    'P' => name = line[2..],
                    'V' => version = line[2..],
                    'A' => architecture = line[2..],
                    _ => "",
                };
            }
        }

        Add("apk");
        return packages;

        void Add(string kind)
        {
            if (name.Length > 0 && version.Length > 0 && installed)
            {
                packages.Add((name, version, kind, architecture));
            }

            (name, version, architecture, installed) = ("", "", "", true);
        }
    }

    private static string[] Lines(FileDescriptor tree, string path)
    {
        const int largest = 64 << 20;
        try
        {
            using var file = Linux.Files.OpenAt2(
                tree, path, OpenFlags.ReadOnly | OpenFlags.NonBlocking | OpenFlags.CloseOnExec, ResolveFlags.InRoot | ResolveFlags.NoMagicLinks);
            return Linux.Status.EntryStatus.Of(file) is { Kind: Linux.Status.FileKind.Regular, Size: <= largest }
                ? Encoding.UTF8.GetString(Linux.Files.ReadAll(file, path)).Split('\n')
                : [];
        }
        catch (LinuxException e) when (e.Errno is Errno.ENOENT or Errno.ENOTDIR)
        {
            return [];
        }
    }

    private static byte[] Write(Action<Utf8JsonWriter> write)
    {
        using var buffer = new MemoryStream();
        using (var json = new Utf8JsonWriter(buffer, PlainJson.Options))
        {
            json.WriteStartObject();
            write(json);
            json.WriteEndObject();
        }

        return buffer.ToArray();
    }

    private static void WriteDigest(Utf8JsonWriter json, Digest digest)
    {
        json.WriteStartObject("digest");
        json.WriteString(digest.Algorithm, digest.Hex);
        json.WriteEndObject();
    }

    private static string Time(DateTimeOffset time) => time.UtcDateTime.ToString("yyyy-MM-dd'T'HH:mm:ss.fffffff'Z'", CultureInfo.InvariantCulture);
}
