using System.Net;
using System.Net.NetworkInformation;
using System.Text.Json;
using System.Text.Json.Serialization;
using Cais.Networking.Plugins;

namespace Cais.Networking.State;

/// <summary>What the database has on record for a container's namespace.</summary>
/// <param name="Sandbox">As it is.</param>
/// <param name="Spec">As it was asked for.</param>
internal sealed record SandboxRecord(Sandbox Sandbox, SandboxSpec Spec);

[JsonSourceGenerationOptions(
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
    UseStringEnumConverter = true,
    Converters = [typeof(IPAddressConverter), typeof(IPNetworkConverter), typeof(PhysicalAddressConverter)])]
[JsonSerializable(typeof(Network))]
[JsonSerializable(typeof(SandboxRecord))]
[JsonSerializable(typeof(RemoteLease))]
internal sealed partial class NetworkJson : JsonSerializerContext;

internal sealed class IPAddressConverter : JsonConverter<IPAddress>
{
    public override IPAddress Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) =>
        IPAddress.TryParse(reader.GetString(), out var address) ? address : throw new JsonException($"no IP address: {reader.GetString()}");

    public override void Write(Utf8JsonWriter writer, IPAddress value, JsonSerializerOptions options) => writer.WriteStringValue(value.ToString());
}

internal sealed class IPNetworkConverter : JsonConverter<IPNetwork>
{
    public override IPNetwork Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) =>
        IPNetwork.TryParse(reader.GetString(), out var network) ? network : throw new JsonException($"no IP network: {reader.GetString()}");

    public override void Write(Utf8JsonWriter writer, IPNetwork value, JsonSerializerOptions options) => writer.WriteStringValue(value.ToString());
}

internal sealed class PhysicalAddressConverter : JsonConverter<PhysicalAddress>
{
    public override PhysicalAddress Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) =>
        PhysicalAddress.TryParse(reader.GetString(), out var address) ? address : throw new JsonException($"no hardware address: {reader.GetString()}");

    public override void Write(Utf8JsonWriter writer, PhysicalAddress value, JsonSerializerOptions options) => writer.WriteStringValue(value.ToString());
}
