namespace Cais.EndToEnd.Tests;

/// <summary>The published programs under test.</summary>
internal static class Programs
{
    public static string Directory { get; } = Find();

    public static string Cais => Path.Combine(Directory, "cais");

    public static string Daemon => Path.Combine(Directory, "caisd");

    public static string Runtime => Path.Combine(Directory, "cais-runtime");

    private static string Find()
    {
        var named = Environment.GetEnvironmentVariable("CAIS_BIN");
        if (named is not null)
        {
            return named;
        }

        var directory = new DirectoryInfo(AppContext.BaseDirectory);
        while (directory is not null && !File.Exists(Path.Combine(directory.FullName, "Cais.slnx")))
        {
            directory = directory.Parent;
        }

        var programs = Path.Combine(directory?.FullName ?? "/", "artifacts", "bin");
        return File.Exists(Path.Combine(programs, "caisd"))
            ? programs
            : throw new InvalidOperationException($"no published programs in {programs}: run ./build.sh first");
    }
}
