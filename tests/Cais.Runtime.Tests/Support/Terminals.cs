using System.Text;
using Cais.Linux;

namespace Cais.Runtime.Tests.Support;

internal static class Terminals
{
    /// <summary>Everything until the other side is closed, which a terminal tells by EIO.</summary>
    public static string ReadAll(FileDescriptor master)
    {
        var text = new StringBuilder();
        Span<byte> buffer = stackalloc byte[1024];
        try
        {
            for (int n; (n = Files.Read(master, buffer)) > 0;)
            {
                text.Append(Encoding.UTF8.GetString(buffer[..n]));
            }
        }
        catch (LinuxException e) when (e.Errno == Errno.EIO)
        {
        }

        return text.ToString();
    }
}
