using System.Text;

namespace Cais.Cli.Values;

/// <summary>One line of comma-separated values with double quotes around those that need them (RFC 4180).</summary>
internal static class CommaList
{
    /// <exception cref="FormatException">A quote stands where it may not, or has no end.</exception>
    public static IReadOnlyList<string> Read(string line)
    {
        if (line.Length == 0)
        {
            return [];
        }

        if (!line.Contains('"'))
        {
            return line.Split(',');
        }

        var fields = new List<string>();
        var position = 0;
        while (true)
        {
            if (position < line.Length && line[position] == '"')
            {
                fields.Add(Quoted(line, ref position));
            }
            else
            {
                var end = line.IndexOf(',', position);
                var field = end < 0 ? line[position..] : line[position..end];
                if (field.IndexOf('"') is >= 0 and var quote)
                {
                    throw new FormatException($"parse error on line 1, column {position + quote + 1}: bare \" in non-quoted-field");
                }

                fields.Add(field);
                position += field.Length;
            }

            if (position >= line.Length)
            {
                return fields;
            }

            position++;
        }
    }

    private static string Quoted(string line, ref int position)
    {
        var field = new StringBuilder();
        for (position++; position < line.Length; position++)
        {
            if (line[position] != '"')
            {
                field.Append(line[position]);
            }
            else if (position + 1 < line.Length && line[position + 1] == '"')
            {
                field.Append(line[position++]);
            }
            else if (position + 1 == line.Length || line[position + 1] == ',')
            {
                position++;
                return field.ToString();
            }
            else
            {
                throw new FormatException($"parse error on line 1, column {position + 1}: extraneous or missing \" in quoted-field");
            }
        }

        throw new FormatException($"parse error on line 1, column {position + 1}: extraneous or missing \" in quoted-field");
    }
}
