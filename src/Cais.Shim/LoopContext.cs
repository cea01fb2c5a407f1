using Cais.Linux.Io;

namespace Cais.Shim;

/// <summary>
/// Brings code after an <c>await</c> back to the loop's thread. With it all of the shim's state is touched by one thread only, and
/// needs no locks; slow work goes to <see cref="Background"/>.
/// </summary>
internal sealed class LoopContext(EventLoop loop) : SynchronizationContext
{
    public override void Post(SendOrPostCallback d, object? state) => loop.Post(() => d(state));

    public override void Send(SendOrPostCallback d, object? state) => throw new InvalidOperationException("the loop never waits");

    public override SynchronizationContext CreateCopy() => this;
}

/// <summary>Work that may block, on a thread that ends with it: a shim is idle nearly all its life and should keep no pool.</summary>
internal static class Background
{
    public static Task<T> Run<T>(Func<T> work)
    {
        var done = new TaskCompletionSource<T>(TaskCreationOptions.RunContinuationsAsynchronously);
        var thread = new Thread(
            () =>
            {
                try
                {
                    done.SetResult(work());
                }
                catch (Exception e)
                {
                    done.SetException(e);
                }
            },
            maxStackSize: 512 * 1024)
        { IsBackground = true };
        thread.Start();
        return done.Task;
    }

    public static Task Run(Action work) => Run(() =>
    {
        work();
        return true;
    });

    /// <summary>The same without a thread, for work that takes less time than the start of one.</summary>
    public static Task<T> Inline<T>(Func<T> work)
    {
        try
        {
            return Task.FromResult(work());
        }
        catch (Exception e)
        {
            return Task.FromException<T>(e);
        }
    }
}
