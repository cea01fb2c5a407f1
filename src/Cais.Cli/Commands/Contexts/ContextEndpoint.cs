using Cais.Cli.CommandLine;
using Cais.Cli.Configuration;
using Cais.Cli.Values;
using Cais.Client;

namespace Cais.Cli.Commands.Contexts;

/// <summary>Reads <c>--docker host=tcp://x:2376,ca=file,cert=file,key=file</c>.</summary>
internal static class ContextEndpoint
{
    public static readonly Flag<IReadOnlyDictionary<string, string>> Flag = Flags.Custom<IReadOnlyDictionary<string, string>>(
        "docker",
        "stringToString",
        "Where the daemon is: host=..., ca=..., cert=..., key=..., skip-tls-verify=..., from=...",
        new Dictionary<string, string>(),
        static (text, previous) => CommaList.Read(text).Aggregate(previous, static (map, pair) => pair.Contains('=')
            ? MapOption.Add(pair, map)
            : throw new FormatException($"{pair} must be formatted as key=value")),
        defaultText: "[]");

    public static ContextRecord Default(CommandContext context) => new(Contexts.DefaultDescription, Contexts.DefaultHost(context), false);

    /// <summary>An existing context's record, certificates included.</summary>
    public static ContextRecord Copy(CommandContext context, ContextStore store, string name)
    {
        if (name == ContextStore.DefaultName)
        {
            return Default(context);
        }

        var record = store.Load(name);
        return record with { Certificates = store.TlsFiles(name).ToDictionary(static f => f, f => File.ReadAllBytes(Path.Combine(store.TlsDirectory(name), "docker", f))) };
    }

    /// <summary>The record with what the flag says.</summary>
    public static ContextRecord Apply(CommandContext context, ContextStore store, ContextRecord record)
    {
        var options = context.Get(Flag);
        if (options.Count == 0)
        {
            return record;
        }

        if (options.Keys.FirstOrDefault(static k => k is not ("from" or "host" or "ca" or "cert" or "key" or "skip-tls-verify")) is { } unknown)
        {
            throw Unable($"unrecognized config key: {unknown}");
        }

        if (options.TryGetValue("from", out var from))
        {
            var source = Copy(context, store, from);
            return record with { Host = source.Host, SkipTlsVerify = source.SkipTlsVerify, Certificates = source.Certificates };
        }

        var skip = options.TryGetValue("skip-tls-verify", out var text) && text is "1" or "t" or "T" or "true" or "TRUE" or "True";
        var host = options.GetValueOrDefault("host", "");
        try
        {
            EngineEndpoint.Parse(host);
        }
        catch (FormatException e)
        {
            throw Unable($"invalid docker endpoint options: {e.Message}");
        }

        var certificates = new Dictionary<string, byte[]>();
        foreach (var kind in new[] { "ca", "cert", "key" })
        {
            if (options.TryGetValue(kind, out var path))
            {
                certificates[kind + ".pem"] = Read(path);
            }
        }

        return record with { Host = host, SkipTlsVerify = skip, Certificates = certificates };
    }

    private static byte[] Read(string path)
    {
        using var file = LocalFile.OpenRead(path);
        var content = new MemoryStream();
        file.CopyTo(content);
        return content.ToArray();
    }

    private static CommandException Unable(string reason) => new($"unable to create docker endpoint config: {reason}");
}
