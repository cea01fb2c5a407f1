using System.Collections.Concurrent;
using System.Security.Cryptography;
using System.Text;
using Cais.Build.Graph;
using Cais.Build.Solving;
using Google.Protobuf.WellKnownTypes;

namespace Cais.BuildKit.Builds;

/// <summary>A build's progress as vertices: steps have their digests, other work one made of its name.</summary>
internal sealed class JobProgress(StatusLog log) : IBuildProgress
{
    private readonly ConcurrentDictionary<(string, string), Timestamp> _parts = new();

    public StatusLog Log => log;

    public void Started(Step step) => log.Begin(step.Digest.ToString(), step.Name, step.Inputs.Where(i => i is not ScratchStep).Select(i => i.Digest.ToString()));

    public void Output(Step step, bool isError, ReadOnlySpan<byte> data) => log.Output(step.Digest.ToString(), isError, data);

    public void Completed(Step step, bool wasCached, Exception? error) => log.End(step.Digest.ToString(), wasCached, error?.Message);

    public void Status(Step step, string part, long current, long total, bool isDone) => Status(step.Digest.ToString(), part, current, total, isDone);

    public void Status(string vertex, string part, long current, long total, bool isDone) =>
        log.Status(vertex, part, current, total, _parts.GetOrAdd((vertex, part), _ => log.Now), isDone);

    /// <summary>Work that is no step of the graph, shown like one.</summary>
    public async Task<T> ShowAsync<T>(string name, Func<string, Task<T>> work)
    {
        var digest = DigestOf(name);
        log.Begin(digest, name, []);
        try
        {
            var result = await work(digest);
            log.End(digest, isCached: false, null);
            return result;
        }
        catch (Exception e)
        {
            log.End(digest, isCached: false, e is OperationCanceledException ? "context canceled" : e.Message);
            throw;
        }
    }

    public static string DigestOf(string name) => "sha256:" + Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes("activity\0" + name)));
}
