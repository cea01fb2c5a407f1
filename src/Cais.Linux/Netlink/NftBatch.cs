using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Text;

namespace Cais.Linux.Netlink;

/// <summary>An element of a set or map.</summary>
/// <param name="Key">The key; concatenated parts are padded to four bytes each.</param>
/// <param name="Value">What a map has for it, or null.</param>
/// <param name="Verdict">What a verdict map does, or null.</param>
/// <param name="IsEnd">In a set of intervals: the first key that is not part of the interval before.</param>
public readonly record struct NftElement(byte[] Key, byte[]? Value = null, NftVerdict? Verdict = null, bool IsEnd = false);

/// <summary>Changes to one nf_tables table that the kernel makes all at once or not at all.</summary>
public sealed class NftBatch
{
    /// <summary>Keeps a list of elements safely within an attribute's 16 bits.</summary>
    private const int ElementsPerMessage = 400;

    private readonly NftFamily _family;
    private readonly string _table;
    private readonly List<string> _operations = [];
    private int _lastMessage;
    private uint _setId;

    public NftBatch(NftFamily family, string table)
    {
        _family = family;
        _table = table;
        Clear();
    }

    internal NetlinkBuffer Buffer { get; } = new();

    internal IReadOnlyList<string> Operations => _operations;

    internal int LastMessage => _lastMessage;

    public bool IsEmpty => _operations.Count == 0;

    public void Clear()
    {
        Buffer.Clear();
        _operations.Clear();
        _setId = 0;
        Buffer.BeginMessage(Nft.BatchBegin, NetlinkFlags.Request, 0);
        Buffer.Header(new NetfilterHeader { ResourceId = BinaryPrimitives.ReverseEndianness((ushort)Nft.Subsystem) });
    }

    /// <summary>Creates the table unless it is there.</summary>
    public void AddTable()
    {
        Begin(Nft.NewTable, NetlinkFlags.Create, $"create table {_table}");
        Buffer.PutString(Nft.TableName, _table);
        Buffer.PutUInt32BigEndian(Nft.TableFlags, 0);
    }

    public void DeleteTable()
    {
        Begin(Nft.DeleteTable, NetlinkFlags.None, $"delete table {_table}");
        Buffer.PutString(Nft.TableName, _table);
    }

    /// <summary>Creates a chain that others jump to, unless it is there.</summary>
    public void AddChain(string name)
    {
        Begin(Nft.NewChain, NetlinkFlags.Create, $"create chain {name}");
        Buffer.PutString(Nft.ChainTable, _table);
        Buffer.PutString(Nft.ChainName, name);
    }

    /// <summary>Creates a chain that packets come to by themselves, with policy accept.</summary>
    /// <param name="name">Its name.</param>
    /// <param name="type"><c>filter</c>, <c>nat</c> or <c>route</c>.</param>
    /// <param name="hook">Where.</param>
    /// <param name="priority">When: lower is earlier.</param>
    public void AddBaseChain(string name, string type, NftHook hook, int priority)
    {
        Begin(Nft.NewChain, NetlinkFlags.Create, $"create chain {name}");
        Buffer.PutString(Nft.ChainTable, _table);
        Buffer.PutString(Nft.ChainName, name);
        Buffer.PutString(Nft.ChainType, type);
        var nested = Buffer.BeginNested(Nft.ChainHook);
        Buffer.PutUInt32BigEndian(Nft.HookNumber, (uint)hook);
        Buffer.PutUInt32BigEndian(Nft.HookPriority, (uint)priority);
        Buffer.EndNested(nested);
        Buffer.PutUInt32BigEndian(Nft.ChainPolicy, 1);
    }

    public void DeleteChain(string name)
    {
        Begin(Nft.DeleteChain, NetlinkFlags.None, $"delete chain {name}");
        Buffer.PutString(Nft.ChainTable, _table);
        Buffer.PutString(Nft.ChainName, name);
    }

    /// <summary>Removes all rules of a chain.</summary>
    public void FlushChain(string name)
    {
        Begin(Nft.DeleteRule, NetlinkFlags.None, $"flush chain {name}");
        Buffer.PutString(Nft.RuleTable, _table);
        Buffer.PutString(Nft.RuleChain, name);
    }

    /// <summary>Adds a rule at the end of a chain.</summary>
    /// <param name="chain">The chain.</param>
    /// <param name="write">Writes its expressions.</param>
    /// <param name="comment">What <c>nft list</c> shows beside it; at most 127 bytes.</param>
    public void AddRule(string chain, Action<NftRule> write, string? comment = null)
    {
        ArgumentNullException.ThrowIfNull(write);
        Begin(Nft.NewRule, NetlinkFlags.Create | NetlinkFlags.Append, $"add rule to chain {chain}");
        Buffer.PutString(Nft.RuleTable, _table);
        Buffer.PutString(Nft.RuleChain, chain);
        var expressions = Buffer.BeginNested(Nft.RuleExpressions);
        write(new NftRule(Buffer));
        Buffer.EndNested(expressions);
        if (comment is not null)
        {
            // libnftnl's user data: type 0 (comment), length, text with its zero.
            var text = Encoding.UTF8.GetBytes(comment);
            Buffer.Put(Nft.RuleUserData, [0, (byte)(text.Length + 1), .. text, 0]);
        }
    }

