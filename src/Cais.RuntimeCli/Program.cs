using System.Diagnostics.CodeAnalysis;

namespace Cais.RuntimeCli;

internal static class Program
{
    [DynamicDependency(nameof(FirstFunction.Run), typeof(FirstFunction))]
    private static int Main(string[] args) => CommandLine.Run(args);
}
