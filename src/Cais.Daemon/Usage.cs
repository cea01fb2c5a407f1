using Cais.Daemon.Configuration;

namespace Cais.Daemon;

/// <summary>What <c>--help</c> prints.</summary>
internal static class Usage
{
    public static void Write(TextWriter to)
    {
        to.WriteLine();
        to.WriteLine("Usage:  caisd [OPTIONS]");
        to.WriteLine();
        to.WriteLine("A container engine that speaks Docker's API.");
        to.WriteLine();
        to.WriteLine("Options:");
        foreach (var flag in DaemonFlag.All.Where(f => !f.FileOnly).OrderBy(f => f.Name, StringComparer.Ordinal))
        {
            var letter = flag.Letter is { } l ? $"-{l}, " : "    ";
            var kind = flag.Kind switch
            {
                FlagKind.Bool => "",
                FlagKind.Number => " int",
                FlagKind.List => " list",
                FlagKind.Map or FlagKind.Object => " map",
                _ => " string",
            };
            to.WriteLine($"  {letter}--{(flag.Name + kind).PadRight(32)} {flag.Meaning}");
        }
    }
}
