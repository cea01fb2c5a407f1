using System.Text;

namespace Cais.Build.Language;

/// <summary>A Dockerfile's text by lines, and the name under which messages mention it.</summary>
public sealed class DockerfileSource
{
    /// <summary>The largest file that is read, in bytes: far beyond any real one, small enough to be held and scanned at once.</summary>
    public const int LargestSize = 2 * 1024 * 1024;

    private readonly string[] _lines;

    public DockerfileSource(string name, string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        Name = name;
        _lines = Split(text.StartsWith('\uFEFF') ? text[1..] : text);
    }

    /// <summary>The file's name as the user gave it.</summary>
    public string Name { get; }

    public int LineCount => _lines.Length;

    /// <summary>Decodes UTF-8, with or without byte order mark; bytes that are none become U+FFFD. Throws <see cref="DockerfileException"/> if it is too long.</summary>
    public static DockerfileSource FromBytes(string name, ReadOnlySpan<byte> content) => content.Length > LargestSize
        ? throw new DockerfileException($"{name} is {content.Length} bytes long, and the most is {LargestSize}")
        : new DockerfileSource(name, Encoding.UTF8.GetString(content));

    /// <summary>A line without its end. <paramref name="number"/> counts from 1.</summary>
    public string Line(int number) => _lines[number - 1].TrimEnd('\r', '\n');

    /// <summary>A line with its end, as it stands in the file.</summary>
    public string RawLine(int number) => _lines[number - 1];

    /// <summary>
    /// The lines around <paramref name="range"/> with those in it marked, as people know it from <c>docker build</c>, and below a short range a caret line.
    /// </summary>
    public string Excerpt(SourceRange range)
    {
        const int around = 2;
        if (range.Start.Line < 1 || range.Start.Line > LineCount)
        {
            return "";
        }

        var last = Math.Min(Math.Max(range.End.Column > 1 || range.End.Line == range.Start.Line ? range.End.Line : range.End.Line - 1, range.Start.Line), LineCount);
        var text = new StringBuilder().Append(Name).Append(':').Append(range.Start.Line).Append('\n').Append("--------------------\n");
        for (var n = Math.Max(1, range.Start.Line - around); n <= Math.Min(LineCount, last + around); n++)
        {
            var marked = n >= range.Start.Line && n <= last;
            text.Append($"{n,4} | {(marked ? ">>>" : "   ")} {Printable(Line(n))}".TrimEnd()).Append('\n');
            if (marked && range.Start.Line == range.End.Line && range.End.Column > range.Start.Column && range.Start.Column <= Line(n).Length + 1)
            {
                // Tabs stay tabs, so that the carets stand where the text does.
                var lead = string.Concat(Line(n).AsSpan(0, range.Start.Column - 1).ToArray().Select(c => c == '\t' ? '\t' : ' '));
                text.Append("     |     ").Append(lead).Append('^', range.End.Column - range.Start.Column).Append('\n');
            }
        }

        return text.Append("--------------------").ToString();
    }

    private static string Printable(string line) => line.Any(c => char.IsControl(c) && c != '\t')
        ? string.Concat(line.Select(c => char.IsControl(c) && c != '\t' ? '?' : c))
        : line;

    private static string[] Split(string text)
    {
        var lines = new List<string>();
        for (var start = 0; start < text.Length;)
        {
            var end = text.IndexOf('\n', start);
            end = end < 0 ? text.Length : end + 1;
            lines.Add(text[start..end]);
            start = end;
        }

        return [.. lines];
    }
}
