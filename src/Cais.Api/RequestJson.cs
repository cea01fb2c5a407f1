using System.Text.Json;
using System.Text.Json.Serialization;

namespace Cais.Api;

/// <summary>
/// The same JSON as <see cref="ApiJson"/>'s for what clients send, as code that only writes: a command that lives for milliseconds never
/// builds the tables that reading needs, which for a container's configuration take three of them.
/// </summary>
[JsonSourceGenerationOptions(GenerationMode = JsonSourceGenerationMode.Serialization, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(AuthConfig))]
[JsonSerializable(typeof(ContainerCreateRequest))]
[JsonSerializable(typeof(ContainerUpdateRequest))]
[JsonSerializable(typeof(NetworkConnectRequest))]
[JsonSerializable(typeof(NetworkCreateRequest))]
[JsonSerializable(typeof(NetworkDisconnectRequest))]
[JsonSerializable(typeof(VolumeCreateRequest))]
public sealed partial class RequestJson : JsonSerializerContext
{
    /// <summary>Writes without first asking for the type's table, which is made by reflection and takes half a millisecond.</summary>
    public static void Write(Utf8JsonWriter writer, ContainerCreateRequest value) => Default.ContainerCreateRequestSerializeHandler(writer, value);
}

/// <summary>As <see cref="RequestJson"/>, for an exec alone: the names of all that a container may be told would take longer to prepare than to send.</summary>
[JsonSourceGenerationOptions(GenerationMode = JsonSourceGenerationMode.Serialization, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(ContainerExecRequest))]
[JsonSerializable(typeof(ExecStartRequest))]
public sealed partial class ExecRequestJson : JsonSerializerContext
{
    public static void Write(Utf8JsonWriter writer, ContainerExecRequest value) => Default.ContainerExecRequestSerializeHandler(writer, value);

    public static void Write(Utf8JsonWriter writer, ExecStartRequest value) => Default.ExecStartRequestSerializeHandler(writer, value);
}
