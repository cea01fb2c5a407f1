using System.Text;
using Cais.Oci.Images;

namespace Cais.Oci.Tests;

public sealed class PlainJsonTests
{
    [Fact]
    public void Media_types_quotes_and_letters_stand_as_other_engines_write_them()
    {
        var manifest = new Manifest { MediaType = MediaTypes.OciManifest, Config = new Descriptor { MediaType = MediaTypes.OciConfig, Annotations = new Dictionary<string, string> { ["a"] = "é \"b\" 'c' <d>" } }, Layers = [] };
        var json = Encoding.UTF8.GetString(manifest.ToJson());
        Assert.Contains("\"application/vnd.oci.image.manifest.v1+json\"", json, StringComparison.Ordinal);
        Assert.Contains("\"é \\\"b\\\" 'c' <d>\"", json, StringComparison.Ordinal);
    }
}
