using System.Runtime.InteropServices;

namespace Cais.Linux;

/// <summary>Ids of this process; credentials(7).</summary>
public static class UserIds
{
    public static uint Effective => LibC.geteuid();

    public static uint EffectiveGroup => LibC.getegid();
}

internal static partial class LibC
{
    [LibraryImport(Name)]
    internal static partial uint geteuid();

    [LibraryImport(Name)]
    internal static partial uint getegid();
}
