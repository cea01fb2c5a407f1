using System.Runtime.InteropServices;
using System.Text;

namespace Cais.Init;

/// <summary>
/// <c>cais-init -- PROGRAM [ARGUMENT...]</c>: the process 1 of a container run with <c>--init</c>. Starts the program in a process group of its
/// own, passes every signal on to it, reaps what is orphaned, and ends as the program ended (128 plus the signal's number if by one).
/// </summary>
internal static unsafe class Program
{
    private const int SigChld = 17, SigTtin = 21, SigTtou = 22;
    private const short SetGroup = 2, SetSignalDefaults = 4, SetSignalMask = 8;
    private const int NotFound = 127, NotExecutable = 126, NoSuchFile = 2;

    /// <summary>What the kernel raises for this process's own faults, and SIGPROF: not to be waited for.</summary>
    private static ReadOnlySpan<int> OwnFaults => [4, 5, 6, 7, 8, 11, 27, 31];

    private static int Main(string[] arguments)
    {
        var command = arguments is ["--", ..] ? arguments[1..] : arguments;
        if (command.Length == 0)
        {
            Console.Error.WriteLine("usage: cais-init -- PROGRAM [ARGUMENT...]");
            return 1;
        }

        // 128 bytes: sigset_t of the C library.
        var signals = stackalloc ulong[16];
        _ = LibC.sigfillset(signals);
        foreach (var fault in OwnFaults)
        {
            _ = LibC.sigdelset(signals, fault);
        }

        _ = LibC.pthread_sigmask(LibC.SigBlock, signals, null);
        int child;
        var error = Spawn(command, &child);
        if (error != 0)
        {
            Console.Error.WriteLine($"cais-init: exec {command[0]} failed: {Marshal.GetPInvokeErrorMessage(error)}");
            return error == NoSuchFile ? NotFound : NotExecutable;
        }

        // The program gets the terminal, if there is one.
        _ = LibC.tcsetpgrp(0, child);
        while (true)
        {
            var signal = LibC.sigwaitinfo(signals, null);
            if (signal == SigChld)
            {
                if (Reap(child) is { } code)
                {
                    return code;
                }
            }
            else if (signal > 0 && signal is not (SigTtin or SigTtou))
            {
                _ = LibC.kill(child, signal);
            }
        }
    }

    private static int Spawn(string[] command, int* child)
    {
        // 336 bytes: posix_spawnattr_t of the C library; more does no harm.
        var attributes = stackalloc byte[512];
        var none = stackalloc ulong[16];
        var all = stackalloc ulong[16];
        _ = LibC.sigemptyset(none);
        _ = LibC.sigfillset(all);
        _ = LibC.posix_spawnattr_init(attributes);
        _ = LibC.posix_spawnattr_setflags(attributes, SetGroup | SetSignalDefaults | SetSignalMask);
        _ = LibC.posix_spawnattr_setpgroup(attributes, 0);
        _ = LibC.posix_spawnattr_setsigmask(attributes, none);
        _ = LibC.posix_spawnattr_setsigdefault(attributes, all);
        var argv = Texts(command);
        var environment = Environment.GetEnvironmentVariables();
        var pairs = new string[environment.Count];
        var at = 0;
        foreach (System.Collections.DictionaryEntry pair in environment)
        {
            pairs[at++] = $"{pair.Key}={pair.Value}";
        }

        return LibC.posix_spawnp(child, argv[0], null, attributes, argv, Texts(pairs));
    }

    /// <summary>Takes all that have ended; the program's exit code if it is among them.</summary>
    private static int? Reap(int child)
    {
        int? code = null;
        while (true)
        {
            int status;
            var ended = LibC.waitpid(-1, &status, LibC.NoHang);
            if (ended <= 0)
            {
                return code;
            }

            if (ended == child)
            {
                code = (status & 0x7f) == 0 ? (status >> 8) & 0xff : 128 + (status & 0x7f);
            }
        }
    }

    /// <summary>A null-terminated array of strings that lives until the process ends.</summary>
    private static byte** Texts(string[] texts)
    {
        var array = (byte**)NativeMemory.AllocZeroed((nuint)texts.Length + 1, (nuint)sizeof(byte*));
        for (var i = 0; i < texts.Length; i++)
        {
            var bytes = Encoding.UTF8.GetBytes(texts[i]);
            array[i] = (byte*)NativeMemory.AllocZeroed((nuint)bytes.Length + 1);
            bytes.CopyTo(new Span<byte>(array[i], bytes.Length));
        }

        return array;
    }
}
