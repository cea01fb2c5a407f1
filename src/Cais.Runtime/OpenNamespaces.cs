using Cais.Linux;
using Cais.Oci.Runtime;
using Cais.Runtime.Compile;

namespace Cais.Runtime;

/// <summary>The namespaces that a configuration joins by path, opened, each checked to be of the kind that is said.</summary>
internal sealed class OpenNamespaces : IDisposable
{
    private readonly List<FileDescriptor> _open = [];

    public List<(NamespaceKind Kind, string Path, int Fd)> List { get; } = [];

    /// <summary>This process's own pid namespace, when another one is joined; otherwise -1.</summary>
    public int OwnPid { get; private set; } = -1;

    public static OpenNamespaces Open(Spec spec)
    {
        var result = new OpenNamespaces();
        try
        {
            foreach (var space in spec.Linux?.Namespaces ?? [])
            {
                if (!string.IsNullOrEmpty(space.Path))
                {
                    result.Add(NamespaceSteps.KindOf(space.Type), space.Path);
                }
            }

            return result;
        }
        catch
        {
            result.Dispose();
            throw;
        }
    }

    private void Add(NamespaceKind kind, string path)
    {
        if (!Path.IsPathRooted(path))
        {
            throw new RuntimeException(RuntimeError.InvalidConfig, $"namespace path {path} must be absolute");
        }

        var file = Files.Open(path, OpenFlags.ReadOnly);
        _open.Add(file);
        if (Namespaces.KindOf(file) is var actual && actual != kind)
        {
            throw new RuntimeException(
                RuntimeError.InvalidConfig, $"{path} is not a {NamespaceSteps.Name(kind)} namespace");
        }

        List.Add((kind, path, file.Number));
        if (kind == NamespaceKind.Pid)
        {
            OwnPid = OpenOwnPid();
        }
    }

    /// <summary>For exec, which joins the container's pid namespace for its fork.</summary>
    public static OpenNamespaces ForExec()
    {
        var result = new OpenNamespaces();
        result.OwnPid = result.OpenOwnPid();
        return result;
    }

    private int OpenOwnPid()
    {
        var own = Files.Open("/proc/thread-self/ns/pid", OpenFlags.ReadOnly);
        _open.Add(own);
        return own.Number;
    }

    public void Dispose()
    {
        foreach (var file in _open)
        {
            file.Dispose();
        }
    }
}
