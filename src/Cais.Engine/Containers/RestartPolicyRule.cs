using Cais.Api;

namespace Cais.Engine.Containers;

/// <summary>Whether and when a container that has exited is started again. Pure: the growing delay is part of the container's status.</summary>
internal static class RestartPolicyRule
{
    private static readonly TimeSpan First = TimeSpan.FromMilliseconds(100);
    private static readonly TimeSpan Longest = TimeSpan.FromMinutes(1);

    /// <summary>Whoever ran this long was well: the delay begins again.</summary>
    private static readonly TimeSpan Well = TimeSpan.FromSeconds(10);

    /// <summary>Null when it stays as it is, otherwise how long to wait.</summary>
    /// <param name="policy">The container's.</param>
    /// <param name="exitCode">How it exited.</param>
    /// <param name="stoppedByUser">Whether somebody asked for it.</param>
    /// <param name="restarts">How often it has been started again already.</param>
    /// <param name="ranFor">How long it ran.</param>
    /// <param name="before">How long was waited before this run; zero for the first.</param>
    public static TimeSpan? Decide(RestartPolicy? policy, int exitCode, bool stoppedByUser, int restarts, TimeSpan ranFor, TimeSpan before)
    {
        var restart = !stoppedByUser && policy?.Name switch
        {
            "always" or "unless-stopped" => true,
            "on-failure" => exitCode != 0 && (policy.MaximumRetryCount is null or 0 || restarts < policy.MaximumRetryCount),
            _ => false,
        };
        if (!restart)
        {
            return null;
        }

        var delay = before == TimeSpan.Zero || ranFor >= Well ? First : before * 2;
        return delay > Longest ? Longest : delay;
    }

    /// <summary>Whether the daemon starts it when it finds it not running, after a reboot.</summary>
    public static bool StartsWithDaemon(RestartPolicy? policy, ContainerStatus status) => policy?.Name switch
    {
        "always" => status.StartedAt is not null,
        "unless-stopped" => status.StartedAt is not null && !status.StoppedByUser,
        "on-failure" => status is { StartedAt: not null, StoppedByUser: false } && (status.IsRunning || status.ExitCode != 0)
            && (policy.MaximumRetryCount is null or 0 || status.RestartCount < policy.MaximumRetryCount),
        _ => false,
    };
}
