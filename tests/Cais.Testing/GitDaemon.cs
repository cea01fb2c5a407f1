using System.Globalization;
using System.Net;
using System.Net.Sockets;

namespace Cais.Testing;

/// <summary>Git's own server on loopback, for the repositories below a folder.</summary>
public sealed class GitDaemon : IAsyncDisposable
{
    private readonly BackgroundProcess _process;

    private GitDaemon(BackgroundProcess process, int port)
    {
        _process = process;
        Address = string.Create(CultureInfo.InvariantCulture, $"git://127.0.0.1:{port}");
    }

    /// <summary>Without a slash at its end.</summary>
    public string Address { get; }

    public static async Task<GitDaemon> Serve(string folder)
    {
        var port = FreePort();

        // Not by way of git, whose end would leave it running.
        var programs = (await Command.Run("git", ["--exec-path"]).ConfigureAwait(false)).Succeeded().Text;
        var process = Command.Start(
            Path.Combine(programs, "git-daemon"),
            [
                "--verbose", "--export-all", "--reuseaddr", "--listen=127.0.0.1", string.Create(CultureInfo.InvariantCulture, $"--port={port}"),
                $"--base-path={folder}", folder,
            ]);
        await process.Says("Ready to rumble").ConfigureAwait(false);
        return new GitDaemon(process, port);
    }

    public ValueTask DisposeAsync() => _process.DisposeAsync();

    private static int FreePort()
    {
        using var probe = new TcpListener(IPAddress.Loopback, 0);
        probe.Start();
        return ((IPEndPoint)probe.LocalEndpoint).Port;
    }
}
