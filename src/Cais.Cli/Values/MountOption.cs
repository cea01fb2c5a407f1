using Cais.Api;

namespace Cais.Cli.Values;

/// <summary>Reads <c>--mount type=bind,source=/a,target=/b,readonly</c>.</summary>
internal static class MountOption
{
    private static readonly string[] Switches = ["readonly", "ro", "volume-nocopy", "bind-nonrecursive", "bind-create-src"];

    /// <exception cref="FormatException">An option that there is not, or one that does not fit the type.</exception>
    public static MountSpec Parse(string text)
    {
        if (text.Trim().Length == 0)
        {
            throw new FormatException("EOF");
        }

        var draft = new Draft();
        foreach (var field in CommaList.Read(text))
        {
            draft.Set(field);
        }

        return draft.ToSpec();
    }

    private sealed class Draft
    {
        private readonly Dictionary<string, string> _labels = [];
        private readonly Dictionary<string, string> _driverOptions = [];
        private string _type = "volume";
        private string _source = "";
        private string _target = "";
        private string _consistency = "";
        private bool? _readOnly;
        private string? _propagation;
        private bool? _nonRecursive;
        private bool? _createSource;
        private string _recursiveReadOnly = "";
        private bool? _noCopy;
        private string? _driver;
        private string? _volumeSubpath;
        private string? _imageSubpath;
        private long? _tmpfsSize;
        private long? _tmpfsMode;
        private readonly List<string> _used = [];

        public void Set(string field)
        {
            var equals = field.IndexOf('=');
            var key = (equals < 0 ? field : field[..equals]).Trim().ToLowerInvariant();
            var value = equals < 0 ? "" : field[(equals + 1)..];
            if (equals < 0 && !Switches.Contains(key))
            {
                throw new FormatException($"invalid field '{field}' must be a key=value pair");
            }

            if (equals >= 0 && value.Length == 0 && key is not ("volume-label" or "volume-opt"))
            {
                throw new FormatException($"invalid value for '{key}': value is empty");
            }

            _used.Add(key);
            switch (key)
            {
                case "type":
                    _type = value.ToLowerInvariant();
                    break;
                case "source" or "src":
                    _source = value.StartsWith('.') ? Path.GetFullPath(value) : value;
                    break;
                case "target" or "dst" or "destination":
                    _target = value;
                    break;
                case "readonly" or "ro":
                    _readOnly = Switch(key, value, equals >= 0);
                    break;
                case "consistency":
                    _consistency = value.ToLowerInvariant();
                    break;
                case "bind-propagation":
                    _propagation = value.ToLowerInvariant();
                    break;
                case "bind-nonrecursive":
                    _nonRecursive = Switch(key, value, equals >= 0);
                    break;
                case "bind-recursive":
                    SetRecursion(value);
                    break;
                case "bind-create-src":
                    _createSource = Switch(key, value, equals >= 0);
                    break;
                case "volume-nocopy":
                    _noCopy = Switch(key, value, equals >= 0);
                    break;
                case "volume-subpath":
                    _volumeSubpath = value;
                    break;
                case "image-subpath":
                    _imageSubpath = value;
                    break;
                case "volume-label":
                    var (label, labelValue) = MapOption.Split(value);
                    _labels[label] = labelValue;
                    break;
                case "volume-driver":
                    _driver = value;
                    break;
                case "volume-opt":
                    var (option, optionValue) = MapOption.Split(value);
                    _driverOptions[option] = optionValue;
                    break;
                case "tmpfs-size":
                    _tmpfsSize = Try(() => ByteSize.Parse(value), key, value);
                    break;
                case "tmpfs-mode":
                    _tmpfsMode = Try(() => Convert.ToInt64(value, 8), key, value);
                    break;
                default:
                    throw new FormatException($"unexpected key '{key}' in '{field}'");
            }
        }

        public MountSpec ToSpec()
        {
            if (_target.Length == 0)
            {
                throw new FormatException("target is required");
            }

            Require("bind-", "bind");
            Require("volume-", "volume");
            Require("image-", "image");
            Require("tmpfs-", "tmpfs");
            if (_recursiveReadOnly.Length > 0 && _readOnly != true)
            {
                throw new FormatException($"option 'bind-recursive={_recursiveReadOnly}' requires 'readonly' to be specified in conjunction");
            }

            if (_recursiveReadOnly == "readonly" && _propagation != "rprivate")
            {
                throw new FormatException("option 'bind-recursive=readonly' requires 'bind-propagation=rprivate' to be specified in conjunction");
            }

            return new MountSpec
            {
                Type = _type,
                Source = _source.Length > 0 ? _source : null,
                Target = _target,
                ReadOnly = _readOnly,
                Consistency = _consistency.Length > 0 ? _consistency : null,
                BindOptions = Used("bind-")
                    ? new MountSpecBindOptions
                    {
                        Propagation = _propagation,
                        NonRecursive = _nonRecursive,
                        CreateMountpoint = _createSource,
                        ReadOnlyNonRecursive = _recursiveReadOnly == "writable" ? true : null,
                        ReadOnlyForceRecursive = _recursiveReadOnly == "readonly" ? true : null,
                    }
                    : null,
                VolumeOptions = Used("volume-")
                    ? new MountSpecVolumeOptions
                    {
                        NoCopy = _noCopy,
                        Labels = _labels.Count > 0 ? _labels : null,
                        Subpath = _volumeSubpath,
                        DriverConfig = new MountSpecVolumeOptionsDriverConfig { Name = _driver, Options = _driverOptions.Count > 0 ? _driverOptions : null },
                    }
                    : null,
                ImageOptions = Used("image-") ? new MountSpecImageOptions { Subpath = _imageSubpath } : null,
                TmpfsOptions = Used("tmpfs-") ? new MountSpecTmpfsOptions { SizeBytes = _tmpfsSize, Mode = _tmpfsMode } : null,
            };
        }

        private void SetRecursion(string value)
        {
            switch (value)
            {
                case "enabled":
                    break;
                case "disabled":
                    _nonRecursive = true;
                    break;
                case "writable" or "readonly":
                    _recursiveReadOnly = value;
                    break;
                default:
                    throw new FormatException(
                        $"invalid value for bind-recursive: {value} (must be \"enabled\", \"disabled\", \"writable\", or \"readonly\")");
            }
        }

        private bool Used(string prefix) => _used.Any(k => k.StartsWith(prefix, StringComparison.Ordinal));

        private void Require(string prefix, string type)
        {
            if (Used(prefix) && _type != type)
            {
                throw new FormatException($"cannot mix '{prefix}*' options with mount type '{_type}'");
            }
        }

        private static bool Switch(string key, string value, bool given) =>
            !given || Try(() => GoNumber.ParseBool(value), key, value);

        private static T Try<T>(Func<T> parse, string key, string value)
        {
            try
            {
                return parse();
            }
            catch (Exception e) when (e is FormatException or OverflowException or ArgumentException)
            {
                throw new FormatException($"invalid value for {key}: {value}");
            }
        }
    }

}
