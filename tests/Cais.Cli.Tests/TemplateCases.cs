namespace Cais.Cli.Tests;

/// <summary>Templates that docker (that is, Go's text/template) was asked to execute over a container's record; the answers are in Golden/.</summary>
internal static class TemplateCases
{
    private static readonly string[] Templates =
    [
        // Text, white space, comments
        "plain text",
        "a{{- 1 -}} b",
        "a {{- \"x\" }} b",
        "{{/* a comment */}}x{{- /* another */ -}}  y",
        "{{\"q\\\"uo\\n\\u00e9\\x41\"}}{{`raw \\n`}}{{'a'}}",
        "{{true}} {{false}} {{1}} {{-3}} {{0x1F}} {{0b101}} {{1_000}} {{1.5}} {{1e3}} {{.5}}",
        "{{1e21}} {{1e20}} {{0.0001}} {{0.00001}} {{123456789.0}} {{1e100}}",

        // Fields, variables, scope
        "{{.Name}} {{.State.Pid}} {{.State.Running}} {{.HostConfig.Memory}}",
        "{{$x := .Name}}{{$x}} {{$.Name}}",
        "{{$x := 1}}{{if true}}{{$x = 2}}{{end}}{{$x}}",
        "{{$x := 1}}{{if true}}{{$x := 2}}{{$x}}{{end}}{{$x}}",
        "{{with .State}}{{.Status}} {{$.Name}}{{end}}",
        "{{with .Config.Cmd}}yes{{else}}no{{end}}",
        "{{with $s := .State}}{{$s.Pid}}{{end}}",
        "{{with .Config.Cmd}}a{{else with .Name}}{{.}}{{end}}",
        "{{(.State).Pid}} {{(index .Mounts 0).Source}}",

        // Decisions and loops
        "{{if .State.Running}}up{{else}}down{{end}}",
        "{{if eq .State.ExitCode 1}}one{{else if eq .State.ExitCode 0}}zero{{else}}more{{end}}",
        "{{if and .State.Running (not .State.Paused)}}ok{{end}}",
        "{{if or .State.Paused .State.Dead \"\"}}x{{else}}y{{end}}",
        "{{range .Config.Env}}[{{.}}]{{end}}",
        "{{range $i, $e := .Config.Env}}{{if $i}}, {{end}}{{$i}}={{$e}}{{end}}",
        "{{range .Config.Cmd}}x{{else}}none{{end}}",
        "{{range $k, $v := .Config.Labels}}{{$k}}:{{$v}};{{end}}",
        "{{range $k, $v := .NetworkSettings.Networks}}{{$k}} {{$v.IPAddress}}{{end}}",
        "{{range .Args}}{{if eq . \"-g\"}}{{continue}}{{end}}{{.}}{{break}}{{end}}",
        "{{range 3}}{{.}}{{end}}",
        "{{range $i := 2}}{{$i}}{{end}}",
        "{{range .NetworkSettings.Ports}}{{range .}}{{.HostPort}} {{end}}{{end}}",

        // Definitions
        "{{define \"t\"}}<{{.}}>{{end}}{{template \"t\" .Name}}{{template \"t\" 5}}",
        "{{block \"b\" .Name}}[{{.}}]{{end}}",
        "{{template \"missing\"}}",
        "{{define \"r\"}}{{if .}}x{{end}}{{end}}{{template \"r\"}}",

        // Go's functions
        "{{len .Name}} {{len .Config.Env}} {{len .Config.Labels}} {{len \"é\"}}",
        "{{index .Config.Env 1}} {{index .Config.Labels \"com.example.team\"}}",
        "{{index .Config.Labels \"nope\"}}|",
        "{{(index (index .NetworkSettings.Ports \"80/tcp\") 1).HostPort}}",
        "{{slice .Name 1}} {{slice .Name 1 3}} {{slice .Config.Env 1}} {{slice \"abc\" 1 2}}",
        "{{print 1 2 \"a\" \"b\" 3 true nil}} {{print \"a\" 1 2 \"b\"}}",
        "{{println \"a\" 1}}.",
        "{{html \"<a href='x'>&\\\"\"}} {{urlquery \"a b&c/d\"}} {{js \"it's <b>\"}}",
        "{{eq 1 1}} {{eq 1 2 1}} {{ne \"a\" \"b\"}} {{lt 1 2}} {{le 2 2}} {{gt \"b\" \"a\"}} {{ge 1.5 2.5}}",
        "{{not true}} {{not 0}} {{not \"\"}} {{and 1 0 2}} {{or 0 \"\" \"x\"}}",
        "{{eq .State.Pid 4242}} {{lt .State.ExitCode 1}}",

        // docker's functions
        "{{json .Config.Labels}} {{json .Args}} {{json .State.Pid}} {{json .Name}} {{json .Config.Cmd}}",
        "{{json .Config.Env}}",
        "{{join .Args \",\"}} {{join .Config.Env \" | \"}}",
        "{{split \"a,b,c\" \",\"}} {{index (split \"a:b\" \":\") 1}} {{len (split \"abc\" \"\")}}",
        "{{upper .Name}} {{lower \"ABC\"}} {{title \"hello world-wide web\"}}",
        "[{{pad \"x\" 2 3}}] [{{pad \"\" 2 3}}] {{truncate \"abcdef\" 3}} {{truncate \"ab\" 3}}",
        "{{.Name | upper | printf \"%s!\" | len}}",

        // printf
        "{{printf \"%s %q %v %d %5d|%-5d|%05d|%x|%X|%o|%b|%c|%U\" \"a\" \"b\" \"c\" 1 2 3 4 255 255 8 5 65 65}}",
        "{{printf \"%6.2f|%-8.3f|%e|%g|%v|%.3g\" 3.14159 2.5 12345.678 1e10 0.1 1234.5}}",
        "{{printf \"%t %v %s %d\" true false true \"x\"}}",
        "{{printf \"%d\"}} {{printf \"%d\" 1 2}} {{printf \"%z\" 1}} {{printf \"%\"}} {{printf \"100%%\"}}",
        "{{printf \"%*d|%-*d|%.*f\" 5 42 5 42 2 3.14159}}",
        "{{printf \"%T %T %T %T\" 1 \"a\" true 1.5}}",
        "{{printf \"%+d %+.1f % d %#x %#o %#q %x % x\" 5 1.5 7 255 8 \"q\" \"hi\" \"hi\"}}",
        "{{printf \"%10s|%-10s|%.2s|%10.2s|\" \"abc\" \"abc\" \"abc\" \"abc\"}}",
        "{{printf \"%v %s\" .Args .Args}} {{printf \"%q\" .Args}} {{printf \"%d\" nil}}",

        // Mistakes in the source
        "{{",
        "{{.Name",
        "{{.Name}",
        "}}",
        "{{end}}",
        "{{else}}",
        "{{if}}x{{end}}",
        "{{if true}}x",
        "{{range .X}}",
        "{{nope .Name}}",
        "{{.Name | nope}}",
        "{{$x}}",
        "{{\"abc}}",
        "{{`abc}}",
        "{{'a}}",
        "{{.Name)}}",
        "{{(.Name}}",
        "{{.Name | 5}}",
        "{{1 | .}}",
        "{{5.x}}",
        "{{1abc}}",
        "{{@}}",
        "{{.Name :}}",
        "{{$x :=}}",
        "{{with}}{{end}}",
        "{{break}}",
        "{{template}}",
        "{{define \"x\"}}",
        "{{/* unclosed",
        "{{nil}}",
        "{{if true}}{{else}}{{else}}{{end}}",
        "a\n{{.Name}}\n{{nope}}",

        // Mistakes in its use
        "{{.Nope}}",
        "{{.State.Nope}}",
        "{{.Name.Nope}}",
        "{{index .Args 9}}",
        "{{index .Name}}",
        "{{len 5}}",
        "{{len}}",
        "{{len .Args 1}}",
        "{{lt 1 \"a\"}}",
        "{{eq 1 \"a\"}}",
        "{{lt true false}}",
        "{{eq .Args .Args}}",
        "{{upper 5}}",
        "{{split \"a\"}}",
        "{{.Name 5}}",
        "{{.Name | .Name}}",
        "{{range true}}x{{end}}",
        "{{slice \"abc\" 5}}",
        "{{call 5}}",
        "a\nb {{.State.Nope}}",
        "{{pad \"a\" \"b\" 1}}",
        "{{join .Name \",\"}}",
        "{{printf 5}}",
        "{{100000.0}} {{999999.5}} {{1000000.0}} {{0.1}} {{100.0}} {{12345.678}}",
    ];

    public static IEnumerable<KeyValuePair<string, string[]>> All() =>
        Templates.Select(static (template, index) => new KeyValuePair<string, string[]>($"template-{index + 1:000}", ["inspect", "-f", template, "web"]));
}
