using System.Text.Json.Serialization;
using Cais.Engine.Containers;
using Cais.Engine.Volumes;

namespace Cais.Engine;

/// <summary>JSON of what the engine keeps in its database. Unknown members are ignored, missing ones take defaults: records grow.</summary>
[JsonSourceGenerationOptions(DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull, UseStringEnumConverter = true)]
[JsonSerializable(typeof(ContainerRecord))]
[JsonSerializable(typeof(ContainerStatus))]
[JsonSerializable(typeof(VolumeRecord))]
internal sealed partial class EngineJson : JsonSerializerContext;
