using Containerd.Types;
using Google.Protobuf;

namespace Cais.Shim.Commands;

/// <summary><c>-v</c> and <c>-info</c>.</summary>
internal static class InfoCommand
{
    public const string RuntimeName = "io.containerd.cais.v2";

    public static string Version => typeof(InfoCommand).Assembly.GetName().Version?.ToString(3) ?? "0";

    public static int PrintVersion(TextWriter output)
    {
        output.WriteLine("containerd-shim-cais-v2:");
        output.WriteLine($"  Version:  {Version}");
        return 0;
    }

    /// <summary>Answers <c>RuntimeRequest</c> with <c>RuntimeInfo</c>.</summary>
    public static int PrintInfo(Stream output)
    {
        var info = new RuntimeInfo { Name = RuntimeName, Version = new RuntimeVersion { Version = Version } };
        output.Write(info.ToByteArray());
        return 0;
    }
}
