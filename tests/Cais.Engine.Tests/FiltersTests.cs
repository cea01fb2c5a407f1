using System.Text.Json;

namespace Cais.Engine.Tests;

public sealed class FiltersTests
{
    [Theory]
    [InlineData("""{"status":{"running":true}}""")]
    [InlineData("""{"status":["running"]}""")]
    public void Both_forms_of_a_filter_are_read(string text) => Assert.Equal(["running"], Filters.Parse(text)["status"]);

    [Theory]
    [InlineData("[]")]
    [InlineData("{")]
    [InlineData("""{"status":"running"}""")]
    [InlineData("""{"status":[1]}""")]
    [InlineData("""{"status":{"running":"yes"}}""")]
    public void What_is_no_filter_is_refused(string text) => Assert.ThrowsAny<JsonException>(() => Filters.Parse(text));

    [Fact]
    public void An_unknown_key_is_named()
    {
        var e = Assert.Throws<EngineException>(() => Filters.Of(("colour", "red")).Accept("label"));
        Assert.Equal(ErrorKind.InvalidParameter, e.Kind);
        Assert.Equal("invalid filter 'colour'", e.Message);
    }

    [Fact]
    public void All_labels_must_be_there_and_none_of_the_excluded()
    {
        var labels = new Dictionary<string, string> { ["a"] = "1", ["b"] = "2" };
        Assert.True(Filters.Of(("label", "a"), ("label", "b=2")).LabelsOf(labels));
        Assert.False(Filters.Of(("label", "a"), ("label", "b=3")).LabelsOf(labels));
        Assert.False(Filters.Of(("label!", "b")).LabelsOf(labels));
        Assert.True(Filters.Of(("label!", "c")).LabelsOf(labels));
    }

    [Fact]
    public void A_name_is_a_pattern_and_a_broken_pattern_matches_nothing()
    {
        Assert.True(Filters.Of(("name", "^web-[0-9]$")).Match("name", "web-1"));
        Assert.False(Filters.Of(("name", "^web-[0-9]$")).Match("name", "web-x"));
        Assert.False(Filters.Of(("name", "(")).Match("name", "web"));
    }

    [Fact]
    public void A_flag_is_true_or_false_and_nothing_else()
    {
        Assert.True(Filters.Of(("dangling", "1")).Flag("dangling", false));
        Assert.False(Filters.Of(("dangling", "false")).Flag("dangling", true));
        Assert.True(Filters.None.Flag("dangling", true));
        Assert.Throws<EngineException>(() => Filters.Of(("dangling", "perhaps")).Flag("dangling", true));
    }
}
