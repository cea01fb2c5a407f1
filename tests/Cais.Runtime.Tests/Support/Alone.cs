namespace Cais.Runtime.Tests.Support;

/// <summary>Tests that load the whole machine run when no other does.</summary>
[CollectionDefinition(nameof(Alone), DisableParallelization = true)]
public sealed class Alone;
