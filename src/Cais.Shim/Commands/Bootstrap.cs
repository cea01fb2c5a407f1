using System.Globalization;
using System.Text;
using System.Text.Json;
using Cais.Shim.Tasks;
using Containerd.Runc.V1;
using Containerd.Runtime.Bootstrap.V1;
using Google.Protobuf;
using Google.Protobuf.WellKnownTypes;

namespace Cais.Shim.Commands;

/// <summary>
/// What containerd hands to <c>start</c> on standard input, and how it wants the answer. Three generations: up to 2.2 the runtime's options
/// as a protobuf <c>Any</c>, answered with the bare address or, if MAX_SHIM_VERSION allows, JSON; from 2.3 on <c>BootstrapParams</c>, as
/// protobuf or JSON, answered in kind.
/// </summary>
internal sealed class Bootstrap
{
    private const int MaxInput = 10 << 20;

    private enum Form
    {
        Address,
        Json,
        Protobuf,
    }

    private readonly Form _form;
    private readonly int _version;

    private Bootstrap(Form form, int version, Options options, string? socketDirectory)
    {
        _form = form;
        _version = version;
        Options = options;
        SocketDirectory = socketDirectory;
    }

    public Options Options { get; }

    /// <summary>Null for the usual one.</summary>
    public string? SocketDirectory { get; }

    public static Bootstrap Read(Stream input, ShimOptions options)
    {
        var bytes = ReadAll(input);
        if (bytes is [(byte)'{', ..] && ReadJson(bytes, options) is { } fromJson)
        {
            return fromJson;
        }

        if (ReadParameters(bytes, options) is { } parameters)
        {
            return parameters;
        }

        var highest = int.TryParse(Environment.GetEnvironmentVariable("MAX_SHIM_VERSION"), NumberStyles.None, CultureInfo.InvariantCulture, out var version) ? version : 2;
        return new Bootstrap(highest >= 3 ? Form.Json : Form.Address, Math.Clamp(highest, 2, 3), ReadOptions(bytes), null);
    }

    public byte[] Reply(string address) => _form switch
    {
        Form.Protobuf => new BootstrapResult { Version = _version, Address = address, Protocol = "ttrpc" }.ToByteArray(),
        Form.Json => Encoding.UTF8.GetBytes(string.Create(CultureInfo.InvariantCulture, $"{{\"version\":{_version},\"address\":\"{address}\",\"protocol\":\"ttrpc\"}}")),
        _ => Encoding.UTF8.GetBytes(address),
    };

    private static Bootstrap? ReadParameters(byte[] bytes, ShimOptions options)
    {
        try
        {
            // An Any begins with a string as well: only ours names this container.
            var parameters = BootstrapParams.Parser.ParseFrom(bytes);
            if (parameters.InstanceId.Length == 0 || parameters.InstanceId != options.Id || parameters.Namespace != options.Namespace)
            {
                return null;
            }

            var runc = parameters.Extensions.Select(e => e.Value)
                .FirstOrDefault(any => any is not null && TaskOptions.TypeName(any.TypeUrl) == "containerd.runc.v1.Options");
            return new Bootstrap(
                Form.Protobuf, 3, runc is null ? new Options() : Options.Parser.ParseFrom(runc.Value), parameters.HasSocketDir ? parameters.SocketDir : null);
        }
        catch (InvalidProtocolBufferException)
        {
            return null;
        }
    }

    private static Bootstrap? ReadJson(byte[] bytes, ShimOptions options)
    {
        try
        {
            using var document = JsonDocument.Parse(bytes);
            var root = document.RootElement;
            return Text("instanceId", "instance_id") == options.Id
                ? new Bootstrap(Form.Json, 3, new Options(), Text("socketDir", "socket_dir") is { Length: > 0 } directory ? directory : null)
                : null;

            string? Text(string name, string alternative) =>
                root.TryGetProperty(name, out var value) || root.TryGetProperty(alternative, out value) ? value.GetString() : null;
        }
        catch (JsonException)
        {
            return null;
        }
    }

    private static Options ReadOptions(byte[] bytes)
    {
        try
        {
            var any = Any.Parser.ParseFrom(bytes);
            return TaskOptions.TypeName(any.TypeUrl) == "containerd.runc.v1.Options" ? Options.Parser.ParseFrom(any.Value) : new Options();
        }
        catch (InvalidProtocolBufferException)
        {
            return new Options();
        }
    }

    private static byte[] ReadAll(Stream input)
    {
        using var all = new MemoryStream();
        var buffer = new byte[4096];
        while (all.Length < MaxInput && input.Read(buffer) is var count and > 0)
        {
            all.Write(buffer, 0, count);
        }

        return all.ToArray();
    }
}
