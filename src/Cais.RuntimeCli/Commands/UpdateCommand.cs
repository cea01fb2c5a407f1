using System.Globalization;
using System.Text;
using Cais.Linux;
using Cais.Oci.Runtime;
using Cais.Runtime;

namespace Cais.RuntimeCli.Commands;

/// <summary><c>update</c>: other limits for a running container.</summary>
internal static class UpdateCommand
{
    public static int Run(Invocation invocation, Arguments options)
    {
        using var container = invocation.Runtime.Load(options.Id);
        if (options.Value("resources") is { } path)
        {
            container.Update(Read(path));
            return 0;
        }

        container.Update(FromOptions(options));
        foreach (var option in (ReadOnlySpan<string>)["l3-cache-schema", "mem-bw-schema"])
        {
            if (options.Value(option) is { Length: > 0 } schema)
            {
                SetSchema(container.Id, schema);
            }
        }

        return 0;
    }

    /// <summary>Intel RDT: the container's group has its id for a name, unless its configuration named another.</summary>
    private static void SetSchema(string id, string schema)
    {
        var file = $"/sys/fs/resctrl/{id}/schemata";
        if (!Files.Exists(file))
        {
            throw new RuntimeException(
                RuntimeError.Failed, $"there is no {file}: the container has no Intel RDT group of its own, or this host has no Intel RDT (mount -t resctrl resctrl /sys/fs/resctrl)");
        }

        foreach (var line in schema.Split('\n', StringSplitOptions.RemoveEmptyEntries))
        {
            Files.WriteValue(file, Encoding.UTF8.GetBytes(line + "\n"));
        }
    }

    private static LinuxResources Read(string path)
    {
        if (path != "-")
        {
            return Documents.ReadResources(Files.ReadAll(path), path);
        }

        using var input = new FileDescriptor(0, ownsHandle: false);
        return Documents.ReadResources(Files.ReadAll(input, "standard input"), "standard input");
    }

    private static LinuxResources FromOptions(Arguments options) => new()
    {
        Memory = new MemoryResources
        {
            Limit = Bytes(options, "memory"),
            Reservation = Bytes(options, "memory-reservation"),
            Swap = Bytes(options, "memory-swap"),
            Kernel = Bytes(options, "kernel-memory"),
            KernelTCP = Bytes(options, "kernel-memory-tcp"),
        },
        Cpu = new CpuResources
        {
            Period = (ulong?)Number(options, "cpu-period"),
            Quota = Number(options, "cpu-quota"),
            Burst = (ulong?)Number(options, "cpu-burst"),
            Shares = (ulong?)Number(options, "cpu-share"),
            RealtimePeriod = (ulong?)Number(options, "cpu-rt-period"),
            RealtimeRuntime = Number(options, "cpu-rt-runtime"),
            Cpus = options.Value("cpuset-cpus"),
            Mems = options.Value("cpuset-mems"),
            Idle = Number(options, "cpu-idle"),
        },
        Pids = Number(options, "pids-limit") is { } pids ? new PidsResources { Limit = pids } : null,
        BlockIO = Number(options, "blkio-weight") is { } weight ? new BlockIoResources { Weight = (ushort)weight } : null,
    };

    private static long? Number(Arguments options, string name) =>
        options.Value(name) is not { Length: > 0 } text ? null
        : long.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var number)
            ? number : throw new UsageException($"invalid value \"{text}\" for flag -{name}");

    /// <summary>A number of bytes, also with k, m, g or t behind it.</summary>
    private static long? Bytes(Arguments options, string name)
    {
        if (options.Value(name) is not { Length: > 0 } text)
        {
            return null;
        }

        var digits = text.TrimEnd('b', 'B');
        var shift = char.ToLowerInvariant(digits.Length > 0 ? digits[^1] : '0') switch
        {
            'k' => 10,
            'm' => 20,
            'g' => 30,
            't' => 40,
            _ => 0,
        };
        return long.TryParse(shift > 0 ? digits[..^1] : digits, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var number)
            ? number << shift : throw new UsageException($"invalid value \"{text}\" for flag -{name}");
    }
}
