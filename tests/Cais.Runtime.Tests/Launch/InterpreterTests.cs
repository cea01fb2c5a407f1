using System.Diagnostics;
using Cais.Linux;
using Cais.Runtime.Launch;
using Cais.Runtime.Tests.Support;

namespace Cais.Runtime.Tests.Launch;

/// <summary>The claim that the launch plan survives whatever the rest of the process does.</summary>
[Trait("Tier", "integration")]
[Collection(nameof(Alone))]
public sealed class InterpreterTests
{
    /// <summary>The way of calling the kernel that does not survive this hung within 5,000 launches: CAIS_STRESS=1 makes twice as many, and 2,000 whole containers.</summary>
    private static readonly (int Launches, int Containers) Counts = Environment.GetEnvironmentVariable("CAIS_STRESS") is { Length: > 0 } ? (10_000, 2_000) : (500, 20);

    /// <summary>Threads that allocate and collect all the time, as the worst neighbour would.</summary>
    private sealed class GarbageLoad : IDisposable
    {
        private readonly CancellationTokenSource _stop = new();
        private readonly List<Thread> _threads = [];

        public GarbageLoad(int threads)
        {
            for (var i = 0; i < threads; i++)
            {
                var number = i;
                var thread = new Thread(() =>
                {
                    var kept = new object[64];
                    for (var n = 0; !_stop.IsCancellationRequested; n++)
                    {
                        kept[n % kept.Length] = new byte[1000 + (n % 5000)];
                        if (n % (50 + number) == 0)
                        {
                            GC.Collect(n % 3);
                        }
                    }
                });
                thread.Start();
                _threads.Add(thread);
            }
        }

        public void Dispose()
        {
            _stop.Cancel();
            foreach (var thread in _threads)
            {
                thread.Join();
            }
        }
    }

    [Fact]
    public void Thousands_of_launches_beside_collecting_threads_neither_hang_nor_fail()
    {
        var collections = GC.CollectionCount(0);
        using (new GarbageLoad(3))
        {
            for (var i = 0; i < Counts.Launches; i++)
            {
                LaunchTrue(i);
            }
        }

        Assert.True(GC.CollectionCount(0) - collections > Counts.Launches / 4, "the load did not collect enough to mean anything");
    }

    [Fact]
    public void Whole_containers_start_beside_collecting_threads()
    {
        using var bundle = new TestBundle();
        using (new GarbageLoad(2))
        {
            for (var i = 0; i < Counts.Containers; i++)
            {
                Assert.Equal("fine", bundle.Shell("echo fine"));
            }
        }
    }

    private static void LaunchTrue(int number)
    {
        using var plan = new LaunchPlan();
        var builder = new PlanBuilder(plan);
        var pid = builder.NewRegister();
        var child = new Label();
        var all = plan.Longs(-1);
        var saved = plan.Longs(0);
        plan.PidfdAddress = plan.Ints(-1, 0);
        var arguments = plan.Longs(0x100001000, plan.PidfdAddress, 0, 0, Signals.Child, 0, 0, 0, 0, 0, 0);
        builder.Call(new Note("block"), SystemCall.RtSigprocmask, 2, all, saved, 8);
        builder.Fork(pid, arguments, 88, child, new Note("fork"));
        plan.Cleanup = plan.Count;
        builder.Call(new Note("restore"), SystemCall.RtSigprocmask, 2, saved, 0, 8);
        builder.Return();
        builder.Mark(child);
        for (var i = 0; i < 20; i++)
        {
            builder.Call(new Note("something"), SystemCall.GetPid);
        }

        builder.Call(new Note("exec"), SystemCall.Execve, plan.Text("/bin/true"), plan.TextArray(["true"]), plan.TextArray([]));
        var (parentEnd, childEnd) = MessageSocket.Pair();
        using (parentEnd)
        {
            var (_, pidFd) = Launcher.Run(plan, parentEnd, childEnd, new LaunchEvents());
            using (pidFd)
            {
                Assert.True(Pidfd.WaitForEnd(pidFd, 60_000), $"launch {number} hangs");
                Assert.Equal(0, Pidfd.Wait(pidFd).ShellCode);
            }
        }
    }

    /// <summary>
    /// Looks at the machine code of the published runtime where there is one: between its calls of libc the interpreter must call
    /// nothing, so it can neither wait for a collection nor for a lock.
    /// </summary>
    [Fact]
    public void The_compiled_interpreter_calls_nothing_but_through_its_pointer()
    {
        var binary = PublishedRuntime.Program;
        var code = Disassemble(binary, "Cais_Runtime_Cais_Runtime_Launch_Interpreter__Run");
        Assert.NotEmpty(code);
        var calls = code.Where(line => line.Contains("\tcall", StringComparison.Ordinal) || line.Contains("\tbl", StringComparison.Ordinal)).ToList();
        Assert.NotEmpty(calls);
        Assert.All(calls, call => Assert.Matches(@"call\s+(\*|QWORD PTR|r\w+)|call\s+\*%?r|blr", call));
        Assert.DoesNotContain(code, line => line.Contains("RhpTrapThreads", StringComparison.Ordinal) || line.Contains("RhpGcPoll", StringComparison.Ordinal));
    }

    private static List<string> Disassemble(string binary, string symbol)
    {
        using var process = System.Diagnostics.Process.Start(new ProcessStartInfo("objdump", ["-d", "--no-show-raw-insn", $"--disassemble={symbol}", binary])
        {
            RedirectStandardOutput = true,
        })!;
        var lines = process.StandardOutput.ReadToEnd().Split('\n').Where(line => line.Contains('\t', StringComparison.Ordinal)).ToList();
        process.WaitForExit();
        return lines;
    }
}
