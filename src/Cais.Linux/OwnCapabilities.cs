namespace Cais.Linux;

/// <summary>What this process may do; capabilities(7).</summary>
public static unsafe class OwnCapabilities
{
    /// <summary>The permitted set as a mask, one bit per capability: what a child can get at most, short of a new user namespace.</summary>
    public static ulong Permitted()
    {
        // struct __user_cap_header_struct, then two of __user_cap_data_struct: effective, permitted, inheritable.
        var header = stackalloc uint[2] { 0x20080522, 0 };
        var data = stackalloc uint[6];
        return SystemCall.Invoke(SystemCall.CapGet, (nint)header, (nint)data) == 0
            ? data[1] | ((ulong)data[4] << 32) : throw LinuxException.FromLastError("read the own capabilities");
    }
}
