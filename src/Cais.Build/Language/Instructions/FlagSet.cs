using Cais.Build.Language.Syntax;

namespace Cais.Build.Language;

/// <summary>An instruction's flags, taken out one by one; what nobody took is an error.</summary>
internal sealed class FlagSet
{
    private readonly string _instruction;
    private readonly List<RawFlag> _flags;
    private readonly List<string> _known = [];

    public FlagSet(RawInstruction raw)
    {
        _instruction = raw.Name;
        _flags = [.. raw.Flags];
    }

    public Text? One(string name)
    {
        var found = Take(name);
        return found.Count switch
        {
            0 => null,
            1 => Valued(found[0]),
            _ => throw new DockerfileException($"duplicate flag specified: {name}", found[1].Range),
        };
    }

    public IReadOnlyList<Text> Many(string name) => [.. Take(name).Select(Valued)];

    public bool? Boolean(string name)
    {
        var found = Take(name);
        if (found.Count > 1)
        {
            throw new DockerfileException($"duplicate flag specified: {name}", found[1].Range);
        }

        return found.Count == 0 ? null
            : found[0].Value is null ? true
            : GoValues.TryBoolean(found[0].Value!, out var value) ? value
            : throw new DockerfileException($"expecting boolean value for flag {name}, not: {found[0].Value}", found[0].Range);
    }

    /// <summary>A list of words where a flag is allowed that the instruction has no use for in this form.</summary>
    public void End()
    {
        if (_flags.Count > 0)
        {
            var flag = _flags[0];
            throw new DockerfileException($"unknown flag: --{flag.Name}{Suggestions.For(flag.Name, _known, "--")} for {_instruction}", flag.Range);
        }
    }

    private List<RawFlag> Take(string name)
    {
        _known.Add(name);
        var found = _flags.FindAll(f => f.Name == name);
        _flags.RemoveAll(f => f.Name == name);
        return found;
    }

    private static Text Valued(RawFlag flag) => flag.Value is null
        ? throw new DockerfileException($"missing a value on flag: {flag.Name}", flag.Range)
        : new Text(flag.Value, flag.Range);
}
