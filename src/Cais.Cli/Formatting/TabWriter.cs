using System.Text;

namespace Cais.Cli.Formatting;

/// <summary>
/// Lines up tab-separated cells in columns as Go's text/tabwriter does with blanks: a column is as wide as its widest cell plus a gap
/// of three, at least ten, over the lines in a row that have it; what stands behind the last tab of a line belongs to no column.
/// </summary>
internal static class TabWriter
{
    public static string Align(string text, int minimumWidth = 10, int gap = 3)
    {
        var lines = text.Split('\n').Select(static line => line.Split('\t')).ToList();
        var output = new StringBuilder(text.Length * 2);
        new Layout(lines, output, minimumWidth, gap).Format(0, lines.Count);
        return output.ToString();
    }

    private sealed class Layout(List<string[]> lines, StringBuilder output, int minimumWidth, int gap)
    {
        private readonly List<int> _widths = [];

        /// <summary>Writes lines from <paramref name="first"/> up to <paramref name="end"/>, for which the widths of the columns so far are known.</summary>
        public void Format(int first, int end)
        {
            var column = _widths.Count;
            for (var i = first; i < end; i++)
            {
                if (column >= lines[i].Length - 1)
                {
                    continue;
                }

                // A block of lines that have this column begins here.
                Write(first, i);
                first = i;
                var width = minimumWidth;
                for (; i < end && column < lines[i].Length - 1; i++)
                {
                    width = Math.Max(width, DisplayWidth(lines[i][column]) + gap);
                }

                _widths.Add(width);
                Format(first, i);
                _widths.RemoveAt(_widths.Count - 1);
                first = i;
            }

            Write(first, end);
        }

        private void Write(int first, int end)
        {
            for (var i = first; i < end; i++)
            {
                var cells = lines[i];
                for (var c = 0; c < cells.Length; c++)
                {
                    output.Append(cells[c]);
                    if (c < _widths.Count && c < cells.Length - 1)
                    {
                        output.Append(' ', _widths[c] - DisplayWidth(cells[c]));
                    }
                }

                if (i < lines.Count - 1)
                {
                    output.Append('\n');
                }
            }
        }

        /// <summary>Go counts runes, whatever their width on the screen.</summary>
        private static int DisplayWidth(string cell)
        {
            var width = 0;
            foreach (var _ in cell.EnumerateRunes())
            {
                width++;
            }

            return width;
        }
    }
}
