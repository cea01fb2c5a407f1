using Cais.Cli.CommandLine;

namespace Cais.Cli.Commands.SystemCommands;

/// <summary><c>system dial-stdio</c>: joins standard input and output to the daemon's socket. The far end of <c>ssh://</c>.</summary>
internal static class DialStdioCommand
{
    public static Command Define() => new()
    {
        Use = "dial-stdio",
        Summary = "Proxy the stdio stream to the daemon connection",
        Hidden = true,
        Run = RunAsync,
    };

    private static async Task<int> RunAsync(CommandContext context)
    {
        var streams = context.Session.Streams;
        using var connection = await context.Session.Engine.DialAsync().ConfigureAwait(false);
        new Thread(() =>
        {
            try
            {
                streams.RawIn.CopyTo(connection);
                connection.CompleteWrites();
            }
            catch (Exception e) when (e is IOException or ObjectDisposedException)
            {
                // The daemon closed first: the other direction ends the program.
            }
        })
        { IsBackground = true }.Start();
        await connection.CopyToAsync(streams.RawOut).ConfigureAwait(false);
        return 0;
    }
}
