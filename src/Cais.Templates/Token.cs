
namespace Cais.Templates;

internal enum TokenKind
{
    Error,
    End,
    Text,
    LeftDelimiter,
    RightDelimiter,
    Space,
    Identifier,
    Keyword,
    Field,
    Variable,
    Dot,
    Nil,
    Bool,
    Number,
    Character,
    String,
    RawString,
    Pipe,
    LeftParenthesis,
    RightParenthesis,
    Declare,
    Assign,
    Comma,

    /// <summary>Any other printable character: no grammar has a place for it.</summary>
    Other,
}

/// <summary>A word of a template.</summary>
/// <param name="Kind">What it is.</param>
/// <param name="Position">Where it begins, in characters from the template's start.</param>
/// <param name="Text">Itself; for errors the sentence.</param>
internal readonly record struct Token(TokenKind Kind, int Position, string Text)
{
    /// <summary>As Go's error messages show it.</summary>
    public override string ToString() => Kind switch
    {
        TokenKind.End => "EOF",
        TokenKind.Error => Text,
        TokenKind.Keyword => $"<{Text}>",
        _ when Text.Length > 10 => GoQuote.Quote(Text[..10]) + "...",
        _ => GoQuote.Quote(Text),
    };
}
