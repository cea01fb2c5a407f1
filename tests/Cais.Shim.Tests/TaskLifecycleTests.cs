using Cais.Linux;
using Cais.Ttrpc;
using Containerd.Task.V2;
using Containerd.V1.Types;

namespace Cais.Shim.Tests;

[Trait("Tier", "integration")]
public sealed class TaskLifecycleTests
{
    public static TheoryData<string> Runtimes => ["cais", "runc", "crun"];

    [Theory]
    [MemberData(nameof(Runtimes))]
    public async Task A_container_runs_says_what_it_has_to_say_and_its_exit_code_is_reported(string runtime)
    {
        await using var shim = await ShimHarness.StartAsync(runtime);
        shim.Configure(terminal: false, "sh", "-c", "echo to the output; echo to the errors >&2; exit 7");
        var outputs = await shim.RunAsync();
        var exit = await shim.WaitAsync();
        await outputs;
        Assert.Equal(7u, exit.ExitStatus);
        Assert.Equal("to the output\n", shim.Output.ToString());
        Assert.Equal("to the errors\n", shim.Errors.ToString());
        var deleted = await shim.DeleteAsync();
        Assert.Equal(7u, deleted.ExitStatus);
        Assert.Empty(shim.Mounts());
        Assert.Empty(shim.Cgroups());
        var missing = await Assert.ThrowsAsync<TtrpcException>(() => shim.Client.StateAsync(new StateRequest { Id = shim.Id }));
        Assert.Equal(TtrpcStatusCode.NotFound, missing.Code);
    }

    [Theory]
    [MemberData(nameof(Runtimes))]
    public async Task The_state_follows_the_container_from_created_to_stopped(string runtime)
    {
        await using var shim = await ShimHarness.StartAsync(runtime);
        shim.Configure(terminal: false, "sleep", "1000");
        var created = await shim.Client.CreateAsync(shim.CreateRequest());
        Assert.Equal(Status.Created, (await State(shim)).Status);
        Assert.Equal(created.Pid, (await State(shim)).Pid);
        Assert.Equal(created.Pid, (await shim.Client.StartAsync(new StartRequest { Id = shim.Id })).Pid);
        Assert.Equal(Status.Running, (await State(shim)).Status);
        var refused = await Assert.ThrowsAsync<TtrpcException>(() => shim.DeleteAsync());
        Assert.Equal(TtrpcStatusCode.FailedPrecondition, refused.Code);
        await shim.Client.PauseAsync(new PauseRequest { Id = shim.Id });
        Assert.Equal(Status.Paused, (await State(shim)).Status);
        await shim.Client.ResumeAsync(new ResumeRequest { Id = shim.Id });
        Assert.Equal(Status.Running, (await State(shim)).Status);
        await shim.KillAsync(Signals.Kill);
        Assert.Equal(137u, (await shim.WaitAsync()).ExitStatus);
        Assert.Equal(Status.Stopped, (await State(shim)).Status);
        var late = await Assert.ThrowsAsync<TtrpcException>(() => shim.KillAsync());
        Assert.Equal(TtrpcStatusCode.NotFound, late.Code);
    }

    [Theory]
    [MemberData(nameof(Runtimes))]
    public async Task A_program_that_does_not_exist_fails_with_its_name_and_leaves_nothing(string runtime)
    {
        await using var shim = await ShimHarness.StartAsync(runtime);
        shim.Configure(terminal: false, "no-such-program");
        var failure = await Assert.ThrowsAsync<TtrpcException>(async () =>
        {
            await shim.Client.CreateAsync(shim.CreateRequest());
            await shim.Client.StartAsync(new StartRequest { Id = shim.Id });
        });
        Assert.Contains("no-such-program", failure.Message, StringComparison.Ordinal);
        Assert.Contains("OCI runtime", failure.Message, StringComparison.Ordinal);
        try
        {
            await shim.DeleteAsync();
        }
        catch (TtrpcException e) when (e.Code == TtrpcStatusCode.NotFound)
        {
            // The creation failed already.
        }

        Assert.Empty(shim.Mounts());
        Assert.Empty(shim.Cgroups());
        Assert.False(File.Exists(Path.Combine(shim.Bundle, "cais-shim.json")));
    }

    [Theory]
    [MemberData(nameof(Runtimes))]
    public async Task A_created_container_that_never_starts_can_be_deleted(string runtime)
    {
        await using var shim = await ShimHarness.StartAsync(runtime);
        shim.Configure(terminal: false, "sleep", "1000");
        var created = await shim.Client.CreateAsync(shim.CreateRequest());
        await shim.DeleteAsync();
        Assert.False(ShimHarness.Exists((int)created.Pid));
        Assert.Empty(shim.Mounts());
        Assert.Empty(shim.Cgroups());
    }

