using System.Formats.Tar;
using System.Text.Json;
using Cais.Cli.CommandLine;
using Cais.Cli.Configuration;

namespace Cais.Cli.Commands.Contexts;

/// <summary><c>context export</c>: a context with its certificates as a tar archive.</summary>
internal static class ContextExportCommand
{
    public static Command Define() => new()
    {
        Use = "export [OPTIONS] CONTEXT [FILE|-]",
        Summary = "Write a context to a tar archive",
        Arguments = ArgumentRule.Between(1, 2),
        Run = static context =>
        {
            var name = context.Arguments[0];
            Contexts.CheckName(name);
            var target = context.Arguments.Count > 1 ? context.Arguments[1] : name + ".dockercontext";
            var archive = Archive(Contexts.Store(context), name);
            if (target == "-")
            {
                if (context.Session.Streams.OutIsTerminal)
                {
                    throw new CommandException("cowardly refusing to export to a terminal, specify a file path");
                }

                context.Session.Streams.RawOut.Write(archive);
                return Task.FromResult(0);
            }

            try
            {
                using var file = new FileStream(target, FileMode.CreateNew, FileAccess.Write);
                file.Write(archive);
            }
            catch (IOException) when (File.Exists(target))
            {
                throw new CommandException($"open {target}: file exists");
            }

            context.Session.Err.Write($"Written file {GoQuote.Quote(target)}\n");
            return Task.FromResult(0);
        },
    };

    private static byte[] Archive(ContextStore store, string name)
    {
        store.Load(name);
        var output = new MemoryStream();
        using (var tar = new TarWriter(output, TarEntryFormat.Ustar, leaveOpen: true))
        {
            Add(tar, "meta.json", File.ReadAllBytes(store.MetaFile(name)), UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupRead | UnixFileMode.OtherRead);
            AddDirectory(tar, "tls");
            var files = store.TlsFiles(name);
            if (files.Count > 0)
            {
                AddDirectory(tar, "tls/docker");
            }

            foreach (var file in files)
            {
                Add(tar, "tls/docker/" + file, File.ReadAllBytes(Path.Combine(store.TlsDirectory(name), "docker", file)), UnixFileMode.UserRead | UnixFileMode.UserWrite);
            }
        }

        return output.ToArray();
    }

    private static void Add(TarWriter tar, string name, byte[] content, UnixFileMode mode) => tar.WriteEntry(new UstarTarEntry(TarEntryType.RegularFile, name)
    {
        Mode = mode,
        ModificationTime = DateTimeOffset.UnixEpoch,
        DataStream = new MemoryStream(content),
    });

    private static void AddDirectory(TarWriter tar, string name) => tar.WriteEntry(new UstarTarEntry(TarEntryType.Directory, name)
    {
        Mode = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute,
        ModificationTime = DateTimeOffset.UnixEpoch,
    });
}

/// <summary><c>context import</c></summary>
internal static class ContextImportCommand
{
    /// <summary>Certificates and one small JSON file: more is not a context.</summary>
    private const int LargestArchive = 10 * 1024 * 1024;

    public static Command Define() => new()
    {
        Use = "import CONTEXT FILE|-",
        Summary = "Read a context from a tar archive",
        Arguments = ArgumentRule.Exactly(2),
        Run = static async context =>
        {
            var store = Contexts.Store(context);
            var name = context.Arguments[0];
            Contexts.CheckNew(store, name);
            await using var source = context.Arguments[1] == "-" ? context.Session.Streams.RawIn : LocalFile.OpenRead(context.Arguments[1]);
            store.Save(name, await ReadAsync(source).ConfigureAwait(false));
            context.Session.Out.Write(name + "\n");
            await context.Session.Out.FlushAsync().ConfigureAwait(false);
            context.Session.Err.Write($"Successfully imported context {GoQuote.Quote(name)}\n");
            return 0;
        },
    };

    private static async Task<ContextRecord> ReadAsync(Stream source)
    {
        ContextRecord? record = null;
        var certificates = new Dictionary<string, byte[]>();
        long total = 0;
        try
        {
            await using var tar = new TarReader(source, leaveOpen: true);
            while (await tar.GetNextEntryAsync(copyData: true).ConfigureAwait(false) is { } entry)
            {
                total += entry.Length;
                if (total > LargestArchive)
                {
                    throw new CommandException("read exceeds the defined limit");
                }

                if (entry.EntryType is TarEntryType.Directory || entry.DataStream is null)
                {
                    continue;
                }

                var content = new MemoryStream();
                await entry.DataStream.CopyToAsync(content).ConfigureAwait(false);
                if (entry.Name == "meta.json")
                {
                    using var meta = JsonDocument.Parse(content.ToArray());
                    record = ContextRecord.Read(meta.RootElement);
                }
                else if (entry.Name is "tls/docker/ca.pem" or "tls/docker/cert.pem" or "tls/docker/key.pem")
                {
                    certificates[entry.Name["tls/docker/".Length..]] = content.ToArray();
                }
                else
                {
                    throw new CommandException($"invalid context file: unexpected path {entry.Name}");
                }
            }
        }
        catch (Exception e) when (e is InvalidDataException or EndOfStreamException or JsonException or FormatException)
        {
            throw new CommandException($"invalid context file: {e.Message}");
        }

        return record is null ? throw new CommandException("invalid context: no metadata found") : record with { Certificates = certificates };
    }
}
