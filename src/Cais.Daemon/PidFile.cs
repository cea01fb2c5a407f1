using System.Diagnostics;
using System.Globalization;
using Cais.Daemon.Configuration;

namespace Cais.Daemon;

/// <summary>Keeps two daemons from sharing one state, and tells others who this one is.</summary>
internal sealed class PidFile : IDisposable
{
    /// <summary>A daemon that was killed takes a moment to be gone, and who starts the next one does not wait for that.</summary>
    public static readonly TimeSpan Patience = TimeSpan.FromSeconds(2);

    private readonly string _path;

    private PidFile(string path) => _path = path;

    /// <exception cref="ConfigurationException">A daemon that is alive has it.</exception>
    public static PidFile Claim(string path)
    {
        var begun = Stopwatch.GetTimestamp();
        while (OwnerOf(path) is { } pid)
        {
            if (Stopwatch.GetElapsedTime(begun) > Patience)
            {
                throw new ConfigurationException(
                    $"failed to start daemon, ensure that the daemon is not running or delete {path}: process with PID {pid} is still running");
            }

            Thread.Sleep(20);
        }

        Directory.CreateDirectory(Path.GetDirectoryName(Path.GetFullPath(path))!);
        File.WriteAllText(path, Environment.ProcessId.ToString(CultureInfo.InvariantCulture));
        return new PidFile(path);
    }

    public void Dispose() => File.Delete(_path);

    private static int? OwnerOf(string path) =>
        File.Exists(path)
        && int.TryParse(File.ReadAllText(path).Trim(), NumberStyles.None, CultureInfo.InvariantCulture, out var pid)
        && pid != Environment.ProcessId
        && IsDaemon(pid)
            ? pid
            : null;

    /// <summary>The number may belong to somebody else by now, or to one that has ended and is not yet reaped.</summary>
    private static bool IsDaemon(int pid)
    {
        try
        {
            var process = string.Create(CultureInfo.InvariantCulture, $"/proc/{pid}");
            var status = File.ReadAllText(process + "/stat");
            return status[(status.LastIndexOf(')') + 2)..][0] is not ('Z' or 'X')
                && File.ReadAllText(process + "/comm").Trim() == File.ReadAllText("/proc/self/comm").Trim();
        }
        catch (IOException)
        {
            return false;
        }
    }
}
