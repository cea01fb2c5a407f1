using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Text;

namespace Cais.Networking.Tests.Lab;

/// <summary>
/// Moves the whole test process into network and mount namespaces of its own before anything else happens, by executing itself again under
/// unshare(1): no test can change the machine's own network, whatever goes wrong.
/// </summary>
internal static unsafe partial class PrivateNamespaces
{
    private const string Marker = "CAIS_TEST_PRIVATE_NAMESPACES";

#pragma warning disable CA2255 // A test program, not a library: it must happen before any test framework thread exists.
    [ModuleInitializer]
#pragma warning restore CA2255
    internal static void Enter()
    {
        if (Environment.GetEnvironmentVariable(Marker) is not null || Environment.UserName != "root")
        {
            return;
        }

        Environment.SetEnvironmentVariable(Marker, "1");
        var own = File.ReadAllBytes("/proc/self/cmdline");
        string[] arguments = ["unshare", "--net", "--mount", "--propagation", "private", "env", $"{Marker}=1", .. Encoding.UTF8.GetString(own).TrimEnd('\0').Split('\0')];
        arguments[7] = Environment.ProcessPath!;
        var pointers = new nint[arguments.Length + 1];
        for (var i = 0; i < arguments.Length; i++)
        {
            pointers[i] = Marshal.StringToCoTaskMemUTF8(arguments[i]);
        }

        fixed (nint* start = pointers)
        {
            execvp("unshare", start);
        }

        throw new InvalidOperationException($"cannot execute unshare: error {Marshal.GetLastPInvokeError()}");
    }

    [LibraryImport("libc", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int execvp(string file, nint* arguments);
}
