namespace Cais.Testing;

/// <summary>How a program ended and what it said.</summary>
public sealed record ProcessResult(string CommandLine, int ExitCode, string Output, string Error)
{
    /// <summary>The result itself if the program succeeded; otherwise fails with all that it said.</summary>
    public ProcessResult Succeeded() =>
        ExitCode == 0 ? this : throw new InvalidOperationException($"{this}");

    /// <summary>Standard output without the white space around it.</summary>
    public string Text => Output.Trim();

    public string[] Lines => Output.Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);

    public override string ToString() => $"$ {CommandLine}\nexit code {ExitCode}\n--- stdout\n{Output}--- stderr\n{Error}";
}
