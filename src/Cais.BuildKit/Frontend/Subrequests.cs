using System.Globalization;
using System.Text;
using System.Text.Json;
using Cais.Build.Checks;
using Cais.Build.Language;
using Cais.Build.Planning;
using Cais.BuildKit.Builds;
using Cais.Oci;
using Google.Protobuf;

namespace Cais.BuildKit.Frontend;

/// <summary>Questions about a Dockerfile (<c>docker build --call</c>), and their answers in BuildKit's JSON and as text.</summary>
internal static class Subrequests
{
    public const string Describe = "frontend.subrequests.describe";
    public const string Lint = "frontend.lint";
    private const string Outline = "frontend.outline";
    private const string Targets = "frontend.targets";

    private static readonly (string Name, string Version, string Description)[] Known =
    [
        (Outline, "1.0.0", "List all parameters current build target supports"),
        (Targets, "1.0.0", "List all targets current build supports"),
        (Lint, "1.0.0", "Lint a Dockerfile"),
        (Describe, "1.0.0", "List available subrequest types"),
    ];

    public static SolvedBuild DescribeThem() => Result("1.0.0", null, json =>
    {
        json.WriteStartArray();
        foreach (var (name, version, description) in Known)
        {
            json.WriteStartObject();
            json.WriteString("Name", name);
            json.WriteString("Version", version);
            json.WriteString("Type", "rpc");
            json.WriteString("Description", description);
            json.WriteNull("Opts");
            json.WriteStartArray("Metadata");
            json.WriteStartObject();
            json.WriteString("Name", "result.json");
            json.WriteEndObject();
            json.WriteStartObject();
            json.WriteString("Name", "result.txt");
            json.WriteEndObject();
            json.WriteEndArray();
            json.WriteNull("Refs");
            json.WriteEndObject();
        }

        json.WriteEndArray();
    }, string.Concat(Known.Select(k => string.Create(CultureInfo.InvariantCulture, $"{k.Name,-32} {k.Version,-8} {k.Description}\n"))));

    /// <summary>The answer to a question that needs the Dockerfile's text alone. Throws <see cref="Grpc.GrpcException"/> if there is no such question.</summary>
    public static SolvedBuild Answer(string request, DockerfileSource source, BuildOptions options)
    {
        var file = Dockerfile.Parse(source);
        return request switch
        {
            Targets => TargetsResult(file),
            Outline => OutlineResult(file, options),
            _ => throw BuildErrors.UnknownSubrequest(request),
        };
    }

    public static SolvedBuild LintResult(DockerfileSource source, IReadOnlyList<Finding> findings, DockerfileException? error)
    {
        var text = new StringBuilder();
        foreach (var finding in findings)
        {
            text.Append(CultureInfo.InvariantCulture, $"\nWARNING: {finding.Rule} - {finding.Url}\n{finding.Message}\n\n{source.Excerpt(finding.Range)}\n");
        }

        if (error is not null)
        {
            text.Append(CultureInfo.InvariantCulture, $"\nERROR: {error.Message}\n{error.Excerpt}\n");
        }

        var result = Result("1.0.0", source, json =>
        {
            json.WriteStartObject();
            json.WriteStartArray("warnings");
            foreach (var finding in findings)
            {
                json.WriteStartObject();
                json.WriteString("ruleName", finding.Rule);
                json.WriteString("description", finding.Message);
                json.WriteString("url", finding.Url);
                json.WriteString("detail", finding.Message);
                WriteLocation(json, finding.Range);
                json.WriteEndObject();
            }

            json.WriteEndArray();
            json.WriteStartArray("sources");
            json.WriteStartObject();
            json.WriteString("filename", source.Name);
            json.WriteString("language", "Dockerfile");
            json.WriteBase64String("data", BuildErrors.TextOf(source));
            json.WriteEndObject();
            json.WriteEndArray();
            if (error is not null)
            {
                json.WriteStartObject("buildError");
                json.WriteString("message", error.Message);
                WriteLocation(json, error.Range);
                json.WriteEndObject();
            }

            json.WriteEndObject();
        }, text.ToString());
        if (findings.Count > 0 || error is not null)
        {
            result.Metadata["result.statuscode"] = ByteString.CopyFromUtf8("1");
        }

        return result;
    }

