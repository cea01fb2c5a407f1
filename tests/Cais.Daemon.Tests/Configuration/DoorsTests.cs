using System.Net;
using Cais.Daemon.Configuration;
using Cais.Daemon.Http;

namespace Cais.Daemon.Tests.Configuration;

public sealed class DoorsTests
{
    [Theory]
    [InlineData("unix:///a/b", "/a/b")]
    [InlineData("tcp://127.0.0.1:99", "127.0.0.1:99")]
    [InlineData("tcp://[::1]:99", "[::1]:99")]
    [InlineData("tcp://0.0.0.0", "0.0.0.0:2375")]
    [InlineData("tcp://localhost:1", "127.0.0.1:1")]
    [InlineData("tcp://:1", "127.0.0.1:1")]
    public void Addresses_have_dockers_forms(string text, string address) => Assert.Equal(address, Assert.Single(Doors.Parse(text, tls: false)).Describe());

    [Fact]
    public void With_tls_the_default_port_is_another() => Assert.Equal(new IPEndPoint(IPAddress.Any, 2376), ((TcpAddress)Assert.Single(Doors.Parse("tcp://0.0.0.0", tls: true))).EndPoint);

    [Theory]
    [InlineData("http://x")]
    [InlineData("tcp://1.2.3.4:port")]
    [InlineData("tcp://some.name:1")]
    [InlineData("fd://")]
    public void What_is_no_address_is_refused(string text) => Assert.Throws<ConfigurationException>(() => Doors.Parse(text, tls: false).ToList());

    [Fact]
    public void Tcp_without_tls_is_refused_unless_it_is_asked_for()
    {
        var log = new Engine.Logging.EngineLog(TextWriter.Null, Engine.Logging.LogLevel.Error);
        var e = Assert.Throws<ConfigurationException>(() => Doors.Of(Options("-H", "tcp://127.0.0.1:1"), log));
        Assert.Contains("refusing to serve tcp://127.0.0.1:1 without TLS", e.Message, StringComparison.Ordinal);
        Assert.Single(Doors.Of(Options("-H", "tcp://127.0.0.1:1", "--allow-insecure-tcp"), log).Listeners);
    }

    private static DaemonOptions Options(params string[] arguments) => DaemonOptions.From(DaemonSettings.Load(arguments, _ => null));
}
