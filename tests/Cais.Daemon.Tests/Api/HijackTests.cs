using System.Net;
using System.Net.Sockets;
using System.Text;
using Cais.Testing;

namespace Cais.Daemon.Tests.Api;

/// <summary>Answers that turn into raw streams, to clients that are not Go's.</summary>
[Collection(DaemonCollection.Name)]
[Trait("Tier", "integration")]
public sealed class HijackTests(TestDaemon daemon)
{
    [Fact]
    public async Task Output_does_not_come_in_one_piece_with_the_head_of_the_answer()
    {
        var id = await daemon.Create("""{"Image":"busybox","Cmd":["sleep","300"]}""");
        await daemon.Post($"/containers/{id}/start");
        var exec = (await TestDaemon.Json(await daemon.Post($"/containers/{id}/exec", """{"Cmd":["echo","hello"],"AttachStdout":true,"Tty":true}"""))).GetProperty("Id").GetString();
        using var socket = await daemon.Connect();
        await Send(socket, $"/exec/{exec}/start", """{"Tty":true}""");
        await Eventually.Holds(async () => (await daemon.Get($"/exec/{exec}/json")).GetProperty("ExitCode").ValueKind == System.Text.Json.JsonValueKind.Number, "it has ended");

        // A client with a buffer of its own takes all that is there.
        var head = await Receive(socket);
        Assert.EndsWith("\r\n\r\n", head, StringComparison.Ordinal);
        Assert.StartsWith("HTTP/1.1 101 UPGRADED\r\n", head, StringComparison.Ordinal);
        Assert.Equal("hello\r\n", await Receive(socket));
        await daemon.Delete($"/containers/{id}?force=1");
    }

    [Fact]
    public async Task The_body_of_an_attach_is_no_input_of_the_container()
    {
        var id = await daemon.Create("""{"Image":"busybox","Cmd":["cat"],"OpenStdin":true,"StdinOnce":true}""");
        using var socket = await daemon.Connect();
        await Send(socket, $"/containers/{id}/attach?stream=1&stdin=1&stdout=1", """{"stream":true,"stdin":true}""");
        Assert.EndsWith("\r\n\r\n", await Receive(socket), StringComparison.Ordinal);
        await daemon.Post($"/containers/{id}/start");
        await socket.SendAsync(Encoding.ASCII.GetBytes("typed"));
        socket.Shutdown(SocketShutdown.Send);
        var output = "";
        for (string part; (part = await Receive(socket)).Length > 0;)
        {
            output += part;
        }

        Assert.Equal("typed", output[8..]);
        await daemon.Delete($"/containers/{id}?force=1");
    }

    [Fact]
    public async Task A_resize_that_comes_at_once_waits_for_the_process()
    {
        var id = await daemon.Create("""{"Image":"busybox","Cmd":["sleep","300"]}""");
        await daemon.Post($"/containers/{id}/start");
        for (var i = 0; i < 5; i++)
        {
            var exec = (await TestDaemon.Json(await daemon.Post($"/containers/{id}/exec", """{"Cmd":["sh","-c","read x; stty size"],"AttachStdin":true,"AttachStdout":true,"Tty":true}"""))).GetProperty("Id").GetString();
            using var socket = await daemon.Connect();
            await Send(socket, $"/exec/{exec}/start", """{"Tty":true}""");
            await Receive(socket);
            Assert.Equal(HttpStatusCode.OK, (await daemon.Post($"/exec/{exec}/resize?h=33&w=99")).StatusCode);
            await socket.SendAsync("\n"u8.ToArray());
            var output = "";
            while (!output.Contains("33 99", StringComparison.Ordinal) && await Receive(socket) is { Length: > 0 } part)
            {
                output += part;
            }

            Assert.Contains("33 99", output, StringComparison.Ordinal);
        }

        await daemon.Delete($"/containers/{id}?force=1");
    }

    private static async Task Send(Socket socket, string path, string body) => await socket.SendAsync(Encoding.ASCII.GetBytes(
        $"POST {path} HTTP/1.1\r\nHost: docker\r\nConnection: Upgrade\r\nUpgrade: tcp\r\nContent-Type: application/json\r\nContent-Length: {body.Length}\r\n\r\n{body}"));

    private static async Task<string> Receive(Socket socket)
    {
        var buffer = new byte[64 << 10];
        return Encoding.UTF8.GetString(buffer, 0, await socket.ReceiveAsync(buffer, TestContext.Current.CancellationToken));
    }
}
