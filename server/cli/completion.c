/* The shells' completions: each hands the line to `backstop __complete` and shows what it says. */
#include <unistd.h>

#include "backstop/cli.h"

static const char bash_script[] =
    "# bash completion for backstop: source it, or install it as\n"
    "# share/bash-completion/completions/backstop\n"
    "_backstop() {\n"
    "    local rest=${COMP_LINE:0:COMP_POINT} word cur i reply lines=() words=()\n"
    "    # bash cuts words at = and : as well; together again is how backstop gets them.\n"
    "    for ((i = 0; i <= COMP_CWORD; i++)); do\n"
    "        word=${COMP_WORDS[i]}\n"
    "        if [[ $i -gt 0 && $rest != [[:space:]]* && -n $rest ]]; then\n"
    "            words[${#words[@]}-1]+=$word\n"
    "        else\n"
    "            rest=${rest#\"${rest%%[![:space:]]*}\"}\n"
    "            words+=(\"$word\")\n"
    "        fi\n"
    "        rest=${rest#\"$word\"}\n"
    "    done\n"
    "    cur=${words[${#words[@]}-1]}\n"
    "    while IFS= read -r word; do lines+=(\"$word\"); done < <(\n"
    "        \"${words[0]/#\\~/$HOME}\" __complete \"${words[@]:1}\" 2>/dev/null)\n"
    "    COMPREPLY=()\n"
    "    [[ ${#lines[@]} -gt 0 ]] || return 0\n"
    "    local directive=${lines[${#lines[@]}-1]} option=\n"
    "    unset \"lines[${#lines[@]}-1]\"\n"
    "    if [[ $cur == --*=* ]]; then\n"
    "        [[ $COMP_WORDBREAKS == *=* ]] || option=${cur%%=*}=\n"
    "        cur=${cur#*=}\n"
    "    fi\n"
    "    case $directive in\n"
    "        :0) while IFS= read -r word; do lines+=(\"$word\"); done < <(compgen -f -- \"$cur\") ;;\n"
    "        :16) while IFS= read -r word; do lines+=(\"$word\"); done < <(compgen -d -- \"$cur\") ;;\n"
    "    esac\n"
    "    [[ $directive == :4 ]] || compopt -o filenames 2>/dev/null\n"
    "    # What stands before the last colon is not replaced.\n"
    "    local before=\n"
    "    [[ $COMP_WORDBREAKS == *:* && $cur == *:* ]] && before=${cur%\"${cur##*:}\"}\n"
    "    for reply in ${lines[@]+\"${lines[@]}\"}; do\n"
    "        reply=${reply%%$'\\t'*}\n"
    "        COMPREPLY+=(\"$option${reply#\"$before\"}\")\n"
    "    done\n"
    "}\n"
    "complete -F _backstop backstop\n";

static const char zsh_script[] =
    "#compdef backstop\n"
    "# zsh completion for backstop: source it, or install it as _backstop in a folder of $fpath\n"
    "_backstop() {\n"
    "    local -a lines described\n"
    "    local line value\n"
    "    lines=(\"${(@f)$(${(Q)~words[1]} __complete \"${(@Q)words[2,CURRENT-1]}\" \"${(Q)PREFIX}\" 2>/dev/null)}\")\n"
    "    local directive=${lines[-1]}\n"
    "    lines[-1]=()\n"
    "    [[ $PREFIX == --*=* ]] && compset -P '--*='\n"
    "    for line in $lines; do\n"
    "        value=${line%%$'\\t'*}\n"
    "        value=${value//:/\\\\:}\n"
    "        if [[ $line == *$'\\t'* ]]; then described+=(\"$value:${line#*$'\\t'}\"); else described+=(\"$value\"); "
    "fi\n"
    "    done\n"
    "    local ret=1\n"
    "    (( $#described )) && _describe -t backstop backstop described && ret=0\n"
    "    case $directive in\n"
    "        :0) _files && ret=0 ;;\n"
    "        :16) _files -/ && ret=0 ;;\n"
    "    esac\n"
    "    return ret\n"
    "}\n"
    "if [[ $funcstack[1] == _backstop ]]; then _backstop \"$@\"; else compdef _backstop backstop; fi\n";

static const char fish_script[] = "# fish completion for backstop: source it, or install it as\n"
                                  "# share/fish/vendor_completions.d/backstop.fish\n"
                                  "function __backstop_complete\n"
                                  "    set -l words (commandline -opc)\n"
                                  "    set -l current (commandline -ct)\n"
                                  "    set -l program $words[1]\n"
                                  "    set -e words[1]\n"
                                  "    set -l lines ($program __complete $words \"$current\" 2>/dev/null)\n"
                                  "    test (count $lines) -gt 0; or return\n"
                                  "    set -l directive $lines[-1]\n"
                                  "    set -e lines[-1]\n"
                                  "    set -l option (string match -r -- '^--[^=]+=' \"$current\")\n"
                                  "    for line in $lines\n"
                                  "        echo \"$option$line\"\n"
                                  "    end\n"
                                  "    set -l value (string replace -r -- '^--[^=]+=' '' \"$current\")\n"
                                  "    switch \"$directive\"\n"
                                  "        case :0\n"
                                  "            for path in (__fish_complete_path \"$value\")\n"
                                  "                echo \"$option$path\"\n"
                                  "            end\n"
                                  "        case :16\n"
                                  "            for path in (__fish_complete_directories \"$value\")\n"
                                  "                echo \"$option$path\"\n"
                                  "            end\n"
                                  "    end\n"
                                  "end\n"
                                  "complete -c backstop -f -a '(__backstop_complete)'\n";

static int completion_execute(const struct command *command, void *context, char **operands, size_t count)
{
    static const struct {
        const char *shell, *script;
    } scripts[] = {{"bash", bash_script}, {"zsh", zsh_script}, {"fish", fish_script}};
    (void)context;
    for (size_t i = 0; count == 1 && i < LENGTH_OF(scripts); i++)
        if (str_is(str_from(operands[0]), scripts[i].shell))
            return write_all(STDOUT_FILENO, str_from(scripts[i].script)) ? EXIT_OK : EXIT_USAGE;
    return command_fail(command, "expected bash, zsh or fish");
}

static int completion_run(const struct command *command, int argc, char **argv)
{
    return command_run(command, argc, argv, NULL, completion_execute);
}

const struct command command_completion = {
    .name = "completion",
    .summary = "print shell completion for commands, options, values and contexts",
    .operands = "bash | zsh | fish",
    .details = "Prints a completion script for a shell. `make install` installs it where the shells look\nfor it, "
               "together with kubectl_complete-backstop, which lets kubectl complete\n`kubectl "
               "backstop`.\n\nExamples:\n  source <(backstop completion bash)\n  backstop completion zsh "
               ">~/.zfunc/_backstop\n  backstop completion fish >~/.config/fish/completions/backstop.fish",
    .run = completion_run,
};
