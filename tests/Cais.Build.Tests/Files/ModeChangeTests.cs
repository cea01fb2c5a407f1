using Cais.Build.Files;

namespace Cais.Build.Tests.Files;

public sealed class ModeChangeTests
{
    [Theory]
    [InlineData("644", 0x1ED, false, 0x1A4)]
    [InlineData("04755", 0, false, 0x9ED)]
    [InlineData("u=rwX,go=rX", 0x180, false, 0x1A4)]
    [InlineData("u=rwX,go=rX", 0x1C0, false, 0x1ED)]
    [InlineData("u=rwX,go=rX", 0x180, true, 0x1ED)]
    [InlineData("+x", 0x1A4, false, 0x1ED)]
    [InlineData("go-rwx", 0x1ED, false, 0x1C0)]
    [InlineData("g=u", 0x1C0, false, 0x1F8)]
    [InlineData("u+s", 0x1ED, false, 0x9ED)]
    public void Changes(string text, uint before, bool isDirectory, uint after) => Assert.Equal(after, ModeChange.Parse(text).Apply(before, isDirectory));
}
