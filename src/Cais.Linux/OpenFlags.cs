using System.Runtime.InteropServices;

namespace Cais.Linux;

/// <summary>Flags of open(2). A few differ between architectures, so they are values, not an enum.</summary>
public static class OpenFlags
{
    private static bool Arm => RuntimeInformation.ProcessArchitecture == Architecture.Arm64;

    public const int ReadOnly = 0;
    public const int WriteOnly = 1;
    public const int ReadWrite = 2;
    public const int Create = 0x40;
    public const int Exclusive = 0x80;
    public const int NoControllingTerminal = 0x100;
    public const int Truncate = 0x200;
    public const int Append = 0x400;
    public const int NonBlocking = 0x800;
    public const int CloseOnExec = 0x80000;

    /// <summary>Names a place without opening what is there.</summary>
    public const int Path = 0x200000;

    public static int Directory => Arm ? 0x4000 : 0x10000;
    public static int NoFollow => Arm ? 0x8000 : 0x20000;
    public static int TemporaryFile => 0x400000 | Directory;
}

/// <summary>How openat2(2) may resolve a path.</summary>
[Flags]
public enum ResolveFlags : ulong
{
    None = 0,
    NoCrossDevice = 1,
    NoMagicLinks = 2,
    NoSymlinks = 4,

    /// <summary>Fails when the path leaves the directory.</summary>
    Beneath = 8,

    /// <summary>The directory is <c>/</c> for everything in the path: nothing can leave it.</summary>
    InRoot = 16,
}
