using Cais.Linux;
using Cais.Linux.FileSystem;

namespace Cais.Images.Layers;

/// <summary>
/// A thread for one piece of long, blocking work: the pool's few threads stay free, and the thread's umask is 0, so that files get exactly the modes asked for.
/// </summary>
internal static class OwnThread
{
    private const int StackSize = 512 * 1024;

    public static Task<T> Run<T>(string name, Func<T> work)
    {
        var done = new TaskCompletionSource<T>(TaskCreationOptions.RunContinuationsAsynchronously);
        var thread = new Thread(() =>
        {
            try
            {
                var result = FileAt.ClearThreadUmask();
                if (result < 0)
                {
                    throw new LinuxException((Errno)(-result), "unshare the thread's umask");
                }

                done.SetResult(work());
            }
            catch (OperationCanceledException e)
            {
                done.SetCanceled(e.CancellationToken);
            }
            catch (Exception e)
            {
                done.SetException(e);
            }
        }, StackSize)
        { IsBackground = true, Name = name };
        thread.Start();
        return done.Task;
    }
}
