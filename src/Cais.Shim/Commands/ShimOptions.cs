namespace Cais.Shim.Commands;

/// <summary>The command line that containerd gives every shim, in the style of Go's flag package.</summary>
internal sealed record ShimOptions
{
    public string Namespace { get; init; } = "";
    public string Id { get; init; } = "";

    /// <summary>containerd's own socket; where events go if TTRPC_ADDRESS is not set.</summary>
    public string Address { get; init; } = "";

    /// <summary>A program that publishes one event given on its standard input.</summary>
    public string PublishBinary { get; init; } = "";

    /// <summary>The topics of the events to publish, with commas; empty is all of them.</summary>
    public string Topics { get; init; } = "";

    public string Bundle { get; init; } = "";

    /// <summary>A path to listen at; without it, descriptor 3 is a listening socket.</summary>
    public string Socket { get; init; } = "";

    public bool Debug { get; init; }
    public bool ShowVersion { get; init; }
    public bool ShowInfo { get; init; }

    /// <summary><c>start</c>, <c>delete</c>, or <c>serve</c>, which is also what no action means.</summary>
    public string Action { get; init; } = "";

    /// <summary>Reads the arguments. Flags take one or two dashes, and values after <c>=</c> or as the next argument.</summary>
    /// <exception cref="UsageException">An unknown flag, or one without its value.</exception>
    public static ShimOptions Parse(IReadOnlyList<string> arguments)
    {
        var options = new ShimOptions();
        for (var i = 0; i < arguments.Count; i++)
        {
            var argument = arguments[i];
            if (argument.Length < 2 || argument[0] != '-')
            {
                return options with { Action = argument };
            }

            if (argument == "--")
            {
                return i + 1 < arguments.Count ? options with { Action = arguments[i + 1] } : options;
            }

            var name = argument.TrimStart('-');
            string? value = null;
            if (name.IndexOf('=', StringComparison.Ordinal) is var equals and > 0)
            {
                (name, value) = (name[..equals], name[(equals + 1)..]);
            }

            options = name switch
            {
                "debug" => options with { Debug = Flag() },
                "v" or "version" => options with { ShowVersion = Flag() },
                "info" => options with { ShowInfo = Flag() },
                "namespace" => options with { Namespace = Value() },
                "id" => options with { Id = Value() },
                "address" => options with { Address = Value() },
                "publish-binary" => options with { PublishBinary = Value() },
                "topics" => options with { Topics = Value() },
                "bundle" => options with { Bundle = Value() },
                "socket" => options with { Socket = Value() },
                "debug-socket" => Ignored(Value()),
                _ => throw new UsageException($"flag provided but not defined: -{name}"),
            };

            bool Flag() => value switch
            {
                null or "1" or "t" or "T" or "true" or "TRUE" or "True" => true,
                "0" or "f" or "F" or "false" or "FALSE" or "False" => false,
                _ => throw new UsageException($"invalid boolean value \"{value}\" for -{name}"),
            };

            string Value() => value ?? (++i < arguments.Count ? arguments[i] : throw new UsageException($"flag needs an argument: -{name}"));

            ShimOptions Ignored(string _) => options;
        }

        return options;
    }
}

/// <summary>The command line cannot be understood.</summary>
internal sealed class UsageException(string message) : Exception(message);
