using System.Threading.Channels;
using Cais.Api;
using Cais.Build.Checks;
using Cais.Build.Graph;
using Cais.Build.Language;
using Cais.Build.Solving;

namespace Cais.Daemon.Endpoints;

/// <summary>A build's progress as events in BuildKit's form.</summary>
internal sealed class EventProgress(ChannelWriter<BuildEvent> lines, TimeProvider time) : IBuildProgress
{
    private readonly Lock _gate = new();
    private readonly Dictionary<string, DateTimeOffset> _started = [];

    public void Started(Step step)
    {
        var digest = step.Digest.ToString();
        var now = time.GetUtcNow();
        lock (_gate)
        {
            _started[digest] = now;
        }

        Send(step, digest, now, null, null, null);
    }

    public void Output(Step step, bool isError, ReadOnlySpan<byte> data) => lines.TryWrite(new BuildEvent
    {
        Logs = [new BuildLog { Vertex = step.Digest.ToString(), Stream = isError ? 2 : 1, Data = data.ToArray(), Timestamp = time.GetUtcNow() }],
    });

    public void Completed(Step step, bool wasCached, Exception? error)
    {
        var digest = step.Digest.ToString();
        DateTimeOffset started;
        lock (_gate)
        {
            started = _started.GetValueOrDefault(digest, time.GetUtcNow());
        }

        Send(step, digest, started, time.GetUtcNow(), wasCached ? true : null, error is null ? null : error is OperationCanceledException ? "context canceled" : error.Message);
    }

    public void Status(Step step, string part, long current, long total, bool isDone)
    {
        var now = time.GetUtcNow();
        lines.TryWrite(new BuildEvent
        {
            Statuses =
            [
                new BuildStatus
                {
                    Id = part,
                    Vertex = step.Digest.ToString(),
                    Current = current > 0 ? current : null,
                    Total = total > 0 ? total : null,
                    Timestamp = now,
                    Started = now,
                    Completed = isDone ? now : null,
                },
            ],
        });
    }

    public void Warn(IEnumerable<Finding> findings, DockerfileSource source)
    {
        var warnings = findings.Select(f => new BuildWarning
        {
            Short = $"{f.Rule}: {f.Message}",
            Url = f.Url,
            Line = f.Range.Start.Line,
            Excerpt = source.Excerpt(f.Range),
        }).ToList();
        if (warnings.Count > 0)
        {
            lines.TryWrite(new BuildEvent { Warnings = warnings });
        }
    }

    private void Send(Step step, string digest, DateTimeOffset started, DateTimeOffset? completed, bool? cached, string? error) => lines.TryWrite(new BuildEvent
    {
        Vertexes =
        [
            new BuildVertex
            {
                Digest = digest,
                Name = step.Name,
                Inputs = step.Inputs.Count == 0 ? null : [.. step.Inputs.Select(i => i.Digest.ToString())],
                Started = started,
                Completed = completed,
                Cached = cached,
                Error = error,
            },
        ],
    });
}
