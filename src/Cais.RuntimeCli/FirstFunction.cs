using System.Runtime.CompilerServices;
using Cais.Linux;

namespace Cais.RuntimeCli;

/// <summary>
/// What runs before .NET has started: the linker puts <see cref="Run"/> in front of <c>main</c> (docs/decisions/0016). Commands that start
/// processes of containers go on from a protected view of the program's file.
/// </summary>
internal static unsafe class FirstFunction
{
    /// <summary>As the C library calls <c>main</c>.</summary>
    [MethodImpl(MethodImplOptions.NoInlining)]
    internal static int Run(int count, byte** arguments, byte** environment)
    {
        for (var i = 1; i < count; i++)
        {
            // A word that is no command costs a needless restart at worst.
            if (StartsProcesses(arguments[i]))
            {
                SelfExecutable.StartOver(count, arguments, environment);
                break;
            }
        }

        return LinkedSymbols.Main(count, arguments, environment);
    }

    /// <summary>The commands that the table marks so: a test compares.</summary>
    internal static bool StartsProcesses(byte* word) =>
        Is(word, "run"u8) || Is(word, "exec"u8) || Is(word, "create"u8) || Is(word, "start"u8) || Is(word, "restore"u8);

    private static bool Is(byte* word, ReadOnlySpan<byte> name)
    {
        for (var i = 0; i < name.Length; i++)
        {
            if (word[i] != name[i])
            {
                return false;
            }
        }

        return word[name.Length] == 0;
    }
}
