using System.Diagnostics;
using System.Text;

namespace Cais.Testing;

/// <summary>A program that runs beside a test. Disposal ends it by its id.</summary>
public sealed class BackgroundProcess : IAsyncDisposable
{
    private readonly Process _process;
    private readonly StringBuilder _said = new();

    internal BackgroundProcess(ProcessStartInfo start)
    {
        _process = new Process { StartInfo = start };
        _process.OutputDataReceived += (_, line) => Append(line.Data);
        _process.ErrorDataReceived += (_, line) => Append(line.Data);
        _process.Start();
        _process.BeginOutputReadLine();
        _process.BeginErrorReadLine();
    }

    public int Id => _process.Id;

    public bool HasExited => _process.HasExited;

    public int ExitCode => _process.ExitCode;

    public StreamWriter Input => _process.StandardInput;

    /// <summary>Standard output and error so far, mixed.</summary>
    public string Said
    {
        get
        {
            lock (_said)
            {
                return _said.ToString();
            }
        }
    }

    /// <summary>Waits until the program has said <paramref name="text"/>; fails at the deadline, or when it ends without saying it.</summary>
    public Task Says(string text) => Eventually.Holds(
        () => Said.Contains(text, StringComparison.Ordinal)
            || (HasExited && !Said.Contains(text, StringComparison.Ordinal)
                ? throw new InvalidOperationException($"ended with {ExitCode} without saying {text}: {Said}")
                : false),
        $"'{text}' in: {Said}");

    public void Signal(string name) => Process.Start("kill", ["-s", name, $"{Id}"]).WaitForExit();

    /// <summary>SIGKILL, and waits until it is gone.</summary>
    public async Task Kill()
    {
        _process.Kill();
        await _process.WaitForExitAsync().ConfigureAwait(false);
    }

    /// <summary>SIGTERM, and waits until it is gone; SIGKILL at the deadline, which is an error.</summary>
    public async Task Terminate()
    {
        if (_process.HasExited)
        {
            return;
        }

        Signal("TERM");
        using var limit = new CancellationTokenSource(Eventually.Deadline);
        try
        {
            await _process.WaitForExitAsync(limit.Token).ConfigureAwait(false);
        }
        catch (OperationCanceledException)
        {
            await Kill().ConfigureAwait(false);
            throw new TimeoutException($"{_process.StartInfo.FileName} ignored SIGTERM: {Said}");
        }
    }

    public async Task<int> Exit()
    {
        using var limit = new CancellationTokenSource(Eventually.Deadline);
        await _process.WaitForExitAsync(limit.Token).ConfigureAwait(false);
        return _process.ExitCode;
    }

    public async ValueTask DisposeAsync()
    {
        if (!_process.HasExited)
        {
            await Kill().ConfigureAwait(false);
        }

        _process.Dispose();
    }

    private void Append(string? line)
    {
        if (line is not null)
        {
            lock (_said)
            {
                _said.AppendLine(line);
            }
        }
    }
}
