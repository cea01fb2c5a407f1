namespace Cais.EndToEnd.Tests;

/// <summary>A folder on a real disk (not tmpfs, which isolated tests have as /tmp), removed at the end.</summary>
internal sealed class Scratch : IDisposable
{
    public Scratch(string name)
    {
        var parent = Environment.GetEnvironmentVariable("CAIS_TEST_DISK") ?? "/var/tmp";
        Folder = Path.Combine(parent, $"cais-{name}-{Guid.NewGuid().ToString("n")[..8]}");
        Directory.CreateDirectory(Folder);
    }

    public string Folder { get; }

    public string this[string name] => Path.Combine(Folder, name);

    public void Dispose() => Directory.Delete(Folder, recursive: true);
}
