using System.Diagnostics;
using System.Text.RegularExpressions;
using Cais.Linux;
using Cais.Runtime.Tests.Support;

namespace Cais.Runtime.Tests.Launch;

/// <summary>What runs before .NET has started, and protects the programs' files (docs/decisions/0016).</summary>
[Trait("Tier", "integration")]
public sealed partial class FirstFunctionTests
{
    private const string MayTakePart = "^Cais_Linux_Cais_Linux_(SelfExecutable|SystemCall)__";

    private static readonly string[] Harmless =
    [
        "syscall", "syscall@plt",
        "main", // where .NET begins
        "RhpFallbackFailFast", // behind a test of the stack
    ];

    /// <summary>Follows every call and jump out of the function: it must reach nothing that a runtime would have to be started for.</summary>
    [Theory]
    [InlineData("Cais.RuntimeCli/cais-runtime", "cais_runtime_Cais_RuntimeCli_FirstFunction__Run")]
    [InlineData("Cais.Shim/containerd-shim-cais-v2", "containerd_shim_cais_v2_Cais_Shim_FirstFunction__Run")]
    public void It_calls_nothing_but_the_kernel(string program, string function)
    {
        var code = Disassemble(Path.Combine(SourceTree.Root, "artifacts", "publish", program));
        var open = new Stack<string>([function]);
        var seen = new HashSet<string>();
        var calls = 0;
        while (open.TryPop(out var name))
        {
            if (!seen.Add(name) || Harmless.Contains(name))
            {
                calls += name.StartsWith("syscall", StringComparison.Ordinal) ? 1 : 0;
                continue;
            }

            Assert.Matches($"FirstFunction__|{MayTakePart}", name);
            foreach (var line in code[name])
            {
                Assert.DoesNotMatch(@"\t(call|jmp)\s+\*|\tbl?r\s", line);
                if (Target().Match(line) is { Success: true } target && target.Groups[1].Value != name)
                {
                    open.Push(target.Groups[1].Value);
                }
            }
        }

        Assert.InRange(calls, 1, int.MaxValue);
    }

    /// <summary>The program that is replaced has opened nothing and read nothing: .NET's start reads the machine's cgroups, processors and memory.</summary>
    [Fact]
    public void It_comes_before_the_start_of_NET()
    {
        var trace = Path.Combine(Path.GetTempPath(), $"trace-{Environment.ProcessId}");
        try
        {
            Run("strace", "-o", trace, "-e", "trace=openat,execve,execveat", RuntimeProgram.Path, "run", "-b", "/nonesuch", "nonesuch");
            var lines = File.ReadAllLines(trace);
            Assert.StartsWith("execve(", lines[0], StringComparison.Ordinal);
            Assert.StartsWith("execveat(", lines[1], StringComparison.Ordinal);
        }
        finally
        {
            File.Delete(trace);
        }
    }

    /// <summary>A command that starts processes without being known here would say so.</summary>
    [Fact]
    public void Every_command_that_starts_processes_runs_from_a_protected_file()
    {
        var commands = RuntimeProgram.Run("--help").Output.Split('\n')
            .Select(line => Command().Match(line)).Where(match => match.Success).Select(match => match.Groups[1].Value).ToList();
        Assert.Contains("exec", commands);
        Assert.All(commands, command => Assert.DoesNotContain("not protected", RuntimeProgram.Run(command, "-b", "/nonesuch", "nonesuch").Error, StringComparison.Ordinal));
        Assert.All(commands, command => Assert.DoesNotContain("not protected", RuntimeProgram.Run(command, "nonesuch", "true").Error, StringComparison.Ordinal));
    }

    [Fact]
    public void Without_the_right_to_mount_it_is_a_sealed_copy()
    {
        const string Script = "exec setpriv --bounding-set=-sys_admin --inh-caps=-sys_admin \"$0\" run -b /nonesuch nonesuch";
        using var process = Process.Start(new ProcessStartInfo("sh", ["-c", Script, RuntimeProgram.Path]) { RedirectStandardError = true })!;
        var error = process.StandardError.ReadToEnd();
        process.WaitForExit();
        Assert.Contains("/nonesuch", error, StringComparison.Ordinal);
        Assert.DoesNotContain("not protected", error, StringComparison.Ordinal);
    }

    [Fact]
    public void A_process_that_waits_for_its_start_has_no_file_that_could_be_written()
    {
        using var bundle = new TestBundle();
        File.WriteAllBytes(Path.Combine(bundle.Directory, "config.json"), System.Text.Json.JsonSerializer.SerializeToUtf8Bytes(bundle.Spec("true"), Oci.Runtime.SpecJson.Default.Spec));
        Assert.Equal(0, RuntimeProgram.Run("--root", bundle.Runtime.StateRoot, "create", "-b", bundle.Directory, bundle.Id).Code);
        using var container = bundle.Runtime.Load(bundle.Id);
        using var cleanUp = new CleanUp(() => RuntimeProgram.Run("--root", bundle.Runtime.StateRoot, "delete", "--force", bundle.Id));
        Assert.Equal("cais-runtime", File.ReadAllText($"/proc/{container.Pid}/comm").TrimEnd());

        // Through the file's own mount it would be ETXTBSY, and no error once the process is gone.
        Assert.Equal(
            Errno.EROFS, Assert.Throws<LinuxException>(() => Files.Open($"/proc/{container.Pid}/exe", OpenFlags.WriteOnly | OpenFlags.Truncate)).Errno);
    }

    private sealed class CleanUp(Action action) : IDisposable
    {
        public void Dispose() => action();
    }

    /// <summary>The functions of the classes that may take part. Disassembling the whole program would take a minute.</summary>
    private static Dictionary<string, List<string>> Disassemble(string program)
    {
        var symbols = Run("nm", "-S", program).Split('\n').Select(line => line.Split(' ')).Where(fields => fields.Length == 4 && fields[2] is "t" or "T").ToList();
        var functions = new Dictionary<string, List<string>>();
        foreach (var pattern in (string[])["FirstFunction__", MayTakePart])
        {
            var part = symbols.Where(fields => Regex.IsMatch(fields[3], pattern)).Select(fields => (Start: Convert.ToInt64(fields[0], 16), Size: Convert.ToInt64(fields[1], 16))).ToList();
            List<string> current = [];
            foreach (var line in Run(
                "objdump", "-d", "--no-show-raw-insn", $"--start-address={part.Min(p => p.Start)}", $"--stop-address={part.Max(p => p.Start + p.Size)}", program).Split('\n'))
            {
                if (Start().Match(line) is { Success: true } start)
                {
                    functions[start.Groups[1].Value] = current = [];
                }
                else if (line.Contains('\t', StringComparison.Ordinal))
                {
                    current.Add(line);
                }
            }
        }

        return functions;
    }

    private static string Run(string program, params string[] arguments)
    {
        using var process = Process.Start(new ProcessStartInfo(program, arguments) { RedirectStandardOutput = true })!;
        var output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        return output;
    }

    [GeneratedRegex(@"^[0-9a-f]+ <(.+)>:$")]
    private static partial Regex Start();

    /// <summary>A call or jump to the beginning of a function; within one there is an offset.</summary>
    [GeneratedRegex(@"\t(?:call|j\w+|bl?|b\.\w+|cbn?z|tbn?z)\s.*<([^+>]+)>$")]
    private static partial Regex Target();

    [GeneratedRegex(@"^  (\w+)\s{2,}")]
    private static partial Regex Command();
}
