using Containerd.Runc.V1;
using Google.Protobuf;
using Google.Protobuf.WellKnownTypes;

namespace Cais.Engine.Shims;

/// <summary>What a shim is told of its runtime with a Create: each kind of shim has a message of its own and refuses another's.</summary>
internal static class ShimOptions
{
    private const string RuncShim = "io.containerd.runc.v2";

    /// <summary>Null where the shim needs nothing.</summary>
    /// <param name="name">The runtime's, as the container asks for it: the directory of its state is called so.</param>
    /// <param name="runtime">What the name means.</param>
    /// <param name="engine">Where the state is.</param>
    public static Any? Of(string name, ResolvedRuntime runtime, EngineOptions engine)
    {
        var choice = runtime.Choice;
        if (runtime.Shim is { } shim && choice.Type != RuncShim && Path.GetFileName(shim) is not ("containerd-shim-runc-v2" or "containerd-shim-cais-v2"))
        {
            var own = new Runtimeoptions.V1.Options
            {
                TypeUrl = choice.TypeUrl ?? "",
                ConfigPath = choice.ConfigPath ?? "",
                ConfigBody = ByteString.CopyFrom(choice.ConfigBody.Span),
            };
            return own.Equals(new Runtimeoptions.V1.Options()) ? null : Packed(own);
        }

        return Packed(new Options
        {
            BinaryName = runtime.Shim is not null ? choice.BinaryName ?? "" : runtime.Program is { } program ? WithArguments(name, program, choice, engine) : "",
            Root = choice.Root is { Length: > 0 } root ? root : Path.Combine(engine.RunDirectory, "runtimes", name.Replace('/', '_')),
            SystemdCgroup = choice.SystemdCgroup,
            NoPivotRoot = choice.NoPivotRoot,
            NoNewKeyring = choice.NoNewKeyring,
        });
    }

    private static Any Packed(IMessage message) => new() { TypeUrl = message.Descriptor.FullName, Value = message.ToByteString() };

    /// <summary>A runtime's own arguments come before the shim's: a script puts them there, as dockerd's does.</summary>
    private static string WithArguments(string name, string program, RuntimeChoice choice, EngineOptions engine)
    {
        if (choice.Arguments.Count == 0)
        {
            return program;
        }

        static string Quote(string word) => $"'{word.Replace("'", "'\\''", StringComparison.Ordinal)}'";
        var path = Path.Combine(engine.RunDirectory, "runtimes", name.Replace('/', '_') + ".sh");
        var script = $"#!/bin/sh\nexec {Quote(program)} {string.Join(' ', choice.Arguments.Select(Quote))} \"$@\"\n";
        if (!File.Exists(path) || File.ReadAllText(path) != script)
        {
            Directory.CreateDirectory(Path.GetDirectoryName(path)!);
            var partial = $"{path}.{RandomId.New()[..8]}";
            File.WriteAllText(partial, script);
            Linux.Status.PathAttributes.ChangeMode(partial, 0b111_101_101);
            File.Move(partial, path, overwrite: true);
        }

        return path;
    }
}
