using System.Text;
using Cais.Cli.Configuration;
using Cais.Cli.Terminal;
using Cais.Client;

namespace Cais.Cli;

/// <summary>What a command works with: standard streams, environment, configuration, the daemon. Everything but the streams is made on first use.</summary>
internal sealed class Session : IDisposable
{
    private readonly Func<string, string?> _environment;
    private ClientConfiguration? _configuration;
    private EngineClient? _engine;

    public Session(StandardStreams streams, Func<string, string?> environment)
    {
        Streams = streams;
        _environment = environment;
    }

    public StandardStreams Streams { get; }

    public TextWriter Out => Streams.Out;

    public TextWriter Err => Streams.Err;

    /// <summary>What was given in front of the command: host, context, TLS.</summary>
    public GlobalOptions Global { get; set; } = new();

    public ClientConfiguration Configuration => _configuration ??= ClientConfiguration.Load(
        Global.ConfigDirectory ?? Environment("DOCKER_CONFIG") ?? Path.Combine(Environment("HOME") ?? "/", ".docker"), Err);

    /// <summary>The daemon that flags, environment and contexts name. Connects with the first call.</summary>
    public EngineClient Engine => _engine ??= EndpointResolver.CreateClient(this);

    /// <summary>An environment variable; null when unset or empty.</summary>
    public string? Environment(string name) => _environment(name) is { Length: > 0 } value ? value : null;

    /// <summary>An environment variable as it is: null only when unset.</summary>
    public string? RawEnvironment(string name) => _environment(name);

    public void Dispose() => _engine?.Dispose();
}

/// <summary>The process's standard input, output and error.</summary>
internal sealed class StandardStreams
{
    public required Stream RawIn { get; init; }

    public required Stream RawOut { get; init; }

    public required Stream RawErr { get; init; }

    /// <summary>Buffered text output; flush before bytes go to <see cref="RawOut"/> directly.</summary>
    public required TextWriter Out { get; init; }

    /// <summary>Unbuffered text output.</summary>
    public required TextWriter Err { get; init; }

    public bool InIsTerminal { get; init; }

    public bool OutIsTerminal { get; init; }

    public bool ErrIsTerminal { get; init; }

    public static StandardStreams OfProcess()
    {
        var (rawOut, rawErr) = (new DescriptorStream(1), new DescriptorStream(2));
        var encoding = new UTF8Encoding(encoderShouldEmitUTF8Identifier: false);
        return new StandardStreams
        {
            RawIn = new DescriptorStream(0),
            RawOut = rawOut,
            RawErr = rawErr,
            Out = new StreamWriter(rawOut, encoding, 4096) { NewLine = "\n" },
            Err = new StreamWriter(rawErr, encoding, 256) { NewLine = "\n", AutoFlush = true },
            InIsTerminal = Posix.isatty(0) != 0,
            OutIsTerminal = Posix.isatty(1) != 0,
            ErrIsTerminal = Posix.isatty(2) != 0,
        };
    }

    /// <summary>Width of the terminal, or null when output does not go to one.</summary>
    public int? Columns => OutIsTerminal ? Posix.GetWindowSize(1)?.Columns : null;
}

/// <summary>The flags in front of the command.</summary>
internal sealed record GlobalOptions
{
    public string? ConfigDirectory { get; init; }

    public string? Context { get; init; }

    public bool Debug { get; init; }

    public IReadOnlyList<string> Hosts { get; init; } = [];

    public bool Tls { get; init; }

    /// <summary>Null when not given, so that the environment may decide.</summary>
    public bool? TlsVerify { get; init; }

    public string? TlsCaCertificate { get; init; }

    public string? TlsCertificate { get; init; }

    public string? TlsKey { get; init; }
}
