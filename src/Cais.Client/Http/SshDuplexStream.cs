using System.ComponentModel;
using System.Diagnostics;
using System.Globalization;

namespace Cais.Client.Http;

/// <summary>The Engine API through <c>ssh host docker system dial-stdio</c>: one ssh process a connection, as docker's client does.</summary>
internal sealed class SshDuplexStream : DuplexStream
{
    private readonly Process _ssh;
    private readonly Stream _input;
    private readonly Stream _output;

    private SshDuplexStream(Process ssh)
    {
        _ssh = ssh;
        _input = ssh.StandardInput.BaseStream;
        _output = ssh.StandardOutput.BaseStream;
    }

    public static SshDuplexStream Start(EngineEndpoint endpoint)
    {
        var start = new ProcessStartInfo("ssh") { RedirectStandardInput = true, RedirectStandardOutput = true, UseShellExecute = false };
        foreach (var argument in Arguments(endpoint))
        {
            start.ArgumentList.Add(argument);
        }

        try
        {
            return new SshDuplexStream(Process.Start(start)!);
        }
        catch (Win32Exception e)
        {
            throw new EngineConnectionException($"cannot reach {endpoint.Text}: ssh: {e.Message}. Install an ssh client.", e);
        }
    }

    /// <summary>What ssh is told. A socket path in the URL goes to the far end's client.</summary>
    internal static IReadOnlyList<string> Arguments(EngineEndpoint endpoint)
    {
        var arguments = new List<string> { "-o", "ConnectTimeout=30", "-T" };
        if (endpoint.User.Length > 0)
        {
            arguments.AddRange(["-l", endpoint.User]);
        }

        if (endpoint.Port != 0)
        {
            arguments.AddRange(["-p", endpoint.Port.ToString(CultureInfo.InvariantCulture)]);
        }

        arguments.AddRange(["--", endpoint.Host, "docker"]);
        if (endpoint.Path.Length > 1)
        {
            arguments.AddRange(["--host", "unix://" + endpoint.Path]);
        }

        arguments.AddRange(["system", "dial-stdio"]);
        return arguments;
    }

    public override int Read(Span<byte> buffer) => _output.Read(buffer);

    public override void Write(ReadOnlySpan<byte> buffer)
    {
        _input.Write(buffer);
        _input.Flush();
    }

    public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default) =>
        _output.ReadAsync(buffer, cancellationToken);

    public override async ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
    {
        await _input.WriteAsync(buffer, cancellationToken).ConfigureAwait(false);
        await _input.FlushAsync(cancellationToken).ConfigureAwait(false);
    }

    public override void CompleteWrites() => _input.Dispose();

    public override void Abort()
    {
        try
        {
            _ssh.Kill();
        }
        catch (InvalidOperationException)
        {
            // It has ended by itself.
        }
    }

    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            _input.Dispose();
            _output.Dispose();
            _ssh.Dispose();
        }

        base.Dispose(disposing);
    }
}
