using Cais.Linux;
using Cais.Linux.Io;

namespace Cais.Shim.Streams;

/// <summary>Told to a logging program in CONTAINER_ID and CONTAINER_NAMESPACE.</summary>
internal sealed record LoggedContainer(string Id, string Namespace);

/// <summary>
/// A program that takes a container's output, named by a URI such as <c>binary:///usr/bin/logger?tag=x</c>. As containerd defines it: the
/// output is its descriptor 3, the errors 4, it says that it is ready by closing 5; the query's pairs are its arguments.
/// </summary>
internal sealed class LoggingProgram : IDisposable
{
    private static readonly TimeSpan ReadyWithin = TimeSpan.FromSeconds(10);

    private readonly ChildProcess _child;

    private LoggingProgram(ChildProcess child, FileDescriptor output, FileDescriptor error) => (_child, Output, Error) = (child, output, error);

    /// <summary>For the process to write to; the receiver's to close, which is how the program learns of the end.</summary>
    public FileDescriptor Output { get; }

    /// <summary>As <see cref="Output"/>.</summary>
    public FileDescriptor Error { get; }

    public static async Task<LoggingProgram> StartAsync(EventLoop loop, string uri, LoggedContainer container)
    {
        var (path, arguments) = Parse(uri);
        var (outputReader, output) = Pipe.Create();
        var (errorReader, error) = Pipe.Create();
        var (readyReader, ready) = Pipe.Create();
        using (outputReader)
        using (errorReader)
        {
            ChildProcess child;
            using (ready)
            {
                child = ChildProcess.Start(new ChildCommand
                {
                    Program = path,
                    Arguments = arguments,
                    Environment = new Dictionary<string, string?> { ["CONTAINER_ID"] = container.Id, ["CONTAINER_NAMESPACE"] = container.Namespace },
                    Descriptors = [null, null, null, outputReader, errorReader, ready],
                });
            }

            var readiness = new TaskCompletionSource<bool>(TaskCreationOptions.RunContinuationsAsynchronously);
            Descriptors.SetNonBlocking(readyReader, true);
            using var waiting = DescriptorReader.Start(loop, readyReader, _ => readiness.TrySetResult(true), _ => readiness.TrySetResult(true));
            using var deadline = loop.Schedule(ReadyWithin, () => readiness.TrySetResult(false));
            if (!await readiness.Task)
            {
                _ = Pidfd.Signal(child.PidFd, Signals.Kill);
                child.Dispose();
                output.Dispose();
                error.Dispose();
                throw new LinuxException(Errno.ETIMEDOUT, $"wait for the logging program {path} to be ready");
            }

            return new LoggingProgram(child, output, error);
        }
    }

    /// <summary>Lets go of it: it ends by itself at the end of its input.</summary>
    public void Dispose()
    {
        Output.Dispose();
        Error.Dispose();
        _child.Dispose();
    }

    private static (string Path, List<string> Arguments) Parse(string uri)
    {
        var rest = uri["binary://".Length..];
        var question = rest.IndexOf('?', StringComparison.Ordinal);
        var path = Uri.UnescapeDataString(question < 0 ? rest : rest[..question]);
        var arguments = new List<string>();
        if (question >= 0)
        {
            foreach (var pair in rest[(question + 1)..].Split('&', StringSplitOptions.RemoveEmptyEntries))
            {
                foreach (var word in pair.Split('=', 2))
                {
                    if (word.Length > 0)
                    {
                        arguments.Add(Uri.UnescapeDataString(word.Replace('+', ' ')));
                    }
                }
            }
        }

        return (path, arguments);
    }
}
