using System.Globalization;
using System.IO.Pipelines;
using System.Text.Json;
using Cais.Cli.Archives;
using Cais.Cli.CommandLine;
using Cais.Cli.Formatting;
using Cais.Client;

namespace Cais.Cli.Commands.Containers;

/// <summary><c>cp</c>: files between a container and here.</summary>
internal static class CopyCommand
{
    private static readonly Flag<bool> Archive = Flags.Bool("archive", "Keep the owners (all uid and gid)", 'a');
    private static readonly Flag<bool> FollowLink = Flags.Bool("follow-link", "If SRC_PATH is a symbolic link, copy what it points to", 'L');
    private static readonly Flag<bool> Quiet = Flags.Bool("quiet", "Say nothing; as when there is no terminal", 'q');

    public static Command Define() => new()
    {
        Use = "cp [OPTIONS] CONTAINER:SRC_PATH DEST_PATH|-\n\tcais cp [OPTIONS] SRC_PATH|- CONTAINER:DEST_PATH",
        Summary = "Copy files between a container and the local filesystem",
        Description = "Copy files between a container and the local filesystem\n\n"
            + "With '-' as the source, a tar archive is read from STDIN and unpacked in a\ndirectory of the container. "
            + "With '-' as the destination, what is copied goes to\nSTDOUT as a tar archive.",
        Aliases = ["container cp", "cp"],
        Arguments = ArgumentRule.Exactly(2),
        Flags = [Archive, FollowLink, Quiet],
        Run = RunAsync,
    };

    private static async Task<int> RunAsync(CommandContext context)
    {
        var (from, source) = Split(context.Arguments[0]);
        var (to, target) = Split(context.Arguments[1]);
        if (context.Arguments[0].Length == 0 || context.Arguments[1].Length == 0)
        {
            throw new CommandException(context.Arguments[0].Length == 0 ? "source can not be empty" : "destination can not be empty");
        }

        var quiet = context.Flags.Changed(Quiet) ? context.Get(Quiet) : !context.Session.Streams.ErrIsTerminal;
        long copied;
        switch ((from, to))
        {
            case (not null, null):
                copied = await CopyOutAsync(context, from, source, target).ConfigureAwait(false);
                if (!quiet && target != "-")
                {
                    context.Session.Err.Write($"Successfully copied {Human.Size(copied, 3)} to {Path.GetFullPath(target)}\n");
                }

                return 0;
            case (null, not null):
                copied = await CopyInAsync(context, source, to, target).ConfigureAwait(false);
                if (!quiet)
                {
                    context.Session.Err.Write($"Successfully copied {Human.Size(copied, 3)} to {to}:{target}\n");
                }

                return 0;
            case (not null, not null):
                throw new CommandException("copying between containers is not supported");
            default:
                throw new CommandException("must specify at least one container source");
        }
    }

    /// <summary><c>container:path</c>; a path that begins with a slash or a dot is local, whatever colons are in it.</summary>
    private static (string? Container, string Path) Split(string argument)
    {
        var colon = argument.IndexOf(':');
        return argument.StartsWith('/') || argument.StartsWith('.') || colon <= 0
            ? (null, argument)
            : (argument[..colon], argument[(colon + 1)..]);
    }

    private static async Task<long> CopyOutAsync(CommandContext context, string container, string source, string target)
    {
        var session = context.Session;
        var path = source;
        if (context.Get(FollowLink) && await StatAsync(session.Engine, container, source).ConfigureAwait(false) is { IsLink: true } link)
        {
            path = link.Target.StartsWith('/') ? link.Target : ContainerPath.Join(ContainerPath.Directory(source), link.Target);
        }

        using var response = await session.Engine.SendAsync(
            new EngineRequest("GET", $"/containers/{EngineRequest.Escape(container)}/archive").With("path", path)).ConfigureAwait(false);
        if (target == "-")
        {
            if (session.Streams.OutIsTerminal)
            {
                throw new CommandException("cowardly refusing to copy to a terminal, redirect output");
            }

            await response.Body.CopyToAsync(session.Streams.RawOut, 64 * 1024).ConfigureAwait(false);
            return 0;
        }

        var stat = PathStat.Parse(response.Head["X-Docker-Container-Path-Stat"]);
        var place = LocalTarget.Resolve(target, stat.IsDirectory, stat.Name, contents: ContainerPath.NamesContents(source));
        return await ArchiveReader.ExtractAsync(response.Body, stat.Name, place.Directory, place.Name, keepOwners: context.Get(Archive)).ConfigureAwait(false);
    }

