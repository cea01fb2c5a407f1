using Cais.Build.Graph;
using Cais.Build.Language;
using Cais.Build.Planning;
using Cais.Oci.Images;

namespace Cais.Build.Tests.Planning;

public sealed class BuildPlannerTests
{
    private static Task<BuildPlan> Plan(string text, BuildOptions? options = null, FakeImages? images = null) => BuildPlanner.PlanAsync(
        Dockerfile.Parse(new DockerfileSource("Dockerfile", text)), options ?? new BuildOptions(), images ?? new FakeImages(), TestContext.Current.CancellationToken);

    private static BuildOptions With(params (string Name, string Value)[] arguments) => new() { Arguments = arguments.ToDictionary(a => a.Name, a => a.Value) };

    private static async Task<DockerfileException> Fails(string text, BuildOptions? options = null) =>
        await Assert.ThrowsAsync<DockerfileException>(() => Plan(text, options));

    [Fact]
    public async Task Only_what_the_target_needs_is_planned_and_fetched()
    {
        var images = new FakeImages();
        var plan = await Plan("FROM unused\nRUN a\nFROM base AS b\nRUN b\nFROM scratch\nCOPY --from=b /x /y\n", null, images);
        Assert.Equal(["base"], images.Asked);
        Assert.Equal(["RunStep", "CopyStep"], plan.Steps().Where(s => s is not (ImageStep or ScratchStep)).Select(s => s.GetType().Name));
    }

