using System.Globalization;
using System.Runtime.InteropServices;

namespace Cais.Linux;

/// <summary>Ids of this process; credentials(7).</summary>
public static class UserIds
{
    public static uint Effective => LibC.geteuid();

    public static uint EffectiveGroup => LibC.getegid();

    /// <summary>From /etc/passwd; the number where that does not know it.</summary>
    public static string EffectiveName
    {
        get
        {
            var id = Effective;
            if (id == 0)
            {
                return "root";
            }

            var number = id.ToString(CultureInfo.InvariantCulture);
            foreach (var line in Files.Exists("/etc/passwd") ? File.ReadAllLines("/etc/passwd") : [])
            {
                if (line.Split(':') is [var name, _, var uid, ..] && uid == number)
                {
                    return name;
                }
            }

            return number;
        }
    }
}

internal static partial class LibC
{
    [LibraryImport(Name)]
    internal static partial uint geteuid();

    [LibraryImport(Name)]
    internal static partial uint getegid();
}
