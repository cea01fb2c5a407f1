using Cais.Build.Language.Syntax;

namespace Cais.Build.Language;

/// <summary>HEALTHCHECK [options] CMD …, and HEALTHCHECK NONE.</summary>
internal static class HealthcheckParser
{
    private static readonly TimeSpan Shortest = TimeSpan.FromMilliseconds(1);

    public static HealthcheckInstruction Parse(RawInstruction raw, FlagSet flags)
    {
        var text = InstructionParser.AtLeastOne(raw);
        var end = text.Text.AsSpan().IndexOfAny(" \t\v\f\r");
        end = end < 0 ? text.Length : end;
        var rest = text.Slice(end).Trim();
        switch (text.Text[..end].ToUpperInvariant())
        {
            case "NONE":
                return rest.Length == 0
                    ? new HealthcheckInstruction()
                    : throw new DockerfileException("HEALTHCHECK NONE takes no arguments", rest.Whole);
            case "CMD":
                var command = CommandParser.Parse(rest);
                if (command.Words.Count == 0)
                {
                    throw new DockerfileException("missing command after HEALTHCHECK CMD", text.Whole);
                }

                return new HealthcheckInstruction
                {
                    Command = command,
                    Interval = Duration(flags, "interval"),
                    Timeout = Duration(flags, "timeout"),
                    StartPeriod = Duration(flags, "start-period"),
                    StartInterval = Duration(flags, "start-interval"),
                    Retries = Retries(flags),
                };
            default:
                throw new DockerfileException($"unknown type \"{text.Text[..end]}\" in HEALTHCHECK: expected CMD or NONE", text.Range(0, end));
        }
    }

    private static TimeSpan? Duration(FlagSet flags, string name)
    {
        if (flags.One(name) is not { } text || text.Value.Length == 0)
        {
            return null;
        }

        if (!GoValues.TryDuration(text.Value, out var value))
        {
            throw new DockerfileException($"invalid duration \"{text}\" for --{name}: expected a number with a unit, as 30s or 1m30s", text.Range);
        }

        return value == TimeSpan.Zero ? null
            : value >= Shortest ? value
            : throw new DockerfileException($"Interval \"{name}\" cannot be less than 1ms", text.Range);
    }

    private static int? Retries(FlagSet flags)
    {
        if (flags.One("retries") is not { } text || text.Value.Length == 0)
        {
            return null;
        }

        return int.TryParse(text.Value, System.Globalization.NumberStyles.AllowLeadingSign, System.Globalization.CultureInfo.InvariantCulture, out var value) && value >= 0
            ? value
            : throw new DockerfileException($"--retries cannot be \"{text}\": expected a number that is not negative", text.Range);
    }
}
