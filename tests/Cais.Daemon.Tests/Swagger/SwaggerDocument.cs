using System.Text.Json;
using System.Text.RegularExpressions;
using YamlDotNet.RepresentationModel;

namespace Cais.Daemon.Tests.Swagger;

/// <summary>The Engine API's description, to hold answers against: types, enumerations, members that must be there and members that it does not know.</summary>
internal sealed class SwaggerDocument
{
    /// <summary>Pointers in docker's structures, which it writes as null although the description does not say so.</summary>
    private static readonly string[] NullInDocker = [".HostConfig.MemorySwappiness", ".HostConfig.OomKillDisable", "$.ExitCode"];

    private readonly YamlMappingNode _root;
    private readonly List<(Regex Path, string Template, YamlMappingNode Node)> _paths = [];

    private SwaggerDocument(YamlMappingNode root)
    {
        _root = root;
        foreach (var (key, value) in (YamlMappingNode)root["paths"])
        {
            var template = ((YamlScalarNode)key).Value!;
            var pattern = "^" + Regex.Replace(Regex.Escape(template), @"\\\{[^}]*\}", template.StartsWith("/images/", StringComparison.Ordinal) ? ".+" : "[^/]+") + "$";
            _paths.Add((new Regex(pattern), template, (YamlMappingNode)value));
        }

        // Fixed words before names: /images/json is not the image "json".
        _paths.Sort((a, b) => a.Template.Count(c => c == '{').CompareTo(b.Template.Count(c => c == '{')));
    }

    public static SwaggerDocument Load()
    {
        using var reader = File.OpenText(Path.Combine(AppContext.BaseDirectory, "Data", "engine-api-swagger.yaml"));
        var stream = new YamlStream();
        stream.Load(reader);
        return new SwaggerDocument((YamlMappingNode)stream.Documents[0].RootNode);
    }

    /// <summary>What is wrong with an answer; nothing when it is as described.</summary>
    public IReadOnlyList<string> Check(string method, string path, int status, JsonElement body)
    {
        var operation = _paths.Where(p => p.Path.IsMatch(path)).Select(p => Child(p.Node, method.ToLowerInvariant())).OfType<YamlMappingNode>().FirstOrDefault();
        if (operation is null)
        {
            return status >= 400 ? [] : [$"{method} {path} is not described"];
        }

        var responses = (YamlMappingNode)operation["responses"];
        var schema = status >= 400
            ? (YamlNode)((YamlMappingNode)_root["definitions"])["ErrorResponse"]
            : Child(responses, status.ToString(System.Globalization.CultureInfo.InvariantCulture)) is YamlMappingNode response ? Child(response, "schema") : null;
        if (schema is null)
        {
            return Child(responses, status.ToString(System.Globalization.CultureInfo.InvariantCulture)) is null ? [$"{method} {path}: status {status} is not described"] : [];
        }

        var errors = new List<string>();
        Check(body, (YamlMappingNode)schema, "$", errors);
        return errors;
    }

