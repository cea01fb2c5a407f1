namespace Cais.Cli.Values;

/// <summary>One network of <c>--network</c>: its name, or <c>name=net,alias=web,ip=10.0.0.5</c>.</summary>
internal sealed record NetworkOption(string Target)
{
    public IReadOnlyList<string> Aliases { get; init; } = [];

    public IReadOnlyList<string> LinkLocalAddresses { get; init; } = [];

    public IReadOnlyDictionary<string, string> DriverOptions { get; init; } = new Dictionary<string, string>();

    public string? Ipv4 { get; init; }

    public string? Ipv6 { get; init; }

    public string? MacAddress { get; init; }

    public long? GatewayPriority { get; init; }

    /// <exception cref="FormatException">An option that there is not.</exception>
    public static NetworkOption Parse(string text)
    {
        if (!text.Contains('='))
        {
            return new NetworkOption(text);
        }

        var option = new NetworkOption("");
        foreach (var field in CommaList.Read(text))
        {
            var equals = field.IndexOf('=');
            if (equals <= 0)
            {
                throw new FormatException($"invalid field {field}");
            }

            var (key, value) = (field[..equals].Trim().ToLowerInvariant(), field[(equals + 1)..].Trim());
            option = key switch
            {
                "name" => option with { Target = value },
                "alias" => option with { Aliases = [.. option.Aliases, value] },
                "ip" => option with { Ipv4 = value },
                "ip6" => option with { Ipv6 = value },
                "mac-address" => option with { MacAddress = value },
                "link-local-ip" => option with { LinkLocalAddresses = [.. option.LinkLocalAddresses, value] },
                "driver-opt" => option with { DriverOptions = MapOption.Add(DriverOption(value), option.DriverOptions) },
                "gw-priority" => option with { GatewayPriority = Priority(value) },
                _ => throw new FormatException($"invalid field key {key}"),
            };
        }

        return option.Target.Length > 0 ? option : throw new FormatException("network name/id is not specified");
    }

    private static string DriverOption(string value)
    {
        var (key, option) = MapOption.Split(value);
        return value.Contains('=') && key.Length > 0
            ? $"{key.Trim().ToLowerInvariant()}={option.Trim()}"
            : throw new FormatException("invalid key/value pair format in driver options");
    }

    private static long Priority(string value)
    {
        try
        {
            return GoNumber.ParseInt(value, 64);
        }
        catch (FormatException e)
        {
            throw new FormatException($"invalid gw-priority: {e.Message}");
        }
    }
}
