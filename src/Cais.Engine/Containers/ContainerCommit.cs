using Cais.Api;
using Cais.Images;
using Cais.Oci.Images;

namespace Cais.Engine.Containers;

/// <summary>What a commit request asks for.</summary>
public sealed record CommitContainer
{
    /// <summary>The new image's name; null for none.</summary>
    public Reference? Name { get; init; }

    public string? Author { get; init; }

    public string? Comment { get; init; }

    /// <summary>Whether the container stands still meanwhile, so that the layer is of one moment.</summary>
    public bool Pause { get; init; } = true;

    /// <summary>Instead of the container's own configuration, which then fills in what this leaves out.</summary>
    public ContainerConfig? Config { get; init; }

    /// <summary>Applies the request's Dockerfile instructions.</summary>
    public Func<ContainerDefaults, ContainerDefaults> Change { get; init; } = c => c;
}

/// <summary>Makes images of containers.</summary>
internal sealed class ContainerCommit(EngineServices services, ContainerLifecycle lifecycle)
{
    public async Task<ImageRecord> Run(Container container, CommitContainer request, CancellationToken cancellation)
    {
        ContainerFiles.CheckNotGoing(container, "commit");
        var record = container.Record;
        var own = DefaultsOf(record.Config);
        var config = Merge(request.Change(request.Config is { } asked ? DefaultsOf(asked) : own), own, record.Id);
        var paused = request.Pause && container.Status.Phase == Phase.Running && await TryPause(container).ConfigureAwait(false);
        ImageRecord image;
        try
        {
            image = await services.Images.CommitAsync(
                record.Id,
                new CommitOptions
                {
                    Name = request.Name,
                    Author = request.Author,
                    Message = request.Comment,
                    CreatedBy = string.Join(' ', record.Config.Cmd ?? []),
                    Config = config,
                },
                cancellation).ConfigureAwait(false);
        }
        finally
        {
            if (paused)
            {
                await Resume(container).ConfigureAwait(false);
            }
        }

        services.Tell(
            container,
            "commit",
            ("comment", request.Comment ?? ""),
            ("imageID", image.Id.ToString()),
            ("imageRef", request.Name?.WithDefaultTag().Familiar ?? ""));
        if (request.Name is { } name)
        {
            services.Events.Publish("image", "tag", image.Id.ToString(), new Dictionary<string, string> { ["name"] = name.WithDefaultTag().Familiar });
        }

        return image;
    }

    /// <summary>The part of a container's configuration that an image keeps.</summary>
    internal static ContainerDefaults DefaultsOf(ContainerConfig config) => new()
    {
        User = config.User,
        ExposedPorts = Set(config.ExposedPorts?.Keys),
        Env = config.Env,
        Entrypoint = config.Entrypoint,
        Cmd = config.Cmd,
        Volumes = Set(config.Volumes?.Keys),
        WorkingDir = config.WorkingDir,
        Labels = config.Labels,
        StopSignal = config.StopSignal,
        StopTimeout = (int?)config.StopTimeout,
        ArgsEscaped = config.ArgsEscaped,
        Healthcheck = config.Healthcheck is not { } health ? null : new HealthCheck
        {
            Test = health.Test,
            Interval = health.Interval,
            Timeout = health.Timeout,
            StartPeriod = health.StartPeriod,
            StartInterval = health.StartInterval,
            Retries = (int?)health.Retries,
        },
        OnBuild = config.OnBuild,
        Shell = config.Shell,
    };

    /// <summary>The same rules by which an image's words fill up a container's, with the container in the image's place.</summary>
    private static ContainerDefaults Merge(ContainerDefaults config, ContainerDefaults own, string id)
    {
        var merged = DefaultsOf(ConfigRules.Merge(ConfigOf(config), own, id));
        return merged with { ArgsEscaped = config.ArgsEscaped, OnBuild = config.OnBuild, StopTimeout = config.StopTimeout ?? own.StopTimeout };
    }

    private static ContainerConfig ConfigOf(ContainerDefaults defaults)
    {
        var empty = new Dictionary<string, System.Text.Json.JsonElement>();
        Dictionary<string, IReadOnlyDictionary<string, System.Text.Json.JsonElement>?>? Back(IReadOnlyDictionary<string, EmptyObject?>? set) =>
            set?.Keys.ToDictionary(k => k, IReadOnlyDictionary<string, System.Text.Json.JsonElement>? (_) => empty);
        return new ContainerConfig
        {
            User = defaults.User,
            ExposedPorts = Back(defaults.ExposedPorts),
            Env = defaults.Env,
            Entrypoint = defaults.Entrypoint,
            Cmd = defaults.Cmd,
            Volumes = Back(defaults.Volumes),
            WorkingDir = defaults.WorkingDir,
            Labels = defaults.Labels,
            StopSignal = defaults.StopSignal,
            Healthcheck = defaults.Healthcheck is not { } health ? null : new HealthConfig
            {
                Test = health.Test,
                Interval = health.Interval,
                Timeout = health.Timeout,
                StartPeriod = health.StartPeriod,
                StartInterval = health.StartInterval,
                Retries = health.Retries,
            },
            Shell = defaults.Shell,
        };
    }

    private static Dictionary<string, EmptyObject?>? Set(IEnumerable<string>? names) => names?.ToDictionary(n => n, EmptyObject? (_) => EmptyObject.Value);

    private async Task<bool> TryPause(Container container)
    {
        try
        {
            await lifecycle.Pause(container).ConfigureAwait(false);
            return true;
        }
        catch (EngineException e) when (e.Kind == ErrorKind.Conflict)
        {
            // Ended or paused meanwhile: it stands still either way.
            return false;
        }
    }

    private async Task Resume(Container container)
    {
        try
        {
            await lifecycle.Unpause(container).ConfigureAwait(false);
        }
        catch (EngineException e)
        {
            services.Log.Warn("the container could not be resumed after its commit", ("container", container.Id), ("error", e.Message));
        }
    }
}
