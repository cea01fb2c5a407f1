using Cais.Build.Cache;

namespace Cais.Build.Tests.Cache;

public sealed class CacheFilterTests
{
    private static readonly CacheUsage Layer = new("abc123", "RUN make, with a comma", 5, default, default, 1) { IsShared = true };
    private static readonly CacheUsage Mount = new("cache-1", "cache mount /root/.cache", 5, default, default, 1) { Type = CacheUsage.CacheMount, IsInUse = true };

    [Theory]
    [InlineData("type==regular", true, false)]
    [InlineData("type!=regular", false, true)]
    [InlineData("id~=^abc", true, false)]
    [InlineData("id~=c", true, true)]
    [InlineData("id~=/^cache-[0-9]$/", false, true)]
    [InlineData("inuse", false, true)]
    [InlineData("inuse!=\"\"", false, false)]
    [InlineData("shared", true, false)]
    [InlineData("private", false, true)]
    [InlineData("mutable", false, true)]
    [InlineData("immutable,shared", true, false)]
    [InlineData("type==regular,private", false, false)]
    [InlineData("description==\"RUN make, with a comma\"", true, false)]
    [InlineData("description~=\"make, with\"", true, false)]
    [InlineData("colour", false, false)]
    [InlineData("colour==red", false, false)]
    [InlineData("colour!=red", true, true)]
    public void Conditions_hold_or_not(string filter, bool layer, bool mount)
    {
        var parsed = CacheFilter.Parse([filter]);
        Assert.Equal((layer, mount), (parsed.Matches(Layer), parsed.Matches(Mount)));
    }

    [Fact]
    public void One_of_several_filters_is_enough_and_none_means_all()
    {
        Assert.True(CacheFilter.Parse(["shared", "inuse"]).Matches(Mount));
        Assert.False(CacheFilter.Parse(["shared", "immutable"]).Matches(Mount));
        Assert.True(CacheFilter.Parse([]).Matches(Mount));
        Assert.True(CacheFilter.Parse([""]).Matches(Mount));
    }

    [Theory]
    [InlineData("==x")]
    [InlineData("id,")]
    [InlineData("id=x")]
    [InlineData("id~=(")]
    [InlineData("id==\"x")]
    [InlineData("id,,type")]
    public void What_is_no_filter_is_not_everything(string filter) => Assert.Throws<FormatException>(() => CacheFilter.Parse([filter]));

    [Theory]
    [InlineData(0, 0, 0, 0)]
    [InlineData(50, 0, 0, 50)]
    [InlineData(0, 30, 0, 30)]
    [InlineData(50, 70, 0, 70)]
    [InlineData(0, 0, 10, 100)]
    [InlineData(0, 0, 40, 80)]
    [InlineData(60, 0, 70, 50)]
    [InlineData(0, 95, 40, 95)]
    [InlineData(0, 0, 500, 1)]
    public void Bounds_say_how_much_stays(long most, long reserved, long free, long stays) =>
        Assert.Equal(stays, new PruneOptions { Keep = most, Reserved = reserved, MinFree = free }.Target(total: 100, free: 20));
}
