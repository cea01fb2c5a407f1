namespace Cais.Cli.Completion;

/// <summary>The shells' sides of completion: each hands the words so far to <c>cais __complete</c>.</summary>
internal static class CompletionScripts
{
    public const string Bash =
        """
        # bash completion for cais; load with: source <(cais completion bash)
        _cais_complete() {
            local word="${COMP_WORDS[COMP_CWORD]}" line directive=0
            local -a lines=()
            # "=" and ":" break words for bash; the words as typed are what matters.
            local typed="${COMP_LINE:0:COMP_POINT}"
            local -a words
            read -r -a words <<<"$typed"
            [[ "$typed" == *[[:space:]] ]] && words+=("")
            word="${words[${#words[@]}-1]}"
            while IFS= read -r line; do lines+=("$line"); done < <("${words[0]}" __complete "${words[@]:1}" 2>/dev/null)
            COMPREPLY=()
            for line in "${lines[@]}"; do
                case "$line" in
                    :[0-9]*) directive="${line#:}" ;;
                    *) COMPREPLY+=("${line%%$'\t'*}") ;;
                esac
            done
            if [[ "$directive" == 0 ]]; then
                while IFS= read -r line; do COMPREPLY+=("$line"); done < <(compgen -f -- "$word")
                compopt -o filenames 2>/dev/null
            fi
            # bash replaces only what follows the last colon.
            if [[ "$word" == *:* && "$COMP_WORDBREAKS" == *:* ]]; then
                local prefix="${word%"${word##*:}"}" i
                for i in "${!COMPREPLY[@]}"; do COMPREPLY[i]="${COMPREPLY[i]#"$prefix"}"; done
            fi
        }
        complete -F _cais_complete cais

        """;

    public const string Zsh =
        """
        #compdef cais
        # zsh completion for cais; load with: source <(cais completion zsh)
        _cais() {
            local line directive=0
            local -a candidates
            while IFS= read -r line; do
                case "$line" in
                    :[0-9]*) directive="${line#:}" ;;
                    *$'\t'*) candidates+=("${${line%%$'\t'*}//:/\\:}:${line#*$'\t'}") ;;
                    *) candidates+=("${line//:/\\:}") ;;
                esac
            done < <("${words[1]}" __complete "${(@)words[2,CURRENT]}" 2>/dev/null)
            (( ${#candidates} )) && _describe -V 'cais' candidates
            [[ "$directive" == 0 ]] && _files
        }
        if [ "$funcstack[1]" = "_cais" ]; then _cais "$@"; else compdef _cais cais; fi

        """;

    public const string Fish =
        """
        # fish completion for cais; load with: cais completion fish | source
        function __cais_complete
            set -l words (commandline -opc) (commandline -ct)
            for line in ($words[1] __complete $words[2..-1] 2>/dev/null)
                if string match -qr '^:[0-9]+$' -- $line
                    if test $line = ':0'
                        __fish_complete_path (commandline -ct)
                    end
                else
                    echo $line
                end
            end
        end
        complete -c cais -f -a '(__cais_complete)'

        """;
}
