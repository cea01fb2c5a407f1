using System.Runtime.InteropServices;

namespace Cais.Linux;

/// <summary>One eBPF instruction; Documentation/bpf/standardization/instruction-set.rst of the kernel.</summary>
[StructLayout(LayoutKind.Sequential)]
public readonly record struct BpfInstruction(byte Code, byte Registers, short Offset, int Immediate)
{
    public static BpfInstruction Load32(int to, int from, short offset) => new(0x61, (byte)((from << 4) | to), offset, 0);

    public static BpfInstruction Move(int to, int value) => new(0xb7, (byte)to, 0, value);

    public static BpfInstruction MoveRegister32(int to, int from) => new(0xbc, (byte)((from << 4) | to), 0, 0);

    public static BpfInstruction And32(int register, int value) => new(0x54, (byte)register, 0, value);

    public static BpfInstruction ShiftRight32(int register, int value) => new(0x74, (byte)register, 0, value);

    public static BpfInstruction JumpIfNotEqual32(int register, int value, short offset) => new(0x56, (byte)register, offset, value);

    public static BpfInstruction JumpIfNotEqualRegister32(int left, int right, short offset) => new(0x5e, (byte)((right << 4) | left), offset, 0);

    public static BpfInstruction Exit() => new(0x95, 0, 0, 0);
}

/// <summary>eBPF programs of type CGROUP_DEVICE; bpf(2).</summary>
public static unsafe class Bpf
{
    private const int ProgramLoad = 5;
    private const int ProgramAttach = 8;
    private const int ProgramDetach = 9;
    private const int ProgramGetById = 13;
    private const int ProgramQuery = 16;
    private const int CgroupDeviceType = 15;
    private const int CgroupDeviceAttach = 6;
    private const int AllowMulti = 2;

    /// <summary>
    /// Makes <paramref name="program"/> the only device program of the cgroup: the new one first, then the old ones go, so that there is
    /// never a moment without one.
    /// </summary>
    public static void SetDeviceProgram(string cgroup, ReadOnlySpan<BpfInstruction> program)
    {
        using var directory = Files.Open(cgroup, OpenFlags.ReadOnly | OpenFlags.Directory);
        var old = Query(directory);
        using var loaded = Load(program);
        var attach = stackalloc uint[5] { (uint)directory.Number, (uint)loaded.Number, CgroupDeviceAttach, AllowMulti, 0 };
        Check(SystemCall.Invoke(SystemCall.Bpf, ProgramAttach, (nint)attach, 20), $"attach the device filter to {cgroup}");
        foreach (var id in old)
        {
            Detach(directory, id, cgroup);
        }
    }

    private static void Detach(FileDescriptor cgroup, uint id, string name)
    {
        var get = stackalloc uint[3] { id, 0, 0 };
        var fd = SystemCall.Invoke(SystemCall.Bpf, ProgramGetById, (nint)get, 12);
        if (fd >= 0)
        {
            using var attached = new FileDescriptor((int)fd);
            var detach = stackalloc uint[5] { (uint)cgroup.Number, (uint)attached.Number, CgroupDeviceAttach, 0, 0 };
            Check(SystemCall.Invoke(SystemCall.Bpf, ProgramDetach, (nint)detach, 20), $"detach the old device filter from {name}");
        }
    }

    private static FileDescriptor Load(ReadOnlySpan<BpfInstruction> program)
    {
        fixed (BpfInstruction* code = program)
        fixed (byte* licence = "Apache-2.0"u8)
        {
            var attributes = stackalloc byte[48];
            new Span<byte>(attributes, 48).Clear();
            *(uint*)attributes = CgroupDeviceType;
            *(uint*)(attributes + 4) = (uint)program.Length;
            *(nint*)(attributes + 8) = (nint)code;
            *(nint*)(attributes + 16) = (nint)licence;
            return new FileDescriptor((int)Check(SystemCall.Invoke(SystemCall.Bpf, ProgramLoad, (nint)attributes, 48), "load the device filter"));
        }
    }

    private static uint[] Query(FileDescriptor cgroup)
    {
        const int Most = 64;
        var ids = stackalloc uint[Most];
        var query = stackalloc byte[32];
        new Span<byte>(query, 32).Clear();
        *(int*)query = cgroup.Number;
        *(uint*)(query + 4) = CgroupDeviceAttach;
        *(nint*)(query + 16) = (nint)ids;
        *(uint*)(query + 24) = Most;
        return SystemCall.Invoke(SystemCall.Bpf, ProgramQuery, (nint)query, 32) < 0
            ? [] : new ReadOnlySpan<uint>(ids, (int)Math.Min(*(uint*)(query + 24), Most)).ToArray();
    }

    private static long Check(long result, string operation) => result >= 0 ? result : throw LinuxException.FromLastError(operation);
}
