using System.ComponentModel;
using System.Diagnostics;
using System.Text;
using System.Text.Json;
using Cais.Cli.CommandLine;
using Cais.Cli.Formatting;

namespace Cais.Cli.Configuration;

/// <summary>A login at a registry.</summary>
internal sealed record RegistryLogin(string Server, string Username, string Password)
{
    /// <summary>Stands for user name and password where the registry hands out tokens.</summary>
    public string IdentityToken { get; init; } = "";

    /// <summary>As the Engine API takes it in <c>X-Registry-Auth</c>: JSON in URL-safe base64.</summary>
    public string ToHeader() => Convert.ToBase64String(Encoding.UTF8.GetBytes(ToJson())).Replace('+', '-').Replace('/', '_');

    public string ToJson()
    {
        var json = new StringBuilder("{");
        void Add(string name, string value)
        {
            if (value.Length > 0)
            {
                json.Append(json.Length > 1 ? "," : "");
                GoJson.WriteString(json, name);
                json.Append(':');
                GoJson.WriteString(json, value);
            }
        }

        Add("username", Username);
        Add("password", Password);
        Add("serveraddress", Server);
        Add("identitytoken", IdentityToken);
        return json.Append('}').ToString();
    }
}

/// <summary>Finds logins where docker's client keeps them: in <c>config.json</c>, or with a credential helper that it names.</summary>
internal sealed class RegistryCredentials(ClientConfiguration configuration)
{
    /// <summary>Under what name Docker Hub's login is kept, for historical reasons.</summary>
    public const string HubServer = "https://index.docker.io/v1/";

    /// <summary>What a helper gives as the user name when the secret is a token.</summary>
    private const string TokenUser = "<token>";

    /// <summary>The login for a registry host (<c>docker.io</c>, <c>localhost:5000</c>), or null.</summary>
    public RegistryLogin? Find(string domain)
    {
        var server = ServerOf(domain);
        if (Helper(server) is { } helper)
        {
            return AskHelper(helper, server);
        }

        if (configuration.Section("auths") is not { } logins)
        {
            return null;
        }

        foreach (var login in logins.EnumerateObject())
        {
            if (login.Name == server || HostOf(login.Name) == HostOf(server))
            {
                return Read(server, login.Value);
            }
        }

        return null;
    }

    /// <summary>The header value for calls that concern that registry; null when there is no login.</summary>
    public string? Header(string domain) => Find(domain)?.ToHeader();

    /// <summary>All logins as the Engine API takes them in <c>X-Registry-Config</c>, for calls that may concern any registry.</summary>
    public string? AllHeader()
    {
        var servers = (configuration.Section("auths") is { } logins ? logins.EnumerateObject().Select(l => l.Name) : [])
            .Concat(configuration.CredentialHelpers.Select(h => h.Key)).Concat(StoredServers()).Distinct().ToList();
        var json = new StringBuilder("{");
        foreach (var server in servers)
        {
            if (Find(server == HubServer ? "docker.io" : HostOf(server)) is { } login)
            {
                json.Append(json.Length > 1 ? "," : "");
                GoJson.WriteString(json, server);
                json.Append(':').Append(login.ToJson());
            }
        }

        return json.Length == 1 ? null : Convert.ToBase64String(Encoding.UTF8.GetBytes(json.Append('}').ToString())).Replace('+', '-').Replace('/', '_');
    }

    /// <summary>The servers for which the credential store of all registries has a login.</summary>
    private IEnumerable<string> StoredServers()
    {
        if (configuration.CredentialStore is not { Length: > 0 } helper || RunHelper(helper, "list", "") is not (true, var output))
        {
            return [];
        }

        try
        {
            using var answer = JsonDocument.Parse(output);
            return answer.RootElement.ValueKind == JsonValueKind.Object ? [.. answer.RootElement.EnumerateObject().Select(p => p.Name)] : [];
        }
        catch (JsonException)
        {
            // A helper that cannot list is one that is only asked for what is known by name.
            return [];
        }
    }

    public static string ServerOf(string domain) => domain is "docker.io" or "index.docker.io" ? HubServer : domain;

    public string? Helper(string server) => configuration.CredentialHelper(server) ?? configuration.CredentialStore;

    /// <summary>Runs <c>docker-credential-NAME verb</c> with <paramref name="input"/> on its standard input.</summary>
    public static (bool Ok, string Output) RunHelper(string name, string verb, string input)
    {
        var start = new ProcessStartInfo($"docker-credential-{name}", verb)
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            UseShellExecute = false,
        };
        try
        {
            using var process = Process.Start(start)!;
            process.StandardInput.Write(input);
            process.StandardInput.Close();
            var output = process.StandardOutput.ReadToEnd();
            process.WaitForExit();
            return (process.ExitCode == 0, output.Trim());
        }
        catch (Win32Exception e)
        {
            throw new CommandException($"error getting credentials - err: exec: \"docker-credential-{name}\": {e.Message}");
        }
    }

    private static RegistryLogin? AskHelper(string helper, string server)
    {
        var (ok, output) = RunHelper(helper, "get", server);
        if (!ok)
        {
            return output.Contains("credentials not found", StringComparison.Ordinal)
                ? null
                : throw new CommandException($"error getting credentials - err: exit status 1, out: `{output}`");
        }

        try
        {
            using var answer = JsonDocument.Parse(output);
            var (user, secret) = (answer.RootElement.Text("Username"), answer.RootElement.Text("Secret"));
            return user == TokenUser
                ? new RegistryLogin(server, "", "") { IdentityToken = secret }
                : new RegistryLogin(server, user, secret);
        }
        catch (JsonException e)
        {
            throw new CommandException($"error getting credentials - docker-credential-{helper} did not answer with JSON: {e.Message}");
        }
    }

    private static RegistryLogin? Read(string server, JsonElement entry)
    {
        var (user, password) = (entry.Text("username"), entry.Text("password"));
        if (entry.Text("auth") is { Length: > 0 } encoded)
        {
            var bytes = new byte[encoded.Length];
            if (!Convert.TryFromBase64String(encoded, bytes, out var length))
            {
                return null;
            }

            var pair = Encoding.UTF8.GetString(bytes, 0, length).TrimEnd('\0');
            var colon = pair.IndexOf(':');
            if (colon < 0)
            {
                return null;
            }

            (user, password) = (pair[..colon], pair[(colon + 1)..]);
        }

        return new RegistryLogin(server, user, password) { IdentityToken = entry.Text("identitytoken") };
    }

    private static string HostOf(string server)
    {
        var start = server.IndexOf("://", StringComparison.Ordinal);
        var rest = start < 0 ? server : server[(start + 3)..];
        var slash = rest.IndexOf('/');
        return slash < 0 ? rest : rest[..slash];
    }
}
