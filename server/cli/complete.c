/* The shells' completions: each hands the line to `backstop __complete` and shows what it says.
 *
 * The scripts stay small and know no option: what may come next is computed by the binary from
 * the command table (the second half of this file), so a new flag completes itself. What makes
 * them as long as they are: bash cuts words at "=" and ":", and must be given back only what
 * follows the last of them; zsh wants colons escaped; fish replaces the whole word. */
#include <stdio.h>
#include <string.h>
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
            return fd_write(STDOUT_FILENO, str_from(scripts[i].script)) ? EXIT_OK : command_fail_output(command);
    return command_fail(command, "expected bash, zsh or fish");
}

const struct command command_completion = {
    .name = "completion",
    .summary = "print shell completion for commands, options, values and contexts",
    .operands = "bash | zsh | fish",
    .details = "Prints a completion script for a shell. `make install` installs it where the shells look\nfor it, "
               "together with kubectl_complete-backstop, which lets kubectl complete\n`kubectl "
               "backstop`.\n\nExamples:\n  source <(backstop completion bash)\n  backstop completion zsh "
               ">~/.zfunc/_backstop\n  backstop completion fish >~/.config/fish/completions/backstop.fish",
    .body = completion_execute,
};

/* What may come next on a command line, from the command table: the shells' completions and
 * kubectl's (kubectl_complete-backstop) ask it. It speaks cobra's protocol: a candidate a
 * line, with its description after a tab, and last ":N", a directive to the shell. */

/* It runs at every press of the tab key, so it asks no cluster. */
enum { MEMORY_LIMIT = 16 * 1024 * 1024, OUTPUT_LIMIT = 1024 * 1024 };
enum directive { FILES = 0, NOTHING_ELSE = 4, FOLDERS = 16 }; /* cobra's ShellCompDirective */

struct completion {
    struct arena *arena;
    struct buf *out;
    const struct command *command;
    const char *const *words; /* after the command, without the current one */
    size_t count;
    struct str current;
    enum directive directive;
};

/* A newline in a name from a kubeconfig would become a candidate of its own. */
static void complete_offer(struct completion *completion, struct str candidate, const char *description)
{
    if (!str_starts(candidate, completion->current) || memchr(candidate.ptr, '\n', candidate.len))
        return;
    buf_add(completion->out, candidate);
    if (description && *description)
        buf_printf(completion->out, "\t%s", description);
    buf_putc(completion->out, '\n');
}

/* ---- commands ----------------------------------------------------------------------- */

static void offer_commands(struct completion *completion)
{
    size_t count;
    const struct command *const *commands = program_commands(&count);
    for (size_t i = 0; i < count; i++)
        if (!commands[i]->hidden)
            complete_offer(completion, str_from(commands[i]->name), commands[i]->summary);
}

/* ---- values ---------------------------------------------------------------------- */

/* Not "-f", and no word that stands for another. */
static bool is_written_so(struct str word, bool capitals)
{
    for (size_t i = 0; i < word.len; i++) {
        char c = word.ptr[i];
        bool fits = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || (capitals && c >= 'A' && c <= 'Z');
        if (!fits && (i == 0 || (c != '.' && c != '-')))
            return false;
    }
    return word.len > 0;
}

/* "text|json", "CREATE|UPDATE", "FILE|DIR" or, of operands, "issue DIR | show FILE...", of
 * which only the first is a word as written. */
static void offer_words(struct completion *completion, const char *pattern, bool words, bool capitals)
{
    for (struct str rest = str_from(pattern); rest.len;) {
        size_t length = 0;
        while (length < rest.len && !strchr(" |[]", rest.ptr[length]))
            length++;
        struct str word = str_slice(rest, 0, length);
        if (str_starts(word, STR("FILE")) || str_starts(word, STR("PATH")))
            completion->directive = FILES;
        else if (str_starts(word, STR("DIR")))
            completion->directive = completion->directive == FILES ? FILES : FOLDERS;
        else if (words && is_written_so(word, capitals))
            complete_offer(completion, word, NULL);
        rest = str_slice(rest, length + 1, rest.len);
    }
}

/* The kubeconfig that the line itself names, before the environment's. */
static const char *named_kubeconfig(const struct completion *completion)
{
    static const char option[] = "--kubeconfig";
    const size_t length = sizeof option - 1;
    for (size_t i = 0; i < completion->count; i++) {
        const char *word = completion->words[i];
        if (strncmp(word, option, length) == 0 && word[length] == '=')
            return word + length + 1;
        if (strcmp(word, option) == 0 && i + 1 < completion->count)
            return completion->words[i + 1];
    }
    return NULL;
}

