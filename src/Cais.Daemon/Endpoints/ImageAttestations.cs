using System.Text.Json;
using Cais.Api;
using Cais.Daemon.Http;
using Cais.Engine;
using Cais.Engine.Containers;

namespace Cais.Daemon.Endpoints;

/// <summary>GET /images/{name}/attestations: the in-toto statements about an image that are here.</summary>
internal sealed class ImageAttestations(CaisEngine engine)
{
    public async Task List(ApiRequest request)
    {
        if (request.QueryAll("platform").Count > 1)
        {
            throw EngineException.InvalidParameter("multiple platform parameters not supported");
        }

        var platform = ImageEndpoints.PlatformOf(request.Query("platform"));
        var types = request.QueryAll("type");
        var withStatement = request.Flag("statement");
        var image = engine.Images.Get(request.Path("name"), platform);
        IReadOnlyList<AttestationStatement> answer =
        [
            .. engine.Images.Attestations(image)
                .Where(a => types.Count == 0 || types.Contains(a.PredicateType))
                .Select(a => new AttestationStatement
                {
                    Descriptor = ContainerCreator.Describe(a.Descriptor),
                    PredicateType = a.PredicateType,
                    Statement = withStatement ? Parse(a.Statement) : null,
                }),
        ];
        await request.Answer(answer, ApiJson.Default.IReadOnlyListAttestationStatement);
    }

    private static Dictionary<string, JsonElement> Parse(byte[] statement)
    {
        try
        {
            using var document = JsonDocument.Parse(statement);
            return document.RootElement.ValueKind == JsonValueKind.Object
                ? document.RootElement.EnumerateObject().ToDictionary(p => p.Name, p => p.Value.Clone())
                : throw new JsonException("not an object");
        }
        catch (JsonException e)
        {
            throw EngineException.System($"an attestation of the image is no in-toto statement: {e.Message}");
        }
    }
}
