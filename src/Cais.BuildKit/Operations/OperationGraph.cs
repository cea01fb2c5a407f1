using Cais.BuildKit.Grpc;
using Google.Protobuf;
using Pb;
using Digest = Cais.Oci.Images.Digest;

namespace Cais.BuildKit.Operations;

/// <summary>A definition of low-level operations (LLB), read and checked: every operation by its digest, and the one output that it is all for.</summary>
internal sealed class OperationGraph
{
    /// <summary>More than any client makes.</summary>
    private const int MostOperations = 10_000;

    private readonly Dictionary<string, Op> _operations = [];
    private readonly Definition _definition;

    /// <summary>Reads a definition. Throws <see cref="GrpcException"/> (InvalidArgument) if it is none, names what it does not have, or goes round in circles.</summary>
    public OperationGraph(Definition definition)
    {
        _definition = definition;
        if (definition.Def.Count is 0 or > MostOperations)
        {
            throw Invalid($"it has {definition.Def.Count} operations");
        }

        Op last = new();
        foreach (var bytes in definition.Def)
        {
            try
            {
                last = Op.Parser.ParseFrom(bytes);
            }
            catch (InvalidProtocolBufferException e)
            {
                throw Invalid(e.Message);
            }

            _operations[Digest.Of(bytes.Span).ToString()] = last;
        }

        // The last one is no operation: it says which output of which operation is meant.
        if (last.OpCase != Op.OpOneofCase.None || last.Inputs.Count != 1)
        {
            throw Invalid("its last operation does not name the one that is meant");
        }

        Result = last.Inputs[0];
        CheckInputs();
    }

    public Input Result { get; }

    public Op this[string digest] => _operations[digest];

    /// <summary>What the client says about an operation beside what it does.</summary>
    public OpMetadata MetadataOf(string digest) => _definition.Metadata.TryGetValue(digest, out var metadata) ? metadata : new OpMetadata();

    public static GrpcException Invalid(string what) => new(GrpcStatusCode.InvalidArgument, $"the definition is not valid: {what}");

    private void CheckInputs()
    {
        // Digests of inputs are part of what has a digest: there can be no circle unless SHA-256 is broken. A missing one is a mistake of the client's.
        foreach (var (digest, operation) in _operations)
        {
            foreach (var input in operation.Inputs)
            {
                if (!_operations.ContainsKey(input.Digest))
                {
                    throw Invalid($"operation {digest} has an input {input.Digest} that is not there");
                }

                if (input.Index is < 0 or > int.MaxValue)
                {
                    throw Invalid($"operation {digest} has an input with the index {input.Index}");
                }
            }
        }
    }
}
