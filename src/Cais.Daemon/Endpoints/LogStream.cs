using System.Buffers;
using System.Globalization;
using System.Text;
using Cais.Daemon.Http;
using Cais.Engine;
using Cais.Engine.Io;
using Cais.Engine.Logs;

namespace Cais.Daemon.Endpoints;

/// <summary>GET /containers/{id}/logs</summary>
internal sealed class LogStream(CaisEngine engine)
{
    /// <summary>Bytes after which what was written goes out, when more is at hand.</summary>
    private const int Batch = 32 << 10;

    public async Task Serve(ApiRequest request)
    {
        var container = engine.Get(request.Path("id"));
        var query = new LogQuery
        {
            Stdout = request.Flag("stdout"),
            Stderr = request.Flag("stderr"),
            Follow = request.Flag("follow"),
            Since = Time(request, "since"),
            Until = Time(request, "until"),
            Tail = request.Query("tail") switch
            {
                null or "all" => null,
                var text when int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var lines) => lines,

                // Docker takes what is no number for "all".
                _ => null,
            },
        };
        if (!query.Stdout && !query.Stderr)
        {
            throw EngineException.InvalidParameter("Bad parameters: you must choose at least one stream");
        }

        var framed = container.Record.Config.Tty != true;
        var timestamps = request.Flag("timestamps");
        var details = request.Flag("details");
        var entries = engine.ReadLogs(container, query, request.Gone);
        var writer = await request.Stream(request.StreamType(framed));
        var pending = 0;
        var line = new ArrayBufferWriter<byte>(1024);
        await using var reader = entries.GetAsyncEnumerator(request.Gone);
        while (true)
        {
            var next = reader.MoveNextAsync();
            if (!next.IsCompleted && pending > 0)
            {
                // Nothing more for now: what there is goes out.
                await writer.FlushAsync();
                pending = 0;
            }

            if (!await next)
            {
                break;
            }

            var (entry, attributes) = reader.Current;
            line.ResetWrittenCount();
            if (timestamps)
            {
                Encoding.ASCII.GetBytes(entry.Time.UtcDateTime.ToString("yyyy-MM-dd'T'HH:mm:ss.fffffff", CultureInfo.InvariantCulture) + "00Z ", line);
            }

            if (details)
            {
                Encoding.UTF8.GetBytes((attributes ?? "") + " ", line);
            }

            line.Write(entry.Line.Span);
            if (framed)
            {
                Frame.Write(writer, entry.Stream, line.WrittenSpan);
            }
            else
            {
                writer.Write(line.WrittenSpan);
            }

            pending += line.WrittenCount + Frame.HeaderSize;
            if (pending >= Batch)
            {
                if ((await writer.FlushAsync()).IsCompleted)
                {
                    return;
                }

                pending = 0;
            }
        }

        await writer.FlushAsync();
    }

    private DateTimeOffset? Time(ApiRequest request, string name) => request.Query(name) switch
    {
        null or "0" => null,
        var text => Timestamps.Parse(text, engine.Time.GetUtcNow()) ?? throw EngineException.InvalidParameter($"invalid value for \"{name}\": {text}"),
    };
}
