using Cais.Testing;

namespace Cais.EndToEnd.Tests;

/// <summary>A real terminal: a tmux session of its own server, with keys going in and the screen coming out.</summary>
internal sealed class Terminal : IAsyncDisposable
{
    private readonly string _socket = Path.Combine(Path.GetTempPath(), $"tmux-{Guid.NewGuid():n}");

    private Terminal()
    {
    }

    /// <summary>Runs <paramref name="commandLine"/> in a shell; when it ends, the screen says <c>ended: CODE</c> and stays.</summary>
    public static async Task<Terminal> Open(string commandLine, int columns = 80, int rows = 24)
    {
        var terminal = new Terminal();
        await terminal.Tmux("-f", "/dev/null", "new-session", "-d", "-x", $"{columns}", "-y", $"{rows}",
            $"{commandLine}; echo \"ended: $?\"; exec sleep 1000");
        return terminal;
    }

    public Task Type(string text) => Tmux("send-keys", "-l", text);

    /// <summary>Keys by tmux's names: <c>Enter</c>, <c>C-c</c>, <c>C-p</c> ...</summary>
    public Task Press(params string[] keys) => Tmux(["send-keys", .. keys]);

    public Task Resize(int columns, int rows) => Tmux("resize-window", "-x", $"{columns}", "-y", $"{rows}");

    public async Task<string> Screen() => (await Tmux("capture-pane", "-p")).Output;

    public async Task Shows(string text)
    {
        var screen = "";
        try
        {
            await Eventually.Holds(async () => (screen = await Screen()).Contains(text, StringComparison.Ordinal), $"'{text}' on the screen");
        }
        catch (TimeoutException e)
        {
            throw new TimeoutException($"{e.Message}; the screen is:\n{screen}");
        }
    }

    public async ValueTask DisposeAsync()
    {
        await Tmux("kill-server");
        File.Delete(_socket);
    }

    private async Task<ProcessResult> Tmux(params string[] arguments) =>
        (await Command.Run("tmux", ["-S", _socket, .. arguments], environment: new Dictionary<string, string?> { ["TERM"] = "xterm" })).Succeeded();
}
