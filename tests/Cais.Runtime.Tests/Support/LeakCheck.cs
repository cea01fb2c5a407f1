using Cais.Runtime.Tests.Support;

[assembly: AssemblyFixture(typeof(LeakCheck))]

namespace Cais.Runtime.Tests.Support;

/// <summary>After all tests: nothing of theirs may be left on the machine.</summary>
public sealed class LeakCheck : IDisposable
{
    private readonly string _prefix = $"cais-rt-test-{Environment.ProcessId}-";
    private readonly int _children = Children().Count;
    private readonly int _mounts = File.ReadAllLines("/proc/self/mountinfo").Length;

    public void Dispose()
    {
        var left = new List<string>();
        foreach (var hierarchy in (string[])["/sys/fs/cgroup", .. Directory.GetDirectories("/sys/fs/cgroup")])
        {
            var parent = Path.Combine(hierarchy, "cais-rt-tests");
            if (Directory.Exists(parent))
            {
                left.AddRange(Directory.GetDirectories(parent, _prefix + "*"));
                TryRemove(parent);
            }
        }

        left.AddRange(Children().Skip(_children).Select(pid => $"process {pid}: {Command(pid)}"));
        if (File.ReadAllLines("/proc/self/mountinfo").Length > _mounts)
        {
            left.AddRange(File.ReadAllLines("/proc/self/mountinfo").Where(line => line.Contains("cais-rt-", StringComparison.Ordinal)));
        }

        if (left.Count > 0)
        {
            throw new InvalidOperationException("left behind: " + string.Join(", ", left));
        }
    }

    private static List<string> Children() =>
        [.. Directory.GetDirectories("/proc/self/task").SelectMany(task => ReadChildren(task).Split(' ', StringSplitOptions.RemoveEmptyEntries))];

    private static string ReadChildren(string task)
    {
        try
        {
            return File.ReadAllText(Path.Combine(task, "children"));
        }
        catch (IOException)
        {
            // The thread has ended, or the kernel does not list children.
            return "";
        }
    }

    private static string Command(string pid) =>
        File.Exists($"/proc/{pid}/stat") ? File.ReadAllText($"/proc/{pid}/stat").Split(' ')[1] : "";

    private static void TryRemove(string cgroup)
    {
        try
        {
            Directory.Delete(cgroup);
        }
        catch (IOException)
        {
            // Another run uses it.
        }
    }
}
