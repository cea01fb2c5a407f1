using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization;
using YamlDotNet.Core;
using YamlDotNet.Core.Events;

namespace Cais.Engine.Specs;

/// <summary>A file of the Container Device Interface (cncf-tags/container-device-interface, SPEC.md): devices of one kind, and what each needs in a container.</summary>
internal sealed record CdiSpec
{
    private const int LargestFile = 4 << 20;
    private const int MostDepth = 32;

    public string? CdiVersion { get; init; }

    /// <summary><c>vendor.com/class</c>.</summary>
    public string? Kind { get; init; }

    public IReadOnlyList<CdiDevice>? Devices { get; init; }

    /// <summary>Applied once for any of the devices.</summary>
    public CdiEdits? ContainerEdits { get; init; }

    /// <summary>Reads JSON or YAML, of which JSON is a part. Throws <see cref="InvalidDataException"/> that says what is wrong.</summary>
    public static CdiSpec Read(string path)
    {
        if (new FileInfo(path).Length > LargestFile)
        {
            throw new InvalidDataException($"{path} is larger than {LargestFile} bytes");
        }

        try
        {
            using var text = File.OpenText(path);
            var parser = new Parser(text);
            parser.Consume<StreamStart>();
            parser.Consume<DocumentStart>();
            var spec = Node(parser, 0).Deserialize(CdiJson.Default.CdiSpec);
            return spec?.Kind is { Length: > 0 } && spec.Devices is not null ? spec : throw new InvalidDataException($"{path} names no kind or no devices");
        }
        catch (Exception e) when (e is YamlException or JsonException or InvalidOperationException)
        {
            throw new InvalidDataException($"{path}: {e.Message}", e);
        }
    }

    private static JsonNode? Node(IParser parser, int depth)
    {
        if (depth > MostDepth)
        {
            throw new JsonException("nested too deeply");
        }

        if (parser.TryConsume<Scalar>(out var scalar))
        {
            return Value(scalar);
        }

        if (parser.TryConsume<SequenceStart>(out _))
        {
            var list = new JsonArray();
            while (!parser.TryConsume<SequenceEnd>(out _))
            {
                list.Add(Node(parser, depth + 1));
            }

            return list;
        }

        parser.Consume<MappingStart>();
        var map = new JsonObject();
        while (!parser.TryConsume<MappingEnd>(out _))
        {
            map[parser.Consume<Scalar>().Value] = Node(parser, depth + 1);
        }

        return map;
    }

    /// <summary>What is not quoted is a number, a truth value or nothing, if it looks like one (YAML 1.2, core schema).</summary>
    private static JsonValue? Value(Scalar scalar)
    {
        var text = scalar.Value;
        if (scalar.Style != ScalarStyle.Plain)
        {
            return JsonValue.Create(text);
        }

        if (text is "" or "~" or "null" or "Null" or "NULL")
        {
            return null;
        }

        if (text is "true" or "True" or "TRUE" or "false" or "False" or "FALSE")
        {
            return JsonValue.Create(text[0] is 't' or 'T');
        }

        // Go's library reads a leading zero as octal too, as YAML 1.1 did.
        var octal = text.StartsWith("0o", StringComparison.Ordinal) ? text[2..] : text.Length > 1 && text[0] == '0' && text.All(char.IsAsciiDigit) ? text[1..] : null;
        if (octal is { Length: > 0 } && octal.All(c => c is >= '0' and <= '7'))
        {
            return JsonValue.Create(Convert.ToInt64(octal, 8));
        }

        return long.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var number) ? JsonValue.Create(number) : JsonValue.Create(text);
    }
}

internal sealed record CdiDevice
{
    public string? Name { get; init; }

    public CdiEdits? ContainerEdits { get; init; }
}

/// <summary>Changes of a container's specification.</summary>
internal sealed record CdiEdits
{
    public IReadOnlyList<string>? Env { get; init; }

    public IReadOnlyList<CdiDeviceNode>? DeviceNodes { get; init; }

    public IReadOnlyList<CdiHook>? Hooks { get; init; }

    public IReadOnlyList<CdiMount>? Mounts { get; init; }

    public IReadOnlyList<uint>? AdditionalGids { get; init; }

    public CdiEdits Append(CdiEdits? more) => more is null ? this : new CdiEdits
    {
        Env = [.. Env ?? [], .. more.Env ?? []],
        DeviceNodes = [.. DeviceNodes ?? [], .. more.DeviceNodes ?? []],
        Hooks = [.. Hooks ?? [], .. more.Hooks ?? []],
        Mounts = [.. Mounts ?? [], .. more.Mounts ?? []],
        AdditionalGids = [.. AdditionalGids ?? [], .. more.AdditionalGids ?? []],
    };
}

internal sealed record CdiDeviceNode
{
    public string? Path { get; init; }

    public string? HostPath { get; init; }

    public string? Type { get; init; }

    public uint? Major { get; init; }

    public uint? Minor { get; init; }

    public uint? FileMode { get; init; }

    public string? Permissions { get; init; }

    public uint? Uid { get; init; }

    public uint? Gid { get; init; }
}

internal sealed record CdiMount
{
    public string? HostPath { get; init; }

    public string? ContainerPath { get; init; }

    public string? Type { get; init; }

    public IReadOnlyList<string>? Options { get; init; }
}

internal sealed record CdiHook
{
    public string? HookName { get; init; }

    public string? Path { get; init; }

    public IReadOnlyList<string>? Args { get; init; }

    public IReadOnlyList<string>? Env { get; init; }

    public int? Timeout { get; init; }
}

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase)]
[JsonSerializable(typeof(CdiSpec))]
internal sealed partial class CdiJson : JsonSerializerContext;
