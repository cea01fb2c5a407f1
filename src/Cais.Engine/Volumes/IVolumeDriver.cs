using System.Text.Json;

namespace Cais.Engine.Volumes;

/// <summary>
/// Who keeps volumes. The store calls one method at a time for a volume, and no container waits for another's volume.
/// </summary>
internal interface IVolumeDriver
{
    /// <summary>Makes the volume and says how it is on record.</summary>
    /// <exception cref="EngineException">It cannot be made.</exception>
    Task<VolumeRecord> CreateAsync(VolumeRecord volume, CancellationToken cancellation);

    /// <summary>Removes the volume and what is in it. What is not there is fine.</summary>
    Task RemoveAsync(VolumeRecord volume, CancellationToken cancellation);

    /// <summary>Makes the content be at a path of the host.</summary>
    /// <param name="volume">The volume.</param>
    /// <param name="user">Who asks, the same when it gives it back.</param>
    /// <param name="isFirst">Whether nobody else has it mounted.</param>
    Task<string> MountAsync(VolumeRecord volume, string user, bool isFirst, CancellationToken cancellation);

    /// <summary>Takes back a mount.</summary>
    /// <param name="volume">The volume.</param>
    /// <param name="user">Who had asked.</param>
    /// <param name="isLast">Whether nobody has it mounted now.</param>
    Task UnmountAsync(VolumeRecord volume, string user, bool isLast, CancellationToken cancellation);

    /// <summary>What the driver says of the volume now: where it is, and details of its own. Null when it does not know it.</summary>
    Task<VolumeState?> InspectAsync(VolumeRecord volume, CancellationToken cancellation);
}

/// <summary>What a driver says of a volume.</summary>
/// <param name="Path">Where it is mounted on the host; empty when it is not.</param>
/// <param name="Created">When it was made, as the driver writes it.</param>
/// <param name="Status">Details of the driver's own.</param>
internal sealed record VolumeState(string Path, string? Created, IReadOnlyDictionary<string, JsonElement>? Status);
