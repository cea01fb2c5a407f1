using Cais.Oci.Images;

namespace Cais.Images.Registry;

/// <summary>Carries the progress of work that is done once to all who wait for it; who comes late first hears where it stands.</summary>
internal sealed class ProgressHub
{
    private readonly Dictionary<Digest, Line> _lines = [];

    public IDisposable Subscribe(Digest digest, IProgress<ImageProgress> progress)
    {
        lock (_lines)
        {
            if (!_lines.TryGetValue(digest, out var line))
            {
                _lines[digest] = line = new Line();
            }

            line.Listeners.Add(progress);
            if (line.Last is { } last)
            {
                progress.Report(last);
            }

            return new Subscription(this, digest, progress);
        }
    }

    public void Report(Digest digest, ImageProgress what)
    {
        IProgress<ImageProgress>[] listeners;
        lock (_lines)
        {
            if (!_lines.TryGetValue(digest, out var line))
            {
                return;
            }

            line.Last = what;
            listeners = [.. line.Listeners];
        }

        foreach (var listener in listeners)
        {
            listener.Report(what);
        }
    }

    private sealed class Line
    {
        public List<IProgress<ImageProgress>> Listeners { get; } = [];

        public ImageProgress? Last { get; set; }
    }

    private sealed class Subscription(ProgressHub hub, Digest digest, IProgress<ImageProgress> progress) : IDisposable
    {
        public void Dispose()
        {
            lock (hub._lines)
            {
                if (hub._lines.TryGetValue(digest, out var line) && line.Listeners.Remove(progress) && line.Listeners.Count == 0)
                {
                    hub._lines.Remove(digest);
                }
            }
        }
    }
}
