namespace Cais.Runtime;

/// <summary>Where a container is in its life (runtime.md), and <see cref="Paused"/> as all engines know it.</summary>
public enum ContainerStatus
{
    Creating,
    Created,
    Running,
    Paused,
    Stopped,
}
