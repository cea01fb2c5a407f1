using System.Globalization;
using Cais.Daemon.Configuration;

namespace Cais.Daemon.Tests.Configuration;

public sealed class PidFileTests : IDisposable
{
    private readonly string _path = Path.GetTempFileName();

    public void Dispose() => File.Delete(_path);

    [Theory]
    [InlineData("")]
    [InlineData("what")]
    [InlineData("1")]
    [InlineData("999999999")]
    public void A_number_that_is_no_daemon_does_not_hinder(string content)
    {
        File.WriteAllText(_path, content);
        using (PidFile.Claim(_path))
        {
            Assert.Equal(Environment.ProcessId.ToString(CultureInfo.InvariantCulture), File.ReadAllText(_path));
        }

        Assert.False(File.Exists(_path));
    }

    [Fact]
    public async Task A_daemon_that_is_alive_does()
    {
        using var other = System.Diagnostics.Process.Start(new System.Diagnostics.ProcessStartInfo("/bin/sh", ["-c", $"printf %s '{File.ReadAllText("/proc/self/comm").Trim()}' > /proc/self/comm; read x"]) { RedirectStandardInput = true })!;
        try
        {
            await Testing.Eventually.Holds(() => File.ReadAllText($"/proc/{other.Id}/comm") == File.ReadAllText("/proc/self/comm"), "it has our name");
            File.WriteAllText(_path, other.Id.ToString(CultureInfo.InvariantCulture));
            Assert.Contains("is still running", Assert.Throws<ConfigurationException>(() => PidFile.Claim(_path)).Message, StringComparison.Ordinal);
        }
        finally
        {
            other.StandardInput.Close();
            await other.WaitForExitAsync(TestContext.Current.CancellationToken);
        }
    }
}
