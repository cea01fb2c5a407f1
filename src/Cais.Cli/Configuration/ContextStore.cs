using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Cais.Cli.CommandLine;
using Cais.Client;

namespace Cais.Cli.Configuration;

/// <summary>
/// docker's contexts: <c>contexts/meta/&lt;sha256 of the name&gt;/meta.json</c> says where a daemon is,
/// <c>contexts/tls/&lt;sha256&gt;/docker/</c> holds its certificates.
/// </summary>
internal sealed class ContextStore(string configDirectory)
{
    /// <summary>The context that stands for flags and environment; it has no files.</summary>
    public const string DefaultName = "default";

    private string MetaRoot => Path.Combine(configDirectory, "contexts", "meta");

    public string MetaFile(string name) => Path.Combine(MetaRoot, DirectoryName(name), "meta.json");

    public string TlsDirectory(string name) => Path.Combine(configDirectory, "contexts", "tls", DirectoryName(name));

    public bool Exists(string name) => File.Exists(MetaFile(name));

    /// <summary>Where the context's daemon is.</summary>
    /// <exception cref="CommandException">There is no such context, or its file cannot be read.</exception>
    public EngineEndpoint Endpoint(string name)
    {
        var record = Load(name);
        var directory = Path.Combine(TlsDirectory(name), "docker");
        string? Existing(string file) => Path.Combine(directory, file) is var path && File.Exists(path) ? path : null;
        var (ca, cert, key) = (Existing("ca.pem"), Existing("cert.pem"), Existing("key.pem"));
        var tls = ca is not null || cert is not null || record.SkipTlsVerify ? new TlsSettings(ca, cert, key, !record.SkipTlsVerify) : null;
        return EngineEndpoint.Parse(record.Host, tls);
    }

    /// <exception cref="CommandException">There is no such context, or its file cannot be read.</exception>
    public ContextRecord Load(string name)
    {
        using var meta = Read(name);
        return ContextRecord.Read(meta.RootElement);
    }

    /// <summary>Names of the certificate files that the context has.</summary>
    public IReadOnlyList<string> TlsFiles(string name)
    {
        var directory = Path.Combine(TlsDirectory(name), "docker");
        return Directory.Exists(directory) ? [.. Directory.EnumerateFiles(directory).Select(f => Path.GetFileName(f)).Order(StringComparer.Ordinal)] : [];
    }

    /// <summary>Writes the context, certificates first: the record that names it comes last.</summary>
    public void Save(string name, ContextRecord record)
    {
        const UnixFileMode Owner = UnixFileMode.UserRead | UnixFileMode.UserWrite;
        var directory = Path.Combine(TlsDirectory(name), "docker");
        if (Directory.Exists(TlsDirectory(name)))
        {
            Directory.Delete(TlsDirectory(name), recursive: true);
        }

        foreach (var (file, content) in record.Certificates)
        {
            Directory.CreateDirectory(directory, Owner | UnixFileMode.UserExecute);
            File.WriteAllBytes(Path.Combine(directory, file), content);
            File.SetUnixFileMode(Path.Combine(directory, file), Owner);
        }

        Directory.CreateDirectory(Path.GetDirectoryName(MetaFile(name))!);
        var draft = MetaFile(name) + ".tmp";
        File.WriteAllText(draft, record.ToJson(name));
        File.Move(draft, MetaFile(name), overwrite: true);
    }

    public void Remove(string name)
    {
        foreach (var directory in new[] { Path.GetDirectoryName(MetaFile(name))!, TlsDirectory(name) })
        {
            if (Directory.Exists(directory))
            {
                Directory.Delete(directory, recursive: true);
            }
        }
    }

    private JsonDocument Read(string name)
    {
        try
        {
            return JsonDocument.Parse(File.ReadAllBytes(MetaFile(name)));
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException)
        {
            throw new CommandException(
                $"context \"{name}\": context not found: open {MetaFile(name)}: no such file or directory");
        }
        catch (Exception e) when (e is JsonException or IOException or UnauthorizedAccessException)
        {
            throw new CommandException($"context \"{name}\": {MetaFile(name)}: {e.Message}");
        }
    }

    /// <summary>Names of all stored contexts, in order.</summary>
    public IReadOnlyList<string> Names()
    {
        if (!Directory.Exists(MetaRoot))
        {
            return [];
        }

        var names = new List<string>();
        foreach (var file in Directory.EnumerateFiles(MetaRoot, "meta.json", SearchOption.AllDirectories))
        {
            try
            {
                using var meta = JsonDocument.Parse(File.ReadAllBytes(file));
                if (meta.RootElement.TryGetProperty("Name", out var name) && name.GetString() is { } text)
                {
                    names.Add(text);
                }
            }
            catch (Exception e) when (e is JsonException or IOException or UnauthorizedAccessException)
            {
                throw new CommandException($"{file}: {e.Message}");
            }
        }

        names.Sort(StringComparer.Ordinal);
        return names;
    }

    private static string DirectoryName(string name) => Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(name)));
}
