namespace Cais.Daemon.Tests.Api;

/// <summary>One daemon for all API tests: there is one docker0.</summary>
[CollectionDefinition(Name)]
public sealed class DaemonCollection : ICollectionFixture<TestDaemon>
{
    public const string Name = "daemon";
}
