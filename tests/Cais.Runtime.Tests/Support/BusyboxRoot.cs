namespace Cais.Runtime.Tests.Support;

/// <summary>A root filesystem of one static program.</summary>
internal static class BusyboxRoot
{
    private static readonly string[] Applets =
    [
        "sh", "ls", "cat", "true", "false", "echo", "sleep", "id", "mount", "ps", "env", "pwd", "stat", "readlink", "hostname", "tty", "stty",
        "kill", "ln", "mkdir", "rm", "touch", "dd", "umask", "test", "grep", "head", "wc", "mknod", "sort", "nproc", "chroot", "find", "tr", "cp",
    ];

    public static string Busybox => File.Exists("/bin/busybox") ? "/bin/busybox" : "/usr/bin/busybox";

    public static void Create(string path)
    {
        foreach (var directory in new[] { "bin", "etc", "proc", "dev", "sys", "tmp", "root", "home" })
        {
            Directory.CreateDirectory(Path.Combine(path, directory));
        }

        // By another process: a descriptor of this one that is open for writing would travel into whatever other tests fork at the moment,
        // and a program that somebody has open for writing cannot be executed.
        using (var copy = System.Diagnostics.Process.Start("cp", [Busybox, Path.Combine(path, "bin/busybox")]))
        {
            copy.WaitForExit();
        }

        File.SetUnixFileMode(Path.Combine(path, "bin/busybox"), (UnixFileMode)0x1ed);
        foreach (var applet in Applets)
        {
            File.CreateSymbolicLink(Path.Combine(path, "bin", applet), "busybox");
        }

        File.WriteAllText(Path.Combine(path, "etc/passwd"), "root:x:0:0:root:/root:/bin/sh\nalice:x:1000:1000::/home/alice:/bin/sh\n");
    }
}
