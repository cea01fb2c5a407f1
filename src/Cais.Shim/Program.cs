using Cais.Shim.Commands;

try
{
    var options = ShimOptions.Parse(args);
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
catch (Exception e)
{
    Console.Error.WriteLine($"{InfoCommand.RuntimeName}: {e.Message}");
    return 1;
}
