using System.Globalization;
using System.Text;
using Cais.Build.Checks;
using Cais.Build.Language;
using Cais.Build.Sources;
using Cais.Cli.CommandLine;

namespace Cais.Cli.Commands.Builds;

/// <summary><c>build</c></summary>
internal static class BuildImageCommand
{
    public static Command Define() => new()
    {
        Use = "build [OPTIONS] PATH | URL | -",
        Summary = "Build an image from a Dockerfile",
        Aliases = ["image build", "build", "builder build"],
        Category = CommandCategory.Common,
        Arguments = ArgumentRule.Exactly(1),
        Flags = BuildFlags.All,
        Run = RunAsync,
    };

    private static async Task<int> RunAsync(CommandContext context)
    {
        Refuse(context);
        var call = context.Get(BuildFlags.Check) ? "check" : context.Get(BuildFlags.Call);
        var quiet = context.Get(BuildFlags.Quiet);
        var inputs = await BuildSources.OpenAsync(context).ConfigureAwait(false);
        if (call is "targets" or "outline")
        {
            return Answer(context, inputs, call);
        }

        if (call is not ("build" or "check" or "lint"))
        {
            throw new CommandException($"unknown call \"{call}\": build, check, outline and targets are known");
        }

        using var stop = new CancellationTokenSource();
        using var interrupt = System.Runtime.InteropServices.PosixSignalRegistration.Create(
            System.Runtime.InteropServices.PosixSignal.SIGINT,
            signal =>
            {
                signal.Cancel = true;
                stop.Cancel();
            });
        var outputs = BuildOutputs.Parse(context);
        var display = BuildDisplay.Create(quiet ? "quiet" : context.Flags.Changed(BuildFlags.Progress) ? context.Get(BuildFlags.Progress) : context.Session.Environment("BUILDKIT_PROGRESS") ?? "auto", context.Session);
        var session = new BuildSession(context, inputs, outputs, display);
        try
        {
            return await session.RunAsync(call is "check" or "lint", stop.Token).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (stop.IsCancellationRequested)
        {
            display.Finish();
            throw new CommandException("ERROR: failed to build: failed to solve: Canceled: context canceled", 130);
        }
    }

    private static void Refuse(CommandContext context)
    {
        if (context.Get(BuildFlags.Squash))
        {
            throw new CommandException("squash is not supported: use a multi-stage build, whose last stage copies the finished files");
        }

        if (context.Get(BuildFlags.SecurityOpt).Count > 0)
        {
            throw new CommandException("the daemon on this platform does not support setting security options on build");
        }

        if (context.Get(BuildFlags.Isolation) is { Length: > 0 } and not "default")
        {
            throw new CommandException("invalid isolation: on Linux there is only default");
        }
    }

    /// <summary>What can be built, or what can be given to a build; and what the file says of it.</summary>
    private static int Answer(CommandContext context, BuildSources inputs, string call)
    {
        if (inputs.Dockerfile is not { } text)
        {
            throw new CommandException($"--call={call} needs a Dockerfile on this machine");
        }

        try
        {
            var file = Dockerfile.Parse(new DockerfileSource(inputs.DockerfileName, text));
            context.Session.Out.Write(Columns(call == "targets" ? Targets(file) : DockerfileOutline.Of(file, context.Get(BuildFlags.Target), Arguments(context)).ToText()));
            return 0;
        }
        catch (DockerfileException e)
        {
            throw new CommandException($"{e.Message}\n{e.Excerpt}");
        }
    }

    private static string Targets(Dockerfile file)
    {
        var answer = new StringBuilder("TARGET\tDESCRIPTION\n");
        foreach (var stage in file.Stages)
        {
            answer.Append(CultureInfo.InvariantCulture, $"{stage.DisplayName}{(stage == file.Stages[^1] ? " (default)" : "")}\t{DockerfileOutline.Describe(stage.From.Comments, stage.Name ?? "")}\n");
        }

        return answer.ToString();
    }

    private static Dictionary<string, string> Arguments(CommandContext context) => context.Get(BuildFlags.BuildArg).Select(a => a.Split('=', 2))
        .GroupBy(a => a[0]).ToDictionary(g => g.Key, g => g.Last() is [_, var value] ? value : context.Session.Environment(g.Key) ?? "");

    /// <summary>Tables, blank lines between them, whose columns are separated by tabs.</summary>
    private static string Columns(string text)
    {
        var tables = text.TrimEnd('\n').Split("\n\n").Select(table =>
        {
            var rows = table.Split('\n').Select(r => r.Split('\t')).ToList();
            var widths = Enumerable.Range(0, rows.Max(r => r.Length)).Select(i => rows.Max(r => i < r.Length ? r[i].Length : 0) + 4).ToList();
            return string.Concat(rows.Select(r => string.Concat(r.Select((cell, i) => cell.PadRight(widths[i]))).TrimEnd() + "\n"));
        });
        return string.Join('\n', tables);
    }
}

/// <summary>What a build is made from: the Dockerfile, the context, its ignore file.</summary>
internal sealed class BuildSources
{
    /// <summary>The Dockerfile's text; null if it is in a context that is not here.</summary>
    public string? Dockerfile { get; private init; }

    public string DockerfileName { get; private init; } = "Dockerfile";

    /// <summary>The context's directory; null if there is none.</summary>
    public string? Directory { get; private init; }

    /// <summary>The context's address.</summary>
    public string? Remote { get; private init; }

