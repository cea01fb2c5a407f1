using System.Globalization;
using System.Text;
using System.Threading.Channels;
using Cais.Api;
using Cais.Build.Graph;
using Cais.Build.Language;
using Cais.Build.Planning;
using Cais.Build.Solving;
using Cais.Oci.Images;

namespace Cais.Daemon.Endpoints;

/// <summary>
/// Tells a build in the legacy builder's words, step by step in the order of the file, though steps may run at the same time: what a later step says is
/// kept until its turn comes.
/// </summary>
internal sealed class ClassicProgress(ChannelWriter<ProgressMessage> lines, bool quiet) : IBuildProgress
{
    private const int MostKept = 1 << 20;

    private readonly Lock _gate = new();
    private readonly Dictionary<Digest, State> _states = [];
    private IReadOnlyList<PlannedInstruction> _instructions = [];
    private DockerfileSource? _file;
    private int _at = -1;
    private string _last = "";

    public bool IsQuiet => quiet;

    public void Begin(BuildPlan plan, DockerfileSource file)
    {
        lock (_gate)
        {
            (_instructions, _file) = (plan.Instructions, file);
            Advance();
        }
    }

    /// <summary>All went well: what nobody spoke of was not needed anew.</summary>
    public void End()
    {
        lock (_gate)
        {
            foreach (var instruction in _instructions)
            {
                if (instruction.Step is { } step && StateOf(step) is { IsDone: false } state)
                {
                    (state.IsDone, state.WasCached) = (true, true);
                }
            }

            Advance();
        }
    }

    /// <summary>Shows the step that failed, with what it said, and where it stands.</summary>
    public void Fail(StepFailedException failure)
    {
        lock (_gate)
        {
            for (var i = Math.Max(0, _at); i < _instructions.Count; i++)
            {
                if (_instructions[i].Step?.Digest == failure.Step.Digest)
                {
                    if (i != _at)
                    {
                        _at = i;
                        Head();
                    }

                    Flush(StateOf(failure.Step));
                }
            }

            if (failure.Step.Range.Start.Line > 0 && _file is not null)
            {
                Say("\n" + _file.Excerpt(failure.Step.Range) + "\n");
                if (failure.ExitCode is not null)
                {
                    Say("To look at what it found: build the instructions before this one (or a stage that ends there, with --target) and run the command in a container of that image\n");
                }
            }
        }
    }

    public void Say(string text)
    {
        if (!quiet && text.Length > 0)
        {
            lines.TryWrite(new ProgressMessage { Stream = text });
        }
    }

    public void Started(Step step)
    {
    }

    public void Output(Step step, bool isError, ReadOnlySpan<byte> data)
    {
        var text = Encoding.UTF8.GetString(data);
        if (isError)
        {
            text = $"\e[91m{text}\e[0m";
        }

        lock (_gate)
        {
            var state = StateOf(step);
            if (_at >= 0 && _at < _instructions.Count && _instructions[_at].Step?.Digest == step.Digest)
            {
                Say(text);
            }
            else if (state.Kept.Length < MostKept)
            {
                state.Kept.Append(text);
            }
        }
    }

    public void Completed(Step step, bool wasCached, Exception? error)
    {
        if (error is not null)
        {
            return;
        }

        lock (_gate)
        {
            var state = StateOf(step);
            (state.IsDone, state.WasCached) = (true, wasCached);
            Settle(step);
            Advance();
        }
    }

    /// <summary>A step is done: so is what it stands on, from the cache if nobody said otherwise.</summary>
    private void Settle(Step step)
    {
        foreach (var input in step.Inputs)
        {
            if (StateOf(input) is { IsDone: false } state)
            {
                (state.IsDone, state.WasCached) = (true, true);
                Settle(input);
            }
        }
    }

    private void Advance()
    {
        // Until there is a plan there is nothing to number.
        while (_instructions.Count > 0 && _at < _instructions.Count)
        {
            if (_at >= 0)
            {
                var (_, instruction, step) = _instructions[_at];
                if (step is not null && step is not ScratchStep && !StateOf(step).IsDone)
                {
                    return;
                }

                if (step is not null)
                {
                    Flush(StateOf(step));
                    if (instruction is not FromInstruction && StateOf(step).WasCached)
                    {
                        Say(" ---> Using cache\n");
                    }

                    _last = step is ImageStep image ? image.Image.Manifest.Short : step.Digest.Short;
                }

                Say(step is ScratchStep ? " ---> \n" : $" ---> {_last}\n");
            }

            if (++_at < _instructions.Count)
            {
                Head();
            }
        }
    }

    private void Head()
    {
        var (_, instruction, step) = _instructions[_at];
        Say(string.Create(CultureInfo.InvariantCulture, $"Step {_at + 1}/{_instructions.Count} : {instruction.Text}"));
        Say("\n");
        if (step is not null)
        {
            Flush(StateOf(step));
        }
    }

    private void Flush(State state)
    {
        if (state.Kept.Length > 0)
        {
            Say(state.Kept.ToString());
            state.Kept.Clear();
        }
    }

    private State StateOf(Step step)
    {
        if (!_states.TryGetValue(step.Digest, out var state))
        {
            _states[step.Digest] = state = new State();
        }

        return state;
    }

    private sealed class State
    {
        public bool IsDone { get; set; }

        public bool WasCached { get; set; }

        /// <summary>Output that has to wait.</summary>
        public StringBuilder Kept { get; } = new();
    }
}
