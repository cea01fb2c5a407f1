using Cais.Linux;
using Cais.Linux.Io;
using Cais.Shim.Runtimes;
using Cais.Shim.Tasks;
using Containerd.Task.V2;
using Google.Protobuf;
using Google.Protobuf.WellKnownTypes;

namespace Cais.Shim.Commands;

/// <summary><c>delete</c>: cleans up after a shim that is gone, by the record it left in the bundle, and prints how the container ended.</summary>
internal static class DeleteCommand
{
    public static int Run(ShimOptions options, Stream output)
    {
        var bundle = Path.GetFullPath(options.Bundle.Length > 0 ? options.Bundle : Environment.CurrentDirectory);
        var record = TaskRecord.Load(bundle);
        if (record is not null)
        {
            using var loop = new EventLoop();
            SynchronizationContext.SetSynchronizationContext(new LoopContext(loop));
            var work = CleanUpAsync(loop, record, bundle);
            _ = work.ContinueWith(_ => loop.Stop(), CancellationToken.None, TaskContinuationOptions.None, TaskScheduler.Default);
            loop.Run();
            work.GetAwaiter().GetResult();
        }

        RemoveSocket(bundle);
        var response = new DeleteResponse
        {
            Pid = (uint)(record?.Pid ?? 0),
            ExitStatus = 128 + Signals.Kill,
            ExitedAt = DateTime.UtcNow.ToTimestamp(),
        };
        output.Write(response.ToByteArray());
        return 0;
    }

    /// <summary>The socket of a shim that <c>start</c> has started and that did not live to remove it.</summary>
    private static void RemoveSocket(string bundle)
    {
        try
        {
            var address = File.ReadAllText(Path.Combine(bundle, StartCommand.AddressFile));
            if (address.StartsWith("unix://", StringComparison.Ordinal) && !StartCommand.IsAlive(address["unix://".Length..]))
            {
                File.Delete(address["unix://".Length..]);
            }
        }
        catch (IOException)
        {
            // It was not started by start.
        }
    }

    private static async Task CleanUpAsync(EventLoop loop, TaskRecord record, string bundle)
    {
        Subreaper.Become();
        if (record.Binary.Length > 0)
        {
            await Background.Run(() => LeftoverCommands.Await(bundle, record.Id));
        }

        using ITaskRuntime runtime = record.Binary.Length == 0
            ? new InProcessRuntime(record.Root, record.Id, bundle, record.SystemdCgroup)
            : new CommandRuntime(loop, record.Choice, record.Id, bundle);
        try
        {
            await runtime.DeleteAsync(force: true);
        }
        finally
        {
            if (record.MountsRootfs)
            {
                await Background.Run(() => RootfsMounts.Unmount(Path.Combine(bundle, "rootfs")));
            }
        }

        TaskRecord.Remove(bundle);
    }
}
