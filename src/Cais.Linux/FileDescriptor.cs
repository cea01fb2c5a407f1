using System.Runtime.InteropServices;

namespace Cais.Linux;

/// <summary>An open file descriptor with one owner, closed exactly once.</summary>
public sealed class FileDescriptor : SafeHandle
{
    /// <summary>Needed by interop marshalling; the handle starts invalid.</summary>
    public FileDescriptor() : base(-1, ownsHandle: true)
    {
    }

    /// <summary>Takes over <paramref name="fd"/>: nobody else may close it from now on (unless <paramref name="ownsHandle"/> is false).</summary>
    public FileDescriptor(int fd, bool ownsHandle = true) : base(-1, ownsHandle) => SetHandle(fd);

    public override bool IsInvalid => handle < 0;

    /// <summary>
    /// The number itself, for system calls and for tables handed to another process. Valid only while this object lives; a closed one
    /// throws, for its number may be another file's by now.
    /// </summary>
    public int Number
    {
        get
        {
            ObjectDisposedException.ThrowIf(IsClosed, this);
            return (int)handle;
        }
    }

    /// <summary>A path under which this process can name the open file, whatever its own path has become.</summary>
    public string ProcPath => $"/proc/self/fd/{Number}";

    protected override bool ReleaseHandle() => LibC.close((int)handle) == 0;
}
