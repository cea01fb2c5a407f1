using System.Globalization;
using System.Text.Json;

namespace Cais.Daemon.Configuration;

/// <summary>
/// The daemon's settings, by flag name: from the command line and from daemon.json, which may not both say something about the same thing
/// (of lists neither). Values stay text until they are asked for.
/// </summary>
internal sealed class DaemonSettings
{
    private const string DefaultFile = "/etc/docker/daemon.json";

    private readonly Dictionary<string, List<string>> _values = [];
    private readonly Dictionary<string, RuntimeSetting> _runtimes = [];

    private DaemonSettings(IReadOnlyList<string> arguments) => Arguments = arguments;

    /// <summary>The command line, with which the file is read again.</summary>
    public IReadOnlyList<string> Arguments { get; }

    /// <summary>The configuration file's path, whether it exists or not.</summary>
    public string File { get; private set; } = DefaultFile;

    public IReadOnlyDictionary<string, RuntimeSetting> Runtimes => _runtimes;

    /// <summary>Reads the command line, and the file it names or the default one where that exists.</summary>
    /// <exception cref="ConfigurationException">What dockerd says too.</exception>
    public static DaemonSettings Load(IReadOnlyList<string> arguments, Func<string, string?>? readFile = null)
    {
        var settings = new DaemonSettings([.. arguments]);
        settings.ParseArguments(arguments);
        var given = settings.Text("config-file");
        var file = settings.File = given ?? DefaultFile;
        readFile ??= path => System.IO.File.Exists(path) ? System.IO.File.ReadAllText(path) : null;
        if (readFile(file) is { } json)
        {
            settings.Merge(json, file);
        }
        else if (given is not null)
        {
            throw new ConfigurationException($"unable to configure the Docker daemon with file {file}: open {file}: no such file or directory");
        }

        foreach (var flag in DaemonFlag.All.Where(f => settings._values.ContainsKey(f.Name)))
        {
            settings.Check(flag);
            if (flag.Effect == SettingEffect.Refused && settings.List(flag.Name).FirstOrDefault(v => !flag.Neutral.Contains(v)) is { } value)
            {
                throw new ConfigurationException($"{flag.Key ?? flag.Name} is not supported ({value}): {flag.Reason}");
            }
        }

        return settings;
    }

    public bool Has(string name) => _values.ContainsKey(name);

    /// <summary>The section <c>builder</c> of the configuration file, which no flag has.</summary>
    public BuilderSettings Builder { get; private set; } = new();

    public string? Text(string name) => _values.TryGetValue(name, out var values) ? values[^1] : null;

    public bool Flag(string name, bool otherwise = false) => Text(name) is { } text ? IsTrue(text) : otherwise;

