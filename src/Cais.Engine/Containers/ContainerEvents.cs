namespace Cais.Engine.Containers;

/// <summary>What happens to containers, told in docker's form.</summary>
internal static class ContainerEvents
{
    public static void Tell(this EngineServices services, Container container, string action, params ReadOnlySpan<(string Key, string Value)> more)
    {
        var record = container.Record;
        var attributes = new Dictionary<string, string>(record.Config.Labels ?? new Dictionary<string, string>());
        attributes["image"] = record.Config.Image ?? "";
        attributes["name"] = record.Name;
        foreach (var (key, value) in more)
        {
            attributes[key] = value;
        }

        services.Events.Publish("container", action, record.Id, attributes);
    }
}
