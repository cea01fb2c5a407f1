using Moby.Buildkit.V1.Apicaps;

namespace Cais.BuildKit.Gateway;

/// <summary>What clients may ask of the gateway and of the builder, by BuildKit's names. Only what is there is named.</summary>
internal static class Capabilities
{
    private static readonly string[] Frontend =
    [
        "solve.base", "resolveimage", "resolveimage.resolvemode", "readfile", "return", "returnmap", "readdir", "statfile", "proto.refarray", "reference.output",
        "frontend.inputs", "gateway.solve.metadata", "frontend.caps", "gateway.solve.evaluate", "gateway.evaluate", "gateway.warnings",
    ];

    private static readonly string[] Builder =
    [
        "source.image", "source.image.resolvemode", "source.local", "source.local.unique", "source.local.sessionid", "source.local.includepatterns", "source.local.followpaths",
        "source.local.excludepatterns", "source.local.sharedkeyhint", "source.http", "source.http.checksum", "source.http.perm",

        // So spelt.
        "soruce.http.uidgid", "source.http.header", "source.http.auth", "source.ocilayout", "source.git", "source.git.keepgitdir", "source.git.fullurl", "source.git.httpauth",
        "source.git.knownsshhosts", "source.git.mountsshsock", "source.git.subdir", "source.git.checksum", "source.git.skipsubmodules", "exec.meta.base", "exec.meta.proxyenv", "exec.meta.network",
        "exec.meta.security", "exec.meta.ulimit", "exec.meta.cgroup.parent", "exec.meta.setsdefaultpath", "exec.mount.bind", "exec.mount.cache", "exec.mount.cache.sharing", "exec.mount.selector",
        "exec.mount.tmpfs", "exec.mount.tmpfs.size", "exec.mount.secret", "exec.mount.ssh", "exec.secretenv", "exec.validexitcode", "exec.mount.bind.readwrite-nooutput", "file.base", "file.rm.wildcard",
        "file.rm.nofollowsymlink", "file.copy.includeexcludepatterns", "file.copy.alwaysreplaceexistingdestpaths", "file.copy.modestring", "file.symlink.create", "mergeop", "diffop",
        "gc.freespacefilter", "constraints", "platform", "meta.ignorecache", "meta.description",
        "exporter.image.annotations", "exporter.image.attestations", "exporter.sourcedateepoch", "exporter.multiple",
    ];

    public static IEnumerable<APICap> OfFrontend() => Frontend.Select(Cap);

    public static IEnumerable<APICap> OfBuilder() => Builder.Select(Cap);

    private static APICap Cap(string id) => new() { ID = id, Enabled = true };
}
