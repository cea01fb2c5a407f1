using System.Text.Json;

namespace Cais.Cli.Formatting;

/// <summary>Sums up transfers that go on at the same time: how much of all has come, how fast, and how long it will take.</summary>
internal sealed class TransferTotal(TimeProvider clock)
{
    public const string Name = "Total";

    private readonly Dictionary<string, (long Current, long Total)> _parts = [];
    private RateMeter _meter = new(clock);

    /// <summary>Whether a line of this status is about bytes on their way.</summary>
    public static bool IsTransfer(string status) => status is "Downloading" or "Pushing" or "Loading layer";

    public void Clear()
    {
        _parts.Clear();
        _meter = new RateMeter(clock);
    }

    /// <summary>Takes one line of progress. False if it changes nothing here.</summary>
    public bool Take(string id, string status, JsonElement progress)
    {
        if (IsTransfer(status) && progress.Number("total") is > 0 and var total)
        {
            _parts[id] = (Math.Min(progress.Number("current"), total), total);
        }
        else if (status is "Download complete" or "Verifying Checksum" or "Pull complete" or "Pushed" && _parts.TryGetValue(id, out var part))
        {
            _parts[id] = (part.Total, part.Total);
        }
        else
        {
            return false;
        }

        _meter.Move(_parts.Values.Sum(static p => p.Current));
        return true;
    }

    /// <summary>The line to show; null while there is only one transfer, which says all by itself.</summary>
    public string? Describe()
    {
        if (_parts.Count < 2)
        {
            return null;
        }

        var (current, total) = (_parts.Values.Sum(static p => p.Current), _parts.Values.Sum(static p => p.Total));
        var text = $"{Name}: {Human.Size(current)}/{Human.Size(total)}";
        return current >= total || _meter.Rate is not (> 0 and var rate)
            ? text
            : $"{text}  {Human.Size(rate)}/s  {Math.Max(1, (total - current) / rate)} s left";
    }
}
