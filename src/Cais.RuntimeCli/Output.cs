using System.Text;
using Cais.Linux;

namespace Cais.RuntimeCli;

/// <summary>Standard output and error without the Console class, which takes a third of this program's life to set up.</summary>
internal static class Output
{
    public static void Write(ReadOnlySpan<byte> utf8)
    {
        using var output = new FileDescriptor(1, ownsHandle: false);
        Files.Write(output, utf8);
    }

    public static void Line(string text) => Write(Encoding.UTF8.GetBytes(text + "\n"));

    public static void Error(string text)
    {
        using var error = new FileDescriptor(2, ownsHandle: false);
        try
        {
            Files.Write(error, Encoding.UTF8.GetBytes(text + "\n"));
        }
        catch (LinuxException)
        {
            // Nobody is left to tell.
        }
    }
}
