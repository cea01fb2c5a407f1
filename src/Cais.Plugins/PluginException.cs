namespace Cais.Plugins;

/// <summary>A plugin could not be found, did not answer, or said no.</summary>
public sealed class PluginException : Exception
{
    public PluginException(string message, bool notFound = false, bool unsupported = false, Exception? cause = null) : base(message, cause)
    {
        IsNotFound = notFound;
        IsUnsupported = unsupported;
    }

    /// <summary>There is no plugin of that name, or it is of another kind.</summary>
    public bool IsNotFound { get; }

    /// <summary>The plugin does not have the method (status 404): some methods are optional.</summary>
    public bool IsUnsupported { get; }
}
