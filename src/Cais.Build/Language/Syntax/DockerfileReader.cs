using System.Text;

namespace Cais.Build.Language.Syntax;

/// <summary>
/// Cuts a Dockerfile into instructions: comments away, continued lines joined, flags and heredocs taken off. Grammar: Dockerfile reference,
/// "Format", "Here-Documents".
/// </summary>
internal sealed class DockerfileReader(DockerfileSource source, char escape)
{
    private int _next = 1;

    public List<RawInstruction> ReadAll()
    {
        var instructions = new List<RawInstruction>();
        var comments = new List<Comment>();
        while (_next <= source.LineCount)
        {
            var line = source.Line(_next);
            var trimmed = line.AsSpan().TrimStart();
            if (trimmed.IsEmpty || trimmed[0] == '#')
            {
                if (trimmed.IsEmpty)
                {
                    comments.Clear();
                }
                else
                {
                    comments.Add(new Comment(trimmed[1..].Trim().ToString(), _next));
                }

                _next++;
                continue;
            }

            if (ReadInstruction(comments) is { } instruction)
            {
                instructions.Add(instruction);
            }

            comments.Clear();
        }

        return instructions;
    }

    /// <summary>Takes keyword and flags off a joined line. Also for what follows ONBUILD.</summary>
    public static RawInstruction Split(LogicalText line)
    {
        line = line.Trim();
        var end = 0;
        while (end < line.Length && !char.IsWhiteSpace(line[end]))
        {
            end++;
        }

        var flags = FlagReader.Read(line.Slice(end), out var arguments);
        return new RawInstruction
        {
            Keyword = line.Text[..end],
            KeywordRange = line.Range(0, end),
            Flags = flags,
            Arguments = arguments.Trim(),
            Text = line.Text,
            Range = line.Whole,
        };
    }

    private RawInstruction? ReadInstruction(List<Comment> comments)
    {
        var text = new StringBuilder();
        var pieces = new List<LogicalText.Piece>();
        var emptyLines = new List<int>();
        var isFirst = true;
        var continues = true;
        while (continues && _next <= source.LineCount)
        {
            var line = source.Line(_next);
            var trimmed = line.AsSpan().TrimStart();
            if (isFirst || (!trimmed.IsEmpty && trimmed[0] != '#'))
            {
                var skipped = isFirst ? line.Length - trimmed.Length : 0;
                continues = TakeContinuation(line.AsSpan(skipped), out var part);
                pieces.Add(new LogicalText.Piece(text.Length, new Position(_next, skipped + 1)));
                text.Append(part);
                isFirst = false;
            }
            else if (trimmed.IsEmpty)
            {
                emptyLines.Add(_next);
            }

            _next++;
        }

        if (string.IsNullOrWhiteSpace(text.ToString()))
        {
            return null;
        }

        var raw = Split(new LogicalText(text.ToString(), [.. pieces]));
        var heredocs = ReadHeredocs(raw);
        var lastLine = _next - 1;
        return raw with
        {
            Heredocs = heredocs,
            Comments = [.. comments],
            EmptyLines = emptyLines,
            Range = raw.Range with { End = new Position(lastLine, source.Line(lastLine).Length + 1) },
        };
    }

    /// <summary>An escape character at the end, not itself escaped, and blanks after it: the instruction goes on in the next line.</summary>
    private bool TakeContinuation(ReadOnlySpan<char> line, out ReadOnlySpan<char> part)
    {
        var content = line.TrimEnd(" \t");
        if (content.IsEmpty || content[^1] != escape || (content.Length > 1 && content[^2] == escape))
        {
            part = line;
            return false;
        }

        part = content[..^1];
        return true;
    }

    private List<Heredoc> ReadHeredocs(RawInstruction raw)
    {
        var openings = HeredocReader.Find(raw, escape);
        var heredocs = new List<Heredoc>(openings.Count);
        foreach (var opening in openings)
        {
            var content = new StringBuilder();
            var first = _next;
            while (true)
            {
                if (_next > source.LineCount)
                {
                    throw new DockerfileException(
                        $"unterminated heredoc: a line with only \"{opening.Name}\" was expected before the end of the file", opening.Range, source);
                }

                var line = source.RawLine(_next++);
                if (opening.StripsTabs)
                {
                    line = line.TrimStart('\t');
                }

                if (line.AsSpan().TrimEnd("\r\n").SequenceEqual(opening.Name))
                {
                    break;
                }

                content.Append(line);
            }

            heredocs.Add(new Heredoc
            {
                Name = opening.Name,
                Content = content.ToString(),
                Descriptor = opening.Descriptor,
                Expands = opening.Expands,
                StripsTabs = opening.StripsTabs,
                Line = first,
            });
        }

        return heredocs;
    }
}
