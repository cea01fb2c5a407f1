using System.Text.Json;
using Cais.Testing;

namespace Cais.EndToEnd.Tests;

/// <summary>A daemon that asks an authorization plugin and writes its log as JSON, and the contexts by which clients find it.</summary>
[Trait("Tier", "e2e")]
public sealed class GuardedTests
{
    [Fact]
    public async Task A_plugin_decides_and_the_log_is_json()
    {
        using var plugin = FakePlugin.Start("/run/docker/plugins/guard.sock", ["authz"], (method, body) =>
            method == "AuthZPlugin.AuthZReq" && body.GetProperty("RequestUri").GetString()!.Contains("/volumes/create", StringComparison.Ordinal)
                ? """{"Allow":false,"Msg":"no volumes here"}"""
                : """{"Allow":true}""");
        await using var engine = await Engine.Start("--authorization-plugin", "guard", "--log-format", "json");
        foreach (var client in new[] { "docker", "cais" })
        {
            var refused = await engine.Client(client, ["volume", "create", "v"]);
            Assert.Equal(1, refused.ExitCode);
            Assert.Contains("authorization denied by plugin guard: no volumes here", refused.Error, StringComparison.Ordinal);
            (await engine.Client(client, ["volume", "ls"])).Succeeded();
        }

        Assert.Contains("AuthZPlugin.AuthZRes", plugin.Asked.Select(a => a.Method));
        Assert.NotEmpty(engine.Log.Split('\n', StringSplitOptions.RemoveEmptyEntries));
        Assert.All(engine.Log.Split('\n', StringSplitOptions.RemoveEmptyEntries), line =>
        {
            using var json = JsonDocument.Parse(line);
            Assert.True(json.RootElement.TryGetProperty("level", out _) && json.RootElement.TryGetProperty("msg", out _) && json.RootElement.TryGetProperty("time", out _), line);
        });
    }

    [Fact]
    public async Task Contexts_go_from_one_client_to_the_other_and_back()
    {
        await using var engine = await Engine.Start();
        using var scratch = new Scratch("contexts");
        async Task<string> Run(string client, params string[] arguments) => (await Command.Run(client, arguments, environment: new Dictionary<string, string?>
        {
            ["DOCKER_CONFIG"] = scratch["client"],
            ["DOCKER_HOST"] = null,
            ["DOCKER_CONTEXT"] = null,
        })).Succeeded().Text;
        foreach (var (maker, taker) in new[] { (Programs.Cais, "docker"), ("docker", Programs.Cais) })
        {
            var host = $"unix://{engine.Socket}";
            await Run(maker, "context", "create", "quay", "--description", "the quay", "--docker", $"host={host}");
            Assert.Equal(host, await Run(taker, "context", "inspect", "quay", "--format", "{{.Endpoints.docker.Host}}"));
            Assert.Contains("quay the quay", await Run(taker, "context", "ls", "--format", "{{.Name}} {{.Description}}"), StringComparison.Ordinal);
            await Run(taker, "--context", "quay", "ps");
            await Run(maker, "context", "export", "quay", scratch["quay.tar"]);
            await Run(taker, "context", "import", "pier", scratch["quay.tar"]);
            await Run(taker, "context", "use", "pier");
            Assert.Equal("pier", await Run(maker, "context", "show"));
            await Run(maker, "ps");
            await Run(maker, "context", "use", "default");
            await Run(maker, "context", "rm", "pier");
            await Run(taker, "context", "rm", "quay");
            File.Delete(scratch["quay.tar"]);
        }
    }
}
