using Cais.Testing;

namespace Cais.EndToEnd.Tests;

/// <summary>The real docker client with the real buildx and compose of Debian forky as its plugins, see tests/forky-packages.sh; and a directory to build in.</summary>
internal sealed class Buildx : IDisposable
{
    private readonly Scratch _scratch = new("buildx");
    private readonly Engine _engine;

    public Buildx(Engine engine)
    {
        _engine = engine;
        var cache = Environment.GetEnvironmentVariable("CAIS_TEST_CACHE") ?? "/var/cache/cais-tests";
        var plugins = Path.Combine(cache, "forky/usr/libexec/docker/cli-plugins");
        var own = Directory.CreateDirectory(_scratch["config/cli-plugins"]).FullName;
        foreach (var plugin in new[] { "docker-buildx", "docker-compose" })
        {
            File.CreateSymbolicLink(Path.Combine(own, plugin), Path.Combine(plugins, plugin));
        }

        Directory.CreateDirectory(Context);
    }

    /// <summary>The build context.</summary>
    public string Context => _scratch["context"];

    /// <summary>Somewhere for results and for files that are not in the context.</summary>
    public string this[string name] => _scratch[name];

    /// <summary>Writes a file of the context.</summary>
    public void Write(string path, string content)
    {
        var full = Path.Combine(Context, path);
        Directory.CreateDirectory(Path.GetDirectoryName(full)!);
        File.WriteAllText(full, content);
    }

    public Task<ProcessResult> Docker(params string[] arguments) => Command.Run("docker", arguments, environment: Environment_, directory: Context);

    public Task<ProcessResult> DockerWithInput(byte[] input, params string[] arguments) => Command.Run("docker", arguments, input, Environment_, Context);

    /// <summary>Builds in the context, and fails with everything said if that fails.</summary>
    public async Task<ProcessResult> Build(params string[] arguments) => (await Docker(["buildx", "build", "--progress", "plain", .. arguments, "."])).Succeeded();

    public BackgroundProcess Start(params string[] arguments) => Command.Start("docker", arguments, Environment_, Context);

    public void Dispose() => _scratch.Dispose();

    private Dictionary<string, string?> Environment_ => new()
    {
        ["DOCKER_CONFIG"] = _scratch["config"],
        ["DOCKER_HOST"] = $"unix://{_engine.Socket}",
        ["DOCKER_CONTEXT"] = null,
        ["DOCKER_BUILDKIT"] = "1",
        ["BUILDX_CONFIG"] = _scratch["config/buildx"],
        ["HOME"] = _scratch.Folder,
    };
}
