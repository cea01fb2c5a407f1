using System.Runtime.InteropServices;

namespace Cais.Daemon;

/// <summary>What this program says of itself.</summary>
internal static class Product
{
    public const string Name = "Cais";

    /// <summary>
    /// The engine whose behaviour is offered, since clients compare this number with the docker releases they need; our own follows the plus sign,
    /// as build metadata of semantic versioning.
    /// </summary>
    public const string Version = "29.6.0+cais.0.1.0";

    public const string Commit = "cais-0.1.0";

    public const string BuildTime = "2026-01-01T00:00:00.000000000+00:00";

    public static string Runtime => RuntimeInformation.FrameworkDescription;
}
