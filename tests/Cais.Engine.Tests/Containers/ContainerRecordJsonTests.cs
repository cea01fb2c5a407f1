using System.Text.Json;
using Cais.Api;
using Cais.Engine.Containers;

namespace Cais.Engine.Tests.Containers;

public sealed class ContainerRecordJsonTests
{
    [Fact]
    public void What_the_database_keeps_of_a_container_is_all_of_it()
    {
        var record = new ContainerRecord
        {
            Id = new string('a', 64),
            Name = "web",
            Created = DateTimeOffset.UnixEpoch,
            ImageId = "sha256:" + new string('b', 64),
            Config = new ContainerConfig { Entrypoint = ["/bin/server"], Cmd = ["--port", "80"], Shell = ["/bin/sh", "-c"], Env = ["A=b"] },
            HostConfig = new HostConfig { CapAdd = ["NET_ADMIN"], CapDrop = ["MKNOD"] },
            Runtime = "cais",
            LogDriver = "json-file",
        };
        var read = JsonSerializer.Deserialize(JsonSerializer.Serialize(record, EngineJson.Default.ContainerRecord), EngineJson.Default.ContainerRecord)!;
        Assert.Equal(["/bin/server", "--port", "80"], read.CommandLine);
        Assert.Equal(["/bin/sh", "-c"], read.Config.Shell!);
        Assert.Equal(["A=b"], read.Config.Env!);
        Assert.Equal(["NET_ADMIN"], read.HostConfig.CapAdd!);
        Assert.Equal(["MKNOD"], read.HostConfig.CapDrop!);
    }
}
