using System.Runtime;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Cais.Linux
{
    /// <summary>
    /// Functions of the C library that are called as if they were managed: without a transition to native code and without a poll for a pending
    /// collection. So they can be called before .NET has started, and in a process forked from a managed one.
    /// </summary>
    public static unsafe class LinkedCalls
    {
        /// <summary>libc's <c>syscall</c>, for launch plans. Where the program is not natively compiled, the loader finds it.</summary>
        public static delegate*<nint, nint, nint, nint, nint, nint, nint> SystemCall =>
            HasLoader ? (delegate*<nint, nint, nint, nint, nint, nint, nint>)Find("syscall") : Linked();

        /// <summary>Where the calling thread's errno is.</summary>
        public static int* Errno => HasLoader ? ((delegate* unmanaged<int*>)Find("__errno_location"))() : LinkedErrno();

        /// <summary>A just-in-time compiler has a list of assemblies to load from; a natively compiled program has none.</summary>
        private static bool HasLoader => AppContext.GetData("TRUSTED_PLATFORM_ASSEMBLIES") is not null;

        private static nint Find(string name) => NativeLibrary.GetExport(NativeLibrary.GetMainProgramHandle(), name);

        // Of their own: a just-in-time compiler that looks at them refuses what only the linker can bind.
        [MethodImpl(MethodImplOptions.NoInlining)]
        private static delegate*<nint, nint, nint, nint, nint, nint, nint> Linked() => &LinkedSymbols.syscall;

        [MethodImpl(MethodImplOptions.NoInlining)]
        private static int* LinkedErrno() => LinkedSymbols.__errno_location();
    }

    /// <summary>What the linker binds by name. In natively compiled programs only.</summary>
    public static unsafe class LinkedSymbols
    {
        /// <summary>The program's own <c>main</c>, for the function that the linker put in front of it (<c>--wrap=main</c>).</summary>
        [MethodImpl(MethodImplOptions.InternalCall)]
        [RuntimeImport("__real_main")]
        public static extern int Main(int count, byte** arguments, byte** environment);

        [MethodImpl(MethodImplOptions.InternalCall)]
        [RuntimeImport("syscall")]
        internal static extern nint syscall(nint number, nint a, nint b, nint c, nint d, nint e);

        [MethodImpl(MethodImplOptions.InternalCall)]
        [RuntimeImport("__errno_location")]
        internal static extern int* __errno_location();
    }
}

namespace System.Runtime
{
    /// <summary>The name by which the Native AOT compiler knows a method that is a symbol for the linker.</summary>
    [AttributeUsage(AttributeTargets.Method)]
    internal sealed class RuntimeImportAttribute(string name) : Attribute
    {
        public string Name => name;
    }
}
