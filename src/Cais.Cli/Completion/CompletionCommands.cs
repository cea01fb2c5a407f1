using Cais.Cli.CommandLine;

namespace Cais.Cli.Completion;

/// <summary><c>completion bash|zsh|fish</c>: scripts that have the shell ask <c>__complete</c>.</summary>
internal static class CompletionCommand
{
    public static Command Define() => new()
    {
        Use = "completion COMMAND",
        Summary = "Print a script that lets a shell complete commands, flags and names",
        Hidden = true,
        Children =
        [
            static () => Shell("bash", CompletionScripts.Bash),
            static () => Shell("zsh", CompletionScripts.Zsh),
            static () => Shell("fish", CompletionScripts.Fish),
        ],
    };

    private static Command Shell(string name, string script) => new()
    {
        Use = name,
        Summary = $"Print the script for {name}",
        Run = context =>
        {
            context.Session.Out.Write(script);
            return Task.FromResult(0);
        },
    };
}

/// <summary><c>__complete WORD...</c>: what the last word can become, one a line with a tab before its description, then <c>:4</c> (no file names) or <c>:0</c>.</summary>
internal static class CompleteCommand
{
    private const int FilesToo = 0;
    private const int NoFiles = 4;

    public static Command Define() => new()
    {
        Use = "__complete [ARG...]",
        Summary = "Answer a shell's request for completions",
        Hidden = true,
        Interspersed = false,
        Arguments = ArgumentRule.Any,
        Run = static async context =>
        {
            var (candidates, files) = await CandidatesAsync(context).ConfigureAwait(false);
            foreach (var (text, description) in candidates)
            {
                context.Session.Out.Write(description.Length > 0 ? $"{text}\t{description}\n" : text + "\n");
            }

            context.Session.Out.Write($":{(files ? FilesToo : NoFiles)}\n");
            return 0;
        },
    };

    private static async Task<(IEnumerable<(string Text, string Description)> Candidates, bool Files)> CandidatesAsync(CommandContext context)
    {
        var words = context.Arguments.Count > 0 ? context.Arguments : [""];
        var last = words[^1];
        var walk = new CommandWalk(Commands.RootCommand.Define());
        foreach (var word in words.Take(words.Count - 1))
        {
            walk.Take(word);
        }

        if (walk.PendingFlag is { } flag)
        {
            return await CandidateSource.ForFlagAsync(context.Session, flag, last).ConfigureAwait(false);
        }

        if (last.StartsWith('-') && walk.FlagsAllowed)
        {
            return (walk.Command.Flags.Where(f => !f.Hidden && ("--" + f.Name).StartsWith(last, StringComparison.Ordinal))
                .Select(static f => ("--" + f.Name, f.Usage.Split('\n')[0])), false);
        }

        if (walk.Command.Children.Count > 0)
        {
            return (walk.Command.Children.Select(static make => make())
                .Where(c => !c.Hidden && c.Name.StartsWith(last, StringComparison.Ordinal)).OrderBy(static c => c.Name, StringComparer.Ordinal)
                .Select(static c => (c.Name, c.Summary)), false);
        }

        return await CandidateSource.ForArgumentAsync(context.Session, walk.Command, walk.ArgumentCount, last).ConfigureAwait(false);
    }

    /// <summary>Follows the words in front of the one to complete.</summary>
    private sealed class CommandWalk(Command root)
    {
        public Command Command { get; private set; } = root;

        /// <summary>A flag whose value comes next.</summary>
        public Flag? PendingFlag { get; private set; }

        public int ArgumentCount { get; private set; }

        public bool FlagsAllowed => Command.Interspersed || ArgumentCount == 0;

        public void Take(string word)
        {
            if (PendingFlag is not null)
            {
                PendingFlag = null;
            }
            else if (word.Length > 1 && word[0] == '-' && FlagsAllowed)
            {
                TakeFlag(word);
            }
            else if (Command.Children.Count > 0)
            {
                Command = CommandRunner.Child(Command, word) ?? Command;
            }
            else
            {
                ArgumentCount++;
            }
        }

        private void TakeFlag(string word)
        {
            if (word.Contains('='))
            {
                return;
            }

            var flag = word.StartsWith("--", StringComparison.Ordinal)
                ? Command.Flags.FirstOrDefault(f => f.Name == word[2..])
                : Command.Flags.FirstOrDefault(f => f.Shorthand == word[^1]);
            PendingFlag = flag is { IsSwitch: false } ? flag : null;
        }
    }
}
