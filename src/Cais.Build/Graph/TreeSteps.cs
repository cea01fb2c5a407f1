namespace Cais.Build.Graph;

/// <summary>
/// Several file systems on top of each other: what each of the later ones was made of, layer by layer, is done again on what is before it, removals too.
/// </summary>
public sealed class MergeStep(IReadOnlyList<Step> inputs, string name) : Step(inputs, name)
{
    internal override void Define(DefinitionHash hash)
    {
    }
}

/// <summary>What makes the second input out of the first, which it must have been made from: a file system of those layers alone.</summary>
public sealed class DiffStep(Step lower, Step upper, string name) : Step([lower, upper], name)
{
    public override bool HasBase => false;

    internal override void Define(DefinitionHash hash)
    {
    }
}

/// <summary>What a command wrote into one of its mounts, on top of what was mounted.</summary>
/// <param name="mount">The mount's place in <see cref="RunStep.Mounts"/>.</param>
public sealed class MountOutputStep(RunStep run, int mount, string name) : Step([run], name)
{
    public RunStep Run { get; } = run;

    public int Mount { get; } = mount;

    internal override void Define(DefinitionHash hash) => hash.Add(Mount);
}
