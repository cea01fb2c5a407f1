using Cais.Build.Graph;
using Cais.Build.Language;
using Cais.Oci.Images;

namespace Cais.Build.Planning;

/// <summary>What to build for one platform: the last step, and what the image says besides its layers.</summary>
/// <param name="Result">The step whose file system is the result.</param>
/// <param name="Config">The image's configuration; layers and times are filled in when they are known.</param>
/// <param name="History">All entries, the base image's first. Those not empty stand for the layers, in order.</param>
/// <param name="Findings">What the build checks have to say.</param>
public sealed record BuildPlan(Step Result, ImageConfig Config, IReadOnlyList<HistoryEntry> History, IReadOnlyList<Checks.Finding> Findings)
{
    /// <summary>The instructions of the stages that the result needs, as they stand in the file, and the step that each became.</summary>
    public IReadOnlyList<PlannedInstruction> Instructions { get; init; } = [];

    /// <summary>All steps that the result needs, each once, inputs first.</summary>
    public IReadOnlyList<Step> Steps()
    {
        var order = new List<Step>();
        var seen = new HashSet<Digest>();
        var pending = new Stack<(Step Step, bool IsLeaving)>();
        pending.Push((Result, false));
        while (pending.TryPop(out var top))
        {
            if (top.IsLeaving)
            {
                order.Add(top.Step);
            }
            else if (seen.Add(top.Step.Digest))
            {
                pending.Push((top.Step, true));
                foreach (var input in top.Step.Inputs.Reverse())
                {
                    pending.Push((input, false));
                }
            }
        }

        return order;
    }
}

/// <summary>An instruction of a stage that is needed, and its step; null if it only changes the configuration. A trigger of ONBUILD counts as an instruction.</summary>
public sealed record PlannedInstruction(Stage Stage, Instruction Instruction, Step? Step);
