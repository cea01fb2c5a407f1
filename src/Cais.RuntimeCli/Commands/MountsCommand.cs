using System.Text;
using System.Text.Json;
using Cais.Linux;
using Cais.Oci.Runtime;
using Cais.Runtime;

namespace Cais.RuntimeCli.Commands;

/// <summary><c>mounts add</c> and <c>mounts remove</c>, as crun has them.</summary>
internal static class MountsCommand
{
    public static int Run(Invocation invocation, Arguments options)
    {
        var (action, id, file) = (options.Rest[0], options.Rest[1], options.Rest[2]);
        if (action is not ("add" or "remove"))
        {
            throw new UsageException($"unknown action \"{action}\" of mounts: add and remove are known");
        }

        var mounts = Read(file);
        using var container = invocation.Runtime.Load(id);
        if (action == "add")
        {
            container.AddMounts(mounts);
        }
        else
        {
            container.RemoveMounts(mounts);
        }

        return 0;
    }

    /// <summary>The part of a configuration that is called "mounts", or its list alone.</summary>
    private static IReadOnlyList<Mount> Read(string file)
    {
        var text = Encoding.UTF8.GetString(Files.ReadAll(file));
        try
        {
            return SpecReader.ReadMounts(Encoding.UTF8.GetBytes(text.TrimStart().StartsWith('[') ? $"{{\"mounts\":{text}}}" : text)) ?? throw new RuntimeException(RuntimeError.InvalidConfig, $"{file} has no \"mounts\"");
        }
        catch (JsonException e)
        {
            throw new RuntimeException(RuntimeError.InvalidConfig, $"{file} is not a valid list of mounts: {e.Message}", e);
        }
    }
}
