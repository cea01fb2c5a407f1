using System.Globalization;
using Cais.Build.Graph;
using Cais.Build.Patterns;
using Cais.BuildKit.Grpc;
using Pb;

namespace Cais.BuildKit.Operations;

/// <summary>One operation on files (FileOp): its actions, each on an input or on what an earlier one made.</summary>
internal sealed class FileOperation(FileOp operation, IReadOnlyList<Step> inputs, string? name, bool ignoreCache)
{
    private readonly Step[] _made = new Step[operation.Actions.Count];

    /// <summary>The operation's outputs, by their indexes. Throws <see cref="GrpcException"/>.</summary>
    public Step?[] Convert()
    {
        var outputs = new List<Step?>();
        for (var i = 0; i < _made.Length; i++)
        {
            var action = operation.Actions[i];
            var root = action.Input < 0 ? new ScratchStep() : GraphConverter.AsTree(Find(action.Input, i));
            _made[i] = action.ActionCase == FileAction.ActionOneofCase.Copy ? Copy(action.Copy, root, i) : Change(action, root, i);
            if (action.Output < 0)
            {
                continue;
            }

            if (action.Output > operation.Actions.Count)
            {
                throw OperationGraph.Invalid($"an action on files has the output {action.Output}");
            }

            while (outputs.Count <= action.Output)
            {
                outputs.Add(null);
            }

            outputs[(int)action.Output] = _made[i];
        }

        return [.. outputs];
    }

    /// <summary>Numbers count the operation's inputs first and its actions after them.</summary>
    private Step Find(long index, int before) => index >= 0 && index < inputs.Count ? inputs[(int)index]
        : index >= inputs.Count && index < inputs.Count + before ? _made[index - inputs.Count]
        : throw OperationGraph.Invalid($"an action on files has the input {index}");

    /// <summary>Changes in a row that nobody looks at between are one step: one layer.</summary>
    private FileStep Change(FileAction action, Step root, int index)
    {
        var change = ChangeOf(action, index);
        var isSequel = index > 0 && action.Input == inputs.Count + index - 1 && operation.Actions[index - 1].Output < 0;
        return isSequel && _made[index - 1] is FileStep earlier
            ? new FileStep(earlier.Inputs[0], [.. earlier.Changes, change], name ?? earlier.Name) { IgnoreCache = ignoreCache }
            : new FileStep(root, [change], name ?? Describe(action)) { IgnoreCache = ignoreCache };
    }

    private FileChange ChangeOf(FileAction action, int index) => action.ActionCase switch
    {
        FileAction.ActionOneofCase.Mkdir => new NewDirectory(
            GoPath.Rooted(action.Mkdir.Path), (uint)action.Mkdir.Mode & 0xFFF, action.Mkdir.MakeParents, LookOf(action.Mkdir.Owner, action.Mkdir.Timestamp, action, index)),
        FileAction.ActionOneofCase.Mkfile => new NewFile(
            GoPath.Rooted(action.Mkfile.Path), (uint)action.Mkfile.Mode & 0xFFF, action.Mkfile.Data.Memory, LookOf(action.Mkfile.Owner, action.Mkfile.Timestamp, action, index)),
        FileAction.ActionOneofCase.Symlink => new NewLink(
            GoPath.Rooted(action.Symlink.Newpath), action.Symlink.Oldpath, LookOf(action.Symlink.Owner, action.Symlink.Timestamp, action, index)),
        FileAction.ActionOneofCase.Rm => new Removal(GoPath.Rooted(action.Rm.Path), action.Rm.AllowNotFound, action.Rm.AllowWildcard),
        _ => throw new GrpcException(GrpcStatusCode.Unimplemented, $"actions on files of the kind {action.ActionCase} are not supported"),
    };

