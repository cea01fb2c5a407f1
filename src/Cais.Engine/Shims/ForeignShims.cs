using System.Text.Json;
using Cais.Engine.Logging;
using Cais.Linux;
using Cais.Linux.Io;
using Cais.Ttrpc;

namespace Cais.Engine.Shims;

/// <summary>
/// Starts shims of others by containerd's protocol (core/runtime/v2/README.md): the program's <c>start</c> prints where the shim listens.
/// </summary>
internal sealed class ForeignShims(EventLoop loop, ShimEvents events, DescriptorLimit? descriptors, EngineLog log)
{
    /// <summary>containerd's own limit for a shim's start.</summary>
    private static readonly TimeSpan StartTimeout = TimeSpan.FromSeconds(30);

    /// <summary>A shim for one container.</summary>
    /// <exception cref="EngineException">The program could not be run, or failed; with what it said.</exception>
    public async Task<Shim> Start(string program, string id, string bundle)
    {
        Directory.CreateDirectory(Path.Combine(bundle, "rootfs"));
        ReadLog(bundle, id);
        var said = await Run(program, ["-namespace", "cais", "-address", events.Address, "-publish-binary", "/bin/true", "-id", id, "start"], bundle, StartTimeout)
            .ConfigureAwait(false);
        var (socket, service) = AddressOf(said) ?? throw EngineException.System($"the shim {program} did not say where it listens, but: {said.Trim()}");
        return new Shim(socket, await Connect(loop, socket).ConfigureAwait(false), service);
    }

    /// <summary>Others' shims want to hear containerd's namespace with every call.</summary>
    public static Task<TtrpcClient> Connect(EventLoop loop, string socket) =>
        TtrpcClient.ConnectAsync(loop, socket, new Dictionary<string, string> { ["containerd-namespace-ttrpc"] = "cais" });

    /// <summary>Where a shim says it listens: an address alone, or version 3's document.</summary>
    internal static (string Socket, string Service)? AddressOf(string said)
    {
        var text = said.Trim();
        var service = TaskClient.V2;
        if (text.StartsWith('{'))
        {
            try
            {
                using var json = JsonDocument.Parse(text);
                text = json.RootElement.TryGetProperty("address", out var address) ? address.GetString() ?? "" : "";
                service = json.RootElement.TryGetProperty("version", out var version) && version.TryGetInt32(out var number) && number >= 3 ? TaskClient.V3 : service;
                if (json.RootElement.TryGetProperty("protocol", out var protocol) && protocol.GetString() is not ("ttrpc" or "" or null))
                {
                    return null;
                }
            }
            catch (Exception e) when (e is JsonException or InvalidOperationException)
            {
                return null;
            }
        }

        const string Scheme = "unix://";
        return text.StartsWith(Scheme, StringComparison.Ordinal) && text.Length > Scheme.Length ? (text[Scheme.Length..], service) : null;
    }

    /// <summary>Shims write their log to a pipe in the bundle, and wait for somebody who reads it.</summary>
    private void ReadLog(string bundle, string id)
    {
        var path = Path.Combine(bundle, "log");
        File.Delete(path);
        Fifo.Create(path);
        _ = DescriptorReader.Start(
            loop,
            Fifo.OpenRead(path),
            bytes =>
            {
                log.Debug("a shim says: " + System.Text.Encoding.UTF8.GetString(bytes).TrimEnd(), ("container", id));
                return true;
            },
            _ => { });
    }

    private async Task<string> Run(string program, IReadOnlyList<string> arguments, string directory, TimeSpan limit)
    {
        var (output, input) = Pipe.Create();
        Descriptors.SetNonBlocking(output, true);
        using (output)
        {
            ChildProcess child;
            using (input)
            {
                child = ChildProcess.Start(new ChildCommand
                {
                    Program = program,
                    Arguments = arguments,
                    WorkingDirectory = directory,
                    Environment = new Dictionary<string, string?>
                    {
                        ["TTRPC_ADDRESS"] = events.Address,
                        ["GRPC_ADDRESS"] = events.Address,
                        ["NAMESPACE"] = "cais",
                        ["MAX_SHIM_VERSION"] = "3",
                    },
                    Descriptors = [null, input, input],
                });
            }

            using (child)
            {
                descriptors?.TryApplyTo(child.Pid);
                var reading = Read(output);
                var status = await child.WaitAsync(loop).WaitAsync(limit).ConfigureAwait(false);
                var said = await reading.WaitAsync(limit).ConfigureAwait(false);
                return status.ShellCode == 0 ? said : throw EngineException.System($"the shim {program} could not be started: {said.Trim()}");
            }
        }
    }

    private async Task<string> Read(FileDescriptor pipe)
    {
        var text = new MemoryStream();
        var done = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        using var reader = DescriptorReader.Start(
            loop,
            Files.Duplicate(pipe),
            bytes =>
            {
                // A shim that talks without end is none.
                text.Write(bytes[..(int)Math.Min(bytes.Length, Math.Max(0, (64 << 10) - text.Length))]);
                return true;
            },
            _ => done.TrySetResult());
        await done.Task.ConfigureAwait(false);
        return System.Text.Encoding.UTF8.GetString(text.ToArray());
    }
}
