using Cais.Oci.Images;
using Google.Protobuf;
using Pb;

namespace Cais.BuildKit.Tests.Protocol;

/// <summary>Writes definitions of low-level operations, as programs do that make them.</summary>
internal sealed class GraphBuilder
{
    private readonly Definition _definition = new();

    public static Input Of(string digest, long index = 0) => new() { Digest = digest, Index = index };

    /// <summary>Adds an operation, and gives its digest.</summary>
    public string Add(Op operation)
    {
        var bytes = operation.ToByteString();
        _definition.Def.Add(bytes);
        return Digest.Of(bytes.Span).ToString();
    }

    public string Source(string identifier, params (string Name, string Value)[] attributes)
    {
        var source = new SourceOp { Identifier = identifier };
        foreach (var (name, value) in attributes)
        {
            source.Attrs[name] = value;
        }

        return Add(new Op { Source = source });
    }

    /// <summary>A shell command on a root, whose result is output 0.</summary>
    public string Shell(string root, string command, params Mount[] mounts) => Add(new Op
    {
        Inputs = { Of(root) },
        Exec = new ExecOp
        {
            Meta = new Meta { Args = { "sh", "-ec", command }, Cwd = "/" },
            Mounts = { new Mount { Dest = "/", Input = 0, Output = 0 }, mounts },
        },
    });

    public string Files(IEnumerable<Input> inputs, params FileAction[] actions) => Add(new Op { Inputs = { inputs }, File = new FileOp { Actions = { actions } } });

    /// <summary>What has been added, for one output of one operation.</summary>
    public Definition Finish(string digest, long index = 0) => new() { Def = { _definition.Def, new Op { Inputs = { Of(digest, index) } }.ToByteString() } };
}