    private void Check(JsonElement value, YamlMappingNode schema, string at, List<string> errors)
    {
        schema = Resolve(schema);
        var type = Text(schema, "type");
        if (value.ValueKind == JsonValueKind.Null)
        {
            // Go writes an empty list or map as null.
            if (Text(schema, "x-nullable") != "true" && type is not ("array" or "object") && !NullInDocker.Any(n => at.EndsWith(n, StringComparison.Ordinal)))
            {
                errors.Add($"{at} is null");
            }

            return;
        }

        if (Child(schema, "enum") is YamlSequenceNode allowed && allowed.OfType<YamlScalarNode>().Any() && !allowed.OfType<YamlScalarNode>().Any(a => a.Value == value.ToString()))
        {
            errors.Add($"{at} is \"{value}\", which is none of the words allowed");
        }

        switch (type)
        {
            case "string":
                Require(value.ValueKind == JsonValueKind.String, "text");
                break;
            case "integer":
                Require(value.ValueKind == JsonValueKind.Number && value.GetRawText().All(c => char.IsAsciiDigit(c) || c == '-'), "a whole number");
                break;
            case "number":
                Require(value.ValueKind == JsonValueKind.Number, "a number");
                break;
            case "boolean":
                Require(value.ValueKind is JsonValueKind.True or JsonValueKind.False, "true or false");
                break;
            case "array":
                if (Require(value.ValueKind == JsonValueKind.Array, "a list") && Child(schema, "items") is YamlMappingNode items)
                {
                    var i = 0;
                    foreach (var item in value.EnumerateArray())
                    {
                        Check(item, items, $"{at}[{i++}]", errors);
                    }
                }

                break;
            case null when value.ValueKind != JsonValueKind.Object && Child(schema, "allOf") is YamlSequenceNode parts:
                foreach (var part in parts.OfType<YamlMappingNode>())
                {
                    Check(value, part, at, errors);
                }

                break;
            case "object" or null when Child(schema, "properties") is not null || Child(schema, "allOf") is not null || Child(schema, "additionalProperties") is not null:
                if (Require(value.ValueKind == JsonValueKind.Object, "an object"))
                {
                    CheckObject(value, schema, at, errors);
                }

                break;
        }

        bool Require(bool holds, string wanted)
        {
            if (!holds)
            {
                errors.Add($"{at} is {value.ValueKind}, not {wanted}");
            }

            return holds;
        }
    }

    private void CheckObject(JsonElement value, YamlMappingNode schema, string at, List<string> errors)
    {
        var properties = new Dictionary<string, YamlMappingNode>();
        var required = new HashSet<string>();
        YamlMappingNode? others = null;
        var open = false;
        Collect(schema);
        foreach (var property in value.EnumerateObject())
        {
            if (properties.TryGetValue(property.Name, out var known))
            {
                Check(property.Value, known, $"{at}.{property.Name}", errors);
            }
            else if (others is not null)
            {
                Check(property.Value, others, $"{at}.{property.Name}", errors);
            }
            else if (!open && properties.Count > 0)
            {
                errors.Add($"{at}.{property.Name} is not described");
            }
        }

        foreach (var name in required.Where(r => !value.TryGetProperty(r, out _)))
        {
            errors.Add($"{at}.{name} is missing");
        }

        void Collect(YamlMappingNode node)
        {
            node = Resolve(node);
            foreach (var part in (Child(node, "allOf") as YamlSequenceNode)?.Children ?? [])
            {
                Collect((YamlMappingNode)part);
            }

            foreach (var (key, property) in (Child(node, "properties") as YamlMappingNode)?.Children ?? (IEnumerable<KeyValuePair<YamlNode, YamlNode>>)[])
            {
                properties[key.ToString()] = (YamlMappingNode)property;
            }

            foreach (var name in (Child(node, "required") as YamlSequenceNode)?.Children ?? [])
            {
                required.Add(name.ToString());
            }

            switch (Child(node, "additionalProperties"))
            {
                case YamlMappingNode { Children.Count: > 0 } additional:
                    others = additional;
                    break;
                case YamlMappingNode or YamlScalarNode { Value: "true" }:
                    open = true;
                    break;
            }
        }
    }

    private YamlMappingNode Resolve(YamlMappingNode schema)
    {
        while (Text(schema, "$ref") is { } reference)
        {
            var node = (YamlNode)_root;
            foreach (var part in reference.TrimStart('#', '/').Split('/'))
            {
                node = node[part];
            }

            schema = (YamlMappingNode)node;
        }

        return schema;
    }

    private static string? Text(YamlMappingNode node, string key) => (Child(node, key) as YamlScalarNode)?.Value;

    private static YamlNode? Child(YamlMappingNode node, string key) => node.Children.TryGetValue(new YamlScalarNode(key), out var child) ? child : null;
}
