using System.Text;
using System.Text.Json.Nodes;
using Cais.Api;
using Cais.Cli.CommandLine;
using Cais.Cli.Commands.Containers;
using Cais.Cli.Configuration;
using Cais.Cli.Terminal;

namespace Cais.Cli.Commands.SystemCommands;

/// <summary><c>login</c></summary>
internal static class LoginCommand
{
    private static readonly Flag<string> Password = Flags.Text("password", "Password or access token", 'p');
    private static readonly Flag<bool> PasswordStdin = Flags.Bool("password-stdin", "Read the password or access token from STDIN");
    private static readonly Flag<string> Username = Flags.Text("username", "User name", 'u');

    public static Command Define() => new()
    {
        Use = "login [OPTIONS] [SERVER]",
        Summary = "Log in to a registry",
        Description = "Log in to a registry.\nWithout a server it is Docker Hub.",
        Category = CommandCategory.Common,
        Arguments = ArgumentRule.AtMost(1),
        Flags = [Password, PasswordStdin, Username],
        Run = RunAsync,
    };

    private static async Task<int> RunAsync(CommandContext context)
    {
        var session = context.Session;
        var (user, password) = (context.Get(Username), context.Get(Password));
        if (context.Get(PasswordStdin))
        {
            if (context.Flags.Changed(Password))
            {
                throw new CommandException("conflicting options: cannot specify both --password and --password-stdin");
            }

            if (user.Length == 0)
            {
                throw new CommandException("the --password-stdin option requires --username to be set");
            }

            using var reader = new StreamReader(session.Streams.RawIn, Encoding.UTF8);
            password = (await reader.ReadToEndAsync().ConfigureAwait(false)).TrimEnd('\n').TrimEnd('\r');
            if (password.Length == 0)
            {
                throw new CommandException("password is empty");
            }
        }
        else if (context.Flags.Changed(Password))
        {
            session.Err.Write("WARNING! Using --password via the CLI is insecure. Use --password-stdin.\n");
        }

        var server = RegistryCredentials.ServerOf(context.Arguments.Count > 0 ? Host(context.Arguments[0]) : "docker.io");
        var credentials = new RegistryCredentials(session.Configuration);
        var stored = credentials.Find(server);
        if (user.Length == 0 && password.Length == 0 && stored is not null)
        {
            session.Err.Write($"Authenticating with existing credentials... [Username: {stored.Username}]\n");
            (user, password) = (stored.Username, stored.Password);
        }
        else if (user.Length == 0 || password.Length == 0)
        {
            (user, password) = Ask(session, user, password, stored?.Username ?? "");
        }

        var answer = await session.Engine.AuthenticateAsync(
            new AuthConfig { Username = user, Password = password, Serveraddress = server }).ConfigureAwait(false);
        LoginStore.Save(session, new RegistryLogin(server, user, password) { IdentityToken = answer.IdentityToken ?? "" });
        if (answer.Status is { Length: > 0 } status)
        {
            session.Out.Write(status + "\n");
        }

        return 0;
    }

    /// <summary>People paste addresses: a registry is named by its host alone.</summary>
    private static string Host(string server)
    {
        var start = server.IndexOf("://", StringComparison.Ordinal);
        var rest = start < 0 ? server : server[(start + 3)..];
        return server == RegistryCredentials.HubServer ? server : rest.Split('/')[0];
    }

    private static (string User, string Password) Ask(Session session, string user, string password, string suggestion)
    {
        if (!session.Streams.InIsTerminal)
        {
            throw new CommandException("Error: Cannot perform an interactive login from a non TTY device");
        }

        if (user.Length == 0)
        {
            session.Out.Write(suggestion.Length > 0 ? $"Username ({suggestion}): " : "Username: ");
            session.Out.Flush();
            user = Pruning.ReadLine(session.Streams.RawIn).Trim() is { Length: > 0 } typed ? typed : suggestion;
            if (user.Length == 0)
            {
                throw new CommandException("Error: Non-null Username Required");
            }
        }

        if (password.Length == 0)
        {
            session.Out.Write("Password: ");
            session.Out.Flush();
            using (TerminalMode.NoEcho(0))
            {
                password = Pruning.ReadLine(session.Streams.RawIn);
            }

            session.Out.Write("\n");
            if (password.Length == 0)
            {
                throw new CommandException("Error: Password Required");
            }
        }

        return (user, password);
    }
}

/// <summary><c>logout</c></summary>
internal static class LogoutCommand
{
    public static Command Define() => new()
    {
        Use = "logout [SERVER]",
        Summary = "Log out from a registry",
        Description = "Log out from a registry.\nWithout a server it is Docker Hub.",
        Category = CommandCategory.Common,
        Arguments = ArgumentRule.AtMost(1),
        Run = static context =>
        {
            var server = RegistryCredentials.ServerOf(context.Arguments.Count > 0 ? context.Arguments[0] : "docker.io");
            context.Session.Out.Write($"Removing login credentials for {server}\n");
            LoginStore.Remove(context.Session, server);
            return Task.FromResult(0);
        },
    };
}

/// <summary>Keeps and forgets logins: with the credential helper in force, else in <c>config.json</c>.</summary>
internal static class LoginStore
{
    public static void Save(Session session, RegistryLogin login)
    {
        if (new RegistryCredentials(session.Configuration).Helper(login.Server) is { } helper)
        {
            var json = new StringBuilder("{\"ServerURL\":");
            GoJson.WriteString(json, login.Server);
            json.Append(",\"Username\":");
            GoJson.WriteString(json, login.IdentityToken.Length > 0 ? "<token>" : login.Username);
            json.Append(",\"Secret\":");
            GoJson.WriteString(json, login.IdentityToken.Length > 0 ? login.IdentityToken : login.Password);
            var (ok, output) = RegistryCredentials.RunHelper(helper, "store", json.Append('}').ToString());
            if (!ok)
            {
                throw new CommandException($"Error saving credentials: error storing credentials - err: exit status 1, out: `{output}`");
            }

            return;
        }

        session.Err.Write(
            $"\nWARNING! Your credentials are stored unencrypted in '{session.Configuration.FilePath}'.\nConfigure a credential helper to remove this warning.\n\n");
        ConfigurationFile.Change(session.Configuration.Directory, root =>
        {
            var entry = new JsonObject { ["auth"] = Convert.ToBase64String(Encoding.UTF8.GetBytes($"{login.Username}:{login.Password}")) };
            if (login.IdentityToken.Length > 0)
            {
                entry = new JsonObject
                {
                    ["auth"] = Convert.ToBase64String(Encoding.UTF8.GetBytes($"{login.Username}:")),
                    ["identitytoken"] = login.IdentityToken,
                };
            }

            Logins(root)[login.Server] = entry;
        });
    }

    public static void Remove(Session session, string server)
    {
        if (new RegistryCredentials(session.Configuration).Helper(server) is { } helper)
        {
            var (ok, output) = RegistryCredentials.RunHelper(helper, "erase", server);
            if (!ok)
            {
                session.Err.Write($"WARNING: could not erase credentials:\n{server}: {output}\n");
            }

            return;
        }

        if (session.Configuration.Section("auths") is { } logins && logins.TryGetProperty(server, out _))
        {
            ConfigurationFile.Change(session.Configuration.Directory, root => Logins(root).Remove(server));
        }
    }

    private static JsonObject Logins(JsonObject root)
    {
        if (root["auths"] is not JsonObject logins)
        {
            root["auths"] = logins = [];
        }

        return logins;
    }
}
