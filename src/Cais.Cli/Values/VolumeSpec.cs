namespace Cais.Cli.Values;

/// <summary>What <c>-v</c> names: <c>container-path</c>, or <c>source:container-path[:options]</c>.</summary>
/// <param name="Source">A path on the host or a volume's name; null for an anonymous volume.</param>
/// <param name="Target">Where in the container.</param>
/// <param name="Options">Behind the second colon; null when there is none.</param>
internal sealed record VolumeSpec(string? Source, string Target, string? Options)
{
    /// <summary>Takes any text apart: what is wrong with it is for the daemon to say, whose host's paths they are.</summary>
    public static VolumeSpec Parse(string text) => text.Split(':', 3) switch
    {
        [var target] => new VolumeSpec(null, target, null),
        [var source, var target] => new VolumeSpec(source, target, null),
        var parts => new VolumeSpec(parts[0], parts[1], parts[2]),
    };

    /// <summary>As the daemon takes it: a path relative to here (<c>./data</c>) made absolute.</summary>
    public string ToBind()
    {
        var source = Source!.StartsWith('.') ? Path.GetFullPath(Source) : Source;
        return Options is null ? $"{source}:{Target}" : $"{source}:{Target}:{Options}";
    }
}
