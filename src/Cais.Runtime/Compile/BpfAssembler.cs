using System.Buffers.Binary;
using Cais.Oci.Runtime;

namespace Cais.Runtime.Compile;

/// <summary>Writes classic BPF for seccomp: struct sock_filter (code, jump-if-true, jump-if-false, value); seccomp(2), Documentation/networking/filter.rst.</summary>
internal sealed class BpfAssembler
{
    private const ushort LoadWord = 0x20;
    private const ushort And = 0x54;
    private const ushort JumpAlways = 0x05;
    private const ushort JumpEqual = 0x15;
    private const ushort JumpGreater = 0x25;
    private const ushort JumpAtLeast = 0x35;
    private const ushort ReturnValue = 0x06;
    private const int NumberOffset = 0;
    private const int ArchitectureOffset = 4;
    private const int ArgumentsOffset = 16;
    private const int FarthestJump = 255;

    private readonly List<(ushort Code, byte True, byte False, uint Value)> _code = [];

    public int Count => _code.Count;

    public void LoadArchitecture() => Add(LoadWord, ArchitectureOffset);

    public void LoadNumber() => Add(LoadWord, NumberOffset);

    public void Return(uint action) => Add(ReturnValue, action);

    /// <summary>Goes on with the next instruction if the loaded word is equal, otherwise to where <see cref="Mark"/> is called with the result.</summary>
    public int JumpUnlessEqual(uint value) => JumpUnless(JumpEqual, value);

    public int JumpUnlessAtLeast(uint value) => JumpUnless(JumpAtLeast, value);

    /// <summary>The place that a jump was waiting for.</summary>
    public void Mark(int jump) => _code[jump] = _code[jump] with { Value = (uint)(_code.Count - jump - 1) };

    /// <summary>Finds the range the loaded number is in, and answers.</summary>
    public void Search(List<(uint From, Verdict Verdict)> ranges) => Search(ranges, 0, ranges.Count);

    private void Search(List<(uint From, Verdict Verdict)> ranges, int from, int to)
    {
        if (to - from == 1)
        {
            Answer(ranges[from].Verdict);
            return;
        }

        var middle = (from + to) / 2;
        var test = _code.Count;
        Add(JumpAtLeast, ranges[middle].From);
        Search(ranges, from, middle);
        var distance = _code.Count - test - 1;
        if (distance <= FarthestJump)
        {
            _code[test] = _code[test] with { True = (byte)distance };
        }
        else
        {
            // Too far for a conditional jump: it hops over an unconditional one that goes there.
            _code[test] = _code[test] with { True = 0, False = 1 };
            _code.Insert(test + 1, (JumpAlways, 0, 0, (uint)distance));
        }

        Search(ranges, middle, to);
    }

    private void Answer(Verdict verdict)
    {
        foreach (var (action, conditions) in verdict.Conditional)
        {
            var misses = new List<int>();
            foreach (var condition in conditions)
            {
                Test(condition, misses);
            }

            Return(action);
            foreach (var miss in misses)
            {
                Mark(miss);
            }
        }

        Return(verdict.Otherwise);
    }

    /// <summary>Arguments are 64 bits, words are 32: the high half decides unless it is equal.</summary>
    private void Test(SeccompArgument condition, List<int> misses)
    {
        if (condition.Index > 5)
        {
            throw new RuntimeException(RuntimeError.InvalidConfig, $"seccomp argument index {condition.Index} is not within 0 and 5");
        }

        var (high, low) = ((uint)(condition.Value >> 32), (uint)condition.Value);
        switch (condition.Op)
        {
            case "SCMP_CMP_EQ":
                LoadHigh(condition.Index);
                misses.Add(JumpUnlessEqual(high));
                LoadLow(condition.Index);
                misses.Add(JumpUnlessEqual(low));
                break;
            case "SCMP_CMP_NE":
                LoadHigh(condition.Index);
                var differs = JumpUnlessEqual(high);
                LoadLow(condition.Index);
                misses.Add(JumpIf(JumpEqual, low));
                Mark(differs);
                break;
            case "SCMP_CMP_MASKED_EQ":
                // value is the mask, valueTwo what must be left of the argument.
                LoadHigh(condition.Index);
                Add(And, high);
                misses.Add(JumpUnlessEqual((uint)(condition.ValueTwo >> 32)));
                LoadLow(condition.Index);
                Add(And, low);
                misses.Add(JumpUnlessEqual((uint)condition.ValueTwo));
                break;
            case "SCMP_CMP_GT":
                Compare(condition.Index, high, misses, () => misses.Add(JumpUnless(JumpGreater, low)), greater: true);
                break;
            case "SCMP_CMP_GE":
                Compare(condition.Index, high, misses, () => misses.Add(JumpUnless(JumpAtLeast, low)), greater: true);
                break;
            case "SCMP_CMP_LT":
                Compare(condition.Index, high, misses, () => misses.Add(JumpIf(JumpAtLeast, low)), greater: false);
                break;
            case "SCMP_CMP_LE":
                Compare(condition.Index, high, misses, () => misses.Add(JumpIf(JumpGreater, low)), greater: false);
                break;
            default:
                throw new RuntimeException(RuntimeError.InvalidConfig, $"seccomp operator {condition.Op} is not known");
        }
    }

    private void Compare(uint index, uint high, List<int> misses, Action testLow, bool greater)
    {
        LoadHigh(index);
        var notGreater = JumpUnless(JumpGreater, high);
        int? hit = null;
        if (greater)
        {
            hit = Jump();
        }
        else
        {
            misses.Add(Jump());
        }

        Mark(notGreater);
        int? less = null;
        if (greater)
        {
            misses.Add(JumpUnlessEqual(high));
        }
        else
        {
            less = JumpUnlessEqual(high);
        }

        LoadLow(index);
        testLow();
        if ((hit ?? less) is { } holds)
        {
            Mark(holds);
        }
    }

    private void LoadHigh(uint index) => Add(LoadWord, (uint)(ArgumentsOffset + (index * 8) + 4));

    private void LoadLow(uint index) => Add(LoadWord, (uint)(ArgumentsOffset + (index * 8)));

    private int Jump()
    {
        Add(JumpAlways, 0);
        return _code.Count - 1;
    }

    private int JumpUnless(ushort test, uint value)
    {
        _code.Add((test, 1, 0, value));
        return Jump();
    }

    private int JumpIf(ushort test, uint value)
    {
        _code.Add((test, 0, 1, value));
        return Jump();
    }

    private void Add(ushort code, uint value) => _code.Add((code, 0, 0, value));

    public byte[] ToBytes()
    {
        var bytes = new byte[_code.Count * 8];
        for (var i = 0; i < _code.Count; i++)
        {
            var (code, jumpTrue, jumpFalse, value) = _code[i];
            BinaryPrimitives.WriteUInt16LittleEndian(bytes.AsSpan(i * 8), code);
            bytes[(i * 8) + 2] = jumpTrue;
            bytes[(i * 8) + 3] = jumpFalse;
            BinaryPrimitives.WriteUInt32LittleEndian(bytes.AsSpan((i * 8) + 4), value);
        }

        return bytes;
    }
}
