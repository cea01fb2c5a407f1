using Cais.Api;
using Cais.Engine.Specs;
using Cais.Oci.Runtime;

namespace Cais.Engine.Tests.Specs;

public sealed class CdiTests : IDisposable
{
    private readonly string _directory = Directory.CreateTempSubdirectory("cdi-").FullName;

    public void Dispose() => Directory.Delete(_directory, recursive: true);

    [Fact]
    public void Devices_are_read_from_YAML_and_JSON()
    {
        Write("a.yaml", """
            cdiVersion: "0.6.0"
            kind: acme.com/lamp
            containerEdits:
              env: [SHARED=1]
            devices:
            - name: "0"
              containerEdits:
                deviceNodes:
                - {path: /dev/lamp0, type: c, major: 240, minor: 0, fileMode: 0640, permissions: rw}
                mounts:
                - hostPath: /usr/lib/lamp.so
                  containerPath: /usr/lib/lamp.so
                  options: [ro, nosuid, rbind]
                hooks:
                - {hookName: createContainer, path: /usr/bin/lamp-hook, args: [lamp-hook, "on"]}
                additionalGids: [44]
            - name: all
            """);
        Write("b.json", """{"cdiVersion":"0.5.0","kind":"acme.com/fan","devices":[{"name":"x","containerEdits":{"env":["FAN=x"]}}]}""");
        Assert.Equal(["acme.com/fan=x", "acme.com/lamp=0", "acme.com/lamp=all"], Registry.List().Devices);
        var spec = CdiRegistry.Apply(Plain, Registry.EditsOf([new DeviceRequest { Driver = "cdi", DeviceIDs = ["acme.com/lamp=0", "acme.com/fan=x", "acme.com/lamp=all"] }])!);
        Assert.Equal(["A=1", "SHARED=1", "FAN=x"], spec.Process!.Env);
        var device = Assert.Single(spec.Linux!.Devices!);
        Assert.Equal(("/dev/lamp0", "c", 240L, 0L, 0b110_100_000u), (device.Path, device.Type, (long)device.Major!, (long)device.Minor!, device.FileMode!.Value));
        Assert.Contains(spec.Linux.Resources!.Devices!, r => r is { Allow: true, Type: "c", Major: 240, Minor: 0, Access: "rw" });
        Assert.Equal(["ro", "nosuid", "rbind"], Assert.Single(spec.Mounts!).Options);
        Assert.Equal("/usr/bin/lamp-hook", Assert.Single(spec.Hooks!.CreateContainer!).Path);
        Assert.Equal([0u, 44u], spec.Process.User!.AdditionalGids);
    }

    [Fact]
    public void Gpus_are_the_devices_of_the_vendor_that_is_there()
    {
        Write("nvidia.yaml", "cdiVersion: 0.6.0\nkind: nvidia.com/gpu\ndevices:\n- name: \"0\"\n  containerEdits: {env: [G=0]}\n- name: \"1\"\n  containerEdits: {env: [H=1]}\n- name: all\n  containerEdits: {env: [ALL=1]}\n");
        Assert.Equal(["ALL=1"], Gpu(-1)!.Env);
        Assert.Equal(["G=0"], Gpu(1)!.Env);
        Assert.Equal(["G=0", "H=1"], Gpu(2)!.Env);
        Assert.Equal("CDI device injection failed: unresolvable CDI devices nvidia.com/gpu=2", Assert.Throws<EngineException>(() => Gpu(3)).Message);
    }

    [Fact]
    public void What_nothing_describes_is_said()
    {
        Write("broken.yaml", "kind: [");
        Assert.Equal("could not select device driver \"\" with capabilities: [[gpu]]", Assert.Throws<EngineException>(() => Gpu(-1)).Message);
        var e = Assert.Throws<EngineException>(() => Registry.EditsOf([new DeviceRequest { Driver = "cdi", DeviceIDs = ["acme.com/lamp=9"] }]));
        Assert.StartsWith("CDI device injection failed: unresolvable CDI devices acme.com/lamp=9 (", e.Message, StringComparison.Ordinal);
        Assert.Contains("broken.yaml", e.Message, StringComparison.Ordinal);
        Assert.Null(Registry.EditsOf([]));
    }

    private CdiRegistry Registry => new([_directory, "/no/such/directory"]);

    private static Spec Plain => new()
    {
        Process = new Process { Cwd = "/", Env = ["A=1"], User = new User { AdditionalGids = [0] } },
        Mounts = [],
        Linux = new LinuxConfig { Resources = new LinuxResources { Devices = [] } },
    };

    private CdiEdits? Gpu(int count) => Registry.EditsOf([new DeviceRequest { Count = count, Capabilities = [["gpu"]] }]);

    private void Write(string name, string text) => File.WriteAllText(Path.Combine(_directory, name), text);
}
