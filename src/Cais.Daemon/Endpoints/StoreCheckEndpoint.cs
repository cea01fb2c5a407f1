using Cais.Api;
using Cais.Daemon.Http;
using Cais.Engine;
using Cais.Images.Checking;

namespace Cais.Daemon.Endpoints;

/// <summary>
/// POST /system/check (not in Docker): verifies all images' content, with <c>repair=1</c> makes good what it can. Answers with progress lines, one status line for
/// each damage, and a summary; the stream ends with an error if damage remains.
/// </summary>
internal sealed class StoreCheckEndpoint(CaisEngine engine)
{
    public Task Check(ApiRequest request)
    {
        var options = new CheckOptions { Repair = request.Flag("repair"), Credentials = RegistryAuth.All(request) };
        return ImageTransfers.Progress(request, async (progress, send) =>
        {
            var report = await engine.Images.CheckAsync(options, progress, request.Gone);
            foreach (var damage in report.Damages)
            {
                send(new ProgressMessage { Status = Describe(damage) });
            }

            var left = report.Damages.Count(d => !d.IsRepaired);
            send(new ProgressMessage
            {
                Status = $"Checked {report.Blobs} blobs ({Size(report.BlobBytes)}) and {report.Layers} unpacked layers"
                    + (report.UnverifiableLayers > 0 ? $"; {report.UnverifiableLayers} layers have no sound blob to compare them with" : "")
                    + $": {report.Damages.Count} damaged, {report.Damages.Count - left} repaired",
            });
            if (left > 0)
            {
                throw EngineException.System($"{left} damaged {(left == 1 ? "item remains" : "items remain")}");
            }
        });
    }

    private static string Describe(Damage damage)
    {
        var what = damage.Kind == DamageKind.LayerDamaged ? "layer" : "blob";
        var images = damage.Images.Count > 0 ? $" (image {string.Join(", ", damage.Images)})" : "";
        return $"{what} {damage.Digest}{images}: {damage.Description}: {(damage.IsRepaired ? "repaired" : $"NOT repaired: {damage.WhyNot}")}";
    }

    private static string Size(long bytes) => bytes < 10_000_000
        ? $"{bytes / 1e3:0.#} kB"
        : string.Create(System.Globalization.CultureInfo.InvariantCulture, $"{bytes / 1e6:0.#} MB");
}
