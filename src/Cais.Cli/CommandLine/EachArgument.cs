using Cais.Client;

namespace Cais.Cli.CommandLine;

/// <summary>Does one thing to each of several objects at once, as <c>stop a b c</c> does.</summary>
internal static class EachArgument
{
    /// <summary>More at once would only queue in the daemon.</summary>
    private const int AtOnce = 50;

    /// <summary>Prints the name of each that went well, and behind them what went wrong with the others.</summary>
    /// <returns>0 when all went well, else 1.</returns>
    public static async Task<int> RunAsync(CommandContext context, Func<string, Task> action) =>
        await RunAsync(context, async name =>
        {
            await action(name).ConfigureAwait(false);
            return (string?)name;
        }).ConfigureAwait(false);

    /// <summary>As the other, printing what <paramref name="action"/> returns, if anything.</summary>
    public static async Task<int> RunAsync(CommandContext context, Func<string, Task<string?>> action)
    {
        var failures = new List<string>();
        if (context.Arguments is [var only])
        {
            // No thread for the common case.
            Report(context, failures, await AttemptAsync(action, only).ConfigureAwait(false));
        }
        else
        {
            using var places = new SemaphoreSlim(AtOnce);
            var attempts = context.Arguments.Select(name => Task.Run(async () =>
            {
                await places.WaitAsync().ConfigureAwait(false);
                try
                {
                    return await AttemptAsync(action, name).ConfigureAwait(false);
                }
                finally
                {
                    places.Release();
                }
            })).ToList();
            foreach (var attempt in attempts)
            {
                Report(context, failures, await attempt.ConfigureAwait(false));
            }
        }

        await context.Session.Out.FlushAsync().ConfigureAwait(false);
        foreach (var failure in failures)
        {
            context.Session.Err.Write(failure + "\n");
        }

        return failures.Count == 0 ? 0 : 1;
    }

    private static async Task<(string? Output, string? Failure)> AttemptAsync(Func<string, Task<string?>> action, string name)
    {
        try
        {
            return (await action(name).ConfigureAwait(false), null);
        }
        catch (EngineApiException e)
        {
            return (null, "Error response from daemon: " + e.Message);
        }
        catch (Exception e) when (e is IOException or CommandException)
        {
            return (null, e.Message);
        }
    }

    private static void Report(CommandContext context, List<string> failures, (string? Output, string? Failure) result)
    {
        if (result.Failure is { } failure)
        {
            failures.Add(failure);
        }
        else if (result.Output is not null)
        {
            context.Session.Out.Write(result.Output + "\n");
            context.Session.Out.Flush();
        }
    }
}
