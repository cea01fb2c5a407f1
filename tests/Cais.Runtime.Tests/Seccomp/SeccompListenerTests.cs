using System.Net.Sockets;
using System.Text;
using System.Text.Json;
using Cais.Linux;
using Cais.Oci.Runtime;
using Cais.Runtime.Tests.Specification;
using Cais.Runtime.Tests.Support;

namespace Cais.Runtime.Tests.Seccomp;

/// <summary>An agent that is asked about system calls, on its socket.</summary>
[Trait("Tier", "integration")]
public sealed class SeccompListenerTests : IDisposable
{
    private readonly TestBundle _bundle = new();
    private readonly Socket _agent = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);

    public SeccompListenerTests()
    {
        _agent.Bind(new UnixDomainSocketEndPoint(SocketPath));
        _agent.Listen();
    }

    private string SocketPath => Path.Combine(_bundle.Directory, "agent");

    public void Dispose()
    {
        _agent.Dispose();
        _bundle.Dispose();
    }

    private Spec Asking(Spec spec) => spec.With(linux => linux with
    {
        Seccomp = new Oci.Runtime.Seccomp
        {
            DefaultAction = "SCMP_ACT_ALLOW",
            ListenerPath = SocketPath,
            ListenerMetadata = "for the agent",
            Syscalls = [new SeccompRule { Names = ["mkdir", "mkdirat"], Action = "SCMP_ACT_NOTIFY" }],
        },
    });

    /// <summary>One connection: the state, the listener, and that nothing follows.</summary>
    private (JsonElement State, FileDescriptor Listener) Accept()
    {
        using var connection = _agent.Accept();
        using var descriptor = Files.Duplicate(new FileDescriptor((int)connection.Handle, ownsHandle: false));
        var buffer = new byte[64 * 1024];
        var length = MessageSocket.Receive(descriptor, buffer, out var listener);
        Assert.NotNull(listener);
        var text = Encoding.UTF8.GetString(buffer, 0, length);
        for (int n; (n = MessageSocket.Receive(descriptor, buffer, out var more)) > 0;)
        {
            Assert.Null(more);
            text += Encoding.UTF8.GetString(buffer, 0, n);
        }

        return (JsonDocument.Parse(text).RootElement, listener);
    }

    [Fact]
    [Sentence("config-linux.md", "seccomp-listener-socket")]
    [Sentence("config-linux.md", "seccomp-listener-one-state")]
    [Sentence("config-linux.md", "seccomp-listener-closed")]
    [Sentence("config-linux.md", "seccomp-state-json")]
    [Sentence("config-linux.md", "seccomp-state-first-call")]
    public void The_agent_gets_one_state_and_the_listener_on_a_connection_that_is_then_closed()
    {
        using var output = new CapturedStream();
        using var container = _bundle.Create(Asking(_bundle.Spec("mkdir", "/made")), new StandardStreams(null, output.Writer, output.Writer));
        container.Start();
        output.Close();
        var (state, listener) = Accept();
        Assert.Equal(container.Pid, state.GetProperty("pid").GetInt32());
        Assert.Equal("for the agent", state.GetProperty("metadata").GetString());
        Assert.Equal(["seccompFd"], state.GetProperty("fds").EnumerateArray().Select(name => name.GetString()));
        Assert.Equal(_bundle.Id, state.GetProperty("state").GetProperty("id").GetString());
        Assert.Equal(_bundle.Directory, state.GetProperty("state").GetProperty("bundle").GetString());

        // The call waits for the agent; without one the kernel says that there is no such call.
        Assert.Equal(0, Directory.Exists(Path.Combine(_bundle.Rootfs, "made")) ? 1 : 0);
        listener.Dispose();
        Assert.Contains("not implemented", output.Read(), StringComparison.Ordinal);
        Assert.NotEqual(0, Pidfd.Wait(container.PidFd!).ShellCode);
    }

    [Fact]
    public void The_agent_hears_of_exec_too()
    {
        using var container = _bundle.Create(Asking(_bundle.Spec("sleep", "1000")));
        container.Start();
        Accept().Listener.Dispose();
        using var output = new CapturedStream();
        using var handle = container.Exec(new ExecRequest
        {
            Process = TestSpec.Process("mkdir", "/made"),
            Streams = new StandardStreams(null, output.Writer, output.Writer),
        });
        var (state, listener) = Accept();
        Assert.Equal(handle.Pid, state.GetProperty("pid").GetInt32());
        Assert.Equal(container.Pid, state.GetProperty("state").GetProperty("pid").GetInt32());
        listener.Dispose();
        output.Close();
        Assert.Contains("not implemented", output.Read(), StringComparison.Ordinal);
        handle.Wait();
    }

    [Fact]
    [Sentence("config-linux.md", "seccomp-listener-fails")]
    public void Without_an_agent_the_start_fails_and_nothing_runs()
    {
        _agent.Dispose();
        File.Delete(SocketPath);
        using var container = _bundle.Create(Asking(_bundle.Spec("sleep", "1000")));
        Assert.Contains(SocketPath, Assert.ThrowsAny<Exception>(container.Start).Message, StringComparison.Ordinal);
        Assert.Equal(Signals.Kill, Pidfd.Wait(container.PidFd!).Signal);
        Assert.Equal(ContainerStatus.Stopped, container.Status);
    }
}
