using System.Text;
using Cais.Engine.Io;

namespace Cais.Engine.Tests.Io;

public sealed class DetachKeysTests
{
    [Fact]
    public void The_default_is_control_p_and_control_q() => Assert.Equal([16, 17], DetachKeys.Parse(null));

    [Fact]
    public void Keys_are_letters_and_control_keys() => Assert.Equal([(byte)'a', 26, 27], DetachKeys.Parse("a,ctrl-z,ctrl-["));

    [Fact]
    public void An_unknown_key_is_refused() =>
        Assert.Equal("Invalid escape keys (ctrl-1) provided", Assert.Throws<EngineException>(() => DetachKeys.Parse("ctrl-1")).Message);

    [Fact]
    public void What_comes_before_the_sequence_is_passed_on_and_the_sequence_is_not()
    {
        var (text, detached) = Run([16, 17], "ab", "\u0010\u0011rest");
        Assert.True(detached);
        Assert.Equal("ab", text);
    }

    [Fact]
    public void A_sequence_cut_in_two_is_found()
    {
        var (text, detached) = Run([16, 17], "a\u0010", "\u0011");
        Assert.True(detached);
        Assert.Equal("a", text);
    }

    [Fact]
    public void What_only_began_like_the_sequence_is_passed_on_whole()
    {
        var (text, detached) = Run([16, 17], "a\u0010b\u0010\u0010c");
        Assert.False(detached);
        Assert.Equal("a\u0010b\u0010\u0010c", text);
    }

    private static (string Text, bool Detached) Run(byte[] keys, params string[] input)
    {
        var filter = new DetachKeys(keys);
        var text = new StringBuilder();
        foreach (var piece in input)
        {
            var (bytes, detached) = filter.Filter(Encoding.ASCII.GetBytes(piece));
            text.Append(Encoding.ASCII.GetString(bytes.Span));
            if (detached)
            {
                return (text.ToString(), true);
            }
        }

        return (text.ToString(), false);
    }
}