    private CopyStep Copy(FileActionCopy copy, Step root, int index)
    {
        var action = operation.Actions[index];
        var source = action.SecondaryInput < 0 ? new ScratchStep() : Find(action.SecondaryInput, index);
        var isDirectory = copy.Dest.EndsWith('/') || copy.Dest.EndsWith("/.", StringComparison.Ordinal) || copy.Dest is "." or "";
        return new CopyStep(root, [new CopySource(source, copy.AllowWildcard ? copy.Src : Literal(copy.Src))], name ?? Describe(action))
        {
            Destination = isDirectory ? GoPath.Rooted(copy.Dest).TrimEnd('/') + "/" : GoPath.Rooted(copy.Dest),
            Owner = OwnerOf(copy.Owner, action, index),
            KeepsOwner = true,
            Mode = copy.ModeStr.Length > 0 ? copy.ModeStr : copy.Mode >= 0 ? System.Convert.ToString(copy.Mode & 0xFFF, 8) : null,
            Exclude = [.. copy.IncludePatterns.Count > 0 ? ["*", .. copy.IncludePatterns.Select(p => "!" + p)] : Array.Empty<string>(), .. copy.ExcludePatterns],
            Unpack = copy.AttemptUnpackDockerCompatibility ? UnpackMode.Archives : UnpackMode.Never,
            LatestTime = copy.Timestamp >= 0 ? copy.Timestamp / 1_000_000_000 : null,
            IsTimeExact = copy.Timestamp >= 0,
            FollowsLinks = copy.FollowSymlink,
            KeepsDirectory = !copy.DirCopyContents,
            DemandsMatch = copy.AllowWildcard && !copy.AllowEmptyWildcard,
            MakesDestination = copy.CreateDestPath,
            ReplacesOtherKinds = copy.AlwaysReplaceExistingDestPaths,

            // As BuildKit has it: without patterns everything is there anyway.
            Required = copy.IncludePatterns.Count > 0 ? [.. copy.RequiredPaths] : [],
            IgnoreCache = ignoreCache,
        };
    }

    private NewFileLook LookOf(ChownOpt? owner, long timestamp, FileAction action, int index) => new(OwnerOf(owner, action, index), timestamp >= 0 ? timestamp : null);

    /// <summary><c>user:group</c>. Names are looked up in what is changed: whoever has them looked up elsewhere is refused.</summary>
    private string? OwnerOf(ChownOpt? owner, FileAction action, int index)
    {
        if (owner is null)
        {
            return null;
        }

        var user = Text(owner.User);
        return owner.Group is null && owner.User is { UserCase: UserOpt.UserOneofCase.ByName } ? user : $"{user ?? "0"}:{Text(owner.Group) ?? "0"}";

        string? Text(UserOpt? option) => option?.UserCase switch
        {
            UserOpt.UserOneofCase.ByID => option.ByID.ToString(CultureInfo.InvariantCulture),
            UserOpt.UserOneofCase.ByName when action.Input < 0 || Find(option.ByName.Input, index).Digest == Find(action.Input, index).Digest => option.ByName.Name,
            UserOpt.UserOneofCase.ByName => throw new GrpcException(
                GrpcStatusCode.Unimplemented, $"the owner {option.ByName.Name} is to be looked up in another file system than the one that is changed, which is not supported: give its number"),
            _ => null,
        };
    }

    private static string Literal(string path) => string.Concat(path.Select(c => c is '*' or '?' or '[' or '\\' ? "\\" + c : c.ToString()));

    private static string Describe(FileAction action) => action.ActionCase switch
    {
        FileAction.ActionOneofCase.Copy => $"copy {action.Copy.Src} {action.Copy.Dest}",
        FileAction.ActionOneofCase.Mkdir => $"mkdir {action.Mkdir.Path}",
        FileAction.ActionOneofCase.Mkfile => $"mkfile {action.Mkfile.Path}",
        FileAction.ActionOneofCase.Rm => $"rm {action.Rm.Path}",
        FileAction.ActionOneofCase.Symlink => $"symlink {action.Symlink.Oldpath} -> {action.Symlink.Newpath}",
        _ => "files",
    };
}