    private static async Task<long> CopyInAsync(CommandContext context, string source, string container, string target)
    {
        var session = context.Session;
        var directory = target;
        var stat = await StatAsync(session.Engine, container, target).ConfigureAwait(false);
        if (stat is { IsLink: true })
        {
            directory = stat.Target.StartsWith('/') ? stat.Target : ContainerPath.Join(ContainerPath.Directory(target), stat.Target);
            stat = await StatAsync(session.Engine, container, directory).ConfigureAwait(false);
        }

        if (source == "-")
        {
            if (stat is not { IsDirectory: true })
            {
                throw new CommandException($"destination \"{container}:{target}\" must be a directory");
            }

            await UploadAsync(context, container, directory, session.Streams.RawIn).ConfigureAwait(false);
            return 0;
        }

        var tree = LocalTree.Open(source, context.Get(FollowLink));
        string name;
        if (stat is { IsDirectory: true })
        {
            name = ContainerPath.NamesContents(source) ? "." : tree.Name;
        }
        else if (stat is not null && tree.IsDirectory)
        {
            throw new CommandException("cannot copy directory");
        }
        else if (stat is null && target.EndsWith('/') && !tree.IsDirectory)
        {
            throw new CommandException("no such directory");
        }
        else
        {
            name = ContainerPath.Name(directory);
            directory = ContainerPath.Directory(directory);
        }

        var pipe = new Pipe();
        var writing = Task.Run(() => tree.WriteArchiveAsync(pipe.Writer, name));
        await UploadAsync(context, container, directory, pipe.Reader.AsStream()).ConfigureAwait(false);
        return await writing.ConfigureAwait(false);
    }

    private static Task UploadAsync(CommandContext context, string container, string directory, Stream archive) =>
        context.Session.Engine.ExecuteAsync(
            new EngineRequest("PUT", $"/containers/{EngineRequest.Escape(container)}/archive") { BodyStream = archive, ContentType = "application/x-tar" }
                .With("path", directory).With("noOverwriteDirNonDir", "true").With("copyUIDGID", context.Get(Archive) ? "true" : null));

    /// <summary>What is at that path in the container; null when nothing is.</summary>
    private static async Task<PathStat?> StatAsync(EngineClient engine, string container, string path)
    {
        try
        {
            using var response = await engine.SendAsync(
                new EngineRequest("HEAD", $"/containers/{EngineRequest.Escape(container)}/archive").With("path", path)).ConfigureAwait(false);
            return PathStat.Parse(response.Head["X-Docker-Container-Path-Stat"]);
        }
        catch (EngineApiException e) when (e.IsNotFound || e.Status == 400)
        {
            // Such as a slash behind a file: whatever is wrong with the path, the copy itself says it better.
            return null;
        }
    }
}

/// <summary>What the daemon says of a path in a container.</summary>
internal sealed record PathStat(string Name, long Size, uint Mode, string Target)
{
    /// <summary>Bits of Go's file mode, which the API uses on the wire.</summary>
    private const uint GoDirectory = 1u << 31;
    private const uint GoSymbolicLink = 1u << 27;

    public bool IsDirectory => (Mode & GoDirectory) != 0;

    public bool IsLink => (Mode & GoSymbolicLink) != 0;

    /// <exception cref="CommandException">The daemon said nothing intelligible.</exception>
    public static PathStat Parse(string? header)
    {
        try
        {
            using var json = JsonDocument.Parse(Convert.FromBase64String(header ?? ""));
            return new(json.RootElement.Text("name"), json.RootElement.Number("size"), (uint)json.RootElement.Number("mode"), json.RootElement.Text("linkTarget"));
        }
        catch (Exception e) when (e is FormatException or JsonException)
        {
            throw new CommandException($"unable to decode container path stat header: {e.Message}");
        }
    }
}

/// <summary>Paths in containers, which are Linux's whatever runs this program.</summary>
internal static class ContainerPath
{
    /// <summary>Whether the path means what is in a directory rather than the directory (<c>dir/.</c>).</summary>
    public static bool NamesContents(string path) => path is "." or ".." || path.EndsWith("/.", StringComparison.Ordinal);

    public static string Name(string path)
    {
        var trimmed = path.TrimEnd('/');
        return trimmed.Length == 0 ? "/" : trimmed[(trimmed.LastIndexOf('/') + 1)..];
    }

    public static string Directory(string path)
    {
        var trimmed = path.TrimEnd('/');
        return trimmed.LastIndexOf('/') switch
        {
            < 0 => "/",
            0 => "/",
            var slash => trimmed[..slash],
        };
    }

    public static string Join(string directory, string name) => string.Create(CultureInfo.InvariantCulture, $"{directory.TrimEnd('/')}/{name}");
}
