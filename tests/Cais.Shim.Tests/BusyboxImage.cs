namespace Cais.Shim.Tests;

/// <summary>A root filesystem of one static program with many names.</summary>
internal static class BusyboxImage
{
    private static readonly string[] Names = ["sh", "cat", "echo", "true", "false", "sleep", "kill", "stty", "head", "tail", "id", "ls", "dd", "yes", "wc", "touch", "mkdir", "trap", "test", "seq", "tty", "printf", "setsid"];

    public static void Create(string root)
    {
        foreach (var directory in (string[])["bin", "proc", "dev", "sys", "tmp", "etc"])
        {
            Directory.CreateDirectory(Path.Combine(root, directory));
        }

        var source = File.Exists("/bin/busybox") ? "/bin/busybox" : "/usr/bin/busybox";
        File.Copy(source, Path.Combine(root, "bin/busybox"));
        foreach (var name in Names)
        {
            File.CreateSymbolicLink(Path.Combine(root, "bin", name), "busybox");
        }
    }
}
