using Cais.Daemon.Configuration;
using Cais.Linux;

namespace Cais.Daemon.Tests.Configuration;

/// <summary>What <c>userns-remap</c> makes of passwd, group, subuid and subgid.</summary>
public sealed class UserRemapTests : IDisposable
{
    private readonly string _etc = Directory.CreateTempSubdirectory("cais-etc-").FullName;
    private readonly List<string> _ran = [];

    public UserRemapTests()
    {
        Write("passwd", "root:x:0:0:root:/root:/bin/sh\n# none\n\nada:x:1000:1001::/home/ada:/bin/sh\nbob:x:1002:1002::/:/bin/sh\n");
        Write("group", "root:x:0:\nadas:x:1001:\nstaff:x:50:\nbob:x:1002:\n");
        Write("subuid", "ada:100000:65536\n1002:300000:1000\nbob:400000:10\n");
        Write("subgid", "ada:200000:65536\nstaff:500000:100\nbob:600000:65536\n");
    }

    public void Dispose() => Directory.Delete(_etc, recursive: true);

    [Theory]
    [InlineData("ada")]
    [InlineData("1000")]
    [InlineData("ada:adas")]
    [InlineData("1000:1001")]
    [InlineData("ada:staff")]
    public void A_user_is_named_or_numbered_with_or_without_a_group(string setting)
    {
        var ids = Remap().Resolve(setting)!;
        Assert.Equal([new IdRange(0, 100_000, 65_536)], ids.Users);
        Assert.Equal([new IdRange(0, 200_000, 65_536)], ids.Groups);
    }

    [Fact]
    public void Several_ranges_follow_one_another_whether_they_are_the_names_or_the_numbers() => Assert.Equal(
        [new IdRange(0, 300_000, 1000), new IdRange(1000, 400_000, 10)], Remap().Resolve("bob")!.Users);

    [Fact]
    public void A_groups_own_ids_are_taken_where_the_user_has_none()
    {
        Write("subgid", "staff:500000:100\n");
        Assert.Equal([new IdRange(0, 500_000, 100)], Remap().Resolve("ada:staff")!.Groups);
    }

    [Theory]
    [InlineData(null)]
    [InlineData("")]
    [InlineData("root")]
    [InlineData("0:0")]
    public void Nothing_is_remapped_to_root(string? setting) => Assert.Null(Remap().Resolve(setting));

    [Theory]
    [InlineData("eve", "there is no user eve")]
    [InlineData("77", "there is no user 77")]
    [InlineData("ada:eves", "there is no group eves")]
    [InlineData("ada:", "write default, user")]
    [InlineData("a:b:c", "write default, user")]
    public void What_is_not_there_is_said(string setting, string message) =>
        Assert.Contains(message, Assert.Throws<ConfigurationException>(() => Remap().Resolve(setting)).Message, StringComparison.Ordinal);

    [Fact]
    public void A_user_without_ids_is_refused_with_the_line_that_would_help()
    {
        Write("subuid", "bob:1:2\n");
        Assert.Contains("no subuid ranges found for user \"ada\"", Assert.Throws<ConfigurationException>(() => Remap().Resolve("ada")).Message, StringComparison.Ordinal);
        Write("subuid", "ada:many:2\n");
        Assert.Contains("cannot be read: ada:many:2", Assert.Throws<ConfigurationException>(() => Remap().Resolve("ada")).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void The_default_user_is_made_once_with_ids_behind_all_others()
    {
        var ids = Remap().Resolve("default")!;
        Assert.Equal([new IdRange(0, 400_010, 65_536)], ids.Users);
        Assert.Equal([new IdRange(0, 665_536, 65_536)], ids.Groups);
        Assert.Equal(3, _ran.Count);
        Assert.Equal(ids.Users, Remap().Resolve("default")!.Users);
        Assert.Equal(3, _ran.Count);
    }

    [Fact]
    public void A_default_user_that_cannot_be_made_is_an_error_that_says_what_to_do()
    {
        var remap = new UserRemap(_etc, (_, _) => "not found");
        Assert.Contains("useradd: not found. Make it by hand", Assert.Throws<ConfigurationException>(() => remap.Resolve("default")).Message, StringComparison.Ordinal);
    }

    private UserRemap Remap() => new(_etc, (program, arguments) =>
    {
        _ran.Add(program);
        if (program == "useradd")
        {
            File.AppendAllText(Path.Combine(_etc, "passwd"), "dockremap:x:990:991::/nonexistent:/bin/false\n");
            File.AppendAllText(Path.Combine(_etc, "group"), "dockremap:x:991:\n");
            return null;
        }

        var range = arguments[1].Split('-');
        var count = uint.Parse(range[1], System.Globalization.CultureInfo.InvariantCulture) - uint.Parse(range[0], System.Globalization.CultureInfo.InvariantCulture) + 1;
        File.AppendAllText(Path.Combine(_etc, arguments[0] == "--add-subuids" ? "subuid" : "subgid"), $"{arguments[2]}:{range[0]}:{count}\n");
        return null;
    });

    private void Write(string name, string text) => File.WriteAllText(Path.Combine(_etc, name), text);
}
