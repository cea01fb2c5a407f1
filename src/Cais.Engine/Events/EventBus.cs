using System.Runtime.CompilerServices;
using System.Threading.Channels;
using Cais.Api;

namespace Cais.Engine.Events;

/// <summary>What happens in the engine, for those who listen now and, a little of it, for those who ask later. Safe for use from any thread.</summary>
public sealed class EventBus(TimeProvider time)
{
    /// <summary>How many past events are kept, as docker keeps them.</summary>
    private const int Kept = 256;

    /// <summary>A listener this far behind misses events rather than hold the engine's memory.</summary>
    private const int Backlog = 4096;

    private readonly Lock _gate = new();
    private readonly Queue<EventMessage> _past = new();
    private readonly HashSet<Channel<EventMessage>> _listeners = [];
    private long _lastNano;
    private long _published;

    /// <summary>How many events there have been.</summary>
    public long Published => Interlocked.Read(ref _published);

    public int Listeners
    {
        get
        {
            lock (_gate)
            {
                return _listeners.Count;
            }
        }
    }

    public void Publish(string type, string action, string id, IReadOnlyDictionary<string, string>? attributes = null)
    {
        Interlocked.Increment(ref _published);
        lock (_gate)
        {
            // Strictly rising, so that "since" the last event seen neither repeats nor loses one.
            var nano = Math.Max((time.GetUtcNow() - DateTimeOffset.UnixEpoch).Ticks * 100, _lastNano + 1);
            _lastNano = nano;
            var message = new EventMessage
            {
                Type = type,
                Action = action,
                Actor = new EventActor { ID = id, Attributes = attributes ?? EmptyAttributes },
                Scope = "local",
                Time = nano / 1_000_000_000,
                TimeNano = nano,
            };
            _past.Enqueue(message);
            if (_past.Count > Kept)
            {
                _past.Dequeue();
            }

            foreach (var listener in _listeners)
            {
                listener.Writer.TryWrite(message);
            }
        }
    }

    /// <summary>
    /// Past events from <paramref name="since"/> on (none when null) and then those that happen, until <paramref name="until"/> if it is given,
    /// otherwise for ever.
    /// </summary>
    public async IAsyncEnumerable<EventMessage> Listen(
        DateTimeOffset? since, DateTimeOffset? until, [EnumeratorCancellation] CancellationToken cancellation)
    {
        var channel = Channel.CreateBounded<EventMessage>(
            new BoundedChannelOptions(Backlog) { FullMode = BoundedChannelFullMode.DropOldest, SingleReader = true });
        List<EventMessage> past;
        lock (_gate)
        {
            past = since is { } from ? [.. _past.Where(e => e.TimeNano >= Nanoseconds(from) && !(until is { } to && e.TimeNano > Nanoseconds(to)))] : [];
            _listeners.Add(channel);
        }

        try
        {
            foreach (var message in past)
            {
                yield return message;
            }

            if (until is { } end && end <= time.GetUtcNow())
            {
                yield break;
            }

            using var deadline = new CancellationTokenSource(until is { } at ? at - time.GetUtcNow() : Timeout.InfiniteTimeSpan, time);
            using var both = CancellationTokenSource.CreateLinkedTokenSource(cancellation, deadline.Token);
            while (true)
            {
                EventMessage message;
                try
                {
                    message = await channel.Reader.ReadAsync(both.Token).ConfigureAwait(false);
                }
                catch (OperationCanceledException) when (deadline.IsCancellationRequested && !cancellation.IsCancellationRequested)
                {
                    yield break;
                }

                yield return message;
            }
        }
        finally
        {
            lock (_gate)
            {
                _listeners.Remove(channel);
            }
        }
    }

    /// <summary>Whether an event is one that the filters of the events request ask for.</summary>
    public static bool Matches(EventMessage message, Filters filters)
    {
        var attributes = message.Actor?.Attributes;
        return Action(message, filters)
            && filters.Exact("type", message.Type ?? "")
            && filters.Exact("scope", message.Scope ?? "")
            && filters.Labels("label", attributes)
            && Subject("container", message, filters)
            && Subject("image", message, filters)
            && Subject("volume", message, filters)
            && Subject("network", message, filters)
            && Subject("daemon", message, filters)
            && Subject("plugin", message, filters);
    }

    private static readonly Dictionary<string, string> EmptyAttributes = [];

    private static long Nanoseconds(DateTimeOffset at) => (at - DateTimeOffset.UnixEpoch).Ticks * 100;

    /// <summary>"exec_create: sh -c x" is asked for as "exec_create", "health_status: healthy" either way.</summary>
    private static bool Action(EventMessage message, Filters filters)
    {
        var action = message.Action ?? "";
        var colon = action.IndexOf(':');
        return filters.Exact("event", action) || (colon > 0 && filters.Exact("event", action[..colon]));
    }

    private static bool Subject(string type, EventMessage message, Filters filters)
    {
        var wanted = filters[type];
        if (wanted.Count == 0)
        {
            return true;
        }

        var id = message.Actor?.ID ?? "";
        string? name = null;
        message.Actor?.Attributes?.TryGetValue(type == "image" && message.Type != "image" ? "image" : "name", out name);
        if (message.Type != type && type != "image")
        {
            return message.Actor?.Attributes?.TryGetValue(type, out var related) == true && wanted.Any(w => related.StartsWith(w, StringComparison.Ordinal));
        }

        return wanted.Any(w => (message.Type == type && id.StartsWith(w, StringComparison.Ordinal)) || w == name || (type == "image" && name == w + ":latest"));
    }
}
