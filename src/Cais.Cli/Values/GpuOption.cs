using System.Globalization;
using Cais.Api;

namespace Cais.Cli.Values;

/// <summary>Reads <c>--gpus all</c>, <c>--gpus 2</c>, <c>--gpus "device=0,1",capabilities=utility</c>.</summary>
internal static class GpuOption
{
    public static DeviceRequest Parse(string text)
    {
        var driver = "";
        long? count = null;
        string[] ids = [];
        List<string> capabilities = ["gpu"];
        IReadOnlyDictionary<string, string> options = new Dictionary<string, string>();
        var seen = new HashSet<string>();
        foreach (var field in CommaList.Read(text))
        {
            var (key, value) = MapOption.Split(field);
            if (!field.Contains('='))
            {
                (key, value) = ("count", field);
            }

            if (!seen.Add(key))
            {
                throw new FormatException($"gpu request key '{key}' can be specified only once");
            }

            switch (key)
            {
                case "driver":
                    driver = value;
                    break;
                case "count":
                    count = value == "all" ? -1
                        : long.TryParse(value, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var number) ? number
                        : throw new FormatException($"invalid count ({value}): value must be either \"all\" or an integer: strconv.Atoi: parsing {GoQuote.Quote(value)}: invalid syntax");
                    break;
                case "device":
                    ids = value.Split(',');
                    break;
                case "capabilities":
                    capabilities = [.. value.Split(','), "gpu"];
                    break;
                case "options":
                    options = MapOption.FromPairs(CommaList.Read(value));
                    break;
                default:
                    throw new FormatException($"unexpected key '{key}' in '{field}'");
            }
        }

        return new DeviceRequest
        {
            Driver = driver,
            Count = count ?? (ids.Length > 0 ? 0 : 1),
            DeviceIDs = ids.Length > 0 ? ids : null,
            Capabilities = [capabilities],
            Options = options,
        };
    }
}
