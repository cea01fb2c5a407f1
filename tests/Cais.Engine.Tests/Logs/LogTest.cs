using System.Text;
using Cais.Engine.Io;
using Cais.Engine.Logging;
using Cais.Engine.Logs;
using Cais.Engine.Logs.Remote;

namespace Cais.Engine.Tests.Logs;

/// <summary>A container whose log goes somewhere.</summary>
internal static class LogTest
{
    public static readonly DateTimeOffset Time = new(2026, 1, 2, 3, 4, 5, 678, TimeSpan.Zero);

    public static readonly EngineLog Quiet = new(TextWriter.Null, LogLevel.Error);

    public static readonly LogSubject Subject = new()
    {
        Id = new string('a', 12) + new string('b', 52),
        Name = "web",
        ImageId = "sha256:" + new string('c', 64),
        ImageName = "shop/web:1",
        CommandLine = ["/bin/serve", "--port", "80"],
        Created = Time,
        Labels = new Dictionary<string, string> { ["tier"] = "front", ["team.name"] = "shop", ["other"] = "x" },
        Environment = ["STAGE=test", "SECRET=s"],
        Hostname = "quay",
    };

    /// <summary>Enough patience for a loaded machine, none where a test waits for a failure.</summary>
    public static readonly ForwarderOptions Prompt = new() { FirstPause = TimeSpan.FromMilliseconds(5), LongestPause = TimeSpan.FromMilliseconds(20) };

    public static Dictionary<string, string> Options(params string[] options) => options.Select(o => o.Split('=', 2)).ToDictionary(o => o[0], o => o[1]);

    public static Forwarder Forward(ILogReceiver receiver, ForwarderOptions? options = null) => new(receiver, options ?? Prompt, Quiet, TimeProvider.System);

    public static void Say(ILogSink sink, string text, StreamKind stream = StreamKind.Stdout, LinePiece? piece = null)
    {
        sink.Append(new LogLine(stream, Time, Encoding.UTF8.GetBytes(text), piece));
        sink.Flush();
    }
}
