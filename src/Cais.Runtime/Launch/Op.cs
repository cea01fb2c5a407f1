using System.Runtime.InteropServices;

namespace Cais.Runtime.Launch;

/// <summary>One operation of a launch plan: a system call with everything it needs, or one of the few <see cref="Pseudo"/> operations.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct Op
{
    /// <summary>System call number, or a negative <see cref="Pseudo"/> operation.</summary>
    public int Number;

    /// <summary>Bit n: argument n is the index of a register whose value is meant.</summary>
    public byte Registers;

    public OpFlags Flags;

    /// <summary>Register for the result; <see cref="NoRegister"/> for none.</summary>
    public byte Result;

    /// <summary>Register of a filesystem context that can explain a failure; <see cref="NoRegister"/> for none.</summary>
    public byte Context;

    /// <summary>On this error (<see cref="AnyError"/>: any), go to <see cref="Goto1"/> instead of failing. 0: none.</summary>
    public int Errno1;

    public int Goto1;
    public int Errno2;
    public int Goto2;
    public int Errno3;
    public int Goto3;
    public nint A;
    public nint B;
    public nint C;
    public nint D;
    public nint E;

    public const byte NoRegister = 255;
    public const int AnyError = -1;
}

[Flags]
internal enum OpFlags : byte
{
    None = 0,

    /// <summary>A result of 0 is a failure (EPIPE): the other side of a socket is gone.</summary>
    ZeroFails = 1,

    /// <summary>clone3: in the child, go on at <see cref="Op.E"/>, and report failures instead of returning them.</summary>
    Fork = 2,
}

/// <summary>Operations that are not system calls.</summary>
internal static class Pseudo
{
    /// <summary>Go to A.</summary>
    public const int Jump = -1;

    /// <summary>The parent is done.</summary>
    public const int Return = -2;

    /// <summary>Register A gets the value B.</summary>
    public const int Set = -3;

    /// <summary>The 32-bit word at address A gets the value B.</summary>
    public const int Store = -4;

    /// <summary>If the 64-bit word at A, masked with B, equals C: go to D.</summary>
    public const int JumpIfEqual = -5;

    /// <summary>Fail with error A.</summary>
    public const int Fail = -6;

    /// <summary>Register A gets the 16-bit word at address B, masked with C.</summary>
    public const int Load16 = -7;
}
