using System.Text.Json;
using Cais.Cli.Formatting;
using Cais.Oci.Images;

namespace Cais.Cli.Commands.Containers;

/// <summary>One container in the list, as <c>ps</c> shows it.</summary>
internal sealed class ContainerRow(JsonElement container, bool truncate, DateTimeOffset now, bool virtualSize = true)
{
    private const int CommandWidth = 20;
    private const int MountWidth = 15;

    public static readonly RowSchema<ContainerRow> Schema = new(
        "*formatter.ContainerContext",
        [
            new("Command", "COMMAND", static r => r.Command),
            new("CreatedAt", "CREATED AT", static r => Human.GoTime(Human.Unix(r.Container.Number("Created")))),
            new("ID", "CONTAINER ID", static r => r.Id),
            new("Image", "IMAGE", static r => r.Image),
            new("Labels", "LABELS", static r => r.Container.LabelList("Labels")),
            new("LocalVolumes", "LOCAL VOLUMES", static r => r.LocalVolumes),
            new("Mounts", "MOUNTS", static r => r.Mounts),
            new("Names", "NAMES", static r => r.Names),
            new("Networks", "NETWORKS", static r => string.Join(',', r.Networks)),
            new("Platform", "PLATFORM", static r => r.Platform),
            new("Ports", "PORTS", static r => PortList.Display(r.Container.Items("Ports"))),
            new("RunningFor", "CREATED", static r => Human.Ago(r.Container.Number("Created"), r.Now)),
            new("Size", "SIZE", static r => r.Size),
            new("State", "STATE", static r => r.Container.Text("State")),
            new("Status", "STATUS", static r => r.Container.Text("Status")),
        ],
        static (row, key) => row.Container.Members("Labels").Where(l => l.Name == key).Select(static l => l.Value.GetString()).FirstOrDefault() ?? "");

    private JsonElement Container => container;

    private DateTimeOffset Now => now;

    private string Id => truncate ? Human.ShortId(container.Text("Id")) : container.Text("Id");

    private string Command
    {
        get
        {
            var command = container.Text("Command");
            return GoQuote.Quote(truncate ? Human.Ellipsis(command, CommandWidth) : command);
        }
    }

    /// <summary>Links give a container names below another's: those are left out of the short form.</summary>
    private string Names => string.Join(',', container.Texts("Names")
        .Select(static n => n.StartsWith('/') ? n[1..] : n)
        .Where(n => !truncate || !n.Contains('/')));

    private string Image
    {
        get
        {
            var image = container.Text("Image");
            if (image.Length == 0)
            {
                return "<no image>";
            }

            if (!truncate)
            {
                return image;
            }

            // An image that lost its name is shown by its short id; a digest behind a name is left out.
            var id = Human.ShortId(container.Text("ImageID"));
            if (id.Length > 0 && id == Human.ShortId(image))
            {
                return id;
            }

            return Reference.TryParse(image, out var reference)
                ? reference.Tag is { } tag ? reference.WithTag(tag).Familiar : reference.FamiliarName
                : image;
        }
    }

    private IEnumerable<string> Networks => container.Member("NetworkSettings") is { } settings
        ? settings.Members("Networks").Select(static n => n.Name).Order(StringComparer.Ordinal)
        : [];

    private string Platform => container.Member("ImageManifestDescriptor")?.Member("platform") is { } platform
        ? string.Join('/', new[] { platform.Text("os"), platform.Text("architecture"), platform.Text("variant") }.Where(static p => p.Length > 0))
        : "";

    private string LocalVolumes =>
        container.Items("Mounts").Count(static m => m.Text("Driver") == "local").ToString(System.Globalization.CultureInfo.InvariantCulture);

    private string Mounts => string.Join(',', container.Items("Mounts").Select(m =>
    {
        var name = m.Text("Name") is { Length: > 0 } volume ? volume : m.Text("Source");
        return truncate ? Human.Ellipsis(name, MountWidth) : name;
    }));

    private string Size
    {
        get
        {
            var own = Human.Size(container.Number("SizeRw"), 3);
            var whole = container.Number("SizeRootFs");
            return virtualSize && whole > 0 ? $"{own} (virtual {Human.Size(whole, 3)})" : own;
        }
    }
}
