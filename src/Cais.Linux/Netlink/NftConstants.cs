namespace Cais.Linux.Netlink;

/// <summary>Address families of nf_tables tables.</summary>
public enum NftFamily : byte
{
    /// <summary>IPv4 and IPv6 in one table.</summary>
    Inet = 1,
    IPv4 = 2,
    IPv6 = 10,
}

/// <summary>Where in a packet's way a chain stands (NF_INET_…).</summary>
public enum NftHook : uint
{
    Prerouting = 0,
    Input = 1,
    Forward = 2,
    Output = 3,
    Postrouting = 4,
}

/// <summary>Registers: sixteen of four bytes each. Longer values fill several, one behind the other.</summary>
public enum NftRegister : uint
{
    Verdict = 0,
    R0 = 8,
    R1 = 9,
    R2 = 10,
    R3 = 11,
    R4 = 12,
    R5 = 13,
    R6 = 14,
    R7 = 15,
    R8 = 16,
}

/// <summary>NFT_META_….</summary>
public enum NftMeta : uint
{
    IncomingInterface = 4,
    OutgoingInterface = 5,

    /// <summary>The name, 16 bytes.</summary>
    IncomingName = 6,

    /// <summary>The name, 16 bytes.</summary>
    OutgoingName = 7,

    /// <summary>NFPROTO_…, one byte.</summary>
    Family = 15,

    /// <summary>The transport protocol, one byte.</summary>
    TransportProtocol = 16,
}

/// <summary>NFT_CT_…: what connection tracking knows.</summary>
public enum NftConntrack : uint
{
    /// <summary>Bits 2: established, 4: related, 8: new, 1: invalid.</summary>
    State = 0,

    /// <summary>Bits of IPS_…; 32: the destination was translated.</summary>
    Status = 2,
}

/// <summary>NFT_PAYLOAD_…: offsets count from the start of this header.</summary>
public enum NftHeader : uint
{
    Link = 0,
    Network = 1,
    Transport = 2,
}

/// <summary>Data types as the nft program numbers them; the kernel only carries them, so that <c>nft list</c> can print values.</summary>
public static class NftType
{
    public const uint Verdict = 0xffffff00;
    public const uint IPv4Address = 7;
    public const uint IPv6Address = 8;
    public const uint Protocol = 12;
    public const uint Port = 13;
    public const uint InterfaceName = 41;

    /// <summary>Several values one behind the other, each padded to four bytes: six bits a type.</summary>
    public static uint Concatenate(params ReadOnlySpan<uint> types)
    {
        uint result = 0;
        foreach (var type in types)
        {
            result = (result << 6) | type;
        }

        return result;
    }
}

/// <summary>What a rule or a verdict map's element decides.</summary>
/// <param name="Code">NF_… or NFT_….</param>
/// <param name="Chain">Where to, for jumps.</param>
public readonly record struct NftVerdict(int Code, string? Chain = null)
{
    public static NftVerdict Drop => new(0);

    public static NftVerdict Accept => new(1);

    public static NftVerdict Return => new(-5);

    /// <summary>Go on in another chain and come back behind its end.</summary>
    public static NftVerdict Jump(string chain) => new(-3, chain);

    /// <summary>Go on in another chain for good.</summary>
    public static NftVerdict Goto(string chain) => new(-4, chain);
}

/// <summary>Message types and attributes of linux/netfilter/nf_tables.h.</summary>
internal static class Nft
{
    internal const ushort BatchBegin = 0x10;
    internal const ushort BatchEnd = 0x11;
    internal const int Subsystem = 10;
    internal const ushort NewTable = (Subsystem << 8) | 0;
    internal const ushort GetTable = (Subsystem << 8) | 1;
    internal const ushort DeleteTable = (Subsystem << 8) | 2;
    internal const ushort NewChain = (Subsystem << 8) | 3;
    internal const ushort GetChain = (Subsystem << 8) | 4;
    internal const ushort DeleteChain = (Subsystem << 8) | 5;
    internal const ushort NewRule = (Subsystem << 8) | 6;
    internal const ushort DeleteRule = (Subsystem << 8) | 8;
    internal const ushort NewSet = (Subsystem << 8) | 9;
    internal const ushort GetSet = (Subsystem << 8) | 10;
    internal const ushort DeleteSet = (Subsystem << 8) | 11;
    internal const ushort NewElements = (Subsystem << 8) | 12;
    internal const ushort GetElements = (Subsystem << 8) | 13;
    internal const ushort DeleteElements = (Subsystem << 8) | 14;

    internal const int TableName = 1;
    internal const int TableFlags = 2;

    internal const int ChainTable = 1;
    internal const int ChainName = 3;
    internal const int ChainHook = 4;
    internal const int ChainPolicy = 5;
    internal const int ChainType = 7;
    internal const int HookNumber = 1;
    internal const int HookPriority = 2;

    internal const int RuleTable = 1;
    internal const int RuleChain = 2;
    internal const int RuleExpressions = 4;
    internal const int RuleUserData = 7;

    internal const int SetTable = 1;
    internal const int SetName = 2;
    internal const int SetFlags = 3;
    internal const int SetKeyType = 4;
    internal const int SetKeyLength = 5;
    internal const int SetDataType = 6;
    internal const int SetDataLength = 7;
    internal const int SetDescription = 9;
    internal const int SetId = 10;
    internal const int SetUserData = 13;
    internal const uint SetHasIntervals = 4;
    internal const uint SetIsMap = 8;

    internal const int ListTable = 1;
    internal const int ListSet = 2;
    internal const int ListElements = 3;
    internal const int ListElement = 1;
    internal const int ElementKey = 1;
    internal const int ElementData = 2;
    internal const int ElementFlags = 3;
    internal const uint ElementIsEnd = 1;

    internal const int DataValue = 1;
    internal const int DataVerdict = 2;
    internal const int VerdictCode = 1;
    internal const int VerdictChain = 2;

    internal const int ExpressionName = 1;
    internal const int ExpressionData = 2;
}