    [Theory]
    [MemberData(nameof(Runtimes))]
    public async Task Execs_run_beside_the_container_with_streams_and_codes_of_their_own(string runtime)
    {
        await using var shim = await ShimHarness.StartAsync(runtime);
        shim.Configure(terminal: false, "sleep", "1000");
        _ = await shim.RunAsync();
        await shim.ExecAsync("first", terminal: false, input: false, "sh", "-c", "echo from the exec; exit 3");
        var duplicate = await Assert.ThrowsAsync<TtrpcException>(() => shim.ExecAsync("first", false, false, "true"));
        Assert.Equal(TtrpcStatusCode.AlreadyExists, duplicate.Code);
        var output = new System.Text.StringBuilder();
        var end = shim.Read("first-stdout", output);
        await shim.StartExecAsync("first");
        Assert.Equal(3u, (await shim.WaitAsync("first")).ExitStatus);
        await end.WaitAsync(ShimHarness.Deadline);
        Assert.Equal("from the exec\n", output.ToString());
        Assert.Equal(3u, (await shim.DeleteAsync("first")).ExitStatus);

        await shim.ExecAsync("second", terminal: false, input: false, "sleep", "1000");
        await shim.StartExecAsync("second");
        var pids = await shim.Client.PidsAsync(new PidsRequest { Id = shim.Id });
        Assert.Equal(2, pids.Processes.Count);
        Assert.Single(pids.Processes, p => p.Info is not null);
        await shim.KillAsync(Signals.Terminate, "second");
        Assert.Equal(143u, (await shim.WaitAsync("second")).ExitStatus);
        Assert.Equal(Status.Running, (await State(shim)).Status);

        await shim.ExecAsync("third", terminal: false, input: false, "no-such-program");
        var failure = await Assert.ThrowsAsync<TtrpcException>(() => shim.StartExecAsync("third"));
        Assert.Contains("no-such-program", failure.Message, StringComparison.Ordinal);
        await shim.DeleteAsync("third");
    }

    [Theory]
    [MemberData(nameof(Runtimes))]
    public async Task Execs_end_with_the_container(string runtime)
    {
        await using var shim = await ShimHarness.StartAsync(runtime);
        shim.Configure(terminal: false, "sleep", "1000");
        _ = await shim.RunAsync();
        await shim.ExecAsync("beside", terminal: false, input: false, "sleep", "1000");
        await shim.StartExecAsync("beside");
        await shim.KillAsync();
        Assert.Equal(137u, (await shim.WaitAsync("beside")).ExitStatus);
        Assert.Equal(137u, (await shim.WaitAsync()).ExitStatus);
        var refused = await Assert.ThrowsAsync<TtrpcException>(() => shim.ExecAsync("late", false, false, "true"));
        Assert.Equal(TtrpcStatusCode.FailedPrecondition, refused.Code);
    }

    [Theory]
    [MemberData(nameof(Runtimes))]
    public async Task Memory_limits_are_updated_and_read_back_as_metrics(string runtime)
    {
        await using var shim = await ShimHarness.StartAsync(runtime);
        shim.Configure(terminal: false, "sleep", "1000");
        _ = await shim.RunAsync();
        await shim.Client.UpdateAsync(new UpdateTaskRequest
        {
            Id = shim.Id,
            Resources = new Google.Protobuf.WellKnownTypes.Any
            {
                TypeUrl = "types.containerd.io/opencontainers/runtime-spec/1/LinuxResources",
                Value = Google.Protobuf.ByteString.CopyFromUtf8("""{"memory":{"limit":33554432}}"""),
            },
        });
        var usage = await shim.UsageAsync();
        Assert.Equal(33554432u, usage.MemoryLimit);
        Assert.True(usage.Processes >= 1);
        Assert.True(usage.Cpu > 0);
    }

    [Fact]
    public async Task Version_three_of_the_service_is_served_under_its_own_name()
    {
        await using var shim = await ShimHarness.StartAsync("runc");
        shim.Configure(terminal: false, "sh", "-c", "exit 5");
        var client = await shim.ReconnectAsync(TaskClient.V3);
        await client.CreateAsync(shim.CreateRequest());
        await client.StartAsync(new StartRequest { Id = shim.Id });
        Assert.Equal(5u, (await client.WaitAsync(new WaitRequest { Id = shim.Id }).WaitAsync(ShimHarness.Deadline)).ExitStatus);
    }

    [Fact]
    public async Task Requests_that_make_no_sense_are_answered_and_harm_nothing()
    {
        await using var shim = await ShimHarness.StartAsync("runc");
        await Refused(TtrpcStatusCode.NotFound, () => shim.Client.StateAsync(new StateRequest { Id = "nobody" }));
        await Refused(TtrpcStatusCode.NotFound, () => shim.Client.KillAsync(new KillRequest { Id = "nobody", Signal = 9 }));
        await Refused(TtrpcStatusCode.InvalidArgument, () => shim.Client.CreateAsync(new CreateTaskRequest()));
        await Refused(TtrpcStatusCode.InvalidArgument, () => shim.Client.CreateAsync(new CreateTaskRequest { Id = "x", Bundle = "relative" }));
        await Refused(TtrpcStatusCode.Unknown, () => shim.Client.CreateAsync(new CreateTaskRequest { Id = "x", Bundle = "/nowhere" }));
        var request = shim.CreateRequest();
        request.Options.TypeUrl = "example.com/unheard.of.Options";
        await Refused(TtrpcStatusCode.InvalidArgument, () => shim.Client.CreateAsync(request));
        File.WriteAllText(Path.Combine(shim.Bundle, "config.json"), "{ not json");
        await Refused(TtrpcStatusCode.InvalidArgument, () => shim.Client.CreateAsync(shim.CreateRequest()));
        shim.Configure(terminal: false, "sleep", "1000");
        _ = await shim.RunAsync();
        await Refused(TtrpcStatusCode.AlreadyExists, () => shim.Client.CreateAsync(shim.CreateRequest()));
        await Refused(TtrpcStatusCode.FailedPrecondition, () => shim.Client.StartAsync(new StartRequest { Id = shim.Id }));
        await Refused(TtrpcStatusCode.NotFound, () => shim.WaitAsync("no-exec"));
    }

    private static async Task Refused(TtrpcStatusCode code, Func<Task> call) =>
        Assert.Equal(code, (await Assert.ThrowsAsync<TtrpcException>(call)).Code);

    private static Task<StateResponse> State(ShimHarness shim) => shim.Client.StateAsync(new StateRequest { Id = shim.Id });
}
