using System.Runtime.InteropServices;
using Cais.Cli.CommandLine;
using Cais.Cli.Configuration;
using Cais.Cli.Terminal;

namespace Cais.Cli.Commands;

/// <summary>
/// docker's command line plug-ins: <c>cais compose up</c> becomes the program <c>docker-compose</c>, with <c>compose up</c> as its
/// arguments and the flags in front of them unchanged.
/// </summary>
internal static class PluginRunner
{
    private const string Prefix = "docker-";

    /// <summary>Where plug-ins are, the user's own first.</summary>
    private static readonly string[] SystemDirectories =
    [
        "/usr/local/lib/docker/cli-plugins", "/usr/local/libexec/docker/cli-plugins", "/usr/lib/docker/cli-plugins", "/usr/libexec/docker/cli-plugins",
    ];

    /// <summary>The plug-in's program, or null when none of that name is installed.</summary>
    public static string? Find(Session session, string name)
    {
        if (name.Length == 0 || !name.All(static c => char.IsAsciiLetterLower(c) || char.IsAsciiDigit(c)))
        {
            return null;
        }

        var extra = session.Configuration.Root is { ValueKind: System.Text.Json.JsonValueKind.Object } root ? Formatting.JsonAccess.Texts(root, "cliPluginsExtraDirs") : [];
        foreach (var directory in extra.Prepend(Path.Combine(session.Configuration.Directory, "cli-plugins")).Concat(SystemDirectories))
        {
            var path = Path.Combine(directory, Prefix + name);
            if (File.Exists(path) && (File.GetUnixFileMode(path) & (UnixFileMode.UserExecute | UnixFileMode.GroupExecute | UnixFileMode.OtherExecute)) != 0)
            {
                return path;
            }
        }

        return null;
    }

    /// <summary>Becomes the plug-in: returns only when that fails.</summary>
    /// <param name="session">Says which daemon the plug-in is to use.</param>
    /// <param name="program">The plug-in.</param>
    /// <param name="arguments">All words behind our own name.</param>
    public static int Become(Session session, string program, IReadOnlyList<string> arguments)
    {
        session.Out.Flush();
        var environment = new Dictionary<string, string>();
        foreach (System.Collections.DictionaryEntry variable in Environment.GetEnvironmentVariables())
        {
            environment[(string)variable.Key] = (string)variable.Value!;
        }

        environment["DOCKER_CLI_PLUGIN_ORIGINAL_CLI_COMMAND"] = Environment.ProcessPath ?? ProductVersion.Name;
        if (EndpointResolver.ContextName(session) == ContextStore.DefaultName && session.Global.Hosts.Count == 0)
        {
            // Our default socket need not be docker's.
            environment["DOCKER_HOST"] = EndpointResolver.Resolve(session).Text;
        }

        // .NET ignores SIGPIPE, and an ignored signal survives execve.
        Posix.signal(Posix.SIGPIPE, 0);
        Execute(program, [program, .. arguments], [.. environment.Select(static v => $"{v.Key}={v.Value}")]);
        throw new CommandException($"{program}: {new System.ComponentModel.Win32Exception(Marshal.GetLastPInvokeError()).Message}");
    }

    private static unsafe void Execute(string program, string[] arguments, string[] environment)
    {
        // Never freed: the process image is about to be replaced.
        static byte** Strings(string[] strings)
        {
            var list = (byte**)NativeMemory.Alloc((nuint)(strings.Length + 1), (nuint)sizeof(byte*));
            for (var i = 0; i < strings.Length; i++)
            {
                list[i] = (byte*)Marshal.StringToCoTaskMemUTF8(strings[i]);
            }

            list[strings.Length] = null;
            return list;
        }

        _ = Posix.execve(program, Strings(arguments), Strings(environment));
    }
}
