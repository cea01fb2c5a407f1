using System.Diagnostics.CodeAnalysis;
using Cais.Shim.Commands;

namespace Cais.Shim;

internal static class Program
{
    [DynamicDependency(nameof(FirstFunction.Run), typeof(FirstFunction))]
    private static int Main(string[] args)
    {
        try
        {
            return Run(ShimOptions.Parse(args));
        }
        catch (Exception e)
        {
            Console.Error.WriteLine($"{InfoCommand.RuntimeName}: {e.Message}");
            return 1;
        }
    }

    private static int Run(ShimOptions options)
    {
        if (options.ShowVersion)
        {
            return InfoCommand.PrintVersion(Console.Out);
        }

        if (options.ShowInfo)
        {
            return InfoCommand.PrintInfo(Console.OpenStandardOutput());
        }

        if (options.Namespace.Length == 0)
        {
            throw new UsageException("shim namespace cannot be empty");
        }

        return options.Action switch
        {
            "start" => StartCommand.Run(options, Console.OpenStandardInput(), Console.OpenStandardOutput()),
            "delete" => DeleteCommand.Run(options, Console.OpenStandardOutput()),
            "" or "serve" => ServeCommand.Run(options),
            var other => throw new UsageException($"unknown action \"{other}\": start, delete and serve are known"),
        };
    }
}
