namespace Cais.Engine;

/// <summary>Programs that belong to the engine.</summary>
public static class Programs
{
    /// <summary>Beside this program, or the name alone for a search in PATH.</summary>
    public static string Find(string name)
    {
        var beside = Path.Combine(AppContext.BaseDirectory, name);
        return File.Exists(beside) ? beside : name;
    }

    /// <summary>A path for a name, as the shell would find it; null when there is none.</summary>
    public static string? Which(string name)
    {
        if (name.Contains('/'))
        {
            return File.Exists(name) ? name : null;
        }

        var directories = Environment.GetEnvironmentVariable("PATH") ?? "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
        return directories.Split(':').Select(d => Path.Combine(d, name)).FirstOrDefault(File.Exists);
    }
}
