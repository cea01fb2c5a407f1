using System.Net;
using System.Text.Json;
using Cais.Api;
using Cais.Engine.Containers;

namespace Cais.Engine.Tests.Containers;

public sealed class ContainerLinksTests
{
    [Theory]
    [InlineData("db", "db", "db")]
    [InlineData("db:store", "db", "store")]
    [InlineData("/db:/web/store", "db", "store")]
    public void A_link_is_read_in_all_its_forms(string text, string name, string alias) => Assert.Equal((name, alias), ContainerLinks.Parse(text));

    [Theory]
    [InlineData("", "empty string specified for links")]
    [InlineData("a:b:c", "bad format for links: a:b:c")]
    public void A_bad_link_is_refused_in_dockers_words(string text, string message) =>
        Assert.Equal(message, Assert.Throws<EngineException>(() => ContainerLinks.Parse(text)).Message);

    [Fact]
    public void The_environment_tells_ports_name_and_variables() => Assert.Equal(
        [
            "MY_DB_PORT=tcp://172.17.0.2:6379",
            "MY_DB_PORT_6379_TCP=tcp://172.17.0.2:6379",
            "MY_DB_PORT_6379_TCP_ADDR=172.17.0.2",
            "MY_DB_PORT_6379_TCP_PORT=6379",
            "MY_DB_PORT_6379_TCP_PROTO=tcp",
            "MY_DB_PORT_53_UDP=udp://172.17.0.2:53",
            "MY_DB_PORT_53_UDP_ADDR=172.17.0.2",
            "MY_DB_PORT_53_UDP_PORT=53",
            "MY_DB_PORT_53_UDP_PROTO=udp",
            "MY_DB_NAME=/web/my-db",
            "MY_DB_ENV_MODE=fast=yes",
        ],
        Variables(["PATH=/bin", "HOME=/root", "MODE=fast=yes", "BARE"], "53/udp", "6379/tcp"));

    [Fact]
    public void Ports_in_a_row_are_told_as_a_range_too()
    {
        var variables = Variables([], "8002/tcp", "8000/tcp", "8001/tcp", "9000/tcp");
        Assert.Equal("MY_DB_PORT=tcp://172.17.0.2:8000", variables[0]);
        Assert.Equal(
            [
                "MY_DB_PORT_8000_TCP_START=tcp://172.17.0.2:8000", "MY_DB_PORT_8000_TCP_ADDR=172.17.0.2", "MY_DB_PORT_8000_TCP_PROTO=tcp",
                "MY_DB_PORT_8000_TCP_PORT_START=8000", "MY_DB_PORT_8000_TCP_END=tcp://172.17.0.2:8002", "MY_DB_PORT_8000_TCP_PORT_END=8002",
            ],
            variables.Skip(1).Take(6));
        Assert.Equal(["8000", "8001", "8002", "9000"], variables.Where(v => v.Split('=')[0].EndsWith("_TCP_PORT", StringComparison.Ordinal)).Select(v => v.Split('=')[1]));
    }

    [Fact]
    public void Nothing_exposed_is_no_port() => Assert.Equal(["MY_DB_NAME=/web/my-db"], Variables(null));

    private static List<string> Variables(string[]? environment, params string[] ports) =>
    [
        .. ContainerLinks.Environment("web", "my-db", IPAddress.Parse("172.17.0.2"), new ContainerConfig
        {
            Env = environment,
            ExposedPorts = ports.ToDictionary(p => p, IReadOnlyDictionary<string, JsonElement>? (_) => new Dictionary<string, JsonElement>()),
        }),
    ];
}
