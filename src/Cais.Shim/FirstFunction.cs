using System.Runtime.CompilerServices;
using Cais.Linux;

namespace Cais.Shim;

/// <summary>
/// What runs before .NET has started: the linker puts <see cref="Run"/> in front of <c>main</c> (docs/decisions/0016). The shim is the parent of a
/// container, so it goes on from a protected view of its file.
/// </summary>
internal static unsafe class FirstFunction
{
    /// <summary>As the C library calls <c>main</c>.</summary>
    [MethodImpl(MethodImplOptions.NoInlining)]
    internal static int Run(int count, byte** arguments, byte** environment)
    {
        SelfExecutable.StartOver(count, arguments, environment);
        return LinkedSymbols.Main(count, arguments, environment);
    }
}
