using System.Runtime.ExceptionServices;
using System.Runtime.InteropServices;

namespace Cais.Linux;

/// <summary>Kinds of namespace by their clone(2) flags.</summary>
[Flags]
public enum NamespaceKind
{
    None = 0,
    Time = 0x80,
    Mount = 0x20000,
    Cgroup = 0x2000000,
    Uts = 0x4000000,
    Ipc = 0x8000000,
    User = 0x10000000,
    Pid = 0x20000000,
    Network = 0x40000000,
}

/// <summary>
/// Namespaces belong to a thread. Work in another one is done on a thread of its own, which ends afterwards: a pool thread must never
/// come back changed.
/// </summary>
public static class Namespaces
{
    /// <summary>
    /// Makes a network namespace and keeps it alive by a bind mount on the file <paramref name="path"/> (created if absent).
    /// <paramref name="inside"/> runs in it before it is published.
    /// </summary>
    public static void CreateNetwork(string path, Action? inside = null)
    {
        using (Files.Open(path, OpenFlags.ReadOnly | OpenFlags.Create, 0x124))
        {
        }

        OnOwnThread(() =>
        {
            if (LibC.unshare((int)NamespaceKind.Network) != 0)
            {
                throw LinuxException.FromLastError("create a network namespace");
            }

            inside?.Invoke();
            Mounts.Mount($"/proc/thread-self/ns/net", path, null, MountFlags.Bind);
        });
    }

    /// <summary>
    /// Runs <paramref name="inside"/> in a new mount namespace that starts as a copy of this process's and tells nobody what is mounted in it. Whoever needs
    /// it longer keeps it open by <c>/proc/thread-self/ns/mnt</c>; with the last descriptor all its mounts go.
    /// </summary>
    public static T RunInNewMountNamespace<T>(Func<T> inside)
    {
        T result = default!;
        OnOwnThread(() =>
        {
            if (LibC.unshare((int)NamespaceKind.Mount) != 0)
            {
                throw LinuxException.FromLastError("create a mount namespace");
            }

            Mounts.Mount(null, "/", null, MountFlags.Private | MountFlags.Recursive);
            result = inside();
        });
        return result;
    }

    /// <summary>Undoes <see cref="CreateNetwork"/>; the kernel ends the namespace in the background once nothing is in it.</summary>
    public static void RemoveNetwork(string path)
    {
        Mounts.Unmount(path, lazy: true);
        Files.Unlink(path);
    }

    /// <summary>Runs <paramref name="inside"/> in the namespace at <paramref name="path"/> and returns its result.</summary>
    public static T Run<T>(NamespaceKind kind, string path, Func<T> inside)
    {
        using var space = Files.Open(path, OpenFlags.ReadOnly);
        return Run(kind, space, inside);
    }

    /// <summary>Runs <paramref name="inside"/> in the namespace(s) that <paramref name="space"/> (a namespace file or a pidfd) stands for.</summary>
    public static T Run<T>(NamespaceKind kind, FileDescriptor space, Func<T> inside)
    {
        T result = default!;
        OnOwnThread(() =>
        {
            Join(space, kind);
            result = inside();
        });
        return result;
    }

    /// <summary>setns(2) for the calling thread, which must be one that will not be used for anything else.</summary>
    public static void Join(FileDescriptor space, NamespaceKind kind)
    {
        if (LibC.setns(space.Number, (int)kind) != 0)
        {
            throw LinuxException.FromLastError($"join {kind} namespace");
        }
    }

    /// <summary>Which kind of namespace an open file stands for; ioctl_ns(2).</summary>
    public static NamespaceKind KindOf(FileDescriptor space) => LibC.ioctl(space.Number, 0xb703, 0) is var kind && kind > 0
        ? (NamespaceKind)kind : throw LinuxException.FromLastError("ask for the kind of a namespace");

    private static void OnOwnThread(Action work)
    {
        ExceptionDispatchInfo? failure = null;
        var thread = new Thread(
            () =>
            {
                try
                {
                    work();
                }
#pragma warning disable CA1031 // Carried over to the caller's thread, whatever it is.
                catch (Exception e)
#pragma warning restore CA1031
                {
                    failure = ExceptionDispatchInfo.Capture(e);
                }
            },
            maxStackSize: 256 * 1024)
        {
            IsBackground = true,
        };
        thread.Start();
        thread.Join();
        failure?.Throw();
    }
}

internal static partial class LibC
{
    [LibraryImport(Name, SetLastError = true)]
    internal static partial int unshare(int flags);

    [LibraryImport(Name, SetLastError = true)]
    internal static partial int setns(int fd, int kind);
}