    /// <summary>Creates a set, or a map when it has values.</summary>
    /// <param name="name">Its name.</param>
    /// <param name="keyType">See <see cref="NftType"/>.</param>
    /// <param name="keyLength">In bytes.</param>
    /// <param name="valueType">0 for a set.</param>
    /// <param name="valueLength">In bytes; 0 for a set or verdicts.</param>
    /// <param name="intervals">Whether elements are the bounds of intervals.</param>
    public void AddSet(string name, uint keyType, int keyLength, uint valueType = 0, int valueLength = 0, bool intervals = false)
    {
        Begin(Nft.NewSet, NetlinkFlags.Create, $"create set {name}");
        Buffer.PutString(Nft.SetTable, _table);
        Buffer.PutString(Nft.SetName, name);
        Buffer.PutUInt32BigEndian(Nft.SetFlags, (valueType == 0 ? 0u : Nft.SetIsMap) | (intervals ? Nft.SetHasIntervals : 0u));
        Buffer.PutUInt32BigEndian(Nft.SetKeyType, keyType);
        Buffer.PutUInt32BigEndian(Nft.SetKeyLength, (uint)keyLength);
        if (valueType != 0)
        {
            Buffer.PutUInt32BigEndian(Nft.SetDataType, valueType);
            Buffer.PutUInt32BigEndian(Nft.SetDataLength, (uint)valueLength);
        }

        Buffer.PutUInt32BigEndian(Nft.SetId, ++_setId);
        if (keyType == NftType.InterfaceName)
        {
            // libnftnl's user data, type 0: the keys are in the host's byte order. Without it nft list cannot print names.
            Buffer.Put(Nft.SetUserData, [0, 4, 1, 0, 0, 0]);
        }
    }

    public void DeleteSet(string name)
    {
        Begin(Nft.DeleteSet, NetlinkFlags.None, $"delete set {name}");
        Buffer.PutString(Nft.SetTable, _table);
        Buffer.PutString(Nft.SetName, name);
    }

    public void AddElements(string set, IReadOnlyList<NftElement> elements) => Elements(Nft.NewElements, NetlinkFlags.Create, "add to", set, elements);

    public void DeleteElements(string set, IReadOnlyList<NftElement> elements) =>
        Elements(Nft.DeleteElements, NetlinkFlags.None, "remove from", set, elements);

    /// <summary>Removes all elements.</summary>
    public void FlushSet(string set)
    {
        Begin(Nft.DeleteElements, NetlinkFlags.None, $"flush set {set}");
        Buffer.PutString(Nft.ListTable, _table);
        Buffer.PutString(Nft.ListSet, set);
    }

    /// <summary>Ends the transaction; the messages are ready to be sent.</summary>
    internal ReadOnlySpan<byte> Finish()
    {
        // One acknowledgement, for the last change, tells that the transaction was committed.
        Buffer.AddFlags(_lastMessage, NetlinkFlags.Acknowledge);
        Buffer.BeginMessage(Nft.BatchEnd, NetlinkFlags.Request, (uint)_operations.Count + 1);
        Buffer.Header(new NetfilterHeader { ResourceId = BinaryPrimitives.ReverseEndianness((ushort)Nft.Subsystem) });
        Buffer.EndMessage();
        return Buffer.Written;
    }

    private void Elements(ushort type, NetlinkFlags flags, string verb, string set, IReadOnlyList<NftElement> elements)
    {
        ArgumentNullException.ThrowIfNull(elements);
        for (var start = 0; start < elements.Count; start += ElementsPerMessage)
        {
            Begin(type, flags, $"{verb} set {set}");
            Buffer.PutString(Nft.ListTable, _table);
            Buffer.PutString(Nft.ListSet, set);
            var list = Buffer.BeginNested(Nft.ListElements);
            for (var i = start; i < Math.Min(elements.Count, start + ElementsPerMessage); i++)
            {
                Element(elements[i]);
            }

            Buffer.EndNested(list);
        }
    }

    private void Element(in NftElement element)
    {
        var entry = Buffer.BeginNested(Nft.ListElement);
        var key = Buffer.BeginNested(Nft.ElementKey);
        Buffer.Put(Nft.DataValue, element.Key);
        Buffer.EndNested(key);
        if (element.IsEnd)
        {
            Buffer.PutUInt32BigEndian(Nft.ElementFlags, Nft.ElementIsEnd);
        }

        if (element.Value is not null || element.Verdict is not null)
        {
            var data = Buffer.BeginNested(Nft.ElementData);
            if (element.Value is not null)
            {
                Buffer.Put(Nft.DataValue, element.Value);
            }
            else
            {
                NftRule.WriteVerdict(Buffer, element.Verdict!.Value);
            }

            Buffer.EndNested(data);
        }

        Buffer.EndNested(entry);
    }

    private void Begin(ushort type, NetlinkFlags flags, string operation)
    {
        _operations.Add(operation);
        _lastMessage = Buffer.Length;
        Buffer.BeginMessage(type, flags | NetlinkFlags.Request, (uint)_operations.Count);
        Buffer.Header(new NetfilterHeader { Family = (byte)_family });
    }
}

/// <summary>struct nfgenmsg.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct NetfilterHeader
{
    internal byte Family;
    internal byte Version;
    internal ushort ResourceId;
}
