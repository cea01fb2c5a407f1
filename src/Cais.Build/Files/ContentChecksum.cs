using System.Security.Cryptography;
using Cais.Build.Graph;
using Cais.Linux;
using Cais.Linux.FileSystem;
using Cais.Oci.Images;
using FileStatus = Cais.Linux.FileSystem.FileStatus;

namespace Cais.Build.Files;

/// <summary>
/// What decides whether a copy must be made again: names, kinds, permissions, owners, link targets, extended attributes and contents of the files it takes. Times
/// do not count: a fresh checkout is the same context (BuildKit's rules).
/// </summary>
internal sealed class ContentChecksum(SourceSelection selection, bool ignoreOwners, CancellationToken cancellation)
{
    private const int MostDepth = 512;

    /// <summary>The checksum of everything that the sources take. Throws <see cref="SourceNotFoundException"/>.</summary>
    /// <param name="followsLinks">Whether a source that is a symbolic link means what it leads to.</param>
    public Digest Of(IEnumerable<string> sources, bool parents, bool followsLinks = true)
    {
        using var hash = new DefinitionHash("content");
        foreach (var source in sources)
        {
            foreach (var match in selection.Match(source, parents))
            {
                using var file = selection.Root.Find(match, followLast: followsLinks) ?? throw new SourceNotFoundException($"\"/{match}\": not found");
                var status = RootDirectory.StatusOf(file, match);
                hash.Add(parents ? match : Patterns.GoPath.Base("/" + match));
                if (status.Kind == FileKind.Directory)
                {
                    AddStatus(hash, status, null);
                    using var directory = selection.Root.Find(match, FileAt.ReadOnly | FileAt.DirectoryOnly) ?? throw new SourceNotFoundException($"\"/{match}\": not found");
                    AddAttributes(hash, directory, match);
                    AddContents(hash, directory, match, "", 0);
                }
                else if (status.Kind == FileKind.SymbolicLink)
                {
                    AddStatus(hash, status, FileCopier.ReadLink(file.Number, "\0"u8));
                }
                else
                {
                    using var readable = selection.Root.Find(match, FileAt.ReadOnly | FileAt.NonBlocking) ?? throw new SourceNotFoundException($"\"/{match}\": not found");
                    AddStatus(hash, status, null);
                    if (status.Kind == FileKind.Regular)
                    {
                        AddData(hash, readable, match);
                    }
                }
            }
        }

        return hash.Finish();
    }

    private void AddContents(DefinitionHash hash, FileDescriptor directory, string path, string relative, int depth)
    {
        if (depth > MostDepth)
        {
            throw new IOException($"/{path} is nested too deeply");
        }

        foreach (var name in SourceSelection.Names(directory))
        {
            cancellation.ThrowIfCancellationRequested();
            var text = SourceSelection.Text(name);
            var (child, childRelative) = (path.Length == 0 ? text : $"{path}/{text}", relative.Length == 0 ? text : $"{relative}/{text}");
            var result = FileAt.Status(directory.Number, name, out var status);
            if (result < 0)
            {
                throw new LinuxException((Errno)(-result), $"stat /{child}");
            }

            var leftOut = selection.IsLeftOut(child, childRelative);
            if (leftOut && (status.Kind != FileKind.Directory || !selection.MayHaveExceptionsBelow(child, childRelative)))
            {
                continue;
            }

            if (!leftOut)
            {
                hash.Add(childRelative);
                AddStatus(hash, status, status.Kind == FileKind.SymbolicLink ? FileCopier.ReadLink(directory.Number, name) : null);
            }

            if (status.Kind == FileKind.Directory)
            {
                using var below = Open(directory, name, FileAt.ReadOnly | FileAt.DirectoryOnly, child);
                if (!leftOut)
                {
                    AddAttributes(hash, below, child);
                }

                AddContents(hash, below, child, childRelative, depth + 1);
            }
            else if (status.Kind == FileKind.Regular)
            {
                using var file = Open(directory, name, FileAt.ReadOnly | FileAt.NonBlocking, child);
                AddData(hash, file, child);
            }
        }
    }

    private void AddStatus(DefinitionHash hash, FileStatus status, byte[]? link)
    {
        hash.Add((int)status.Kind).Add(status.Permissions).Add(ignoreOwners ? 0 : status.Uid).Add(ignoreOwners ? 0 : status.Gid);
        if (link is not null)
        {
            hash.Add(link);
        }

        if (status.Kind is FileKind.CharacterDevice or FileKind.BlockDevice)
        {
            hash.Add(status.DeviceMajor).Add(status.DeviceMinor);
        }
    }

    private static void AddAttributes(DefinitionHash hash, FileDescriptor file, string path)
    {
        var attributes = CopiedAttributes.Of(file, "/" + path);
        hash.Add(attributes.Count);
        foreach (var (name, value) in attributes)
        {
            hash.Add(name).Add(value);
        }
    }

    private void AddData(DefinitionHash hash, FileDescriptor file, string path)
    {
        using var data = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        var buffer = System.Buffers.ArrayPool<byte>.Shared.Rent(128 * 1024);
        try
        {
            for (long at = 0; ;)
            {
                cancellation.ThrowIfCancellationRequested();
                var n = FileAt.Read(file.Number, buffer, at);
                if (n < 0)
                {
                    throw new LinuxException((Errno)(-n), $"read /{path}");
                }

                if (n == 0)
                {
                    break;
                }

                data.AppendData(buffer, 0, n);
                at += n;
            }

            Span<byte> digest = stackalloc byte[32];
            data.GetHashAndReset(digest);
            hash.Add(digest);
            AddAttributes(hash, file, path);
        }
        finally
        {
            System.Buffers.ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    private static FileDescriptor Open(FileDescriptor directory, byte[] name, int flags, string path)
    {
        var fd = FileAt.Open(directory.Number, name, flags);
        return fd >= 0 ? new FileDescriptor(fd) : throw new LinuxException((Errno)(-fd), $"open /{path}");
    }
}
