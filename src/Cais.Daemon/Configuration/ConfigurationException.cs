namespace Cais.Daemon.Configuration;

/// <summary>The daemon cannot start as it was told to. The message is for the user, in dockerd's words where it has them.</summary>
internal sealed class ConfigurationException(string message) : Exception(message);
