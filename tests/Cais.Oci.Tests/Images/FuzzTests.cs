using System.Text;
using Cais.Oci.Images;
using Cais.Testing;
using FsCheck;
using FsCheck.Fluent;
using Index = Cais.Oci.Images.Index;

namespace Cais.Oci.Tests.Images;

/// <summary>Whatever the text, it is understood or refused in the words that callers know.</summary>
public sealed class FuzzTests
{
    private static readonly Config Settings = Config.QuickThrowOnFailure.WithReplay((ulong)Seeds.Value, 1).WithMaxTest(4000).WithEndSize(60);

    private static readonly string[] NamePieces =
        ["a", "b0", "Z", ".", "..", "/", "//", ":", "::", "@", "-", "--", "_", "__", "___", "localhost", "docker.io", "index.docker.io", "[::1]", ":5000", "sha256:", new string('a', 64), new string('f', 63),
        "latest", " ", "\0", "é", "\uD800", "%2f", new string('x', 130), "library/"];

    private static readonly string Digest0 = "sha256:" + new string('0', 64);

    private static readonly string[] JsonPieces =
        ["{", "}", "[", "]", ",", ":", "null", "1", "-1", "1e400", "2", "true", "\"schemaVersion\":2", "\"mediaType\":\"application/vnd.oci.image.manifest.v1+json\"", "\"config\":", "\"layers\":", "\"manifests\":",
        "{\"mediaType\":\"application/vnd.oci.image.config.v1+json\",\"digest\":\"" + Digest0 + "\",\"size\":2}", "\"digest\":\"" + Digest0 + "\"", "\"digest\":\"sha256:zz\"", "\"size\":-1", "\"size\":9223372036854775808",
        "\"platform\":{\"os\":null}", "\"annotations\":{\"a\":null}", "\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[\"" + Digest0 + "\"]}", "\"diff_ids\":", "\"urls\":[null]", "\"\\ud800\"", "//", " "];

    private static Arbitrary<string> Of(string[] pieces) => Gen.Elements(pieces).ArrayOf().Select(string.Concat).ToArbitrary();

    [Fact]
    public void A_reference_is_understood_and_comes_back_the_same_or_is_refused() => Prop.ForAll(Of(NamePieces), text =>
    {
        if (!Reference.TryParse(text, out var reference))
        {
            return;
        }

        Assert.Equal(reference, Reference.Parse(reference.ToString()));
        Assert.Equal(reference, Reference.Parse(reference.Familiar));
        Assert.True(reference.Path.Length > 0 && reference.Domain.Length > 0 && reference.Name.Length <= 255);
        Assert.DoesNotContain(reference.Path.Split('/'), p => p is "" or "." or "..");
    }).Check(Settings);

    [Fact]
    public void A_manifest_of_any_text_is_read_or_refused() => Prop.ForAll(Of(JsonPieces), text =>
    {
        foreach (var json in new[] { text, "{" + text + "}", "{\"schemaVersion\":2," + text + "}" })
        {
            var bytes = Encoding.UTF8.GetBytes(json);
            Try(() =>
            {
                var manifest = Manifest.Parse(bytes);
                Assert.False(manifest.Config.Digest.IsEmpty);
                Assert.All(manifest.Layers, l => Assert.True(l.Size >= 0 && !l.Digest.IsEmpty));
            });
            Try(() => Assert.All(Index.Parse(bytes).Manifests, m => Assert.True(m.Size >= 0 && !m.Digest.IsEmpty)));
            Try(() => Assert.All(ImageConfig.Parse(bytes).RootFs.DiffIds, d => Assert.False(d.IsEmpty)));
        }
    }).Check(Settings);

    [Fact]
    public void A_manifest_with_one_piece_changed_is_read_or_refused() => Prop.ForAll(
        Gen.Choose(0, 600).ArrayOf().ToArbitrary(), Gen.Choose(0, 255).ToArbitrary(), (places, value) =>
        {
            var bytes = Encoding.UTF8.GetBytes(
                $$$"""{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"{{{Digest0}}}","size":2},"layers":[{"mediaType":"application/vnd.oci.image.layer.v1.tar+gzip","digest":"{{{Digest0}}}","size":10,"annotations":{"a":"b"}}]}""");
            foreach (var place in places)
            {
                bytes[place % bytes.Length] = (byte)value;
            }

            Try(() => Manifest.Parse(bytes));
            Try(() => Index.Parse(bytes));
        }).Check(Settings);

    private static void Try(Action parse)
    {
        try
        {
            parse();
        }
        catch (ImageFormatException)
        {
        }
    }
}
