using System.Buffers.Text;

namespace Cais.Linux;

/// <summary>What /proc says of a process.</summary>
/// <param name="State">One letter, <c>R S D T Z X</c> …; proc(5).</param>
/// <param name="StartTime">Clock ticks since boot.</param>
public readonly record struct ProcessStatus(char State, ulong StartTime)
{
    public bool IsAlive => State is not ('Z' or 'X' or 'x');

    /// <summary>Null where there is no such process.</summary>
    public static ProcessStatus? Of(int pid)
    {
        Span<byte> buffer = stackalloc byte[1024];
        int length;
        try
        {
            using var file = Files.TryOpen($"/proc/{pid}/stat", OpenFlags.ReadOnly);
            if (file is null)
            {
                return null;
            }

            length = Files.Read(file, buffer);
        }
        catch (LinuxException e) when (e.Errno == Errno.ESRCH)
        {
            return null;
        }

        // The second field is the name in parentheses, which may hold anything, also parentheses.
        var rest = buffer[..length];
        rest = rest[(rest.LastIndexOf((byte)')') + 2)..];
        var state = (char)rest[0];
        for (var field = 3; field < 22; field++)
        {
            rest = rest[(rest.IndexOf((byte)' ') + 1)..];
        }

        return Utf8Parser.TryParse(rest, out ulong start, out _) ? new ProcessStatus(state, start) : null;
    }
}
