using Cais.Cli.CommandLine;
using Cais.Client;

namespace Cais.Cli.Configuration;

/// <summary>Finds out which daemon is meant: flags before environment before contexts before the default socket.</summary>
internal static class EndpointResolver
{
    /// <summary>Where docker's daemon listens, and ours when that place is free.</summary>
    private const string DockerSocket = "/var/run/docker.sock";

    /// <summary>Where our daemon listens when docker's own occupies its place.</summary>
    private const string OwnSocket = "/run/cais/docker.sock";

    public static EngineClient CreateClient(Session session) => new(new EngineClientOptions
    {
        Endpoint = Resolve(session),
        ApiVersion = session.Environment("DOCKER_API_VERSION"),
        BlockingIo = true,
        UserAgent = $"Cais-Client/{ProductVersion.Text} (linux)",
        Headers = session.Configuration.HttpHeaders,
    });

    public static EngineEndpoint Resolve(Session session)
    {
        try
        {
            var name = ContextName(session);
            if (name != ContextStore.DefaultName)
            {
                return new ContextStore(session.Configuration.Directory).Endpoint(name);
            }

            return DefaultEndpoint(session);
        }
        catch (CommandException e)
        {
            throw new CommandException($"Failed to initialize: unable to resolve cais endpoint: {e.Message}");
        }
        catch (FormatException e)
        {
            throw new CommandException(e.Message);
        }
    }

    /// <summary>What flags and environment say, or the default socket.</summary>
    public static EngineEndpoint DefaultEndpoint(Session session)
    {
        var host = session.Global.Hosts.Count switch
        {
            0 => session.Environment("DOCKER_HOST"),
            1 => session.Global.Hosts[0],
            _ => throw new CommandException("Specify only one -H"),
        };
        return EngineEndpoint.Parse(Complete(host ?? DefaultHost()), Tls(session));
    }

    /// <summary>The context in force; <c>default</c> stands for flags and environment.</summary>
    public static string ContextName(Session session)
    {
        if (session.Global.Context is { } chosen)
        {
            return session.Global.Hosts.Count == 0
                ? chosen
                : throw new CommandException("conflicting options: cannot specify both --host and --context");
        }

        if (session.Global.Hosts.Count > 0 || session.Environment("DOCKER_HOST") is not null)
        {
            return ContextStore.DefaultName;
        }

        return session.Environment("DOCKER_CONTEXT") ?? session.Configuration.CurrentContext ?? ContextStore.DefaultName;
    }

    private static string DefaultHost() =>
        File.Exists(DockerSocket) || !File.Exists(OwnSocket) ? "unix://" + DockerSocket : "unix://" + OwnSocket;

    /// <summary>docker takes a bare <c>host:port</c> for TCP and a bare path for a socket.</summary>
    private static string Complete(string host)
    {
        host = host.Trim();
        if (!host.Contains("://", StringComparison.Ordinal))
        {
            host = host.StartsWith('/') ? "unix://" + host : "tcp://" + host;
        }

        return host switch
        {
            "unix://" => "unix://" + DockerSocket,
            ['t', 'c', 'p', ':', '/', '/', .. var authority] when !authority.Contains('/') && authority.LastIndexOf(':') <= authority.LastIndexOf(']') =>
                $"{host}:2375",
            _ => host,
        };
    }

    private static TlsSettings? Tls(Session session)
    {
        // Any value switches verification on, as docker reads the variable.
        var verify = session.Global.TlsVerify ?? session.Environment("DOCKER_TLS_VERIFY") is not null;
        if (!verify && !session.Global.Tls && session.Environment("DOCKER_TLS") is null)
        {
            return null;
        }

        var directory = session.Environment("DOCKER_CERT_PATH") ?? session.Configuration.Directory;
        string? Existing(string? given, string file) =>
            given ?? (Path.Combine(directory, file) is var path && File.Exists(path) ? path : null);
        return new TlsSettings(
            Existing(session.Global.TlsCaCertificate, "ca.pem"),
            Existing(session.Global.TlsCertificate, "cert.pem"),
            Existing(session.Global.TlsKey, "key.pem"),
            verify);
    }
}
