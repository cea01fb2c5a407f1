using Cais.Build.Graph;
using Cais.Build.Language;
using Cais.Build.Patterns;
using Cais.Oci.Images;

namespace Cais.Build.Planning;

/// <summary>What the user asks for besides the Dockerfile.</summary>
public sealed record BuildOptions
{
    /// <summary>The stage to build: a name or a number; null for the last.</summary>
    public string? Target { get; init; }

    public IReadOnlyDictionary<string, string> Arguments { get; init; } = new Dictionary<string, string>();

    public IReadOnlyDictionary<string, string> Labels { get; init; } = new Dictionary<string, string>();

    /// <summary>What the image is for.</summary>
    public Platform Platform { get; init; } = Platform.Current;

    /// <summary>What builds it.</summary>
    public Platform BuildPlatform { get; init; } = Platform.Current;

    public bool NoCache { get; init; }

    /// <summary>Stages whose steps ignore the cache.</summary>
    public IReadOnlyList<string> NoCacheStages { get; init; } = [];

    /// <summary>The network of all RUN steps that name none.</summary>
    public RunNetwork Network { get; init; }

    public RunEnvironment Surroundings { get; init; } = RunEnvironment.Default;

    /// <summary>Named contexts: what FROM, COPY --from and mounts find before stages and images.</summary>
    public IReadOnlyDictionary<string, string> NamedContexts { get; init; } = new Dictionary<string, string>();

    /// <summary>The build context's ignore file, for checks.</summary>
    public IgnoreFile Ignore { get; init; } = IgnoreFile.Empty;

    public TimeProvider Time { get; init; } = TimeProvider.System;

    /// <summary>The time that the result claims, from SOURCE_DATE_EPOCH; null for now.</summary>
    public DateTimeOffset? Epoch => Arguments.TryGetValue("SOURCE_DATE_EPOCH", out var text)
        && long.TryParse(text, System.Globalization.NumberStyles.None, System.Globalization.CultureInfo.InvariantCulture, out var seconds) && seconds < 253402300800
            ? DateTimeOffset.FromUnixTimeSeconds(seconds)
            : null;
}

/// <summary>Where the planner learns of images.</summary>
public interface IBaseImages
{
    /// <summary>The image for a platform, fetched if it must be. Throws <see cref="Images.ImageException"/>.</summary>
    Task<BaseImage> ResolveAsync(string reference, Platform platform, CancellationToken cancellation);
}

/// <summary>A resolved image: what it is made of and how it runs.</summary>
public sealed record BaseImage(ImageIdentity Identity, ImageConfig Config);