static void offer_value(struct completion *completion, const struct option *option)
{
    static const struct {
        const char *option, *list;
    } lists[] = {{"context", "contexts"}, {"cluster", "clusters"}, {"user", "users"}};
    for (size_t i = 0; i < LENGTH_OF(lists); i++) {
        if (strcmp(option->name, lists[i].option) != 0 || !option_shared(completion->command, option))
            continue;
        struct strlist names = {0};
        kube_config_names(completion->arena, named_kubeconfig(completion), lists[i].list, &names);
        for (size_t n = 0; n < names.len; n++)
            complete_offer(completion, names.items[n], NULL);
    }
    const char *argument = option->type == OPTION_FLAG ? "true|false" : option->argument;
    offer_words(completion, argument, true, argument && strchr(argument, '|'));
}

/* ---- options --------------------------------------------------------------------- */

static bool is_given(const struct completion *completion, const struct option *option)
{
    size_t length = strlen(option->name);
    for (size_t i = 0; i < completion->count; i++) {
        const char *word = completion->words[i];
        if (strncmp(word, "--", 2) == 0 && strncmp(word + 2, option->name, length) == 0 &&
            (word[2 + length] == '\0' || word[2 + length] == '='))
            return true;
    }
    return false;
}

/* An option that was given is not offered again, except for those that may repeat. */
static void offer_options(struct completion *completion)
{
    struct option option;
    for (size_t next = 0; command_option(completion->command, &next, &option);)
        if (option.type == OPTION_LIST || !is_given(completion, &option))
            complete_offer(completion, arena_printf(completion->arena, "--%s", option.name), option.help);
    complete_offer(completion, STR("--help"), "show this help");
}

/* True when the word before is an option that waits for its value. */
static bool waits_for_value(const struct completion *completion, struct option *option)
{
    const char *word = completion->count ? completion->words[completion->count - 1] : "";
    bool letter = word[0] == '-' && word[1] != '-';
    struct str name = str_from(word);
    if (name.len < 2 || name.ptr[0] != '-' || (letter && name.len > 2) || memchr(name.ptr, '=', name.len))
        return false;
    name = str_slice(name, letter ? 1 : 2, name.len);
    return command_option_named(completion->command, name, letter, option) && option->type != OPTION_FLAG;
}

/* Words that are neither options nor their values. */
static size_t operands_before(const struct completion *completion)
{
    size_t count = 0;
    struct completion before = *completion;
    struct option option;
    for (size_t i = 0; i < completion->count; i++) {
        before.count = i;
        count += completion->words[i][0] != '-' && !waits_for_value(&before, &option);
    }
    return count;
}

static bool options_ended(const struct completion *completion)
{
    for (size_t i = 0; i < completion->count; i++)
        if (strcmp(completion->words[i], "--") == 0)
            return true;
    return false;
}

static void offer_next(struct completion *completion)
{
    struct option option;
    struct str current = completion->current, name;
    bool open = !options_ended(completion);
    if (open && waits_for_value(completion, &option)) {
        offer_value(completion, &option);
    } else if (open && str_starts(current, STR("--")) && str_contains(current, STR("="))) {
        str_cut(&current, '=', &name);
        completion->current = current; /* the shell keeps what is before it */
        if (command_option_named(completion->command, str_slice(name, 2, name.len), false, &option))
            offer_value(completion, &option);
    } else if (open && str_starts(current, STR("-"))) {
        offer_options(completion);
    } else if (completion->command == &command_man) {
        offer_commands(completion);
    } else if (completion->command->operands) {
        offer_words(completion, completion->command->operands, operands_before(completion) == 0, false);
    }
}

/* ---- the command --------------------------------------------------------------------- */

static int complete_run(const struct command *command, int argc, char **argv)
{
    BUF_SCOPED out;
    ARENA_SCOPED arena = arena_new(MEMORY_LIMIT);
    const char *const *words = (const char *const *)argv + 1;
    size_t count = argc > 1 ? (size_t)argc - 1 : 0;
    buf_init(&out, OUTPUT_LIMIT);
    if (!arena || count == 0)
        return command_fail(command, "pass the words of a command line; the last one may be empty");
    struct completion completion = {
        .arena = arena, .out = &out, .current = str_from(words[count - 1]), .directive = NOTHING_ELSE};
    if (count == 1) {
        offer_commands(&completion);
    } else if ((completion.command = command_named(str_from(words[0]))) != NULL && !completion.command->hidden) {
        completion.words = words + 1;
        completion.count = count - 2;
        offer_next(&completion);
    }
    buf_printf(&out, ":%d\n", (int)completion.directive);
    return command_print(command, &out);
}

const struct command command_complete = {
    .name = "__complete",
    .summary = "complete a command line",
    .operands = "WORD...",
    .hidden = true,
    .run = complete_run,
};
