using Cais.Testing;

namespace Cais.EndToEnd.Tests;

/// <summary>The smallest image that is still a system: Debian's static busybox with a link per applet, as a tar file.</summary>
internal static class Busybox
{
    private static readonly SemaphoreSlim Once = new(1);

    /// <summary>Imports the image as <paramref name="name"/>.</summary>
    public static async Task Import(Engine engine, string name = "busybox:latest")
    {
        var result = await engine.Client("cais", ["import", "--change", "CMD [\"sh\"]", await Tar(), name]);
        result.Succeeded();
    }

    /// <summary>The root file system as a tar, made once per test run.</summary>
    public static async Task<string> Tar()
    {
        var folder = Environment.GetEnvironmentVariable("CAIS_TEST_CACHE") ?? Path.Combine(Path.GetTempPath(), "cais-test-cache");
        var tar = Path.Combine(folder, "busybox.tar");
        await Once.WaitAsync();
        try
        {
            if (!File.Exists(tar))
            {
                Directory.CreateDirectory(folder);
                (await Command.Run("sh", ["-ec", $$"""
                    root=$(mktemp -d)
                    mkdir -p "$root/bin" "$root/etc" "$root/tmp" "$root/root" "$root/var/www"
                    cp "$(command -v busybox)" "$root/bin/busybox"
                    for applet in $("$root/bin/busybox" --list); do [ "$applet" = busybox ] || ln -s busybox "$root/bin/$applet"; done
                    chmod 755 "$root"
                    chmod 1777 "$root/tmp"
                    printf 'root:x:0:0:root:/root:/bin/sh\nwww:x:33:33:www:/var/www:/bin/sh\n' >"$root/etc/passwd"
                    printf 'root:x:0:\nwww:x:33:\nextra:x:44:www\n' >"$root/etc/group"
                    tar -C "$root" --owner=0 --group=0 --numeric-owner -cf "{{tar}}.new" . && mv "{{tar}}.new" "{{tar}}"
                    rm -rf "$root"
                    """])).Succeeded();
            }
        }
        finally
        {
            Once.Release();
        }

        return tar;
    }
}
