using System.Text;
using Cais.Oci.Images;

namespace Cais.Oci.Tests.Images;

public sealed class DigestTests
{
    [Fact]
    public void The_digest_of_nothing_is_known()
    {
        var digest = Digest.Of([]);

        Assert.Equal("sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", digest.ToString());
        Assert.Equal("e3b0c44298fc", digest.Short);
        Assert.True(digest.Matches([]));
        Assert.False(digest.Matches("x"u8));
    }

    [Fact]
    public void A_sha512_digest_is_verified_too()
    {
        var digest = Digest.FromSha512(System.Security.Cryptography.SHA512.HashData("x"u8));

        Assert.Equal(digest, Digest.Parse(digest.ToString()));
        Assert.True(digest.Matches("x"u8));
        Assert.False(digest.Matches("y"u8));
    }

    [Theory]
    [InlineData("")]
    [InlineData("sha256:")]
    [InlineData("sha256:E3B0C44298FC1C149AFBF4C8996FB92427AE41E4649B934CA495991B7852B855")]
    [InlineData("sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b85")]
    [InlineData("sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b8555")]
    [InlineData("sha256:../../../../../../../etc/passwd0000000000000000000000000000000000")]
    [InlineData("md5:d41d8cd98f00b204e9800998ecf8427e")]
    [InlineData("sha1:da39a3ee5e6b4b0d3255bfef95601890afd80709")]
    public void What_is_no_digest_that_can_be_verified_is_refused(string text)
    {
        Assert.False(Digest.TryParse(text, out var digest));
        Assert.True(digest.IsEmpty);
        Assert.Throws<ImageFormatException>(() => Digest.Parse(text));
    }

    [Fact]
    public void Manifests_are_read_with_unknown_fields_and_without_optional_ones()
    {
        var manifest = Manifest.Parse(Encoding.UTF8.GetBytes($$$"""
            {"schemaVersion":2,"unknown":{"deep":[1]},"config":{"mediaType":"{{{MediaTypes.OciConfig}}}","digest":"{{{Digest.Of([])}}}","size":0},
             "layers":[{"mediaType":"{{{MediaTypes.OciLayerGzip}}}","digest":"{{{Digest.Of([])}}}","size":12,"x":null}]}
            """));

        Assert.Null(manifest.MediaType);
        Assert.Equal(12, Assert.Single(manifest.Layers).Size);
        Assert.True(manifest.IsImage);
    }

    [Theory]
    [InlineData("")]
    [InlineData("null")]
    [InlineData("[]")]
    [InlineData("{}")]
    [InlineData("""{"schemaVersion":1}""")]
    [InlineData("""{"schemaVersion":2,"config":null,"layers":[]}""")]
    [InlineData("""{"schemaVersion":2,"config":{"mediaType":"a/b","digest":"sha256:zz","size":0},"layers":[]}""")]
    [InlineData("""{"schemaVersion":2,"config":{"mediaType":"a/b","digest":"D","size":-1},"layers":[]}""")]
    [InlineData("""{"schemaVersion":2,"config":{"mediaType":"","digest":"D","size":1},"layers":[]}""")]
    [InlineData("""{"schemaVersion":2,"config":{"mediaType":"a/b","digest":"D","size":1},"layers":[null]}""")]
    [InlineData("""{"schemaVersion":2,"config":{"mediaType":"a/b","digest":"D","size":1},"layers":null}""")]
    [InlineData("""{"schemaVersion":2,"config":{"mediaType":"a/b","digest":"D","size":99999999999999999999},"layers":[]}""")]
    [InlineData("""{"schemaVersion":2,"config":{"mediaType":"a/b","digest":"D","size":1},"layers":[],"manifests":[]}""")]
    [InlineData("""{"schemaVersion":2,"mediaType":"text/plain","config":{"mediaType":"a/b","digest":"D","size":1},"layers":[]}""")]
    public void A_bad_manifest_is_refused(string json) => Assert.Throws<ImageFormatException>(
        () => Manifest.Parse(Encoding.UTF8.GetBytes(json.Replace("\"D\"", $"\"{Digest.Of([])}\"", StringComparison.Ordinal))));

