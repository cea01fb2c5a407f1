namespace Cais.Engine.Io;

/// <summary>
/// Spreads a process's output over those who are attached. The process waits for none of them, but for one that is far behind and still taking; one that
/// has stopped taking is let go (<see cref="OutputClient"/>).
/// </summary>
public sealed class OutputHub
{
    private readonly Lock _gate = new();
    private readonly List<OutputClient> _clients = [];
    private bool _ended;

    public bool HasClients
    {
        get
        {
            lock (_gate)
            {
                return _clients.Count > 0;
            }
        }
    }

    /// <summary>From now on the client gets what is published. When the output has ended already, the client is done at once.</summary>
    public void Add(OutputClient client)
    {
        lock (_gate)
        {
            if (!_ended)
            {
                _clients.Add(client);
                return;
            }
        }

        client.Finish();
    }

    public void Remove(OutputClient client)
    {
        lock (_gate)
        {
            _clients.Remove(client);
        }

        client.Abandon();
    }

    /// <summary>A new process begins: clients may come again.</summary>
    public void Restart()
    {
        lock (_gate)
        {
            _ended = false;
        }
    }

    /// <summary>Everything has been published.</summary>
    public void Complete()
    {
        OutputClient[] clients;
        lock (_gate)
        {
            _ended = true;
            clients = [.. _clients];
            _clients.Clear();
        }

        foreach (var client in clients)
        {
            client.Finish();
        }
    }

    /// <summary>Gives bytes to all. Null when all took them; otherwise a task that ends when the next may come.</summary>
    internal Task? Publish(StreamKind stream, ReadOnlySpan<byte> bytes)
    {
        List<(OutputClient Client, Task<bool> Progress)>? waiting = null;
        List<OutputClient>? gone = null;
        lock (_gate)
        {
            foreach (var client in _clients)
            {
                if (!client.TrySend(stream, bytes, out var congested))
                {
                    (gone ??= []).Add(client);
                }
                else if (congested is not null)
                {
                    (waiting ??= []).Add((client, congested));
                }
            }
        }

        gone?.ForEach(Remove);
        return waiting is null ? null : Wait(waiting);
    }

    private async Task Wait(List<(OutputClient Client, Task<bool> Progress)> waiting)
    {
        foreach (var (client, progress) in waiting)
        {
            if (!await progress.ConfigureAwait(false))
            {
                Remove(client);
            }
        }
    }
}
