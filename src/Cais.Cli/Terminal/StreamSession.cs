using Cais.Client;
using Cais.Client.Streams;

namespace Cais.Cli.Terminal;

/// <summary>How a <see cref="StreamSession"/> ended.</summary>
internal enum SessionEnd
{
    /// <summary>The container's output ended.</summary>
    OutputEnded,

    /// <summary>The user typed the detach keys.</summary>
    Detached,
}

/// <summary>Connects this process's standard streams with a container's, until the container's output ends or the user detaches.</summary>
internal sealed class StreamSession
{
    public required StandardStreams Streams { get; init; }

    public required HijackedConnection Connection { get; init; }

    public required bool Stdin { get; init; }

    public required bool Stdout { get; init; }

    public required bool Stderr { get; init; }

    /// <summary>The container has a terminal: its output is one raw stream, and ours goes to raw mode while input is connected.</summary>
    public required bool Tty { get; init; }

    /// <summary>True when the caller forwards signals, so that none ends this process while the terminal is raw.</summary>
    public bool SignalsHandled { get; init; }

    public byte[] Detach { get; init; } = DetachKeys.Default;

    private volatile bool _detached;

    public async Task<SessionEnd> RunAsync()
    {
        await Streams.Out.FlushAsync().ConfigureAwait(false);
        using var mode = Stdin && Tty && Streams.InIsTerminal ? TerminalMode.Raw(0, SignalsHandled) : null;
        if (Stdin)
        {
            // A thread of its own, because reading a terminal blocks; it dies with the process when the container ends first.
            new Thread(CopyInput) { IsBackground = true, Name = "stdin" }.Start();
        }

        try
        {
            if (Stdout || Stderr)
            {
                await CopyOutputAsync().ConfigureAwait(false);
            }
            else
            {
                await WaitForEndAsync().ConfigureAwait(false);
            }
        }
        catch (IOException) when (_detached)
        {
            // Detaching breaks the connection off under the reader.
        }

        return _detached ? SessionEnd.Detached : SessionEnd.OutputEnded;
    }

    private Task CopyOutputAsync()
    {
        var output = Stdout ? Streams.RawOut : Stream.Null;
        return Tty
            ? Connection.CopyToAsync(output, 32 * 1024)
            : StreamDemultiplexer.CopyAsync(Connection, output, Stderr ? Streams.RawErr : Stream.Null);
    }

    /// <summary>Only input is connected: the daemon closes when the container ends.</summary>
    private async Task WaitForEndAsync()
    {
        var buffer = new byte[512];
        while (await Connection.ReadAsync(buffer).ConfigureAwait(false) > 0)
        {
            // Nothing is expected, and nobody wants it.
        }
    }

    private void CopyInput()
    {
        var filter = Tty ? new DetachFilter(Detach) : null;
        var buffer = new byte[32 * 1024];
        try
        {
            while (Streams.RawIn.Read(buffer) is > 0 and var read)
            {
                Connection.Write(filter is null ? buffer.AsSpan(0, read) : filter.Filter(buffer.AsSpan(0, read)));
                if (filter is { Detached: true })
                {
                    _detached = true;
                    Connection.Abort();
                    return;
                }
            }

            Connection.CompleteWrites();
        }
        catch (Exception e) when (e is IOException or ObjectDisposedException)
        {
            // The container has gone, or its standard input is closed: its output, still being copied, tells the rest.
        }
    }
}
