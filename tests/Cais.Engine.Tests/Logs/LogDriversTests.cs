using Cais.Engine.Logs;

namespace Cais.Engine.Tests.Logs;

public sealed class LogDriversTests
{
    [Theory]
    [InlineData("json-file", "max-size=1x", "invalid value for max-size: 1x: must be a positive number of bytes")]
    [InlineData("json-file", "max-file=0", "max-file cannot be less than 1")]
    [InlineData("json-file", "colour=red", "unknown log opt 'colour' for json-file log driver")]
    [InlineData("json-file", "compress=perhaps", "strconv.ParseBool: parsing \"perhaps\": invalid syntax")]
    [InlineData("json-file", "compress=true,max-file=1", "compress cannot be true when max-file is less than 2 or max-size is not set")]
    [InlineData("json-file", "mode=sometimes", "logger: logging mode not supported: sometimes")]
    [InlineData("json-file", "max-buffer-size=1m", "logger: max-buffer-size option is only supported with 'mode=non-blocking'")]
    [InlineData("json-file", "mode=non-blocking,max-buffer-size=x", "error parsing option max-buffer-size: invalid size: 'x'")]
    [InlineData("json-file", "labels-regex=[", "error parsing regexp: ")]
    [InlineData("local", "max-file=x", "max-file cannot be less than 1")]
    [InlineData("local", "syslog-address=x", "unknown log opt 'syslog-address' for local log driver")]
    [InlineData("journald", "max-size=1m", "unknown log opt 'max-size' for journald log driver")]
    [InlineData("journald", "cache-max-size=x", "invalid value for cache-max-size: x: must be a positive number of bytes")]
    [InlineData("syslog", "syslog-address=nowhere", "syslog-address should be in form proto://address, got nowhere")]
    [InlineData("syslog", "syslog-address=unix:///no/such", "stat /no/such: no such file or directory")]
    [InlineData("syslog", "syslog-address=tcp://host:x", "invalid syslog-address tcp://host:x")]
    [InlineData("syslog", "syslog-facility=loud", "invalid syslog facility")]
    [InlineData("syslog", "syslog-facility=24", "invalid syslog facility")]
    [InlineData("syslog", "syslog-format=xml", "Invalid syslog format")]
    [InlineData("syslog", "syslog-address=tcp+tls://h,syslog-tls-ca-cert=/no/such", "could not load the certificates for syslog: ")]
    [InlineData("fluentd", "fluentd-address=http://x", "invalid fluentd-address (http://x): unsupported scheme: http")]
    [InlineData("fluentd", "fluentd-address=tcp://x:1/y", "invalid fluentd-address (tcp://x:1/y): should not contain a path element")]
    [InlineData("fluentd", "fluentd-retry-wait=soon", "time: invalid duration \"soon\"")]
    [InlineData("fluentd", "fluentd-async-reconnect-interval=1ms", "invalid fluentd-async-reconnect-interval: value must be between 100ms and 10s")]
    [InlineData("fluentd", "fluentd-async=x", "strconv.ParseBool: parsing \"x\": invalid syntax")]
    [InlineData("fluentd", "fluentd-max-retries=-1", "invalid value for fluentd-max-retries: ")]
    [InlineData("gelf", "tag=x", "gelf: gelf-address is a required parameter")]
    [InlineData("gelf", "gelf-address=host:1", "gelf-address should be in form proto://address, got host:1")]
    [InlineData("gelf", "gelf-address=unix:///x", "gelf: endpoint needs to be TCP or UDP")]
    [InlineData("gelf", "gelf-address=udp://host", "gelf: please provide gelf-address as proto://host:port")]
    [InlineData("gelf", "gelf-address=tcp://h:1,gelf-compression-type=gzip", "compression is only supported on UDP")]
    [InlineData("gelf", "gelf-address=udp://h:1,gelf-compression-type=rar", "unknown value \"rar\" for log opt \"gelf-compression-type\" for gelf log driver")]
    [InlineData("gelf", "gelf-address=udp://h:1,gelf-compression-level=10", "unknown value \"10\" for log opt \"gelf-compression-level\" for gelf log driver")]
    [InlineData("gelf", "gelf-address=udp://h:1,gelf-tcp-max-reconnect=1", "\"gelf-tcp-max-reconnect\" is only valid for TCP")]
    [InlineData("gelf", "gelf-address=tcp://h:1,gelf-tcp-max-reconnect=-1", "\"gelf-tcp-max-reconnect\" must be a positive integer")]
    [InlineData("gelf", "gelf-address=udp://h:1,colour=red", "unknown log opt \"colour\" for gelf log driver")]
    [InlineData("splunk", "splunk-url=x", "logger: no log driver named 'splunk' is registered")]
    [InlineData("awslogs", "awslogs-region=x", "logger: no log driver named 'awslogs' is registered")]
    [InlineData("gcplogs", "gcp-project=x", "logger: no log driver named 'gcplogs' is registered")]
    [InlineData("etwlogs", "tag=x", "logger: no log driver named 'etwlogs' is registered")]
    [InlineData("nosuch", "tag=x", "logger: no log driver named 'nosuch' is registered")]
    public void What_cannot_be_is_said_in_dockers_words(string driver, string options, string message)
    {
        var e = Assert.Throws<EngineException>(() => LogDrivers.Validate(driver, LogTest.Options(options.Split(','))));
        Assert.Equal(ErrorKind.InvalidParameter, e.Kind);
        Assert.StartsWith(message, e.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("none", "anything=goes")]
    [InlineData("json-file", "max-size=10m,max-file=3,compress=true,labels=a,labels-regex=^a,env=b,env-regex=^b,tag={{.Name}},mode=non-blocking,max-buffer-size=4m")]
    [InlineData("local", "max-size=10m,max-file=3,compress=false,tag=x")]
    [InlineData("journald", "tag=x,cache-disabled=true,cache-max-size=1m,cache-max-file=2,cache-compress=false")]
    [InlineData("syslog", "syslog-address=tcp+tls://h,syslog-facility=23,syslog-tls-skip-verify=true")]
    [InlineData("syslog", "syslog-address=udp://[::1]:1514,syslog-facility=local0,syslog-format=rfc5424micro")]
    [InlineData("fluentd", "fluentd-address=tls://h,fluentd-async=true,fluentd-buffer-limit=8MB,fluentd-max-retries=5,fluentd-request-ack=true,fluentd-retry-wait=1s,fluentd-sub-second-precision=true,fluentd-write-timeout=0s")]
    [InlineData("gelf", "gelf-address=udp://h:12201,gelf-compression-type=zlib,gelf-compression-level=-1")]
    [InlineData("gelf", "gelf-address=tcp://h:12201,gelf-tcp-max-reconnect=3,gelf-tcp-reconnect-delay=2")]
    public void What_docker_takes_is_taken(string driver, string options) => LogDrivers.Validate(driver, LogTest.Options(options.Split(',')));

    [Theory]
    [InlineData("{{.ID}}", "aaaaaaaaaaaa")]
    [InlineData("{{.Name}}|{{.ContainerName}}", "web|/web")]
    [InlineData("{{.ImageName}}/{{.ImageID}}", "shop/web:1/cccccccccccc")]
    [InlineData("{{.DaemonName}} {{.Command}}", "docker /bin/serve --port 80")]
    [InlineData("{{with .ContainerLabels}}{{index . \"tier\"}}{{end}}", "front")]
    [InlineData("{{upper .Name}}", "WEB")]
    public void Tags_are_dockers_templates(string template, string tag) => Assert.Equal(tag, LogTest.Subject.Tag(new Dictionary<string, string> { ["tag"] = template }));

    [Theory]
    [InlineData("{{.Nothing}}")]
    [InlineData("{{")]
    public void A_tag_that_is_no_template_is_refused(string template) =>
        Assert.Equal(ErrorKind.InvalidParameter, Assert.Throws<EngineException>(() => LogTest.Subject.Tag(new Dictionary<string, string> { ["tag"] = template })).Kind);

    [Fact]
    public void Labels_and_variables_are_chosen_by_name_and_by_pattern()
    {
        Assert.Equal(
            new Dictionary<string, string> { ["tier"] = "front", ["team.name"] = "shop", ["STAGE"] = "test" },
            LogTest.Subject.Attributes(LogTest.Options("labels=tier,absent", "labels-regex=^team", "env=STAGE")));
        Assert.Empty(LogTest.Subject.Attributes(LogTest.Options("env-regex=nothing")));
    }
}
