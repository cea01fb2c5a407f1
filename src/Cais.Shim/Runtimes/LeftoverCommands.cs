using System.Diagnostics;
using System.Globalization;
using System.Text;
using Cais.Linux;

namespace Cais.Shim.Runtimes;

/// <summary>
/// Commands of a runtime that outlive the shim which had started them. What they are making would escape a clean-up that does not wait for
/// them: a container that nobody knows of, for ever.
/// </summary>
internal static class LeftoverCommands
{
    /// <summary>Milliseconds. A process may turn out to be none of them.</summary>
    private const int LookAgainAfter = 50;

    /// <summary>Far beyond what a creation takes that needs nobody's answer.</summary>
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(10);

    /// <summary>Waits for the commands on this container to end, but not longer than they should take.</summary>
    public static void Await(string bundle, string id)
    {
        var clock = Stopwatch.StartNew();
        while (Find(bundle, id) is { } pid && clock.Elapsed < Patience)
        {
            using var process = Pidfd.TryOpen(pid);
            if (process is not null)
            {
                Pidfd.WaitForEnd(process, LookAgainAfter);
            }
        }
    }

    private static int? Find(string bundle, string id)
    {
        var self = LinkTarget("/proc/self/exe");
        foreach (var directory in Directory.EnumerateDirectories("/proc"))
        {
            if (int.TryParse(Path.GetFileName(directory), NumberStyles.None, CultureInfo.InvariantCulture, out var pid) && pid != Environment.ProcessId
                && LinkTarget($"{directory}/cwd") == bundle && (IsCommand(directory, id) || IsForked(directory, self)))
            {
                return pid;
            }
        }

        return null;
    }

    /// <summary>Commands that make processes; those that live as long as a container (a sandbox's) have other names.</summary>
    private static bool IsCommand(string process, string id)
    {
        try
        {
            var arguments = Encoding.UTF8.GetString(Files.ReadAll($"{process}/cmdline")).Split('\0');
            return Array.IndexOf(arguments, id) >= 0 && arguments.AsSpan().ContainsAny("create", "restore", "exec");
        }
        catch (IOException)
        {
            return false;
        }
    }

    /// <summary>The shim's child that has not become the command yet: it has the shim's program, and a single thread, which no shim has.</summary>
    private static bool IsForked(string process, string? self)
    {
        try
        {
            return LinkTarget($"{process}/exe") == self && Directory.GetDirectories($"{process}/task").Length == 1;
        }
        catch (IOException)
        {
            return false;
        }
    }

    private static string? LinkTarget(string path)
    {
        try
        {
            return new FileInfo(path).LinkTarget;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // It has ended, or is the kernel's.
            return null;
        }
    }
}
