using Cais.Linux;
using Cais.Oci.Runtime;
using Cais.Runtime;

namespace Cais.RuntimeCli.Commands;

/// <summary>The short commands on one container.</summary>
internal static class LifecycleCommands
{
    public static int Start(Invocation invocation, Arguments options)
    {
        using var container = invocation.Runtime.Load(options.Id);
        container.Start();
        foreach (var warning in container.Warnings)
        {
            invocation.Log.Warning(warning);
        }

        return 0;
    }

    public static int State(Invocation invocation, Arguments options)
    {
        using var container = invocation.Runtime.Load(options.Id);
        Output.Write([.. container.State.ToUtf8(indented: true), (byte)'\n']);
        return 0;
    }

    public static int Kill(Invocation invocation, Arguments options)
    {
        var text = options.Value("signal") ?? (options.Rest.Count > 1 ? options.Rest[1] : "SIGTERM");
        if (!Signals.TryParse(text, out var signal))
        {
            throw new RuntimeException(RuntimeError.InvalidConfig, $"unknown signal \"{text}\"");
        }

        foreach (var container in Select(invocation, options))
        {
            using (container)
            {
                container.Kill(signal, options.Has("all"));
            }
        }

        return 0;
    }

    public static int Delete(Invocation invocation, Arguments options)
    {
        var force = options.Has("force");
        try
        {
            foreach (var container in Select(invocation, options))
            {
                using (container)
                {
                    container.Delete(force);
                    foreach (var warning in container.Warnings)
                    {
                        invocation.Log.Warning(warning);
                    }
                }
            }
        }
        catch (RuntimeException e) when (e.Error == RuntimeError.NotFound && force)
        {
            // Forced: gone is what was wanted.
        }

        return 0;
    }

    public static int Pause(Invocation invocation, Arguments options)
    {
        using var container = invocation.Runtime.Load(options.Id);
        container.Pause();
        return 0;
    }

    public static int Resume(Invocation invocation, Arguments options)
    {
        using var container = invocation.Runtime.Load(options.Id);
        container.Resume();
        return 0;
    }

    /// <summary>One container by id, or as crun has it, all whose ids match an expression.</summary>
    private static List<Container> Select(Invocation invocation, Arguments options)
    {
        var id = options.Id;
        if (!options.Has("regex"))
        {
            return [invocation.Runtime.Load(id)];
        }

        using var expression = new PosixRegex(id);
        var selected = new List<Container>();
        foreach (ContainerState state in invocation.Runtime.List())
        {
            if (expression.Matches(state.Id))
            {
                selected.Add(invocation.Runtime.Load(state.Id));
            }
        }

        return selected;
    }
}
