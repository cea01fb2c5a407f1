using Cais.Linux;
using Cais.Oci.Runtime;

namespace Cais.Runtime.Hooks;

/// <summary>Runs the programs at the points of a container's life, with its state on their standard input.</summary>
internal static class HookRunner
{
    /// <summary>
    /// One after another; the first that fails ends it. <paramref name="inside"/> is the pidfd of a process whose namespaces they run in.
    /// </summary>
    public static void Run(
        string kind, IReadOnlyList<Hook>? hooks, ContainerState state, FileDescriptor? inside = null, NamespaceKind spaces = 0)
    {
        foreach (var hook in hooks ?? [])
        {
            using var input = Files.Memory("state");
            Files.Write(input, state.ToUtf8());
            Files.SeekToStart(input);
            var (status, output) = HelperProcess.Run(
                hook.Path, hook.Args is { Count: > 0 } args ? args : [hook.Path], hook.Env ?? [], input,
                hook.Timeout is { } seconds ? seconds * 1000 : -1, inside, spaces);
            if (status is null)
            {
                throw new RuntimeException(RuntimeError.Hook, $"{kind} hook {hook.Path} did not end within {hook.Timeout} s");
            }

            if (status.Value.ShellCode != 0)
            {
                throw new RuntimeException(
                    RuntimeError.Hook,
                    $"{kind} hook {hook.Path} failed with {Ending(status.Value)}{(output.Length > 0 ? $": {output}" : "")}");
            }
        }
    }

    private static string Ending(ExitStatus status) =>
        status.Signal != 0 ? Signals.Name(status.Signal) : $"exit status {status.Code}";
}
