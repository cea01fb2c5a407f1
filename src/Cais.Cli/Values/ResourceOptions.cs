using System.Globalization;
using System.Numerics;
using Cais.Api;

namespace Cais.Cli.Values;

/// <summary>Values of the flags that limit resources.</summary>
internal static class ResourceOptions
{
    /// <summary>A number of CPUs (<c>1.5</c>, <c>3/2</c>) in billionths of one.</summary>
    public static long NanoCpus(string text)
    {
        var slash = text.IndexOf('/');
        BigInteger numerator, denominator = 1;
        if (slash >= 0)
        {
            if (!BigInteger.TryParse(text.AsSpan(0, slash), NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out numerator)
                || !BigInteger.TryParse(text.AsSpan(slash + 1), NumberStyles.None, CultureInfo.InvariantCulture, out denominator) || denominator.IsZero)
            {
                throw new FormatException($"failed to parse {text} as a rational number");
            }
        }
        else if (decimal.TryParse(text, NumberStyles.AllowLeadingSign | NumberStyles.AllowDecimalPoint | NumberStyles.AllowExponent, CultureInfo.InvariantCulture, out var number))
        {
            (numerator, denominator) = Ratio(number);
        }
        else
        {
            throw new FormatException($"failed to parse {text} as a rational number");
        }

        var nano = numerator * 1_000_000_000;
        if (!(nano % denominator).IsZero)
        {
            throw new FormatException("value is too precise");
        }

        nano /= denominator;
        return nano >= long.MinValue && nano <= long.MaxValue ? (long)nano : throw new FormatException($"failed to parse {text} as a rational number");
    }

    /// <summary><c>name=soft[:hard]</c></summary>
    public static Ulimit ParseUlimit(string text)
    {
        var equals = text.IndexOf('=');
        if (equals < 0)
        {
            throw new FormatException($"invalid ulimit argument: {text}");
        }

        var name = text[..equals];
        if (!UlimitNames.Contains(name))
        {
            throw new FormatException($"invalid ulimit type: {name}");
        }

        var limits = text[(equals + 1)..].Split(':');
        if (limits.Length > 2)
        {
            throw new FormatException($"too many limit value arguments - {text[(equals + 1)..]}, can only have up to two, `soft[:hard]`");
        }

        var soft = GoNumber.ParseInt(limits[0], 64);
        var hard = limits.Length > 1 ? GoNumber.ParseInt(limits[1], 64) : soft;
        if (hard != -1 && (soft == -1 || soft > hard))
        {
            throw new FormatException(soft == -1
                ? $"ulimit soft limit must be less than or equal to hard limit: soft: -1 (unlimited), hard: {hard}"
                : $"ulimit soft limit must be less than or equal to hard limit: {soft} > {hard}");
        }

        return new Ulimit { Name = name, Soft = soft, Hard = hard };
    }

    /// <summary><c>path:weight</c></summary>
    public static string CheckWeightDevice(string text)
    {
        var colon = SplitDevice(text);
        return ushort.TryParse(text.AsSpan(colon + 1), NumberStyles.None, CultureInfo.InvariantCulture, out var weight) && (weight == 0 || weight is >= 10 and <= 1000)
            ? text
            : throw new FormatException($"invalid weight for device: {text}");
    }

    /// <summary><c>path:rate</c> with a size as the rate.</summary>
    public static string CheckBpsDevice(string text)
    {
        const string Form = "The correct format is <device-path>:<number>[<unit>]. Number must be a positive integer. Unit is optional and can be kb, mb, or gb";
        try
        {
            ByteSize.Parse(text[(SplitDevice(text) + 1)..]);
            return text;
        }
        catch (FormatException e) when (!e.Message.StartsWith("bad format", StringComparison.Ordinal))
        {
            throw new FormatException($"invalid rate for device: {text}. {Form}");
        }
    }

    /// <summary><c>path:rate</c> with a plain number as the rate.</summary>
    public static string CheckIopsDevice(string text) =>
        ulong.TryParse(text.AsSpan(SplitDevice(text) + 1), NumberStyles.None, CultureInfo.InvariantCulture, out _)
            ? text
            : throw new FormatException($"invalid rate for device: {text}. The correct format is <device-path>:<number>. Number must be a positive integer");

    public static ThrottleDevice Throttle(string text, Func<string, long> rate)
    {
        var colon = text.IndexOf(':');
        return new ThrottleDevice { Path = text[..colon], Rate = rate(text[(colon + 1)..]) };
    }

    /// <summary><c>host-path[:container-path[:permissions]]</c></summary>
    public static DeviceMapping ParseDevice(string text)
    {
        var parts = text.Split(':');
        var (host, target, permissions) = parts switch
        {
            [var h] => (h, "", "rwm"),
            [var h, var p] when IsPermissions(p) => (h, "", p),
            [var h, var t] => (h, t, "rwm"),
            [var h, var t, var p] => (h, t, p),
            _ => throw new FormatException($"bad format for path: {text}"),
        };
        if (!IsPermissions(permissions))
        {
            throw new FormatException($"bad mode specified: {permissions}");
        }

        if (!host.StartsWith('/'))
        {
            throw new FormatException($"{host} is not an absolute path");
        }

        return new DeviceMapping { PathOnHost = host, PathInContainer = target.Length > 0 ? target : host, CgroupPermissions = permissions };
    }

    /// <summary><c>no</c>, <c>always</c>, <c>unless-stopped</c>, <c>on-failure[:times]</c></summary>
    public static RestartPolicy ParseRestart(string text)
    {
        var colon = text.IndexOf(':');
        var name = colon < 0 ? text : text[..colon];
        if (colon == 0)
        {
            throw new FormatException("invalid restart policy format: no policy provided before colon");
        }

        long count = 0;
        if (colon > 0 && !long.TryParse(text.AsSpan(colon + 1), NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out count))
        {
            throw new FormatException("invalid restart policy format: maximum retry count must be an integer");
        }

        return new RestartPolicy { Name = name, MaximumRetryCount = count };
    }

    private static readonly HashSet<string> UlimitNames =
    [
        "core", "cpu", "data", "fsize", "locks", "memlock", "msgqueue", "nice", "nofile", "nproc", "rss", "rtprio", "rttime", "sigpending", "stack",
    ];

    private static bool IsPermissions(string text) =>
        text.Length is > 0 and <= 3 && text.All(static c => c is 'r' or 'w' or 'm') && text.Distinct().Count() == text.Length;

    private static int SplitDevice(string text)
    {
        var colon = text.IndexOf(':');
        return colon <= 0 || colon + 1 == text.Length ? throw new FormatException($"bad format: {text}")
            : !text.StartsWith("/dev/", StringComparison.Ordinal) ? throw new FormatException($"bad format for device path: {text}")
            : colon;
    }

    private static (BigInteger Numerator, BigInteger Denominator) Ratio(decimal number)
    {
        Span<int> bits = stackalloc int[4];
        decimal.GetBits(number, bits);
        var mantissa = (((BigInteger)(uint)bits[2] << 64) | ((BigInteger)(uint)bits[1] << 32)) | (uint)bits[0];
        return (number < 0 ? -mantissa : mantissa, BigInteger.Pow(10, (bits[3] >> 16) & 0xff));
    }
}
