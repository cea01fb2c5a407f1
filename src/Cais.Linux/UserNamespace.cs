using System.Globalization;
using System.Runtime.CompilerServices;
using System.Text;

namespace Cais.Linux;

/// <summary>
/// User namespaces (user_namespaces(7)) and what belongs to them, as descriptors that keep them alive. A process with several threads can neither make nor enter one:
/// a child does it, which ends as soon as its namespaces are open here.
/// </summary>
public static unsafe class UserNamespace
{
    private const ulong ClonePidfd = 0x1000;
    private const ulong ClearSignalHandlers = 0x100000000;
    private const int SetMask = 2;

    /// <summary>ioctl_ns(2): the user namespace that owns another namespace.</summary>
    private const int GetOwner = 0xb701;

    /// <summary>A new one with these ids. Needs CAP_SYS_ADMIN, CAP_SETUID and CAP_SETGID.</summary>
    public static FileDescriptor Create(IdMap map)
    {
        var (user, network) = Make(map, null, withNetwork: false);
        network?.Dispose();
        return user!;
    }

    /// <summary>A new network namespace that belongs to a new user namespace with these ids. <see cref="OwnerOf"/> gives the latter.</summary>
    public static FileDescriptor CreateNetwork(IdMap map)
    {
        var (user, network) = Make(map, null, withNetwork: true);
        user?.Dispose();
        return network!;
    }

    /// <summary>A new network namespace that belongs to an existing user namespace.</summary>
    public static FileDescriptor CreateNetwork(FileDescriptor owner)
    {
        var (user, network) = Make(null, owner, withNetwork: true);
        user?.Dispose();
        return network!;
    }

    /// <summary>The user namespace that a namespace belongs to.</summary>
    public static FileDescriptor OwnerOf(FileDescriptor space) => LibC.ioctl(space.Number, GetOwner, 0) is var fd && fd >= 0
        ? new FileDescriptor(fd) : throw LinuxException.FromLastError("ask for the owner of a namespace");

    private static (FileDescriptor? User, FileDescriptor? Network) Make(IdMap? map, FileDescriptor? owner, bool withNetwork)
    {
        var (parent, child) = MessageSocket.Pair();
        using var parentEnd = parent;
        var pidfd = -1;
        var flags = (owner is null ? (ulong)NamespaceKind.User | (withNetwork ? (ulong)NamespaceKind.Network : 0) : 0) | ClonePidfd | ClearSignalHandlers;
        var arguments = stackalloc ulong[11];
        new Span<ulong>(arguments, 11).Clear();
        arguments[0] = flags;
        arguments[1] = (ulong)&pidfd;
        arguments[4] = Signals.Child;
        var order = new Order
        {
            Call = LinkedCalls.SystemCall,
            Arguments = arguments,
            Clone3 = SystemCall.Clone3,
            Mask = SystemCall.RtSigprocmask,
            Close = SystemCall.Close,
            Setns = SystemCall.Setns,
            Unshare = SystemCall.Unshare,
            Read = SystemCall.Read,
            Write = SystemCall.Write,
            Exit = SystemCall.ExitGroup,
            ParentEnd = parentEnd.Number,
            ChildEnd = child.Number,
            Owner = owner?.Number ?? -1,
        };
        var errno = LinkedCalls.Errno;
        var pid = Fork(&order);
        var error = *errno;
        child.Dispose();
        if (pid < 0)
        {
            throw new LinuxException((Errno)error, "make a user namespace");
        }

        using var process = new FileDescriptor(pidfd);
        try
        {
            Span<byte> answer = stackalloc byte[8];
            if (MessageSocket.Receive(parentEnd, answer, out _) < 1)
            {
                throw new LinuxException(Errno.EPERM, owner is null ? "make a user namespace" : "make a network namespace in another user namespace");
            }

            var directory = string.Create(CultureInfo.InvariantCulture, $"/proc/{pid}");
            if (map is not null)
            {
                Files.WriteValue($"{directory}/uid_map", Encoding.ASCII.GetBytes(IdMap.Text(map.Users)));
                Files.WriteValue($"{directory}/gid_map", Encoding.ASCII.GetBytes(IdMap.Text(map.Groups)));
            }

            var user = Files.Open($"{directory}/ns/user", OpenFlags.ReadOnly);
            try
            {
                return (user, withNetwork ? Files.Open($"{directory}/ns/net", OpenFlags.ReadOnly) : null);
            }
            catch
            {
                user.Dispose();
                throw;
            }
        }
        finally
        {
            Pidfd.Signal(process, Signals.Kill);
            Pidfd.Reap(process);
        }
    }

    /// <summary>
    /// Returns in the parent only. The child is one thread of a managed process, in which nothing managed may happen: no allocation, no lock, no call but libc's
    /// <c>syscall</c> through a managed pointer, which is followed by no poll for a collection. All signals are blocked over the fork: no handler may run in the child.
    /// </summary>
    [MethodImpl(MethodImplOptions.NoInlining | MethodImplOptions.AggressiveOptimization)]
    private static nint Fork(Order* order)
    {
        var call = order->Call;
        order->All = -1;
        call(order->Mask, SetMask, (nint)(&order->All), (nint)(&order->Saved), 8, 0);
        var pid = call(order->Clone3, (nint)order->Arguments, 88, 0, 0, 0);
        if (pid != 0)
        {
            call(order->Mask, SetMask, (nint)(&order->Saved), 0, 8, 0);
            return pid;
        }

        // With a copy of the parent's end it would wait for ever for a parent that has died.
        call(order->Close, order->ParentEnd, 0, 0, 0, 0);
        if (order->Owner < 0
            || (call(order->Setns, order->Owner, (nint)NamespaceKind.User, 0, 0, 0) == 0 && call(order->Unshare, (nint)NamespaceKind.Network, 0, 0, 0, 0) == 0))
        {
            call(order->Write, order->ChildEnd, (nint)(&order->Saved), 1, 0, 0);
            call(order->Read, order->ChildEnd, (nint)(&order->Saved), 1, 0, 0);
        }

        while (true)
        {
            call(order->Exit, 0, 0, 0, 0, 0);
        }
    }

    /// <summary>What the fork works with, on the caller's stack.</summary>
    private struct Order
    {
        public delegate*<nint, nint, nint, nint, nint, nint, nint> Call;
        public ulong* Arguments;
        public nint All;
        public nint Saved;
        public int Clone3;
        public int Mask;
        public int Close;
        public int Setns;
        public int Unshare;
        public int Read;
        public int Write;
        public int Exit;
        public int ParentEnd;
        public int ChildEnd;
        public int Owner;
    }
}