    [Theory]
    [InlineData("""{"schemaVersion":2}""", false)]
    [InlineData("""{"schemaVersion":2,"manifests":[]}""", true)]
    [InlineData("""{"schemaVersion":2,"manifests":null}""", false)]
    [InlineData("""{"schemaVersion":2,"manifests":[null]}""", false)]
    [InlineData("""{"schemaVersion":2,"manifests":[{}]}""", false)]
    [InlineData("""{"schemaVersion":2,"manifests":[{"digest":"sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855","size":1}]}""", false)]
    [InlineData("""{"schemaVersion":2,"manifests":[{"mediaType":"a/b","digest":"sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855","size":1,"platform":{}}]}""", true)]
    [InlineData("""{"schemaVersion":2,"manifests":[],"layers":[]}""", false)]
    [InlineData("""{"schemaVersion":2,"manifests":[],"config":{}}""", false)]
    public void An_index_is_checked(string json, bool valid)
    {
        var e = Record.Exception(() => Oci.Images.Index.Parse(Encoding.UTF8.GetBytes(json)));
        Assert.Equal(valid, e is null);
        Assert.True(e is null or ImageFormatException);
    }

    [Fact]
    public void A_document_nested_without_end_is_refused() => Assert.Throws<ImageFormatException>(
        () => Manifest.Parse(Encoding.UTF8.GetBytes("""{"schemaVersion":2,"a":""" + new string('[', 100_000))));

    [Fact]
    public void Mutated_documents_are_read_or_refused_and_nothing_else()
    {
        var good = Encoding.UTF8.GetBytes($$$"""
            {"schemaVersion":2,"mediaType":"{{{MediaTypes.OciManifest}}}","config":{"mediaType":"{{{MediaTypes.OciConfig}}}","digest":"{{{Digest.Of([])}}}","size":2},"layers":[{"mediaType":"{{{MediaTypes.OciLayer}}}","digest":"{{{Digest.Of([])}}}","size":12}],"annotations":{"a":"b"}}
            """);
        var random = new Random(7);
        for (var i = 0; i < 20_000; i++)
        {
            var bytes = good.ToArray();
            for (var n = random.Next(1, 6); n > 0; n--)
            {
                bytes[random.Next(bytes.Length)] = (byte)random.Next(256);
            }

            var cut = bytes.AsMemory(0, random.Next(bytes.Length / 2, bytes.Length + 1));
            Assert.True(Record.Exception(() => Manifest.Parse(cut.Span)) is null or ImageFormatException);
            Assert.True(Record.Exception(() => Oci.Images.Index.Parse(cut.Span)) is null or ImageFormatException);
            Assert.True(Record.Exception(() => ImageConfig.Parse(cut.Span)) is null or ImageFormatException);
        }
    }

    [Fact]
    public void A_configuration_keeps_what_Docker_adds()
    {
        var config = ImageConfig.Parse(Encoding.UTF8.GetBytes($$$"""
            {"architecture":"arm","variant":"v7","os":"linux","created":"2024-02-03T04:05:06.789Z","config":{"Env":["A=b"],"ExposedPorts":{"80/tcp":{}},
             "Healthcheck":{"Test":["CMD","x"],"Interval":1000000000,"Retries":3},"OnBuild":["RUN x"],"Shell":["/bin/sh","-c"],"StopTimeout":7},
             "rootfs":{"type":"layers","diff_ids":["{{{Digest.Of([])}}}"]},"history":[{"created_by":"x","empty_layer":true}]}
            """));

        Assert.Equal("linux/arm/v7", config.Platform.ToString());
        Assert.Equal(1_000_000_000, config.Config!.Healthcheck!.Interval);
        Assert.Equal(7, config.Config.StopTimeout);
        Assert.Equal(["80/tcp"], config.Config.ExposedPorts!.Keys);
        Assert.True(config.History![0].EmptyLayer);
        Assert.Equal(config.ToJson(), ImageConfig.Parse(config.ToJson()).ToJson());
        Assert.Equal(2024, config.CreatedAt.Year);
    }
}
