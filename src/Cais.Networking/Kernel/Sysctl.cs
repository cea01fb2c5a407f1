namespace Cais.Networking.Kernel;

/// <summary>Kernel settings under /proc/sys/net, of the calling thread's network namespace.</summary>
internal static class Sysctl
{
    /// <summary>The value without its newline, or null where the kernel has no such setting (IPv6 switched off, for instance).</summary>
    public static string? Read(string name)
    {
        try
        {
            return File.ReadAllText(PathOf(name)).TrimEnd('\n');
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException)
        {
            return null;
        }
    }

    /// <summary>Sets it unless it has that value already (where /proc/sys is read-only, a right value is good enough). False where there is no such setting.</summary>
    /// <exception cref="NetworkException">The kernel refuses.</exception>
    public static bool Write(string name, string value)
    {
        try
        {
            var path = PathOf(name);
            if (File.ReadAllText(path).TrimEnd('\n') != value)
            {
                File.WriteAllText(path, value);
            }

            return true;
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException)
        {
            return false;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new NetworkException(NetworkError.Kernel, $"cannot set {name.Replace('/', '.')} to {value}: {e.Message}", e);
        }
    }

    private static string PathOf(string name) => $"/proc/sys/net/{name}";
}
