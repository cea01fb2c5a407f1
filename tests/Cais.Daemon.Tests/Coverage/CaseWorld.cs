using System.Formats.Tar;
using System.Net.Http.Headers;
using System.Text;
using System.Text.RegularExpressions;
using Cais.Daemon.Tests.Api;
using Cais.Testing;

namespace Cais.Daemon.Tests.Coverage;

/// <summary>Makes what a case needs, as its <c>{names}</c> ask, and takes it away again.</summary>
internal sealed partial class CaseWorld(TestDaemon daemon) : IAsyncDisposable
{
    private readonly Dictionary<string, string> _made = [];
    private readonly List<string> _containers = [];

    /// <summary>The text with every <c>{name}</c> filled in.</summary>
    public async Task<string> Fill(string text)
    {
        foreach (var name in Placeholder().Matches(text).Select(m => m.Groups[1].Value).Distinct().ToList())
        {
            if (!_made.TryGetValue(name, out var value))
            {
                _made[name] = value = await Make(name);
            }

            text = text.Replace("{" + name + "}", value, StringComparison.Ordinal);
        }

        return text;
    }

    public async Task<HttpContent?> Content(string? body)
    {
        switch (body)
        {
            case null:
                return null;
            case "@rootfs":
                return Archive(Tar(("file", "text")));
            case "@image":
                return Archive(await daemon.Client.GetByteArrayAsync(new Uri("/images/busybox/get", UriKind.Relative)));
            case "@context":
                return Archive(Tar(("Dockerfile", "FROM busybox\nLABEL a=b\n")));
            case "@rubbish":
                return Archive(Tar(("rubbish", "text")));
            default:
                return new StringContent(await Fill(body), Encoding.UTF8, "application/json");
        }
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var container in daemon.Engine.List())
        {
            await daemon.Engine.Remove(container, force: true, volumes: true);
        }

        foreach (var network in daemon.Engine.Networks.List().Where(n => !n.IsBuiltIn).ToList())
        {
            await daemon.Delete($"/networks/{network.Id}");
        }

        foreach (var name in _made.Values.Append("").Where(v => v.StartsWith("case-", StringComparison.Ordinal)))
        {
            await daemon.Delete($"/volumes/{name}?force=1");
            await daemon.Delete($"/images/{name}?force=1");
            await daemon.Delete($"/images/{name}:one?force=1");
        }
    }

    private async Task<string> Make(string name)
    {
        switch (name)
        {
            case "name":
                return NewName();
            case "created":
                return await Container("""{"Image":"busybox","Cmd":["true"]}""");
            case "running":
                return await Started("""{"Image":"busybox","Cmd":["sleep","100"]}""");
            case "terminal":
                return await Started("""{"Image":"busybox","Cmd":["sleep","100"],"Tty":true}""");
            case "paused":
                var paused = await Started("""{"Image":"busybox","Cmd":["sleep","100"]}""");
                await daemon.Post($"/containers/{paused}/pause");
                return paused;
            case "exited":
                var exited = await Started("""{"Image":"busybox","Cmd":["echo","said"]}""");
                await daemon.Post($"/containers/{exited}/wait");
                return exited;
            case "exec":
                return await Exec("""{"Cmd":["sleep","100"]}""");
            case "execterminal":
                var exec = await Exec("""{"Cmd":["sleep","100"],"Tty":true}""");
                await daemon.Post($"/exec/{exec}/start", """{"Detach":true,"Tty":true}""");
                await Eventually.Holds(async () => (await daemon.Get($"/exec/{exec}/json")).GetProperty("Running").GetBoolean(), "the command runs");
                return exec;
            case "network":
                var network = NewName();
                await daemon.Post("/networks/create", $$"""{"Name":"{{network}}"}""");
                return network;
            case "volume":
                var volume = NewName();
                await daemon.Post("/volumes/create", $$"""{"Name":"{{volume}}"}""");
                return volume;
            case "tagged":
                var tagged = NewName();
                await daemon.Post($"/images/busybox/tag?repo={tagged}");
                return tagged;
            default:
                throw new InvalidOperationException($"no case knows {{{name}}}");
        }
    }

    private static string NewName() => $"case-{Guid.NewGuid():N}";

    private async Task<string> Container(string body)
    {
        var id = await daemon.Create(body);
        _containers.Add(id);
        return id;
    }

    private async Task<string> Started(string body)
    {
        var id = await Container(body);
        await daemon.Post($"/containers/{id}/start");
        return id;
    }

    private async Task<string> Exec(string body)
    {
        var container = await Fill("{running}");
        return (await TestDaemon.Json(await daemon.Post($"/containers/{container}/exec", body))).GetProperty("Id").GetString()!;
    }

    private static ByteArrayContent Archive(byte[] bytes) => new(bytes) { Headers = { ContentType = new MediaTypeHeaderValue("application/x-tar") } };

    private static byte[] Tar(params (string Name, string Text)[] files)
    {
        var archive = new MemoryStream();
        using (var tar = new TarWriter(archive, leaveOpen: true))
        {
            foreach (var (name, text) in files)
            {
                tar.WriteEntry(new PaxTarEntry(TarEntryType.RegularFile, name) { DataStream = new MemoryStream(Encoding.UTF8.GetBytes(text)) });
            }
        }

        return archive.ToArray();
    }

    [GeneratedRegex(@"\{([a-z]+)\}")]
    private static partial Regex Placeholder();
}
