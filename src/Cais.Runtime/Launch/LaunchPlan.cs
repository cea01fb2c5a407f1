using System.Runtime.InteropServices;
using System.Text;

namespace Cais.Runtime.Launch;

/// <summary>
/// A flat list of operations in unmanaged memory, with every string and structure already encoded, that makes a process. Compiling it
/// touches nothing; it can be printed (<see cref="PlanPrinter"/>) or run (<see cref="Launcher"/>).
/// </summary>
internal sealed unsafe class LaunchPlan : IDisposable
{
    private const int ChunkSize = 64 * 1024;
    private readonly List<nint> _chunks = [];
    private readonly List<Note> _notes = new(256);
    private byte* _free;
    private int _left;
    private Op* _ops;
    private int _capacity = 256;
    private int _registers;

    public LaunchPlan()
    {
        _ops = (Op*)NativeMemory.Alloc((nuint)_capacity, (nuint)sizeof(Op));
        Registers = Reserve(256 * sizeof(nint));
        Utf8Empty = Text("");
    }

    ~LaunchPlan() => Free();

    public int Count { get; private set; }

    /// <summary>Address of the registers: 64-bit words, 0 at first.</summary>
    public nint Registers { get; }

    /// <summary>Where the fork leaves the child's pidfd.</summary>
    public nint PidfdAddress { get; set; }

    public nint Utf8Empty { get; }

    /// <summary>Where the clean-up of the parent begins.</summary>
    public int Cleanup { get; set; }

    public ref Op this[int index] => ref _ops[index];

    internal Op* Ops => _ops;

    /// <summary>Says in words what the operation at <paramref name="index"/> does: <c>mount "proc" on /proc</c>.</summary>
    public string Describe(int index) => _notes[index].ToString();

    public Note NoteAt(int index) => _notes[index];

    public nint RegisterAddress(int register) => Registers + (register * sizeof(nint));

    public byte NewRegister() => _registers < Op.NoRegister
        ? (byte)_registers++ : throw new InvalidOperationException("the launch plan needs more than 255 registers");

    /// <summary>Adds an operation and returns its index.</summary>
    public int Add(in Op op, Note note)
    {
        if (Count == _capacity)
        {
            _capacity *= 2;
            _ops = (Op*)NativeMemory.Realloc(_ops, (nuint)(_capacity * sizeof(Op)));
        }

        _ops[Count] = op;
        _notes.Add(note);
        return Count++;
    }

    /// <summary>A zero-terminated copy that lives as long as the plan.</summary>
    public nint Text(string text)
    {
        var length = Encoding.UTF8.GetByteCount(text);
        var at = Reserve(length + 1);
        Encoding.UTF8.GetBytes(text, new Span<byte>((void*)at, length));
        ((byte*)at)[length] = 0;
        return at;
    }

    public nint Bytes(ReadOnlySpan<byte> bytes)
    {
        var at = Reserve(bytes.Length);
        bytes.CopyTo(new Span<byte>((void*)at, bytes.Length));
        return at;
    }

    /// <summary>A structure of 64-bit words.</summary>
    public nint Longs(params ReadOnlySpan<long> words)
    {
        var at = Reserve(words.Length * sizeof(long));
        words.CopyTo(new Span<long>((void*)at, words.Length));
        return at;
    }

    /// <summary>A structure of 32-bit words.</summary>
    public nint Ints(params ReadOnlySpan<int> words)
    {
        var at = Reserve(words.Length * sizeof(int));
        words.CopyTo(new Span<int>((void*)at, words.Length));
        return at;
    }

    /// <summary>A null-terminated array of strings, as execve(2) takes them.</summary>
    public nint TextArray(IReadOnlyList<string>? texts)
    {
        var count = texts?.Count ?? 0;
        var at = (nint*)Reserve((count + 1) * sizeof(nint));
        for (var i = 0; i < count; i++)
        {
            at[i] = Text(texts![i]);
        }

        at[count] = 0;
        return (nint)at;
    }

    /// <summary>Zeroed memory, aligned to 8.</summary>
    public nint Reserve(int size)
    {
        size = (size + 7) & ~7;
        if (size > _left)
        {
            var chunk = Math.Max(size, ChunkSize);
            _free = (byte*)NativeMemory.AllocZeroed((nuint)chunk);
            _left = chunk;
            _chunks.Add((nint)_free);
        }

        var at = (nint)_free;
        _free += size;
        _left -= size;
        return at;
    }

    public void Dispose()
    {
        Free();
        GC.SuppressFinalize(this);
    }

    private void Free()
    {
        foreach (var chunk in _chunks)
        {
            NativeMemory.Free((void*)chunk);
        }

        _chunks.Clear();
        NativeMemory.Free(_ops);
        _ops = null;
        _left = 0;
    }
}

/// <summary>What an operation does, in words that are put together only when somebody reads them.</summary>
/// <param name="Template">May hold <c>{0}</c> and <c>{1}</c>.</param>
/// <param name="First">For <c>{0}</c>.</param>
/// <param name="Second">For <c>{1}</c>.</param>
/// <param name="Complete">The sentence is the whole error: the kernel's reason adds nothing.</param>
internal readonly record struct Note(string Template, string? First = null, string? Second = null, bool Complete = false)
{
    public override string ToString()
    {
        var text = Template;
        text = First is null ? text : text.Replace("{0}", First, StringComparison.Ordinal);
        return Second is null ? text : text.Replace("{1}", Second, StringComparison.Ordinal);
    }
}
