using System.Runtime.CompilerServices;
using Google.Protobuf;
using Google.Protobuf.WellKnownTypes;
using Moby.Buildkit.V1;

namespace Cais.BuildKit.Builds;

/// <summary>
/// All that a build has said of its progress, for any number of listeners, each of whom hears it from the beginning. What a command prints is kept up to a limit, and what it prints too
/// much is dropped, not waited for: nobody may have to listen.
/// </summary>
internal sealed class StatusLog(TimeProvider time)
{
    /// <summary>How much of each vertex's output is kept, in bytes: BuildKit's limit.</summary>
    private const int LargestOutput = 2 << 20;

    private readonly Lock _gate = new();
    private readonly List<StatusResponse> _entries = [];
    private readonly Dictionary<string, Vertex> _vertices = [];
    private readonly Dictionary<string, int> _output = [];
    private TaskCompletionSource _changed = NewSignal();
    private bool _isComplete;

    public int Total { get; private set; }

    public int Completed { get; private set; }

    public int Cached { get; private set; }

    public int Warnings { get; private set; }

    public Timestamp Now => Timestamp.FromDateTimeOffset(time.GetUtcNow());

    public void Begin(string digest, string name, IEnumerable<string> inputs)
    {
        lock (_gate)
        {
            if (!_vertices.TryGetValue(digest, out var vertex))
            {
                _vertices[digest] = vertex = new Vertex { Digest = digest, Name = name };
                vertex.Inputs.AddRange(inputs);
                Total++;
            }

            vertex = vertex.Clone();
            vertex.Started = Now;
            vertex.Completed = null;
            _vertices[digest] = vertex;
            Append(new StatusResponse { Vertexes = { vertex } });
        }
    }

    public void End(string digest, bool isCached, string? error)
    {
        lock (_gate)
        {
            if (!_vertices.TryGetValue(digest, out var begun))
            {
                return;
            }

            var vertex = begun.Clone();
            vertex.Completed = Now;
            vertex.Cached = isCached;
            vertex.Error = error ?? "";
            _vertices[digest] = vertex;
            Completed += error is null ? 1 : 0;
            Cached += isCached ? 1 : 0;
            Append(new StatusResponse { Vertexes = { vertex } });
        }
    }

    public void Output(string digest, bool isError, ReadOnlySpan<byte> data)
    {
        lock (_gate)
        {
            var said = _output.GetValueOrDefault(digest);
            if (said > LargestOutput)
            {
                return;
            }

            _output[digest] = said + data.Length;
            Append(new StatusResponse { Logs = { new VertexLog { Vertex = digest, Stream = isError ? 2 : 1, Timestamp = Now, Msg = ByteString.CopyFrom(data) } } });
            if (said + data.Length > LargestOutput)
            {
                Append(new StatusResponse
                {
                    Logs = { new VertexLog { Vertex = digest, Stream = 2, Timestamp = Now, Msg = ByteString.CopyFromUtf8($"\n[output clipped, log limit {LargestOutput >> 20}MiB reached]\n") } },
                });
            }
        }
    }

    public void Status(string digest, string part, long current, long total, Timestamp started, bool isDone)
    {
        lock (_gate)
        {
            Append(new StatusResponse
            {
                Statuses =
                {
                    new VertexStatus { ID = part, Name = part, Vertex = digest, Current = current, Total = total, Timestamp = Now, Started = started, Completed = isDone ? Now : null },
                },
            });
        }
    }

    public void Warn(VertexWarning warning)
    {
        lock (_gate)
        {
            Warnings++;
            Append(new StatusResponse { Warnings = { warning } });
        }
    }

    /// <summary>There will be no more. What has begun and not ended is ended: with the build's error, or canceled.</summary>
    public void Complete()
    {
        lock (_gate)
        {
            foreach (var vertex in _vertices.Values.Where(v => v.Started is not null && v.Completed is null).ToList())
            {
                var ended = vertex.Clone();
                ended.Completed = Now;
                ended.Error = "context canceled";
                _vertices[vertex.Digest] = ended;
                Append(new StatusResponse { Vertexes = { ended } });
            }

            _isComplete = true;
            _changed.TrySetResult();
        }
    }

    /// <summary>All of it so far.</summary>
    public IReadOnlyList<StatusResponse> Entries
    {
        get
        {
            lock (_gate)
            {
                return [.. _entries];
            }
        }
    }

    /// <summary>Everything from the beginning until the build is over, several messages in one where they are there already.</summary>
    public async IAsyncEnumerable<StatusResponse> ReadAsync([EnumeratorCancellation] CancellationToken cancellation)
    {
        const int most = 256;
        for (var at = 0; ;)
        {
            StatusResponse? next = null;
            Task changed;
            lock (_gate)
            {
                for (var end = Math.Min(_entries.Count, at + most); at < end; at++)
                {
                    (next ??= new StatusResponse()).MergeFrom(_entries[at]);
                }

                if (next is null && _isComplete)
                {
                    yield break;
                }

                changed = _changed.Task;
            }

            if (next is not null)
            {
                yield return next;
            }
            else
            {
                await changed.WaitAsync(cancellation);
            }
        }
    }

    private void Append(StatusResponse entry)
    {
        if (_isComplete)
        {
            return;
        }

        _entries.Add(entry);
        var changed = _changed;
        _changed = NewSignal();
        changed.TrySetResult();
    }

    private static TaskCompletionSource NewSignal() => new(TaskCreationOptions.RunContinuationsAsynchronously);
}
