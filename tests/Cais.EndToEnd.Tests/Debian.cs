namespace Cais.EndToEnd.Tests;

/// <summary>A minimal Debian with redis: tests/debian-root.sh makes it, once, before tests go into isolation, where no mirror can be reached.</summary>
internal static class Debian
{
    public static Task<string> Tar()
    {
        var tar = Path.Combine(Environment.GetEnvironmentVariable("CAIS_TEST_CACHE") ?? "/var/cache/cais-tests", "debian-redis.tar");
        return File.Exists(tar)
            ? Task.FromResult(tar)
            : throw new InvalidOperationException($"no {tar}: run tests/debian-root.sh first, as test.sh does");
    }
}