    /// <summary>The context as an archive.</summary>
    public Stream? Archive { get; private init; }

    public string? Ignore { get; private init; }

    public static async Task<BuildSources> OpenAsync(CommandContext context)
    {
        var path = context.Arguments[0];
        var file = context.Get(BuildFlags.File);
        if (path == "-")
        {
            return file == "-" ? throw new CommandException("invalid argument: can't use stdin for both build context and dockerfile") : await FromStandardInputAsync(context, file).ConfigureAwait(false);
        }

        var text = file == "-" ? await ReadAllAsync(context.Session.Streams.RawIn).ConfigureAwait(false) : null;
        if (!System.IO.Directory.Exists(path) && IsRemote(path))
        {
            return new BuildSources { Remote = path, Dockerfile = text, DockerfileName = file is "" or "-" ? "Dockerfile" : file };
        }

        if (!System.IO.Directory.Exists(path))
        {
            throw new CommandException($"unable to prepare context: path {GoQuote.Quote(path)} not found");
        }

        var name = file.Length == 0 ? Path.Combine(path, "Dockerfile") : file;
        if (file.Length == 0 && !File.Exists(name) && File.Exists(Path.Combine(path, "dockerfile")))
        {
            name = Path.Combine(path, "dockerfile");
        }

        var source = text is null ? name : null;
        if (text is null)
        {
            try
            {
                text = await File.ReadAllTextAsync(name).ConfigureAwait(false);
            }
            catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException)
            {
                throw new CommandException($"unable to prepare context: unable to evaluate symlinks in Dockerfile path: lstat {Path.GetFullPath(name)}: no such file or directory");
            }
            catch (UnauthorizedAccessException)
            {
                throw new CommandException(System.IO.Directory.Exists(name) ? $"failed to read dockerfile: {name} is a directory" : $"open {name}: permission denied");
            }
        }

        return new BuildSources
        {
            Directory = path,
            Dockerfile = text,
            DockerfileName = source is null ? "Dockerfile" : Path.GetFileName(name),
            Ignore = ReadIgnore(path, source),
        };
    }

    private static bool IsRemote(string path) => GitAddress.TryParse(path, out _)
        || path.StartsWith("http://", StringComparison.OrdinalIgnoreCase) || path.StartsWith("https://", StringComparison.OrdinalIgnoreCase);

    private static string? ReadIgnore(string directory, string? dockerfile)
    {
        foreach (var candidate in new[] { dockerfile is null ? null : dockerfile + ".dockerignore", Path.Combine(directory, ".dockerignore") }.OfType<string>())
        {
            if (File.Exists(candidate))
            {
                return File.ReadAllText(candidate);
            }
        }

        return null;
    }

    private static async Task<BuildSources> FromStandardInputAsync(CommandContext context, string file)
    {
        var input = context.Session.Streams.RawIn;
        var head = new byte[512];
        var length = await input.ReadAtLeastAsync(head, head.Length, throwOnEndOfStream: false).ConfigureAwait(false);
        if (IsArchive(head.AsSpan(0, length)))
        {
            return new BuildSources { Archive = new Prefixed(head.AsMemory(0, length), input), DockerfileName = file.Length == 0 ? "Dockerfile" : file };
        }

        if (file.Length > 0)
        {
            throw new CommandException("ambiguous Dockerfile source: both stdin and flag correspond to Dockerfiles");
        }

        return new BuildSources { Dockerfile = Encoding.UTF8.GetString(head.AsSpan(0, length)) + await ReadAllAsync(input).ConfigureAwait(false) };
    }

    private static bool IsArchive(ReadOnlySpan<byte> head) => head is [0x1f, 0x8b, ..] or [0x28, 0xb5, 0x2f, 0xfd, ..] or [(byte)'B', (byte)'Z', (byte)'h', ..] or [0xfd, (byte)'7', (byte)'z', ..]
        || (head.Length == 512 && head[257..262].SequenceEqual("ustar"u8));

    private static async Task<string> ReadAllAsync(Stream stream)
    {
        using var reader = new StreamReader(stream, Encoding.UTF8, leaveOpen: true);
        return await reader.ReadToEndAsync().ConfigureAwait(false);
    }

    /// <summary>A stream of which the beginning has been read.</summary>
    private sealed class Prefixed(ReadOnlyMemory<byte> head, Stream rest) : Stream
    {
        private ReadOnlyMemory<byte> _head = head;

        public override bool CanRead => true;

        public override bool CanSeek => false;

        public override bool CanWrite => false;

        public override long Length => throw new NotSupportedException();

        public override long Position
        {
            get => throw new NotSupportedException();
            set => throw new NotSupportedException();
        }

        public override int Read(byte[] buffer, int offset, int count)
        {
            if (_head.IsEmpty)
            {
                return rest.Read(buffer, offset, count);
            }

            var n = Math.Min(count, _head.Length);
            _head[..n].Span.CopyTo(buffer.AsSpan(offset));
            _head = _head[n..];
            return n;
        }

        public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
        {
            if (_head.IsEmpty)
            {
                return rest.ReadAsync(buffer, cancellationToken);
            }

            var n = Math.Min(buffer.Length, _head.Length);
            _head[..n].CopyTo(buffer);
            _head = _head[n..];
            return ValueTask.FromResult(n);
        }

        public override void Flush()
        {
        }

        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

        public override void SetLength(long value) => throw new NotSupportedException();

        public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();
    }
}
