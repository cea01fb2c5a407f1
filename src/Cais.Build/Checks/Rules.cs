namespace Cais.Build.Checks;

/// <summary>The build checks by BuildKit's names, which Dockerfiles use to switch them off.</summary>
public static class Rules
{
    public const string StageNameCasing = nameof(StageNameCasing);
    public const string FromAsCasing = nameof(FromAsCasing);
    public const string NoEmptyContinuation = nameof(NoEmptyContinuation);
    public const string ConsistentInstructionCasing = nameof(ConsistentInstructionCasing);
    public const string DuplicateStageName = nameof(DuplicateStageName);
    public const string ReservedStageName = nameof(ReservedStageName);
    public const string JSONArgsRecommended = nameof(JSONArgsRecommended);
    public const string MaintainerDeprecated = nameof(MaintainerDeprecated);
    public const string UndefinedArgInFrom = nameof(UndefinedArgInFrom);
    public const string WorkdirRelativePath = nameof(WorkdirRelativePath);
    public const string UndefinedVar = nameof(UndefinedVar);
    public const string MultipleInstructionsDisallowed = nameof(MultipleInstructionsDisallowed);
    public const string LegacyKeyValueFormat = nameof(LegacyKeyValueFormat);
    public const string InvalidBaseImagePlatform = nameof(InvalidBaseImagePlatform);
    public const string RedundantTargetPlatform = nameof(RedundantTargetPlatform);
    public const string SecretsUsedInArgOrEnv = nameof(SecretsUsedInArgOrEnv);
    public const string InvalidDefaultArgInFrom = nameof(InvalidDefaultArgInFrom);
    public const string FromPlatformFlagConstDisallowed = nameof(FromPlatformFlagConstDisallowed);
    public const string CopyIgnoredFile = nameof(CopyIgnoredFile);
    public const string ExposeProtoCasing = nameof(ExposeProtoCasing);
    public const string ExposeInvalidFormat = nameof(ExposeInvalidFormat);
    public const string InvalidDefinitionDescription = nameof(InvalidDefinitionDescription);

    /// <summary>Rules that speak only when asked to.</summary>
    public static readonly IReadOnlySet<string> Experimental = new HashSet<string> { InvalidDefinitionDescription };
}
