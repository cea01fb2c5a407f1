using System.Globalization;

namespace Cais.Shim.Cgroups;

/// <summary>The cgroup that an administrator wants shims in (<c>ShimCgroup</c> of runc's options).</summary>
internal static class ShimCgroup
{
    /// <summary>Moves a process there, in every hierarchy, making the directories.</summary>
    public static void Join(string path, int pid)
    {
        foreach (var line in File.ReadLines("/proc/self/mountinfo"))
        {
            var words = line.Split(' ');
            var type = Array.IndexOf(words, "-") is var dash and > 0 && dash + 1 < words.Length ? words[dash + 1] : "";
            if (words.Length > 4 && type is "cgroup" or "cgroup2")
            {
                var directory = Path.Join(words[4], path);
                Directory.CreateDirectory(directory);
                File.WriteAllText(Path.Combine(directory, "cgroup.procs"), pid.ToString(CultureInfo.InvariantCulture));
            }
        }
    }
}