    private static SolvedBuild TargetsResult(Dockerfile file)
    {
        var text = new StringBuilder("TARGET\tDESCRIPTION\n");
        return Result("1.0.0", file.Source, json =>
        {
            json.WriteStartObject();
            json.WriteStartArray("targets");
            foreach (var stage in file.Stages)
            {
                var isDefault = stage.Index == file.Stages.Count - 1;
                var description = DockerfileOutline.Describe(stage.From.Comments, stage.Name ?? "");
                json.WriteStartObject();
                WriteIfAny(json, "name", stage.Name);
                if (isDefault)
                {
                    json.WriteBoolean("default", true);
                }

                WriteIfAny(json, "description", description);
                WriteIfAny(json, "base", stage.From.Base.Value);
                WriteIfAny(json, "platform", stage.From.Platform?.Value);
                WriteLocation(json, stage.From.Range);
                json.WriteEndObject();
                if (stage.Name is not null || isDefault)
                {
                    text.Append(CultureInfo.InvariantCulture, $"{stage.Name ?? "(default)"}{(isDefault && stage.Name is not null ? " (default)" : "")}\t{description}\n");
                }
            }

            json.WriteEndArray();
            json.WriteStartArray("sources");
            json.WriteBase64StringValue(BuildErrors.TextOf(file.Source));
            json.WriteEndArray();
            json.WriteEndObject();
        }, () => text.ToString());
    }

    private static SolvedBuild OutlineResult(Dockerfile file, BuildOptions options)
    {
        var outline = DockerfileOutline.Of(file, options.Target, options.Arguments);
        return Result("1.0.0", file.Source, json =>
        {
            json.WriteStartObject();
            WriteIfAny(json, "name", outline.Name);
            WriteIfAny(json, "description", outline.Description);
            json.WriteStartArray("args");
            foreach (var argument in outline.Arguments)
            {
                json.WriteStartObject();
                json.WriteString("name", argument.Name);
                WriteIfAny(json, "description", argument.Description);
                WriteIfAny(json, "value", argument.Value);
                WriteLocation(json, argument.Range);
                json.WriteEndObject();
            }

            json.WriteEndArray();
            WriteMounts("secret", "secrets");
            WriteMounts("ssh", "ssh");
            WriteMounts("cache", "cache");
            json.WriteStartArray("sources");
            json.WriteBase64StringValue(BuildErrors.TextOf(file.Source));
            json.WriteEndArray();
            json.WriteEndObject();

            void WriteMounts(string kind, string property)
            {
                var found = outline.Mounts.Where(m => m.Kind == kind).ToList();
                if (found.Count == 0)
                {
                    return;
                }

                json.WriteStartArray(property);
                foreach (var mount in found)
                {
                    json.WriteStartObject();
                    json.WriteString(kind == "cache" ? "ID" : "name", mount.Id);
                    if (mount.IsRequired)
                    {
                        json.WriteBoolean("required", true);
                    }

                    WriteLocation(json, mount.Range);
                    json.WriteEndObject();
                }

                json.WriteEndArray();
            }
        }, outline.ToText);
    }

    private static void WriteIfAny(Utf8JsonWriter json, string name, string? value)
    {
        if (!string.IsNullOrEmpty(value))
        {
            json.WriteString(name, value);
        }
    }

    private static void WriteLocation(Utf8JsonWriter json, SourceRange range)
    {
        if (range.Start.Line < 1)
        {
            return;
        }

        json.WriteStartObject("location");
        json.WriteStartArray("ranges");
        json.WriteStartObject();
        Write("start", range.Start);
        Write("end", BuildErrors.LastOf(range));
        json.WriteEndObject();
        json.WriteEndArray();
        json.WriteEndObject();

        void Write(string name, Position position)
        {
            json.WriteStartObject(name);
            json.WriteNumber("line", position.Line);
            json.WriteEndObject();
        }
    }

    private static SolvedBuild Result(string version, DockerfileSource? source, Action<Utf8JsonWriter> write, string text) => Result(version, source, write, () => text);

    private static SolvedBuild Result(string version, DockerfileSource? source, Action<Utf8JsonWriter> write, Func<string> text)
    {
        using var buffer = new MemoryStream();
        using (var json = new Utf8JsonWriter(buffer, PlainJson.Options with { Indented = true }))
        {
            write(json);
        }

        var result = new SolvedBuild(null, false, source);
        result.Metadata["result.json"] = ByteString.CopyFrom(buffer.ToArray());
        result.Metadata["result.txt"] = ByteString.CopyFromUtf8(text());
        result.Metadata["version"] = ByteString.CopyFromUtf8(version);
        return result;
    }
}