    public int? Number(string name) => Text(name) is { } text ? int.Parse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture) : null;

    public IReadOnlyList<string> List(string name) => _values.TryGetValue(name, out var values) ? values : [];

    /// <summary>Of <c>name=value</c> entries, the last for each name.</summary>
    public IReadOnlyDictionary<string, string> Map(string name)
    {
        var map = new Dictionary<string, string>();
        foreach (var entry in List(name))
        {
            var equals = entry.IndexOf('=');
            map[equals < 0 ? entry : entry[..equals]] = equals < 0 ? "" : entry[(equals + 1)..];
        }

        return map;
    }

    private static bool IsTrue(string text) => text is "true" or "1" or "t" or "T" or "TRUE" or "True";

    private static bool IsBool(string text) => IsTrue(text) || text is "false" or "0" or "f" or "F" or "FALSE" or "False";

    private void ParseArguments(IReadOnlyList<string> arguments)
    {
        for (var i = 0; i < arguments.Count; i++)
        {
            var argument = arguments[i];
            if (argument.StartsWith("--", StringComparison.Ordinal) && argument.Length > 2)
            {
                var equals = argument.IndexOf('=');
                var name = equals < 0 ? argument[2..] : argument[2..equals];
                var flag = DaemonFlag.All.FirstOrDefault(f => f.Name == name && !f.FileOnly) ?? throw new ConfigurationException($"unknown flag: --{name}");
                Take(flag, equals < 0 ? null : argument[(equals + 1)..], "--" + name, arguments, ref i);
            }
            else if (argument.Length > 1 && argument[0] == '-')
            {
                ParseLetters(argument, arguments, ref i);
            }
            else
            {
                throw new ConfigurationException($"\"caisd\" accepts no arguments.\nSee 'caisd --help'.\n\nUsage:  caisd [OPTIONS]");
            }
        }
    }

    /// <summary>Letters may stand together: <c>-DH unix:///x</c>.</summary>
    private void ParseLetters(string argument, IReadOnlyList<string> arguments, ref int i)
    {
        for (var at = 1; at < argument.Length; at++)
        {
            var letter = argument[at];
            var flag = DaemonFlag.All.FirstOrDefault(f => f.Letter == letter)
                ?? throw new ConfigurationException($"unknown shorthand flag: '{letter}' in {argument}");
            if (flag.Kind == FlagKind.Bool && !(at + 1 < argument.Length && argument[at + 1] == '='))
            {
                Add(flag, "true");
                continue;
            }

            var rest = argument[(at + 1)..].TrimStart('=');
            Take(flag, rest.Length > 0 ? rest : null, $"'{letter}' in {argument}", arguments, ref i);
            return;
        }
    }

    private void Take(DaemonFlag flag, string? value, string shown, IReadOnlyList<string> arguments, ref int i)
    {
        if (value is null && flag.Kind == FlagKind.Bool)
        {
            value = "true";
        }

        if (value is null)
        {
            if (++i >= arguments.Count)
            {
                throw new ConfigurationException($"flag needs an argument: {shown}");
            }

            value = arguments[i];
        }

        if (flag.Kind == FlagKind.Bool && !IsBool(value))
        {
            throw new ConfigurationException($"invalid argument \"{value}\" for \"{shown}\" flag: strconv.ParseBool: parsing \"{value}\": invalid syntax");
        }

        if (flag.Kind == FlagKind.Number && !int.TryParse(value, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out _))
        {
            throw new ConfigurationException($"invalid argument \"{value}\" for \"{shown}\" flag: strconv.ParseInt: parsing \"{value}\": invalid syntax");
        }

        Add(flag, value);
    }

    private void Add(DaemonFlag flag, string value)
    {
        if (flag.Kind is FlagKind.List or FlagKind.Map && _values.TryGetValue(flag.Name, out var list))
        {
            list.Add(value);
        }
        else
        {
            _values[flag.Name] = [value];
        }

        if (flag.Name == "add-runtime")
        {
            var equals = value.IndexOf('=');
            if (equals <= 0)
            {
                throw new ConfigurationException($"invalid argument \"{value}\" for \"--add-runtime\" flag: runtime must be specified as name=path");
            }

            _runtimes[value[..equals]] = new RuntimeSetting(value[(equals + 1)..], []);
        }
    }

    private void Merge(string json, string file)
    {
        JsonDocument document;
        try
        {
            document = JsonDocument.Parse(string.IsNullOrWhiteSpace(json) ? "{}" : json.TrimStart('\ufeff'));
        }
        catch (JsonException e)
        {
            throw new ConfigurationException(
                $"unable to configure the Docker daemon with file {file}: invalid JSON in line {(e.LineNumber ?? 0) + 1}, byte {e.BytePositionInLine ?? 0}");
        }

        using (document)
        {
            if (document.RootElement.ValueKind != JsonValueKind.Object)
            {
                throw new ConfigurationException($"unable to configure the Docker daemon with file {file}: the file must hold an object");
            }

            var unknown = new List<string>();
            var conflicts = new List<string>();
            foreach (var property in document.RootElement.EnumerateObject().SelectMany(Flatten))
            {
                if (property.Name is "builder")
                {
                    if (property.Value.ValueKind != JsonValueKind.Object)
                    {
                        throw new ConfigurationException($"unable to configure the Docker daemon with file {file}: builder: an object was expected");
                    }

                    Builder = BuilderSettings.Parse(property.Value.GetRawText());
                    continue;
                }

                if (property.Name is "deprecated-key-path" or "allow-nondistributable-artifacts")
                {
                    continue;
                }

                if (DaemonFlag.All.FirstOrDefault(f => f.Key == property.Name) is not { } flag)
                {
                    unknown.Add(property.Name);
                    continue;
                }

                if (_values.TryGetValue(flag.Name, out var given))
                {
                    conflicts.Add($"{flag.Name}: (from flag: {Shown(flag, given)}, from file: {Shown(property.Value)})");
                    continue;
                }

                Take(flag, property.Value, file);
            }

            if (unknown.Count > 0)
            {
                throw new ConfigurationException(
                    $"unable to configure the Docker daemon with file {file}: the following directives don't match any configuration option: {string.Join(", ", unknown)}");
            }

            if (conflicts.Count > 0)
            {
                throw new ConfigurationException(
                    $"unable to configure the Docker daemon with file {file}: the following directives are specified both as a flag and in the configuration file: {string.Join(", ", conflicts)}");
            }
        }
    }

    /// <summary>The proxy keys stand in an object of their own.</summary>
    private static IEnumerable<JsonProperty> Flatten(JsonProperty property) =>
        property is { Name: "proxies", Value.ValueKind: JsonValueKind.Object } ? property.Value.EnumerateObject() : [property];

    private void Take(DaemonFlag flag, JsonElement value, string file)
    {
        ConfigurationException Wrong(string wanted) =>
            new($"unable to configure the Docker daemon with file {file}: {flag.Key}: {wanted} was expected, found {value.ValueKind.ToString().ToLowerInvariant()}");
        switch (flag.Kind)
        {
            case FlagKind.Bool:
                _values[flag.Name] = [value.ValueKind is JsonValueKind.True or JsonValueKind.False ? value.GetBoolean() ? "true" : "false" : throw Wrong("true or false")];
                break;
            case FlagKind.Number:
                _values[flag.Name] = [value.ValueKind == JsonValueKind.Number && value.TryGetInt32(out var number) ? number.ToString(CultureInfo.InvariantCulture) : throw Wrong("a number")];
                break;
            case FlagKind.Text:
                _values[flag.Name] = [value.ValueKind == JsonValueKind.String ? value.GetString()! : value.ValueKind == JsonValueKind.Number ? value.GetRawText() : throw Wrong("text")];
                break;
            case FlagKind.Object when value.ValueKind != JsonValueKind.Object:
                throw Wrong("an object");
            case FlagKind.Object:
                _values[flag.Name] = [string.Join(',', value.EnumerateObject().Select(p => $"{p.Name}={Scalar(p.Value)}"))];
                break;
            case FlagKind.Map when flag.Name == "add-runtime":
                foreach (var runtime in value.ValueKind == JsonValueKind.Object ? value.EnumerateObject() : throw Wrong("an object"))
                {
                    _runtimes[runtime.Name] = Runtime(runtime, Wrong);
                }

                break;
            case FlagKind.Map:
                _values[flag.Name] = [.. (value.ValueKind == JsonValueKind.Object ? value.EnumerateObject() : throw Wrong("an object")).Select(p => $"{p.Name}={Scalar(p.Value)}")];
                break;
            case FlagKind.List when flag.Name == "default-ulimit":
                _values[flag.Name] = [.. (value.ValueKind == JsonValueKind.Object ? value.EnumerateObject() : throw Wrong("an object")).Select(p => Ulimit(p, Wrong))];
                break;
            case FlagKind.List when flag.Name == "default-address-pool":
                _values[flag.Name] = [.. (value.ValueKind == JsonValueKind.Array ? value.EnumerateArray() : throw Wrong("a list")).Select(p => Pool(p, Wrong))];
                break;
            case FlagKind.List when flag.Name == "default-network-opt":
                _values[flag.Name] =
                [
                    .. (value.ValueKind == JsonValueKind.Object ? value.EnumerateObject() : throw Wrong("an object"))
                        .SelectMany(d => d.Value.EnumerateObject().Select(o => $"{d.Name}={o.Name}={Scalar(o.Value)}")),
                ];
                break;
            default:
                _values[flag.Name] = [.. (value.ValueKind == JsonValueKind.Array ? value.EnumerateArray() : throw Wrong("a list")).Select(Scalar)];
                break;
        }
    }

    private static RuntimeSetting Runtime(JsonProperty runtime, Func<string, ConfigurationException> wrong)
    {
        if (runtime.Value.ValueKind != JsonValueKind.Object)
        {
            throw wrong("an object");
        }

        var path = runtime.Value.TryGetProperty("path", out var p) ? p.GetString() : null;
        var arguments = runtime.Value.TryGetProperty("runtimeArgs", out var a) && a.ValueKind == JsonValueKind.Array ? a.EnumerateArray().Select(Scalar).ToList() : [];
        var type = runtime.Value.TryGetProperty("runtimeType", out var t) ? t.GetString() : null;
        var options = runtime.Value.TryGetProperty("options", out var o) && o.ValueKind == JsonValueKind.Object ? o : default;
        JsonElement Value(string name) => options.ValueKind == JsonValueKind.Object
            ? options.EnumerateObject().FirstOrDefault(p => p.Name.Equals(name, StringComparison.OrdinalIgnoreCase)).Value : default;
        string? Option(string name) => Value(name) is { ValueKind: JsonValueKind.String } value ? value.GetString() : null;
        byte[] Body(JsonElement value) => value.ValueKind == JsonValueKind.Undefined ? []
            : value.ValueKind == JsonValueKind.String && value.TryGetBytesFromBase64(out var bytes) ? bytes
            : throw new ConfigurationException($"invalid runtime {runtime.Name}: options.ConfigBody must be base64");
        if (string.IsNullOrEmpty(path) == string.IsNullOrEmpty(type))
        {
            throw new ConfigurationException(string.IsNullOrEmpty(path)
                ? $"invalid runtime {runtime.Name}: either a runtimeType or a path must be configured"
                : $"invalid runtime {runtime.Name}: cannot configure both path and runtimeType for the same runtime");
        }

        if (string.IsNullOrEmpty(path) && arguments.Count > 0)
        {
            throw new ConfigurationException($"invalid runtime {runtime.Name}: runtimeArgs cannot be used with a runtimeType runtime");
        }

        return new RuntimeSetting(path ?? "", arguments)
        {
            Type = type,
            ConfigPath = Option("ConfigPath"),
            TypeUrl = Option("TypeUrl"),
            BinaryName = Option("BinaryName"),
            ConfigBody = Body(Value("ConfigBody")),
            Root = Option("Root"),
            SystemdCgroup = Value("SystemdCgroup").ValueKind == JsonValueKind.True,
            NoPivotRoot = Value("NoPivotRoot").ValueKind == JsonValueKind.True,
            NoNewKeyring = Value("NoNewKeyring").ValueKind == JsonValueKind.True,
        };
    }

    private static string Ulimit(JsonProperty limit, Func<string, ConfigurationException> wrong)
    {
        if (limit.Value.ValueKind != JsonValueKind.Object)
        {
            throw wrong("an object of limits");
        }

        var soft = limit.Value.TryGetProperty("Soft", out var s) ? s.GetInt64() : 0;
        var hard = limit.Value.TryGetProperty("Hard", out var h) ? h.GetInt64() : soft;
        return string.Create(CultureInfo.InvariantCulture, $"{limit.Name}={soft}:{hard}");
    }

    private static string Pool(JsonElement pool, Func<string, ConfigurationException> wrong) =>
        pool.ValueKind == JsonValueKind.Object && pool.TryGetProperty("base", out var from) && pool.TryGetProperty("size", out var size)
            ? $"base={from.GetString()},size={size.GetRawText()}"
            : throw wrong("a list of pools with base and size");

    private static string Scalar(JsonElement value) => value.ValueKind == JsonValueKind.String ? value.GetString()! : value.GetRawText();

    private static string Shown(DaemonFlag flag, IReadOnlyList<string> values) => flag.Kind is FlagKind.List ? $"[{string.Join(' ', values)}]" : values[^1];

    private static string Shown(JsonElement value) => value.ValueKind == JsonValueKind.Array ? $"[{string.Join(' ', value.EnumerateArray().Select(Scalar))}]" : Scalar(value);

    /// <summary>Values that only some words are right for.</summary>
    private void Check(DaemonFlag flag)
    {
        var value = Text(flag.Name)!;
        switch (flag.Name)
        {
            case "nri-opts":
                CheckNri(value);
                break;
            case "feature":
                CheckFeatures();
                break;
            case "host-gateway-ip-old" when Has("host-gateway-ip"):
                throw new ConfigurationException("host-gateway-ip is the older form of host-gateway-ips: give one of them");
            case "log-level" when value is not ("debug" or "info" or "warn" or "error" or "fatal"):
                throw new ConfigurationException($"invalid logging level: {value}");
            case "log-format" when value is not ("text" or "json"):
                throw new ConfigurationException($"invalid log format: {value}");
            case "storage-driver" when value is not ("overlayfs" or "overlay2"):
                throw new ConfigurationException($"unknown storage driver: {value}: this engine has overlayfs only");
            case "firewall-backend" when value is not ("nftables" or "" or "iptables"):
                throw new ConfigurationException($"invalid firewall-backend \"{value}\"");
            case "default-ipc-mode" when value is not ("private" or "shareable"):
                throw new ConfigurationException($"IPC mode \"{value}\" is not valid for a daemon default");
            case "default-cgroupns-mode" when value is not ("private" or "host"):
                throw new ConfigurationException($"default cgroup namespace mode ({value}) is invalid: use \"host\" or \"private\"");
            case "max-concurrent-downloads" or "max-concurrent-uploads" when Number(flag.Name) < 0:
                throw new ConfigurationException($"invalid {flag.Name.Replace('-', ' ')}: {value}");
            case "max-download-attempts" when Number(flag.Name) <= 0:
                throw new ConfigurationException($"invalid max download attempts: {value}");
            case "mtu" when Number(flag.Name) < 0:
                throw new ConfigurationException($"invalid default MTU: {value}");
            case "label":
                foreach (var label in List("label").Where(l => l.IndexOf('=') <= 0))
                {
                    throw new ConfigurationException($"bad attribute format: {label}");
                }

                break;
        }
    }

    private static void CheckNri(string text)
    {
        foreach (var entry in text.Split(',', StringSplitOptions.RemoveEmptyEntries).Select(e => e.Split('=', 2)))
        {
            switch (entry)
            {
                case ["enable", var on] when IsBool(on):
                    if (IsTrue(on))
                    {
                        throw new ConfigurationException("nri-opts is not supported (enable=true): this engine has no Node Resource Interface");
                    }

                    break;
                case ["plugin-path" or "plugin-config-path" or "socket-path", _]:
                    break;
                default:
                    throw new ConfigurationException($"invalid nri-opts: {string.Join('=', entry)}: write enable=BOOL, plugin-path=DIR, plugin-config-path=DIR or socket-path=PATH");
            }
        }
    }

    /// <summary>As with dockerd, names that are not known are no error: they are newer, or older, than this engine.</summary>
    private void CheckFeatures()
    {
        foreach (var (name, value) in Map("feature"))
        {
            if (!IsBool(value))
            {
                throw new ConfigurationException($"invalid argument \"{name}={value}\" for \"--feature\" flag: strconv.ParseBool: parsing \"{value}\": invalid syntax");
            }

            if (name == "containerd-snapshotter" && !IsTrue(value))
            {
                throw new ConfigurationException("feature containerd-snapshotter=false is not supported: this engine has no graph drivers");
            }
        }
    }
}

/// <summary>A runtime as the configuration names it.</summary>
internal sealed record RuntimeSetting(string Path, IReadOnlyList<string> Arguments)
{
    public string? Type { get; init; }

    public string? ConfigPath { get; init; }

    public string? TypeUrl { get; init; }

    public string? BinaryName { get; init; }

    public byte[] ConfigBody { get; init; } = [];

    public string? Root { get; init; }

    public bool SystemdCgroup { get; init; }

    public bool NoPivotRoot { get; init; }

    public bool NoNewKeyring { get; init; }
}
