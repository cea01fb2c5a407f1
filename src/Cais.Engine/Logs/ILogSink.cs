namespace Cais.Engine.Logs;

/// <summary>
/// Takes a container's output, line by line. Called on the thread that reads the container's pipes: it must not wait for anybody. Disposing
/// says that no more will come.
/// </summary>
internal interface ILogSink : IDisposable
{
    void Append(in LogLine line);

    /// <summary>
    /// A burst is over: what was appended goes on its way. Null when the next may come; otherwise a task that ends, in bounded time, when
    /// it may.
    /// </summary>
    Task? Flush();
}
