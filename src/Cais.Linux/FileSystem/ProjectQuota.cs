using System.Runtime.InteropServices;

namespace Cais.Linux.FileSystem;

/// <summary>
/// Limits how much a directory may hold, by project quotas (ext4 and xfs that are mounted with <c>prjquota</c>; ioctl_xfs_fsgetxattr(2),
/// quotactl_fd(2), Linux 5.14 or newer).
/// </summary>
public static unsafe class ProjectQuota
{
    private const uint GetAttributes = 0x801c581f;
    private const uint SetAttributes = 0x401c5820;
    private const uint InheritProject = 0x200;

    /// <summary>Q_XSETQLIM for project quotas.</summary>
    private const nint SetLimit = (0x5804 << 8) | 2;

    /// <summary>Makes an empty directory, and all that will be in it, a project of its own with a limit.</summary>
    /// <param name="directory">A directory.</param>
    /// <param name="project">The project's number, which nobody else on the file system uses.</param>
    /// <param name="bytes">The most it may hold, in bytes.</param>
    /// <returns>False where the file system has no project quotas, or they are not switched on.</returns>
    /// <exception cref="LinuxException">Any other failure.</exception>
    public static bool TrySet(string directory, uint project, long bytes)
    {
        using var file = Files.Open(directory, OpenFlags.ReadOnly | OpenFlags.Directory);
        var limit = new DiskQuota
        {
            Version = 1,
            Flags = 2,
            FieldMask = (1 << 2) | (1 << 3),
            Id = project,
            HardLimit = (ulong)bytes / 512,
            SoftLimit = (ulong)bytes / 512,
        };
        if (SystemCall.Invoke(SystemCall.QuotactlFd, file.Number, SetLimit, (nint)project, (nint)(&limit)) < 0)
        {
            return (Errno)Marshal.GetLastPInvokeError() is Errno.ENOSYS or Errno.EOPNOTSUPP or Errno.ESRCH or Errno.EINVAL or Errno.ENOTTY
                ? false
                : throw LinuxException.FromLastError($"set the quota of {directory}");
        }

        var attributes = default(FileAttributes);
        if (SystemCall.Invoke(SystemCall.Ioctl, file.Number, unchecked((nint)GetAttributes), (nint)(&attributes)) < 0)
        {
            throw LinuxException.FromLastError($"read the attributes of {directory}");
        }

        attributes.Project = project;
        attributes.Flags |= InheritProject;
        return SystemCall.Invoke(SystemCall.Ioctl, file.Number, unchecked((nint)SetAttributes), (nint)(&attributes)) == 0
            ? true
            : throw LinuxException.FromLastError($"set the project of {directory}");
    }

    /// <summary><c>struct fsxattr</c>.</summary>
    [StructLayout(LayoutKind.Sequential, Size = 28)]
    private struct FileAttributes
    {
        public uint Flags;
        public uint ExtentSize;
        public uint Extents;
        public uint Project;
    }

    /// <summary><c>struct fs_disk_quota</c>; limits in units of 512 bytes.</summary>
    [StructLayout(LayoutKind.Sequential, Size = 112)]
    private struct DiskQuota
    {
        public sbyte Version;
        public sbyte Flags;
        public ushort FieldMask;
        public uint Id;
        public ulong HardLimit;
        public ulong SoftLimit;
    }
}
