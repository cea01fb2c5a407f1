using System.Text.Json.Serialization;

namespace Cais.Api;

/// <summary>
/// The same JSON as <see cref="ApiJson"/>'s for what clients send, as code that only writes: a command that lives for milliseconds never
/// builds the tables that reading needs, which for a container's configuration take three of them.
/// </summary>
[JsonSourceGenerationOptions(GenerationMode = JsonSourceGenerationMode.Serialization, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(AuthConfig))]
[JsonSerializable(typeof(ContainerCreateRequest))]
[JsonSerializable(typeof(ContainerExecRequest))]
[JsonSerializable(typeof(ContainerUpdateRequest))]
[JsonSerializable(typeof(ExecStartRequest))]
[JsonSerializable(typeof(NetworkConnectRequest))]
[JsonSerializable(typeof(NetworkCreateRequest))]
[JsonSerializable(typeof(NetworkDisconnectRequest))]
[JsonSerializable(typeof(VolumeCreateRequest))]
public sealed partial class RequestJson : JsonSerializerContext;
