using Cais.Oci.Images;

namespace Cais.Engine.Builds;

/// <summary>Which machines' programs this one runs: its own, and those that the kernel has an interpreter for (binfmt_misc).</summary>
internal static class Emulation
{
    private const string Registry = "/proc/sys/fs/binfmt_misc";

    public static bool CanRun(Platform platform) => platform.Os == "linux" && (Runs(platform.Architecture) || HasInterpreter(Registry, platform.Architecture));

    /// <summary>
    /// Whether a format is registered that takes the architecture's programs, whatever it is called (<c>qemu-aarch64</c>, <c>rosetta</c>, ...). With the flag F its interpreter
    /// was opened then, so that it is found inside containers too.
    /// </summary>
    internal static bool HasInterpreter(string registry, string architecture)
    {
        // What ELF's header has at 4 (class: 1 for 32 bits), and at 18 (machine, in the machine's own byte order).
        if (architecture switch
        {
            "386" => "01:0300",
            "amd64" => "02:3e00",
            "arm" => "01:2800",
            "arm64" => "02:b700",
            "loong64" => "02:0201",
            "mips64le" => "02:0800",
            "ppc64le" => "02:1500",
            "riscv64" => "02:f300",
            "s390x" => "02:0016",
            _ => null,
        } is not { } wanted)
        {
            return false;
        }

        try
        {
            return Directory.EnumerateFiles(registry).Any(file => Path.GetFileName(file) is not ("register" or "status") && Takes([.. File.ReadLines(file)], wanted));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return false;
        }
    }

    private static bool Runs(string architecture) => (Platform.Current.Architecture, architecture) switch
    {
        ("amd64", "386") => true,
        var (own, other) => own == other,
    };

    private static bool Takes(List<string> lines, string wanted)
    {
        var magic = Field("magic ");
        return lines.Contains("enabled") && Field("flags:").Contains('F', StringComparison.Ordinal) && Field("offset ") is "0" or ""
            && magic.Length >= 40 && magic.StartsWith("7f454c46", StringComparison.Ordinal) && $"{magic[8..10]}:{magic[36..40]}" == wanted;

        string Field(string name) => lines.Find(l => l.StartsWith(name, StringComparison.Ordinal))?[name.Length..].Trim() ?? "";
    }
}
