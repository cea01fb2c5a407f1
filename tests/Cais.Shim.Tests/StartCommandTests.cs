using System.Text;
using System.Text.Json.Nodes;
using Cais.Testing;
using Cais.Ttrpc;
using Containerd.Task.V2;

namespace Cais.Shim.Tests;

/// <summary>How containerd starts shims, in the forms of its several versions.</summary>
[Trait("Tier", "integration")]
[Collection("/run/containerd")]
public sealed class StartCommandTests
{
    [Fact]
    public async Task Start_prints_an_address_under_which_a_shim_of_its_own_session_answers()
    {
        await using var shim = await ShimHarness.StartAsync("runc");
        var arguments = new[] { "-namespace", "tests", "-address", "/run/containerd.sock", "-publish-binary", "/bin/true", "-id", "by-start", "start" };
        var (code, output, errors) = await shim.CommandAsync(arguments);
        Assert.True(code == 0, errors);
        var address = Encoding.UTF8.GetString(output);
        Assert.StartsWith("unix:///", address, StringComparison.Ordinal);
        var again = await shim.CommandAsync(arguments);
        Assert.Equal(address, Encoding.UTF8.GetString(again.Output));
        Assert.Equal(address, await File.ReadAllTextAsync(Path.Combine(shim.Bundle, "address")));

        using var connection = await TtrpcClient.ConnectAsync(shim.Loop, address);
        var client = new TaskClient(connection);
        var pid = (int)(await client.ConnectAsync(new ConnectRequest { Id = "by-start" })).ShimPid;
        Assert.Equal(pid.ToString(System.Globalization.CultureInfo.InvariantCulture), await File.ReadAllTextAsync(Path.Combine(shim.Bundle, "shim.pid")));
        await client.ShutdownAsync(new ShutdownRequest { Id = "by-start" });
        await Eventually.Holds(() => !IsRunning(pid), "the shim ends");
        Assert.False(File.Exists(address["unix://".Length..]));
        RemoveDirectories();
    }

    [Theory]
    [InlineData("2", false)]
    [InlineData("3", true)]
    public async Task Start_answers_in_the_form_that_the_daemon_understands(string highest, bool json)
    {
        await using var shim = await ShimHarness.StartAsync("runc");
        var (_, output, _) = await shim.CommandAsync(
            ["-namespace", "tests", "-address", "a", "-id", "form", "start"], environment: new Dictionary<string, string?> { ["MAX_SHIM_VERSION"] = highest });
        var text = Encoding.UTF8.GetString(output);
        var address = text;
        if (json)
        {
            var answer = JsonNode.Parse(text)!;
            Assert.Equal(3, (int)answer["version"]!);
            Assert.Equal("ttrpc", (string)answer["protocol"]!);
            address = (string)answer["address"]!;
        }

        await ShutDown(shim, address);
    }

    [Fact]
    public async Task Start_takes_bootstrap_parameters_and_answers_with_a_bootstrap_result()
    {
        await using var shim = await ShimHarness.StartAsync("runc");
        var parameters = new Containerd.Runtime.Bootstrap.V1.BootstrapParams { InstanceId = "boot", Namespace = "tests", SocketDir = shim.Root };
        var (code, output, errors) = await shim.CommandAsync(
            ["-namespace", "tests", "-address", "a", "-id", "boot", "start"], Google.Protobuf.MessageExtensions.ToByteArray(parameters));
        Assert.True(code == 0, errors);
        var result = Containerd.Runtime.Bootstrap.V1.BootstrapResult.Parser.ParseFrom(output);
        Assert.Equal(3, result.Version);
        Assert.StartsWith($"unix://{shim.Root}/", result.Address, StringComparison.Ordinal);
        await ShutDown(shim, result.Address);
    }

    private static async Task ShutDown(ShimHarness shim, string address)
    {
        using var connection = await TtrpcClient.ConnectAsync(shim.Loop, address);
        await new TaskClient(connection).ShutdownAsync(new ShutdownRequest());
        await connection.Closed.WaitAsync(ShimHarness.Deadline);
        await Eventually.Holds(() => !File.Exists(address["unix://".Length..]), "the socket is removed");
        RemoveDirectories();
    }

    private static void RemoveDirectories()
    {
        foreach (var directory in (string[])["/run/containerd/s", "/run/containerd"])
        {
            if (Directory.Exists(directory))
            {
                Directory.Delete(directory);
            }
        }
    }

    private static bool IsRunning(int pid)
    {
        try
        {
            return !File.ReadAllText($"/proc/{pid}/stat").Split(") ")[^1].StartsWith('Z');
        }
        catch (IOException)
        {
            return false;
        }
    }
}
