using Cais.Linux;
using Cais.Oci.Runtime;

namespace Cais.Runtime;

/// <summary>Gives a filter's listener to the agent the configuration names, with the container's state; config-linux.md, "The Seccomp Container Process State".</summary>
internal static class SeccompListeners
{
    public static void HandOver(FileDescriptor listener, Spec spec, ContainerState state, int pid)
    {
        if (spec.Linux?.Seccomp is not { ListenerPath: { Length: > 0 } path } seccomp)
        {
            return;
        }

        using var socket = MessageSocket.ConnectStream(path);
        var json = new JsonText().BeginObject()
            .Add("ociVersion", state.OciVersion)
            .BeginArray("fds").Add(null, "seccompFd").EndArray()
            .Add("pid", (long)pid)
            .Add("metadata", seccomp.ListenerMetadata ?? "");
        state.WriteTo(json, "state");
        json.EndObject();
        MessageSocket.SendDescriptor(socket, json.ToUtf8(), listener);
    }
}
