using Cais.Oci.Images;

namespace Cais.Images.Tests.Registry;

[Trait("Tier", "integration")]
public sealed class TokenLoginTests : IAsyncLifetime
{
    private readonly TestStore _store = new();
    private TestRegistry _registry = null!;
    private TokenGate _gate = null!;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    private static RegistryCredentials ByPassword => new() { Username = TokenGate.User, Password = TokenGate.Password };

    private static RegistryCredentials ByToken(string token) => new() { Username = "<token>", IdentityToken = token };

    private Reference Name => Reference.Parse($"{_gate.Host}/app:1");

    public async ValueTask InitializeAsync()
    {
        _registry = await TestRegistry.StartAsync();
        _gate = new TokenGate(_registry);
        await _store.Images.ImportAsync(new MemoryStream(new TarMaker().File("a").ToArray()), new ImportOptions { Name = Name }, Token);
    }

    public async ValueTask DisposeAsync()
    {
        await _store.DisposeAsync();
        await _gate.DisposeAsync();
        await _registry.DisposeAsync();
    }

    [Fact]
    public async Task A_login_brings_a_refresh_token_home()
    {
        var result = await _store.Images.LoginAsync(_gate.Host, ByPassword, Token);

        Assert.Equal("refresh-1", result.IdentityToken);
        var (method, asked, _) = Assert.Single(_gate.Asked);
        Assert.Equal(("GET", "true", "gate", TokenGate.User), (method, asked["offline_token"], asked["service"], asked["account"]));
        Assert.False(string.IsNullOrEmpty(asked["client_id"]));
    }

    [Fact]
    public async Task A_wrong_password_is_no_login()
    {
        var e = await Assert.ThrowsAsync<ImageException>(() => _store.Images.LoginAsync(_gate.Host, ByPassword with { Password = "guess" }, Token));
        Assert.Equal(ImageErrorKind.Unauthorized, e.Kind);
    }

    [Fact]
    public async Task The_refresh_token_serves_for_push_and_pull_and_the_password_is_never_sent_again()
    {
        var pushed = await _store.Images.PushAsync(Name, new PushOptions { Credentials = ByToken("refresh-1") }, new Heard(), Token);
        await using var other = new TestStore();
        var pulled = await other.Images.PullAsync(Name, new PullOptions { Credentials = ByToken("refresh-1") }, new Heard(), Token);

        Assert.Equal(pushed.Digest, pulled.Digest);
        Assert.All(_gate.Asked, a => Assert.Equal(("POST", "refresh_token", "gate", false), (a.Method, a.Parameters["grant_type"], a.Parameters["service"], a.WithPassword)));
        Assert.Contains(_gate.Asked, a => a.Parameters["scope"] == "repository:app:pull,push");
        Assert.Contains(_gate.Asked, a => a.Parameters["scope"] == "repository:app:pull");
    }

    [Fact]
    public async Task A_login_with_a_refresh_token_is_checked_too()
    {
        await _store.Images.LoginAsync(_gate.Host, ByToken("refresh-1"), Token);
        var e = await Assert.ThrowsAsync<ImageException>(() => _store.Images.LoginAsync(_gate.Host, ByToken("refresh-0"), Token));
        Assert.Equal(ImageErrorKind.Unauthorized, e.Kind);
    }

    [Fact]
    public async Task A_refresh_token_that_was_taken_back_says_unauthorized()
    {
        _gate.RefreshToken = "refresh-2";
        var e = await Assert.ThrowsAsync<ImageException>(() => _store.Images.PullAsync(Name, new PullOptions { Credentials = ByToken("refresh-1") }, new Heard(), Token));
        Assert.Equal(ImageErrorKind.Unauthorized, e.Kind);
        Assert.Contains("unauthorized", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_access_token_that_ends_on_the_way_is_replaced()
    {
        _gate.UsesOfFirstToken = 1;
        await _store.Images.PushAsync(Name, new PushOptions { Credentials = ByToken("refresh-1") }, new Heard(), Token);
        Assert.True(_gate.Asked.Count > 1);
    }
}
