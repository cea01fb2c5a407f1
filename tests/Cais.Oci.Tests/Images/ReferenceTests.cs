using Cais.Oci.Images;

namespace Cais.Oci.Tests.Images;

public sealed class ReferenceTests
{
    private const string Hash = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

    [Theory]
    [InlineData("busybox", "docker.io/library/busybox", "busybox")]
    [InlineData("busybox:1.36", "docker.io/library/busybox:1.36", "busybox:1.36")]
    [InlineData("library/busybox", "docker.io/library/busybox", "busybox")]
    [InlineData("docker.io/busybox", "docker.io/library/busybox", "busybox")]
    [InlineData("index.docker.io/library/busybox", "docker.io/library/busybox", "busybox")]
    [InlineData("user/app:v1", "docker.io/user/app:v1", "user/app:v1")]
    [InlineData("localhost/app", "localhost/app", "localhost/app")]
    [InlineData("localhost:5000/app:v1", "localhost:5000/app:v1", "localhost:5000/app:v1")]
    [InlineData("127.0.0.1:5000/a/b/c", "127.0.0.1:5000/a/b/c", "127.0.0.1:5000/a/b/c")]
    [InlineData("[::1]:5000/app", "[::1]:5000/app", "[::1]:5000/app")]
    [InlineData("Registry/app", "Registry/app", "Registry/app")]
    [InlineData("gcr.io/a-b/c__d/e.f:T_1.2-3", "gcr.io/a-b/c__d/e.f:T_1.2-3", "gcr.io/a-b/c__d/e.f:T_1.2-3")]
    [InlineData("app@sha256:" + Hash, "docker.io/library/app@sha256:" + Hash, "app@sha256:" + Hash)]
    [InlineData("app:1@sha256:" + Hash, "docker.io/library/app:1@sha256:" + Hash, "app:1@sha256:" + Hash)]
    [InlineData("library/" + Hash, "docker.io/library/" + Hash, "library/" + Hash)]
    [InlineData("docker.io/library/a/b", "docker.io/library/a/b", "library/a/b")]
    [InlineData("xn--n3h.com/a---b", "xn--n3h.com/a---b", "xn--n3h.com/a---b")]
    public void A_name_is_completed_and_shortened_as_Docker_does(string text, string canonical, string familiar)
    {
        var reference = Reference.Parse(text);

        Assert.Equal(canonical, reference.ToString());
        Assert.Equal(familiar, reference.Familiar);
        Assert.Equal(reference, Reference.Parse(reference.ToString()));
    }

    [Theory]
    [InlineData("")]
    [InlineData(":tag")]
    [InlineData("app:")]
    [InlineData("app:-x")]
    [InlineData("app@")]
    [InlineData("app@sha256:short")]
    [InlineData("app//b")]
    [InlineData("/app")]
    [InlineData("app/")]
    [InlineData("a..b/c")]
    [InlineData("app_.b")]
    [InlineData("app___b")]
    [InlineData("-app")]
    [InlineData("app-")]
    [InlineData("host:port/app")]
    [InlineData("-host.com/app")]
    [InlineData("https://host/app")]
    [InlineData("app name")]
    [InlineData("app:tag:tag")]
    [InlineData("app\0")]
    [InlineData("äpp")]
    [InlineData("[::g]/app")]
    [InlineData("[::1/app")]
    public void What_is_no_name_is_refused(string text)
    {
        var e = Assert.Throws<ImageFormatException>(() => Reference.Parse(text));
        Assert.StartsWith("invalid reference format", e.Message, StringComparison.Ordinal);
        Assert.False(Reference.TryParse(text, out _));
    }

    [Fact]
    public void Capital_letters_get_a_sentence_of_their_own() => Assert.Equal(
        "invalid reference format: repository name (library/BusyBox) must be lowercase", Assert.Throws<ImageFormatException>(() => Reference.Parse("BusyBox")).Message);

    [Fact]
    public void A_bare_hash_is_an_ID_and_no_name() => Assert.Contains(
        "cannot specify 64-byte hexadecimal strings", Assert.Throws<ImageFormatException>(() => Reference.Parse(Hash)).Message, StringComparison.Ordinal);

    [Fact]
    public void A_name_has_a_longest_length()
    {
        Assert.Equal("docker.io/" + new string('a', 246 - 8) + "/b", Reference.Parse(new string('a', 238) + "/b").Name);
        Assert.Throws<ImageFormatException>(() => Reference.Parse(new string('a', 256)));
        Assert.Throws<ImageFormatException>(() => Reference.Parse("a:" + new string('t', 129)));
    }

    [Fact]
    public void Latest_is_added_only_where_nothing_else_says_which()
    {
        Assert.Equal("busybox:latest", Reference.Parse("busybox").WithDefaultTag().Familiar);
        Assert.Equal("busybox:1", Reference.Parse("busybox:1").WithDefaultTag().Familiar);
        Assert.Null(Reference.Parse("busybox@sha256:" + Hash).WithDefaultTag().Tag);
    }

    [Fact]
    public void Whatever_is_accepted_reads_back_the_same_and_nothing_crashes()
    {
        var random = new Random(20_240_601);
        const string alphabet = "aAbz09._-/:@[]% \0äsha256:localhost.io";
        for (var i = 0; i < 200_000; i++)
        {
            var text = string.Create(random.Next(0, 40), random, (span, r) =>
            {
                foreach (ref var c in span)
                {
                    c = alphabet[r.Next(alphabet.Length)];
                }
            });
            if (Reference.TryParse(text, out var reference))
            {
                Assert.Equal(reference, Reference.Parse(reference.ToString()));
                Assert.Equal(reference, Reference.Parse(reference.Familiar));
            }
        }
    }
}