    [Fact]
    public async Task A_target_is_a_name_or_a_number()
    {
        const string text = "FROM a AS one\nENV s=1\nFROM b AS two\nENV s=2\nFROM c\nENV s=3\n";
        Assert.Contains("s=1", (await Plan(text, new BuildOptions { Target = "ONE" })).Config.Config!.Env!);
        Assert.Contains("s=2", (await Plan(text, new BuildOptions { Target = "1" })).Config.Config!.Env!);
        Assert.Contains("s=3", (await Plan(text)).Config.Config!.Env!);
        Assert.Contains("target stage \"oen\" could not be found (did you mean one?)", (await Fails(text, new BuildOptions { Target = "oen" })).Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Arguments_have_their_scopes()
    {
        const string text = "ARG G=1\nARG H=${G}2\nFROM scratch\nENV before=$G\nARG G\nARG L=l\nARG U\nENV g=$G h=$H l=$L u=${U-unset} p=$TARGETOS\nARG TARGETOS\nENV os=$TARGETOS\nENV L=env\nARG L=again\nENV last=$L\n";
        var env = (await Plan(text, With(("L", "given"), ("other", "x")))).Config.Config!.Env!;
        Assert.Equal(
            ["PATH=" + StageState.DefaultPath, "before=", "g=1", "h=", "l=given", "u=unset", "p=", "os=linux", "L=env", "last=env"], env);
    }

    [Fact]
    public async Task Arguments_reach_FROM_and_stages_inherit_them()
    {
        var images = new FakeImages();
        var plan = await Plan("ARG V=1\nFROM img:$V AS a\nARG X=x\nENV E=e\nFROM a\nENV R=$X$E\n", With(("V", "2")), images);
        Assert.Equal(["img:2"], images.Asked);
        Assert.Contains("R=xe", plan.Config.Config!.Env!);
    }

    [Fact]
    public async Task All_values_of_an_instruction_come_from_before_it() =>
        Assert.Contains("b=1", (await Plan("FROM scratch\nENV a=1\nENV a=2 b=$a\n")).Config.Config!.Env!);

    [Fact]
    public async Task Configuration_evolves()
    {
        var images = new FakeImages().Add("base", new ContainerDefaults
        {
            Env = ["PATH=/bin", "A=1"],
            Cmd = ["old"],
            WorkingDir = "/w",
            Labels = new Dictionary<string, string> { ["l"] = "1" },
            OnBuild = ["ENV T=t", "WORKDIR sub"],
        });
        var plan = await Plan(
            """
            FROM base
            ENTRYPOINT ["run"]
            USER 1:2
            EXPOSE 80 8000-8002/udp
            VOLUME /data ["/x"]
            LABEL l=2 m="a b"
            STOPSIGNAL SIGINT
            SHELL ["/bin/bash", "-c"]
            HEALTHCHECK --interval=1s CMD probe it
            WORKDIR deep
            ONBUILD RUN x
            """, new BuildOptions { Labels = new Dictionary<string, string> { ["z"] = "9" } }, images);
        var config = plan.Config.Config!;
        Assert.Equal(["PATH=/bin", "A=1", "T=t"], config.Env);
        Assert.Equal(["run"], config.Entrypoint);
        Assert.Null(config.Cmd);
        Assert.Equal("1:2", config.User);
        Assert.Equal(["80/tcp", "8000/udp", "8001/udp", "8002/udp"], config.ExposedPorts!.Keys);
        Assert.Equal("/w/sub/deep", config.WorkingDir);
        Assert.Equal([("l", "2"), ("m", "a b"), ("z", "9")], config.Labels!.Select(l => (l.Key, l.Value)));
        Assert.Equal("SIGINT", config.StopSignal);
        Assert.Equal(["CMD-SHELL", "probe it"], config.Healthcheck!.Test);
        Assert.Equal(1_000_000_000, config.Healthcheck.Interval);
        Assert.Equal(["RUN x"], config.OnBuild);
        Assert.Equal(2, plan.History.Count(h => !h.EmptyLayer));
        Assert.Equal("WORKDIR /w/sub # buildkit", plan.History.First(h => !h.EmptyLayer).CreatedBy);
    }

    [Fact]
    public async Task A_command_before_the_entrypoint_in_the_same_stage_stays() =>
        Assert.Equal(["a"], (await Plan("FROM scratch\nCMD [\"a\"]\nENTRYPOINT [\"b\"]\n")).Config.Config!.Cmd);

    [Fact]
    public async Task Run_sees_declared_arguments_and_proxies_but_only_the_former_count()
    {
        const string text = "FROM scratch\nARG A=1\nARG B\nUSER u\nWORKDIR /w\nRUN make\n";
        var one = (RunStep)(await Plan(text, With(("http_proxy", "p1")))).Result;
        var two = (RunStep)(await Plan(text, With(("http_proxy", "p2")))).Result;
        var three = (RunStep)(await Plan(text, With(("A", "2")))).Result;
        Assert.Equal(["A=1", "PATH=" + StageState.DefaultPath], one.Environment);
        Assert.Equal(["http_proxy=p1"], one.UncachedEnvironment);
        Assert.Equal(("u", "/w"), (one.User, one.WorkingDirectory));
        Assert.Equal(["/bin/sh", "-c", "make"], one.Arguments);
        Assert.Equal(one.Digest, two.Digest);
        Assert.NotEqual(one.Digest, three.Digest);
    }

    [Theory]
    [InlineData("RUN <<EOF\na\nb\nEOF\n", new[] { "/bin/sh", "-c", "a\nb\n" })]
    [InlineData("RUN <<EOF\n#!/usr/bin/python\nb\nEOF\n", new[] { "/dev/pipes/EOF" })]
    [InlineData("RUN cat <<A <<-B\na\nA\n\tb\n\tB\n", new[] { "/bin/sh", "-c", "cat <<A <<-B\na\nA\nb\nB" })]
    [InlineData("SHELL [\"x\"]\nRUN y z\n", new[] { "x", "y z" })]
    [InlineData("RUN [\"y\", \"$z\"]\n", new[] { "y", "$z" })]
    public async Task Run_forms(string text, string[] arguments) =>
        Assert.Equal(arguments, Assert.IsType<RunStep>((await Plan("FROM scratch\n" + text)).Result).Arguments);

    [Fact]
    public async Task Mounts_are_resolved()
    {
        var run = (RunStep)(await Plan(
            "FROM img AS src\nFROM scratch\nARG D=/cache\nWORKDIR /w\nRUN --mount=type=cache,target=$D --mount=type=cache,id=x,target=rel --mount=from=src,source=/a,target=/b --mount=target=/ctx --mount=type=secret,id=s --mount=type=ssh true\n",
            With(("BUILDKIT_CACHE_MOUNT_NS", "ns")))).Result;
        Assert.Equal(["/cache", "/w/rel", "/b", "/ctx", "/run/secrets/s", ""], run.Mounts.Select(m => m.Target));
        Assert.Equal(["ns//cache", "ns/x"], run.Mounts.Select(m => m.CacheId).OfType<string>());
        Assert.IsType<ImageStep>(run.Mounts[2].From);
        Assert.IsType<ContextStep>(run.Mounts[3].From);
    }

    [Theory]
    [InlineData("FROM b AS a\nFROM a AS b\nCOPY --from=c / /\nFROM scratch AS c\nCOPY --from=b / /\n", "circular dependency detected on stage: c")]
    [InlineData("FROM scratch AS a\nCOPY --from=a / /\n", "circular dependency detected on stage: a")]
    [InlineData("FROM scratch\nCOPY --from=7 / /\n", "invalid from flag value 7")]
    [InlineData("FROM $none\n", "should not be blank")]
    [InlineData("FROM UPPER\n", "invalid reference format")]
    [InlineData("FROM --platform=a/b/c/d x\n", "failed to parse platform")]
    [InlineData("FROM scratch\nCOPY a b c\n", "must be a directory and end with a /")]
    [InlineData("FROM scratch\nCOPY --chmod=9 a b\n", "invalid chmod")]
    [InlineData("FROM scratch\nEXPOSE 99999\n", "invalid containerPort")]
    [InlineData("FROM scratch\nEXPOSE 80/icmp\n", "invalid containerPort")]
    [InlineData("FROM scratch\nSTOPSIGNAL SIGFOO\n", "invalid signal: SIGFOO")]
    [InlineData("FROM scratch\nENV a=${b?needed}\n", "b: needed")]
    [InlineData("FROM scratch\nADD --checksum=sha256:1 https://x/y /\n", "invalid checksum")]
    [InlineData("FROM scratch\nADD --checksum=sha256:1 y /\n", "single HTTP(S) or Git source")]
    [InlineData("FROM scratch\nADD https://x/ /\n", "cannot determine filename")]
    [InlineData("FROM scratch\nADD https://example.org/b.git?bad=1 /\n", "unexpected query")]
    [InlineData("FROM scratch\nADD https://example.org/b.git?mtime=1 /\n", "invalid mtime")]
    [InlineData("FROM scratch\nRUN --mount=target=/ true\n", "invalid mount target")]
    [InlineData("FROM scratch\nARG a=x\nRUN --mount=from=$a,target=/x true\n", "variable expansion is not supported for from")]
    [InlineData("# check=error=true\nFROM scratch\nMAINTAINER x\n", "lint violation found for rules: MaintainerDeprecated")]
    [InlineData("# check=skp=all\nFROM scratch\n", "invalid check option")]
    public async Task Mistakes_are_named(string text, string message)
    {
        var error = await Fails(text);
        Assert.Contains(message, error.Message, StringComparison.Ordinal);
        Assert.NotNull(error.SourceFile);
    }

    [Fact]
    public async Task Named_contexts_take_the_place_of_stages_and_images()
    {
        var options = new BuildOptions { NamedContexts = new Dictionary<string, string> { ["base"] = "docker-image://other:1", ["files"] = "local:files", ["none"] = "docker-image://scratch" } };
        var images = new FakeImages();
        var plan = await Plan("FROM unused AS files\nFROM base\nCOPY --from=files a b\nCOPY --from=none / /\n", options, images);
        Assert.Equal(["other:1"], images.Asked);
        Assert.Equal("files", plan.Steps().OfType<ContextStep>().Single().Context);
    }

    [Fact]
    public async Task A_named_context_may_be_for_one_platform()
    {
        var options = new BuildOptions
        {
            Platform = Platform.Parse("linux/arm64"),
            NamedContexts = new Dictionary<string, string> { ["base"] = "docker-image://all", ["base::linux/arm64"] = "docker-image://arm" },
        };
        var images = new FakeImages();
        await Plan("FROM base\n", options, images);
        Assert.Equal(["arm"], images.Asked);
    }

    [Fact]
    public async Task A_base_image_of_another_platform_is_a_warning()
    {
        var images = new FakeImages().Add("img", new ContainerDefaults());
        var plan = await Plan("FROM img\n", new BuildOptions { Platform = Platform.Parse("linux/s390x") }, images);
        Assert.Contains("InvalidBaseImagePlatform", plan.Findings.Select(f => f.Rule));
    }

    [Fact]
    public async Task Cache_mounts_have_a_namespace()
    {
        const string text = "FROM a\nRUN --mount=type=cache,target=/t x\n";
        var run = Assert.IsType<RunStep>((await Plan(text, With(("BUILDKIT_CACHE_MOUNT_NS", "mine"), ("BUILDKIT_SANDBOX_HOSTNAME", "h")))).Result);
        Assert.Equal("mine//t", Assert.Single(run.Mounts).CacheId);
        Assert.Equal("h", run.Surroundings.Hostname);
        Assert.NotEqual("mine//t", Assert.Single(Assert.IsType<RunStep>((await Plan(text)).Result).Mounts).CacheId);
    }

    [Fact]
    public async Task History_says_what_was_done()
    {
        var history = (await Plan("FROM scratch\nENV A=1\nRUN make\nWORKDIR /w\nCMD [\"x\"]\n")).History;
        Assert.Equal([true, false, false, true], history.Select(h => h.EmptyLayer));
        Assert.Equal("RUN /bin/sh -c make # buildkit", history[1].CreatedBy);
    }

    [Fact]
    public async Task The_same_instructions_over_the_same_base_are_the_same_step()
    {
        var plan = await Plan("FROM x AS a\nRUN y\nFROM x AS b\nRUN y\nFROM scratch\nCOPY --from=a / /a\nCOPY --from=b / /b\n");
        Assert.Single(plan.Steps().OfType<RunStep>());
    }

    [Theory]
    [InlineData("FROM scratch AS Big\n", "StageNameCasing")]
    [InlineData("FROM scratch as big\n", "FromAsCasing")]
    [InlineData("FROM scratch\nRUN a \\\n\n b\n", "NoEmptyContinuation")]
    [InlineData("FROM scratch\nRUN a\nrun b\n", "ConsistentInstructionCasing")]
    [InlineData("FROM scratch AS a\nFROM scratch AS a\n", "DuplicateStageName")]
    [InlineData("FROM scratch AS context\n", "ReservedStageName")]
    [InlineData("FROM scratch\nCMD a\n", "JSONArgsRecommended")]
    [InlineData("FROM scratch\nMAINTAINER a\n", "MaintainerDeprecated")]
    [InlineData("FROM x$nope\n", "UndefinedArgInFrom")]
    [InlineData("FROM img\nWORKDIR a\n", "WorkdirRelativePath")]
    [InlineData("FROM scratch\nENV a=$nope\n", "UndefinedVar")]
    [InlineData("FROM scratch\nCMD [\"a\"]\nCMD [\"b\"]\n", "MultipleInstructionsDisallowed")]
    [InlineData("FROM scratch\nENV a b\n", "LegacyKeyValueFormat")]
    [InlineData("FROM --platform=$TARGETPLATFORM img\n", "RedundantTargetPlatform")]
    [InlineData("FROM scratch\nENV AWS_SECRET=x\n", "SecretsUsedInArgOrEnv")]
    [InlineData("ARG V\nFROM img:${V}\n", "InvalidDefaultArgInFrom")]
    [InlineData("FROM --platform=linux/amd64 img\n", "FromPlatformFlagConstDisallowed")]
    [InlineData("FROM scratch\nCOPY ignored /\n", "CopyIgnoredFile")]
    [InlineData("FROM scratch\nEXPOSE 80/TCP\n", "ExposeProtoCasing")]
    [InlineData("FROM scratch\nEXPOSE 1.2.3.4:80:80\n", "ExposeInvalidFormat")]
    [InlineData("# check=experimental=all\n# wrong words\nARG a=1\nFROM scratch\n", "InvalidDefinitionDescription")]
    public async Task Checks_warn_by_their_names(string text, string rule)
    {
        var options = With(("V", "1")) with { Ignore = Build.Patterns.IgnoreFile.Parse("ignored") };
        Assert.Contains(rule, (await Plan(text, options)).Findings.Select(f => f.Rule));
        var skipped = text.StartsWith("# check", StringComparison.Ordinal) ? text : $"# check=skip={rule}\n{text}";
        Assert.DoesNotContain(rule, (await Plan(skipped, options with { Arguments = new Dictionary<string, string>(options.Arguments) { ["BUILDKIT_DOCKERFILE_CHECK"] = $"skip={rule}" } })).Findings.Select(f => f.Rule));
    }

    [Fact]
    public async Task A_comment_above_an_instruction_silences_a_rule_there()
    {
        var plan = await Plan("FROM scratch\n# check=skip=JSONArgsRecommended\nCMD a\nENTRYPOINT b\n");
        Assert.Equal([4], plan.Findings.Where(f => f.Rule == "JSONArgsRecommended").Select(f => f.Range.Start.Line));
        Assert.Equal("https://docs.docker.com/go/dockerfile/rule/json-args-recommended/", plan.Findings[0].Url);
    }
}
