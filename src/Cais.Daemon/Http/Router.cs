namespace Cais.Daemon.Http;

/// <summary>Answers one kind of request.</summary>
internal delegate Task Endpoint(ApiRequest request);

/// <summary>
/// Finds a request's endpoint by method and path. A pattern is a path whose <c>{name}</c> stands for one segment and whose
/// <c>{name*}</c> for one or more (image names have slashes).
/// </summary>
internal sealed class Router
{
    private readonly List<Route> _routes = [];

    /// <summary>All endpoints, as they were mapped.</summary>
    public IEnumerable<(string Method, string Pattern)> Routes => _routes.Select(r => (r.Method, r.Text));

    public void Map(string method, string pattern, Endpoint endpoint, ApiVersion? since = null) =>
        _routes.Add(new Route(method, pattern, pattern.Split('/', StringSplitOptions.RemoveEmptyEntries), endpoint, since ?? ApiVersion.Oldest));

    /// <summary>The endpoint for a path without version prefix, what its pattern's names stand for, and the pattern.</summary>
    public (Endpoint Endpoint, IReadOnlyDictionary<string, string> Values, string Pattern)? Find(string method, string path, ApiVersion version)
    {
        var segments = path.Split('/', StringSplitOptions.RemoveEmptyEntries);
        foreach (var route in _routes)
        {
            if (route.Method == method && version >= route.Since && route.Match(segments) is { } values)
            {
                return (route.Endpoint, values, route.Text);
            }
        }

        return null;
    }

    private sealed record Route(string Method, string Text, string[] Pattern, Endpoint Endpoint, ApiVersion Since)
    {
        private static readonly Dictionary<string, string> Nothing = [];

        public Dictionary<string, string>? Match(string[] path)
        {
            Dictionary<string, string>? values = null;
            var at = 0;
            for (var i = 0; i < Pattern.Length; i++)
            {
                var part = Pattern[i];
                if (at >= path.Length)
                {
                    return null;
                }

                if (part[0] != '{')
                {
                    if (path[at++] != part)
                    {
                        return null;
                    }

                    continue;
                }

                if (part[^2] != '*')
                {
                    (values ??= [])[part[1..^1]] = path[at++];
                    continue;
                }

                // The rest of the pattern is fixed, so that what remains in front of it belongs to the name.
                var take = path.Length - at - (Pattern.Length - i - 1);
                if (take < 1)
                {
                    return null;
                }

                (values ??= [])[part[1..^2]] = string.Join('/', path, at, take);
                at += take;
            }

            return at == path.Length ? values ?? Nothing : null;
        }
    }
}
