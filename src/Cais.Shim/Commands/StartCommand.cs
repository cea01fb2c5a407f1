using System.Globalization;
using System.Text;
using Cais.Linux;
using Cais.Linux.Io;
using Cais.Shim.Cgroups;

namespace Cais.Shim.Commands;

/// <summary>
/// <c>start</c>: makes the socket, starts the shim proper with it, and prints where it listens. Asked again for a shim that is alive, it
/// prints the same address.
/// </summary>
internal static class StartCommand
{
    private const string DefaultSocketDirectory = "/run/containerd/s";
    private const uint OwnerOnly = 0x180; // 0600
    internal const string AddressFile = "address";
    private const string PidFile = "shim.pid";

    public static int Run(ShimOptions options, Stream input, Stream output)
    {
        var bootstrap = Bootstrap.Read(input, options);
        var path = SocketPath(bootstrap.SocketDirectory ?? DefaultSocketDirectory, options);
        if (Listen(path) is { } listener)
        {
            using (listener)
            {
                try
                {
                    Launch(options, bootstrap, path, listener);
                }
                catch
                {
                    File.Delete(path);
                    throw;
                }
            }
        }

        var address = "unix://" + path;
        WriteFile(AddressFile, address);
        output.Write(bootstrap.Reply(address));
        return 0;
    }

    private static void Launch(ShimOptions options, Bootstrap bootstrap, string path, FileDescriptor listener)
    {
        var arguments = new List<string> { "-namespace", options.Namespace, "-id", options.Id, "-address", options.Address, "-socket", path };
        if (options.PublishBinary.Length > 0)
        {
            arguments.AddRange(["-publish-binary", options.PublishBinary]);
        }

        if (options.Debug)
        {
            arguments.Add("-debug");
        }

        // Our own output is what containerd waits for and reads to its end: the shim must not have it.
        using var shim = ChildProcess.Start(new ChildCommand
        {
            // This program's own file, which has no path where it is a protected view.
            Program = "/proc/self/exe",
            Name = Environment.GetCommandLineArgs()[0],
            Arguments = arguments,
            Descriptors = [null, null, null, listener],
            NewSession = true,
        });
        WriteFile(PidFile, shim.Pid.ToString(CultureInfo.InvariantCulture));
        AdjustOomScore(shim.Pid);
        if (bootstrap.Options.ShimCgroup.Length > 0)
        {
            ShimCgroup.Join(bootstrap.Options.ShimCgroup, shim.Pid);
        }
    }

    /// <summary>Null where a shim listens there already.</summary>
    private static FileDescriptor? Listen(string path)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        for (var attempt = 0; ; attempt++)
        {
            try
            {
                return UnixSocket.Listen(path, mode: OwnerOnly);
            }
            catch (LinuxException e) when (e.Errno == Errno.EADDRINUSE && attempt < 2)
            {
                if (IsAlive(path))
                {
                    return null;
                }

                File.Delete(path);
            }
        }
    }

    internal static bool IsAlive(string path)
    {
        try
        {
            UnixSocket.Connect(path).Dispose();
            return true;
        }
        catch (LinuxException)
        {
            return false;
        }
    }

    /// <summary>Short, because a socket's path may have 107 bytes, and the same for the same container.</summary>
    private static string SocketPath(string directory, ShimOptions options)
    {
        var identity = Path.Join(options.Address, options.Namespace, options.Id);
        return Path.Combine(directory, Digest(identity));
    }

    /// <summary>FNV-1a of 128 bits. It need not withstand an attack: who may name containers may do anything here.</summary>
    private static string Digest(string text)
    {
        var prime = new UInt128(0x1000000, 0x13b);
        var hash = new UInt128(0x6c62272e07bb0142, 0x62b821756295c58d);
        foreach (var b in Encoding.UTF8.GetBytes(text))
        {
            hash = (hash ^ b) * prime;
        }

        return hash.ToString("x32", CultureInfo.InvariantCulture);
    }

    /// <summary>The kernel should end the shim before containerd, but after ordinary programs.</summary>
    private static void AdjustOomScore(int pid)
    {
        try
        {
            var own = int.Parse(File.ReadAllText($"/proc/{ParentProcess.Id}/oom_score_adj").AsSpan().Trim(), NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture);
            File.WriteAllText($"/proc/{pid}/oom_score_adj", Math.Min(own + 1, 1000).ToString(CultureInfo.InvariantCulture));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or FormatException)
        {
            // Lowering it needs CAP_SYS_RESOURCE; the shim works without.
        }
    }

    private static void WriteFile(string name, string content)
    {
        File.WriteAllText("." + name, content);
        File.Move("." + name, name, overwrite: true);
    }
}
