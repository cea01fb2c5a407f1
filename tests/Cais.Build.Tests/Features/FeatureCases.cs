namespace Cais.Build.Tests.Features;

/// <summary>Every row of Data/dockerfile-features.tsv, and what proves that it works, or why it is refused.</summary>
internal sealed class FeatureCases
{
    private readonly Dictionary<(string Area, string Name), FeatureCase> _cases = [];

    public FeatureCases()
    {
        Add("instruction", "FROM", Proof.From, "FROM a:1\n", "a:1");
        Add("instruction", "FROM AS name", Proof.HeldBy, "A_target_is_a_name_or_a_number");
        Add("instruction", "FROM scratch", Proof.NoSteps, "FROM scratch\n");
        Add("instruction", "FROM stage", Proof.Env, "FROM scratch AS a\nENV X=1\nFROM a\n", "X=1");
        Add("instruction", "RUN", Proof.Run, "FROM a\nRUN make it\n", "make it");
        Add("instruction", "CMD", Proof.Config, "FROM a\nCMD [\"x\"]\nCMD [\"y\"]\n", "y");
        Add("instruction", "ENTRYPOINT", Proof.Config, "FROM a\nENTRYPOINT [\"e\"]\n", "e");
        Add("instruction", "ENV", Proof.Env, "FROM a\nENV A=1 B=2\n", "B=2");
        Add("instruction", "ARG", Proof.Run, "FROM a\nARG A=1\nRUN echo $A\n", "echo $A");
        Add("instruction", "LABEL", Proof.Config, "FROM a\nLABEL k=v\n", "k=v");
        Add("instruction", "EXPOSE", Proof.Config, "FROM a\nEXPOSE 80-81/udp\n", "81/udp");
        Add("instruction", "ADD", Proof.Copy, "FROM a\nADD x /y\n", "/y");
        Add("instruction", "COPY", Proof.Copy, "FROM a\nCOPY x /y\n", "/y");
        Add("instruction", "VOLUME", Proof.Config, "FROM a\nVOLUME /v\n", "/v");
        Add("instruction", "USER", Proof.Config, "FROM a\nUSER me:us\n", "me:us");
        Add("instruction", "WORKDIR", Proof.Config, "FROM a\nWORKDIR /a\nWORKDIR b\n", "/a/b");
        Add("instruction", "ONBUILD", Proof.HeldBy, "Configuration_evolves");
        Add("instruction", "ONBUILD with COPY --from / mount from", Proof.Config, "FROM a\nONBUILD COPY --from=x a b\n", "COPY --from=x a b");
        Add("instruction", "STOPSIGNAL", Proof.Config, "FROM a\nSTOPSIGNAL SIGINT\n", "SIGINT");
        Add("instruction", "HEALTHCHECK CMD", Proof.Config, "FROM a\nHEALTHCHECK CMD probe\n", "probe");
        Add("instruction", "HEALTHCHECK NONE", Proof.Config, "FROM a\nHEALTHCHECK NONE\n", "NONE");
        Add("instruction", "SHELL", Proof.Run, "FROM a\nSHELL [\"/bin/x\"]\nRUN y\n", "/bin/x");
        Add("instruction", "MAINTAINER", Proof.Config, "FROM a\nMAINTAINER me\n", "me");
        Add("flag", "--platform", Proof.From, "FROM --platform=linux/arm64 a:1\n", "a:1");
        Add("flag", "--mount", Proof.Run, "FROM a\nRUN --mount=type=tmpfs,target=/t x\n", "x");
        Add("flag", "--network", Proof.Network, "FROM a\nRUN --network=none x\n", "None");
        Add("flag", "--security", Proof.Network, "FROM a\nRUN --security=insecure x\n", "Default");
        Add("flag", "--device", Proof.Fails, "FROM a\nRUN --device=x y\n", "device");
        Add("flag", "--from", Proof.Copy, "FROM a\nCOPY --from=b /x /y\n", "/y");
        Add("flag", "--chown", Proof.Copy, "FROM a\nARG U=7\nCOPY --chown=$U x /y\n", "7");
        Add("flag", "--chmod", Proof.Copy, "FROM a\nCOPY --chmod=0640 x /y\n", "0640");
        Add("flag", "--chmod symbolic", Proof.Copy, "FROM a\nCOPY --chmod=u=rwX,go=rX x /y\n", "u=rwX,go=rX");
        Add("flag", "--link", Proof.HeldBy, "A_linked_copy_is_made_once_whatever_is_below_it");
        Add("flag", "--parents", Proof.HeldBy, "Copies_files_directories_and_heredocs");
        Add("flag", "--exclude", Proof.Copy, "FROM a\nCOPY --exclude=*.x . /y\n", "*.x");
        Add("flag", "--keep-git-dir", Proof.Step, "FROM a\nADD --keep-git-dir=true https://e.org/a.git /y\n", "GitStep");
        Add("flag", "--checksum", Proof.Step, "FROM a\nADD --checksum=sha256:0000000000000000000000000000000000000000000000000000000000000000 https://e.org/f /y\n", "HttpStep");
        Add("flag", "--unpack", Proof.Copy, "FROM a\nADD --unpack=true x /y\n", "Always");
        Add("flag", "--interval", Proof.Config, "FROM a\nHEALTHCHECK --interval=2s CMD x\n", "2000000000");
        Add("flag", "--timeout", Proof.Config, "FROM a\nHEALTHCHECK --timeout=2s CMD x\n", "2000000000");
        Add("flag", "--start-period", Proof.Config, "FROM a\nHEALTHCHECK --start-period=2s CMD x\n", "2000000000");
        Add("flag", "--start-interval", Proof.Config, "FROM a\nHEALTHCHECK --start-interval=2s CMD x\n", "2000000000");
        Add("flag", "--retries", Proof.Config, "FROM a\nHEALTHCHECK --retries=7 CMD x\n", "7");
        Add("flag", "flag syntax", Proof.Fails, "FROM a\nCOPY --nope x y\n", "nope");
        Add("run-mount", "type=bind", Proof.Mount, "FROM a AS s\nFROM a\nRUN --mount=target=/t x\n", "Bind /t");
        Add("run-mount", "bind: target | dst | destination", Proof.Mount, "FROM a AS s\nFROM a\nRUN --mount=type=bind,dst=/t x\n", "Bind /t");
        Add("run-mount", "bind: source | src", Proof.Mount, "FROM a AS s\nFROM a\nRUN --mount=type=bind,src=/s,target=/t x\n", "src=/s");
        Add("run-mount", "bind: from", Proof.Mount, "FROM a AS s\nFROM a\nRUN --mount=from=s,target=/t x\n", "from");
        Add("run-mount", "bind: rw | readwrite", Proof.Mount, "FROM a AS s\nFROM a\nRUN --mount=target=/t,rw x\n", "rw");
        Add("run-mount", "bind: ro | readonly", Proof.Mount, "FROM a AS s\nFROM a\nRUN --mount=target=/t,ro x\n", "ro");
        Add("run-mount", "type=cache", Proof.Mount, "FROM a AS s\nFROM a\nRUN --mount=type=cache,target=/t x\n", "Cache /t");
        Add("run-mount", "cache: id", Proof.Mount, "FROM a AS s\nFROM a\nRUN --mount=type=cache,id=i,target=/t x\n", "id=/i");
        Add("run-mount", "cache: target | dst | destination", Proof.Mount, "FROM a AS s\nFROM a\nRUN --mount=type=cache,destination=/t x\n", "Cache /t");
        Add("run-mount", "cache: ro | readonly", Proof.Mount, "FROM a AS s\nFROM a\nRUN --mount=type=cache,target=/t,ro x\n", "ro");
        Add("run-mount", "cache: rw | readwrite", Proof.Mount, "FROM a AS s\nFROM a\nRUN --mount=type=cache,target=/t,rw x\n", "rw");
        Add("run-mount", "cache: sharing", Proof.Mount, "FROM a AS s\nFROM a\nRUN --mount=type=cache,target=/t,sharing=locked x\n", "Locked");
        Add("run-mount", "cache: from", Proof.Mount, "FROM a AS s\nFROM a\nRUN --mount=type=cache,target=/t,from=s x\n", "from");
        Add("run-mount", "cache: source | src", Proof.Mount, "FROM a AS s\nFROM a\nRUN --mount=type=cache,target=/t,from=s,src=/q x\n", "src=/q");
        Add("run-mount", "cache: mode", Proof.Mount, "FROM a AS s\nFROM a\nRUN --mount=type=cache,target=/t,mode=0700 x\n", "mode=448");
        Add("run-mount", "cache: uid", Proof.Mount, "FROM a AS s\nFROM a\nRUN --mount=type=cache,target=/t,uid=5 x\n", "uid=5");
        Add("run-mount", "cache: gid", Proof.Mount, "FROM a AS s\nFROM a\nRUN --mount=type=cache,target=/t,gid=6 x\n", "gid=6");
        Add("run-mount", "type=tmpfs", Proof.Mount, "FROM a AS s\nFROM a\nRUN --mount=type=tmpfs,target=/t x\n", "Tmpfs /t");
        Add("run-mount", "tmpfs: target | dst | destination", Proof.Mount, "FROM a AS s\nFROM a\nRUN --mount=type=tmpfs,dst=/t x\n", "Tmpfs /t");
        Add("run-mount", "tmpfs: size", Proof.Mount, "FROM a AS s\nFROM a\nRUN --mount=type=tmpfs,target=/t,size=1m x\n", "size=1048576");
        Add("run-mount", "type=secret", Proof.Mount, "FROM a AS s\nFROM a\nRUN --mount=type=secret,id=i x\n", "Secret /run/secrets/i");
        Add("run-mount", "secret: id", Proof.Mount, "FROM a AS s\nFROM a\nRUN --mount=type=secret,id=i x\n", "Secret /run/secrets/i");
        Add("run-mount", "secret: source | src", Proof.Mount, "FROM a AS s\nFROM a\nRUN --mount=type=secret,src=q x\n", "Secret /run/secrets/q");
        Add("run-mount", "secret: target | dst | destination", Proof.Mount, "FROM a AS s\nFROM a\nRUN --mount=type=secret,id=i,target=/t x\n", "Secret /t");
        Add("run-mount", "secret: env", Proof.Mount, "FROM a AS s\nFROM a\nRUN --mount=type=secret,id=i,env=E x\n", "env=E");
        Add("run-mount", "secret: required", Proof.Mount, "FROM a AS s\nFROM a\nRUN --mount=type=secret,id=i,required x\n", "required");
        Add("run-mount", "secret: mode", Proof.Mount, "FROM a AS s\nFROM a\nRUN --mount=type=secret,id=i,mode=0444 x\n", "mode=292");
        Add("run-mount", "secret: uid", Proof.Mount, "FROM a AS s\nFROM a\nRUN --mount=type=secret,id=i,uid=5 x\n", "uid=5");
        Add("run-mount", "secret: gid", Proof.Mount, "FROM a AS s\nFROM a\nRUN --mount=type=secret,id=i,gid=6 x\n", "gid=6");
        Add("run-mount", "type=ssh", Proof.Mount, "FROM a AS s\nFROM a\nRUN --mount=type=ssh x\n", "Ssh");
        Add("run-mount", "ssh: id", Proof.Mount, "FROM a AS s\nFROM a\nRUN --mount=type=ssh,id=k x\n", "id=k");
        Add("run-mount", "ssh: target | dst | destination", Proof.Mount, "FROM a AS s\nFROM a\nRUN --mount=type=ssh,target=/t x\n", "Ssh /t");
        Add("run-mount", "ssh: required", Proof.Mount, "FROM a AS s\nFROM a\nRUN --mount=type=ssh,required x\n", "required");
        Add("run-mount", "ssh: mode", Proof.Mount, "FROM a AS s\nFROM a\nRUN --mount=type=ssh,mode=0666 x\n", "mode=438");
        Add("run-mount", "ssh: uid", Proof.Mount, "FROM a AS s\nFROM a\nRUN --mount=type=ssh,uid=5 x\n", "uid=5");
        Add("run-mount", "ssh: gid", Proof.Mount, "FROM a AS s\nFROM a\nRUN --mount=type=ssh,gid=6 x\n", "gid=6");
        Add("run-mount", "option rules", Proof.Fails, "FROM a\nRUN --mount=type=cache,nope=1,target=/t x\n", "nope");
        Add("source", "local path", Proof.HeldBy, "Links_in_context_and_destination_stay_within_their_trees");
        Add("source", "trailing slash of dest", Proof.Fails, "FROM a\nCOPY a b c\n", "must be a directory");
        Add("source", "missing wildcard match", Proof.HeldBy, "A_missing_source_is_named");
        Add("source", "inline heredoc", Proof.HeldBy, "Copies_files_directories_and_heredocs");
        Add("source", "local archive", Proof.HeldBy, "An_archive_is_unpacked_unless_it_is_told_not_to_be");
        Add("source", "http(s) URL", Proof.HeldBy, "A_fetched_file_that_has_changed_is_used");
        Add("source", "HTTP auth secrets", Proof.HeldBy, "A_fetched_file_that_has_changed_is_used");
        Add("source", "git repository", Proof.HeldBy, "A_git_repository_is_checked_out");
        Add("source", "git fragment", Proof.HeldBy, "A_git_repository_is_checked_out");
        Add("source", "git query ref", Proof.Git, "https://e.org/a.git?ref=v");
        Add("source", "git query tag", Proof.Git, "https://e.org/a.git?tag=v");
        Add("source", "git query branch", Proof.Git, "https://e.org/a.git?branch=v");
        Add("source", "git query subdir", Proof.Git, "https://e.org/a.git?subdir=v");
        Add("source", "git query checksum | commit", Proof.Git, "https://e.org/a.git?checksum=abc");
        Add("source", "git query keep-git-dir", Proof.Git, "https://e.org/a.git?keep-git-dir=1");
        Add("source", "git query submodules", Proof.Git, "https://e.org/a.git?submodules=1");
        Add("source", "git query mtime", Proof.Git, "https://e.org/a.git?mtime=commit");
        Add("source", "git query fetch-by-commit", Proof.Git, "https://e.org/a.git?fetch-by-commit=1");
        Add("parser-directive", "syntax", Proof.Env, "# syntax=docker/dockerfile:1\nFROM a\nENV X=1\n", "X=1");
        Add("parser-directive", "escape", Proof.Run, "# escape=`\nFROM a\nRUN x `\n y\n", "x");
        Add("parser-directive", "check", Proof.Fails, "# check=error=true\nFROM a\nMAINTAINER x\n", "lint violation");
        Add("parser-directive", "check comment on an instruction", Proof.HeldBy, "A_comment_above_an_instruction_silences_a_rule_there");
        Add("parser-directive", "rules", Proof.Fails, "# escape=x\nFROM a\n", "escape");
        Add("syntax", "comments", Proof.Run, "FROM a\n # c\nRUN x\n", "x");
        Add("syntax", "line continuation", Proof.Run, "FROM a\nRUN x \\\n y\n", "x");
        Add("syntax", "BOM and line ends", Proof.Run, "\uFEFFFROM a\r\nRUN x\r\n", "x");
        Add("syntax", "exec form", Proof.Run, "FROM a\nRUN [\"p\",\"q r\"]\n", "q r");
        Add("syntax", "shell form", Proof.Run, "FROM a\nRUN p\n", "/bin/sh");
        Add("syntax", "heredoc", Proof.Run, "FROM a\nRUN <<E\np\nE\n", "p");
        Add("syntax", "heredoc <<-", Proof.Run, "FROM a\nRUN <<-E\n\tp\n\tE\n", "p");
        Add("syntax", "heredoc quoted word", Proof.HeldBy, "Copies_files_directories_and_heredocs");
        Add("syntax", "heredoc only RUN", Proof.Run, "FROM a\nRUN <<E\np\nE\n", "p");
        Add("syntax", "heredoc with command", Proof.Run, "FROM a\nRUN cat <<E\np\nE\n", "cat <<E");
        Add("syntax", "stage descriptions", Proof.Env, "# x is it\nARG x=1\nFROM a\nENV Y=1\n", "Y=1");
        Add("syntax", "case of instructions", Proof.Run, "from a\nrun p\n", "p");
        Add("syntax", "quotes in words", Proof.Env, "FROM a\nENV A=\"b c\" D='e f'\n", "D=e f");
        Add("variable-expansion", "$name", Proof.Env, "FROM a\nENV x=abcabc E=\nENV R=$x\n", "R=abcabc");
        Add("variable-expansion", "${name}", Proof.Env, "FROM a\nENV x=abcabc E=\nENV R=${x}\n", "R=abcabc");
        Add("variable-expansion", "${name:-word}", Proof.Env, "FROM a\nENV x=abcabc E=\nENV R=${E:-w}\n", "R=w");
        Add("variable-expansion", "${name-word}", Proof.Env, "FROM a\nENV x=abcabc E=\nENV R=${E-w}\n", "R=");
        Add("variable-expansion", "${name:+word}", Proof.Env, "FROM a\nENV x=abcabc E=\nENV R=${x:+w}\n", "R=w");
        Add("variable-expansion", "${name+word}", Proof.Env, "FROM a\nENV x=abcabc E=\nENV R=${E+w}\n", "R=w");
        Add("variable-expansion", "${name:?word}", Proof.Fails, "FROM a\nENV R=${E:?msg}\n", "msg");
        Add("variable-expansion", "${name?word}", Proof.Fails, "FROM a\nENV R=${E?msg}\n", "msg");
        Add("variable-expansion", "${name#pattern}", Proof.Env, "FROM a\nENV x=abcabc E=\nENV R=${x#a*c}\n", "R=abc");
        Add("variable-expansion", "${name##pattern}", Proof.Env, "FROM a\nENV x=abcabc E=\nENV R=${x##a*c}\n", "R=");
        Add("variable-expansion", "${name%pattern}", Proof.Env, "FROM a\nENV x=abcabc E=\nENV R=${x%b*c}\n", "R=abca");
        Add("variable-expansion", "${name%%pattern}", Proof.Env, "FROM a\nENV x=abcabc E=\nENV R=${x%%b*c}\n", "R=a");
        Add("variable-expansion", "${name/pattern/text}", Proof.Env, "FROM a\nENV x=abcabc E=\nENV R=${x/b/X}\n", "R=aXcabc");
        Add("variable-expansion", "${name//pattern/text}", Proof.Env, "FROM a\nENV x=abcabc E=\nENV R=${x//b/X}\n", "R=aXcaXc");
        Add("variable-expansion", "patterns", Proof.Env, "FROM a\nENV x=abcabc E=\nENV R=${x#a?}\n", "R=cabc");
        Add("variable-expansion", "escape", Proof.Env, "FROM a\nENV x=abcabc E=\nENV R=\\$x\n", "R=$x");
        Add("variable-expansion", "nesting", Proof.Env, "FROM a\nENV x=abcabc E=\nENV R=${E:-${x}}\n", "R=abcabc");
        Add("variable-expansion", "where expanded", Proof.HeldBy, "Arguments_have_their_scopes");
        Add("variable-expansion", "one value per instruction", Proof.HeldBy, "All_values_of_an_instruction_come_from_before_it");
        Add("variable-expansion", "scope of ARG and ENV", Proof.HeldBy, "Arguments_have_their_scopes");
        Add("builtin-arg", "TARGETPLATFORM", Proof.EnvForArm, "FROM scratch\nARG TARGETPLATFORM\nENV R=$TARGETPLATFORM\n", "R=linux/arm64");
        Add("builtin-arg", "TARGETOS", Proof.EnvForArm, "FROM scratch\nARG TARGETOS\nENV R=$TARGETOS\n", "R=linux");
        Add("builtin-arg", "TARGETARCH", Proof.EnvForArm, "FROM scratch\nARG TARGETARCH\nENV R=$TARGETARCH\n", "R=arm64");
        Add("builtin-arg", "TARGETVARIANT", Proof.EnvForArm, "FROM scratch\nARG TARGETVARIANT\nENV R=$TARGETVARIANT\n", "R=");
        Add("builtin-arg", "TARGETOSVERSION", Proof.EnvForArm, "FROM scratch\nARG TARGETOSVERSION\nENV R=$TARGETOSVERSION\n", "R=");
        Add("builtin-arg", "TARGETSTAGE", Proof.EnvForArm, "FROM scratch\nARG TARGETSTAGE\nENV R=$TARGETSTAGE\n", "R=default");
        Add("builtin-arg", "BUILDPLATFORM", Proof.EnvForArm, "FROM scratch\nARG BUILDPLATFORM\nENV R=${BUILDPLATFORM:+set}\n", "R=set");
        Add("builtin-arg", "BUILDOS", Proof.EnvForArm, "FROM scratch\nARG BUILDOS\nENV R=$BUILDOS\n", "R=linux");
        Add("builtin-arg", "BUILDARCH", Proof.EnvForArm, "FROM scratch\nARG BUILDARCH\nENV R=${BUILDARCH:+set}\n", "R=set");
        Add("builtin-arg", "BUILDVARIANT", Proof.EnvForArm, "FROM scratch\nARG BUILDVARIANT\nENV R=$BUILDVARIANT\n", "R=");
        Add("builtin-arg", "BUILDOSVERSION", Proof.EnvForArm, "FROM scratch\nARG BUILDOSVERSION\nENV R=$BUILDOSVERSION\n", "R=");
        Add("builtin-arg", "HTTP_PROXY / http_proxy", Proof.HeldBy, "Run_sees_declared_arguments_and_proxies_but_only_the_former_count");
        Add("builtin-arg", "HTTPS_PROXY / https_proxy", Proof.HeldBy, "Run_sees_declared_arguments_and_proxies_but_only_the_former_count");
        Add("builtin-arg", "FTP_PROXY / ftp_proxy", Proof.HeldBy, "Run_sees_declared_arguments_and_proxies_but_only_the_former_count");
        Add("builtin-arg", "NO_PROXY / no_proxy", Proof.HeldBy, "Run_sees_declared_arguments_and_proxies_but_only_the_former_count");
        Add("builtin-arg", "ALL_PROXY / all_proxy", Proof.HeldBy, "Run_sees_declared_arguments_and_proxies_but_only_the_former_count");
        Add("builtin-arg", "BUILDKIT_BUILD_NAME", Proof.Ignored, "names the build in progress displays that show several; one build is shown");
        Add("builtin-arg", "BUILDKIT_CACHE_MOUNT_NS", Proof.HeldBy, "Cache_mounts_have_a_namespace");
        Add("builtin-arg", "BUILDKIT_CONTEXT_KEEP_GIT_DIR", Proof.HeldBy, "A_context_that_is_a_repository_keeps_its_git_directory_where_it_is_asked_for");
        Add("builtin-arg", "BUILDKIT_INLINE_CACHE", Proof.HeldBy, "An_inline_cache_is_found_by_another_engine");
        Add("builtin-arg", "BUILDKIT_MULTI_PLATFORM", Proof.HeldBy, "One_platform_is_an_index_where_it_is_asked_for");
        Add("builtin-arg", "BUILDKIT_SANDBOX_HOSTNAME", Proof.HeldBy, "Cache_mounts_have_a_namespace");
        Add("builtin-arg", "BUILDKIT_SYNTAX", Proof.Ignored, "by cais build and the classic door: the built-in language is the newest stable one. BuildKit's API runs the image");
        Add("builtin-arg", "BUILDKIT_DOCKERFILE_CHECK", Proof.HeldBy, "Checks_warn_by_their_names");
        Add("builtin-arg", "BUILDKIT_SBOM_SCAN_CONTEXT", Proof.Refused, "the SBOM lists the packages of the result");
        Add("builtin-arg", "BUILDKIT_SBOM_SCAN_STAGE", Proof.Refused, "the SBOM lists the packages of the result");
        Add("builtin-arg", "BUILDKIT_ATTEST_<TYPE>", Proof.HeldBy, "Statements_are_asked_for_by_options_and_by_arguments");
        Add("builtin-arg", "SOURCE_DATE_EPOCH", Proof.HeldBy, "The_same_build_gives_the_same_bits");
        Add("builtin-arg", "SOURCE_DATE_EPOCH special values", Proof.Refused, "only a number of seconds is taken");
        Add("dockerignore", "file name", Proof.HeldBy, "Decides");
        Add("dockerignore", "scope", Proof.HeldBy, "Decides");
        Add("dockerignore", "comments", Proof.HeldBy, "Decides");
        Add("dockerignore", "path cleaning", Proof.HeldBy, "Decides");
        Add("dockerignore", "wildcards", Proof.HeldBy, "Decides");
        Add("dockerignore", "**", Proof.HeldBy, "Decides");
        Add("dockerignore", "directories", Proof.HeldBy, "Decides");
        Add("dockerignore", "! exception", Proof.HeldBy, "Decides");
        Add("dockerignore", "Dockerfile itself", Proof.HeldBy, "Decides");
        Add("dockerignore", "order", Proof.HeldBy, "Decides");
        Add("named-context", "docker-image://ref", Proof.HeldBy, "Named_contexts_take_the_place_of_stages_and_images");
        Add("named-context", "git URL or https://...git", Proof.HeldBy, "A_named_context_is_an_address");
        Add("named-context", "http(s) URL", Proof.HeldBy, "A_named_context_is_an_address");
        Add("named-context", "local:name", Proof.HeldBy, "Named_contexts_take_the_place_of_stages_and_images");
        Add("named-context", "input:name", Proof.HeldBy, "Bake_links_one_targets_result_into_another");
        Add("named-context", "oci-layout://store@digest", Proof.HeldBy, "A_cache_and_an_image_travel_as_directories_of_the_client");
        Add("named-context", "name::platform", Proof.HeldBy, "A_named_context_may_be_for_one_platform");
        Add("named-context", "override", Proof.HeldBy, "Named_contexts_take_the_place_of_stages_and_images");
        Add("named-context", "docker-image://scratch", Proof.HeldBy, "Named_contexts_take_the_place_of_stages_and_images");
        Add("check-rule", "StageNameCasing", Proof.HeldBy, "Checks_warn_by_their_names");
        Add("check-rule", "FromAsCasing", Proof.HeldBy, "Checks_warn_by_their_names");
        Add("check-rule", "NoEmptyContinuation", Proof.HeldBy, "Checks_warn_by_their_names");
        Add("check-rule", "ConsistentInstructionCasing", Proof.HeldBy, "Checks_warn_by_their_names");
        Add("check-rule", "DuplicateStageName", Proof.HeldBy, "Checks_warn_by_their_names");
        Add("check-rule", "ReservedStageName", Proof.HeldBy, "Checks_warn_by_their_names");
        Add("check-rule", "JSONArgsRecommended", Proof.HeldBy, "Checks_warn_by_their_names");
        Add("check-rule", "MaintainerDeprecated", Proof.HeldBy, "Checks_warn_by_their_names");
        Add("check-rule", "UndefinedArgInFrom", Proof.HeldBy, "Checks_warn_by_their_names");
        Add("check-rule", "WorkdirRelativePath", Proof.HeldBy, "Checks_warn_by_their_names");
        Add("check-rule", "UndefinedVar", Proof.HeldBy, "Checks_warn_by_their_names");
        Add("check-rule", "MultipleInstructionsDisallowed", Proof.HeldBy, "Checks_warn_by_their_names");
        Add("check-rule", "LegacyKeyValueFormat", Proof.HeldBy, "Checks_warn_by_their_names");
        Add("check-rule", "InvalidBaseImagePlatform", Proof.HeldBy, "A_base_image_of_another_platform_is_a_warning");
        Add("check-rule", "RedundantTargetPlatform", Proof.HeldBy, "Checks_warn_by_their_names");
        Add("check-rule", "SecretsUsedInArgOrEnv", Proof.HeldBy, "Checks_warn_by_their_names");
        Add("check-rule", "InvalidDefaultArgInFrom", Proof.HeldBy, "Checks_warn_by_their_names");
        Add("check-rule", "FromPlatformFlagConstDisallowed", Proof.HeldBy, "Checks_warn_by_their_names");
        Add("check-rule", "CopyIgnoredFile", Proof.HeldBy, "Checks_warn_by_their_names");
        Add("check-rule", "ExposeProtoCasing", Proof.HeldBy, "Checks_warn_by_their_names");
        Add("check-rule", "ExposeInvalidFormat", Proof.HeldBy, "Checks_warn_by_their_names");
        Add("check-rule", "InvalidDefinitionDescription", Proof.HeldBy, "Checks_warn_by_their_names");
        Add("frontend-option", "filename", Proof.HeldBy, "What_buildx_sends_is_understood");
        Add("frontend-option", "target", Proof.HeldBy, "What_buildx_sends_is_understood");
        Add("frontend-option", "platform", Proof.HeldBy, "What_buildx_sends_is_understood");
        Add("frontend-option", "build-arg:<name>", Proof.HeldBy, "What_buildx_sends_is_understood");
        Add("frontend-option", "label:<name>", Proof.HeldBy, "What_buildx_sends_is_understood");
        Add("frontend-option", "context:<name>", Proof.HeldBy, "Where_things_are_is_understood");
        Add("frontend-option", "input-metadata:<name>", Proof.Ignored, "what is known of an input comes with the result that it is");
        Add("frontend-option", "no-cache", Proof.HeldBy, "What_buildx_sends_is_understood");
        Add("frontend-option", "add-hosts", Proof.HeldBy, "What_buildx_sends_is_understood");
        Add("frontend-option", "shm-size", Proof.HeldBy, "What_buildx_sends_is_understood");
        Add("frontend-option", "ulimit", Proof.HeldBy, "What_buildx_sends_is_understood");
        Add("frontend-option", "memory", Proof.HeldBy, "Limits_of_commands_are_understood");
        Add("frontend-option", "memswap", Proof.HeldBy, "Limits_of_commands_are_understood");
        Add("frontend-option", "cpushares", Proof.HeldBy, "Limits_of_commands_are_understood");
        Add("frontend-option", "cpuperiod", Proof.HeldBy, "Limits_of_commands_are_understood");
        Add("frontend-option", "cpuquota", Proof.HeldBy, "Limits_of_commands_are_understood");
        Add("frontend-option", "cpusetcpus", Proof.HeldBy, "Limits_of_commands_are_understood");
        Add("frontend-option", "cpusetmems", Proof.HeldBy, "Limits_of_commands_are_understood");
        Add("frontend-option", "cgroup-parent", Proof.HeldBy, "Limits_of_commands_are_understood");
        Add("frontend-option", "force-network-mode", Proof.HeldBy, "What_buildx_sends_is_understood");
        Add("frontend-option", "hostname", Proof.HeldBy, "Limits_of_commands_are_understood");
        Add("frontend-option", "image-resolve-mode", Proof.HeldBy, "What_buildx_sends_is_understood");
        Add("frontend-option", "multi-platform", Proof.HeldBy, "One_platform_may_be_asked_for_as_several");
        Add("frontend-option", "cache-imports", Proof.HeldBy, "Caches_to_use_are_understood");
        Add("frontend-option", "cache-from", Proof.HeldBy, "Caches_to_use_are_understood");
        Add("frontend-option", "attest:<type>", Proof.HeldBy, "Statements_are_asked_for_by_options_and_by_arguments");
        Add("frontend-option", "contextsubdir", Proof.HeldBy, "Where_things_are_is_understood");
        Add("frontend-option", "contextkey", Proof.HeldBy, "Where_things_are_is_understood");
        Add("frontend-option", "dockerfilekey", Proof.HeldBy, "Where_things_are_is_understood");
        Add("frontend-option", "local-sessionid:<name>", Proof.HeldBy, "Where_things_are_is_understood");
        Add("frontend-option", "sharedkey:localdir:<name>", Proof.Ignored, "the session says whose files they are");
        Add("frontend-option", "cmdline", Proof.HeldBy, "A_frontend_that_is_an_image_says_what_to_build");
        Add("frontend-option", "source", Proof.HeldBy, "A_frontend_that_is_an_image_says_what_to_build");
        Add("frontend-option", "frontend.caps", Proof.HeldBy, "What_clients_cannot_do_without_is_there_or_named");
        Add("frontend-option", "requestid", Proof.HeldBy, "Where_things_are_is_understood");
        Add("subrequest", "frontend.subrequests.describe", Proof.HeldBy, "Questions_about_a_Dockerfile_are_answered");
        Add("subrequest", "frontend.outline", Proof.HeldBy, "What_can_be_given_to_a_build_is_listed");
        Add("subrequest", "frontend.targets", Proof.HeldBy, "The_targets_of_a_file_are_listed");
        Add("subrequest", "frontend.lint", Proof.HeldBy, "Checks_are_made_without_building");
        Add("subrequest", "frontend.convertllb", Proof.Refused, "there is no LLB behind the solver");
        Add("build-rule", "CMD and ENTRYPOINT", Proof.HeldBy, "Configuration_evolves");
        Add("build-rule", "history", Proof.HeldBy, "History_says_what_was_done");
        Add("build-rule", "unused stages", Proof.HeldBy, "Only_what_the_target_needs_is_planned_and_fetched");
        Add("build-rule", "parallel stages", Proof.HeldBy, "Independent_stages_run_at_the_same_time");
        Add("build-rule", "cycles", Proof.Fails, "FROM a AS b\nCOPY --from=b x y\n", "circular");
        Add("build-rule", "target", Proof.HeldBy, "A_target_is_a_name_or_a_number");
        Add("build-rule", "labels", Proof.HeldBy, "Configuration_evolves");
        Add("build-rule", "exit code", Proof.HeldBy, "A_failed_command_names_its_step_and_stops_the_others");
        Add("build-rule", "RUN --mount=type=cache in history", Proof.Run, "FROM a\nRUN --mount=type=cache,target=/t x\n", "x");
        Add("build-rule", "empty Dockerfile", Proof.Fails, "", "no instructions");
        Add("build-rule", "no FROM", Proof.Fails, "RUN x\n", "no build stage");
    }

    public IReadOnlyDictionary<(string Area, string Name), FeatureCase> All => _cases;

    private void Add(string area, string name, Proof proof, string subject, string expected = "") => _cases.Add((area, name), new FeatureCase(proof, subject, expected));
}

/// <summary>How a row is proved: by planning a Dockerfile and looking at one thing, by a test of that name, or not at all.</summary>
internal enum Proof
{
    From,
    NoSteps,
    Env,
    EnvForArm,
    Run,
    Config,
    Copy,
    Network,
    Step,
    Mount,
    Git,
    Fails,

    /// <summary>A test of that name, wherever in the repository.</summary>
    HeldBy,

    /// <summary>Accepted, and without effect.</summary>
    Ignored,
    Refused,
}

internal sealed record FeatureCase(Proof Proof, string Subject, string Expected);
