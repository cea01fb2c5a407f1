using Cais.Linux;
using Cais.Oci.Runtime;

namespace Cais.Runtime;

/// <summary>Which descriptors become the standard streams, and which of them may change owner.</summary>
/// <param name="Numbers">-1 inherits.</param>
/// <param name="Chown">A program that is not root can then reopen them through /dev/stdout.</param>
internal sealed record StreamSet((int Input, int Output, int Error) Numbers, (bool Input, bool Output, bool Error) Chown)
{
    public static StreamSet From(StandardStreams? streams, Process? process, int preserve)
    {
        if (process is null || process.Terminal)
        {
            return new StreamSet((-1, -1, -1), default);
        }

        var numbers = (streams?.Input?.Number ?? -1, streams?.Output?.Number ?? -1, streams?.Error?.Number ?? -1);
        foreach (var number in new[] { numbers.Item1, numbers.Item2, numbers.Item3 })
        {
            if (number is >= 0 and < 3 || (number >= 3 && number < 3 + preserve))
            {
                throw new RuntimeException(
                    RuntimeError.InvalidConfig, $"descriptor {number} cannot be given as a standard stream: it is one already, or is preserved");
            }
        }

        var uid = process.User?.Uid ?? 0;
        return new StreamSet(
            numbers,
            uid == 0 ? default : (MayChown(numbers.Item1, 0, uid), MayChown(numbers.Item2, 1, uid), MayChown(numbers.Item3, 2, uid)));
    }

    /// <summary>Pipes, FIFOs, sockets and files, but never a device such as the host's /dev/null.</summary>
    private static bool MayChown(int number, int inherited, uint uid)
    {
        try
        {
            var status = Files.Status(number < 0 ? inherited : number);
            return !status.IsCharacterDevice && status.Uid != uid;
        }
        catch (LinuxException e) when (e.Errno == Errno.EBADF)
        {
            return false;
        }
    }
}
