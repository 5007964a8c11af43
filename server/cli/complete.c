/* What may come next on a command line, from the command table: the shells' completions and
 * kubectl's (kubectl_complete-backstop) ask it. It speaks cobra's protocol: a candidate a
 * line, with its description after a tab, and last ":N", a directive to the shell. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "backstop/cli.h"

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
    return write_all(STDOUT_FILENO, buf_str(&out)) ? EXIT_OK : EXIT_USAGE;
}

const struct command command_complete = {
    .name = "__complete",
    .summary = "complete a command line",
    .operands = "WORD...",
    .hidden = true,
    .run = complete_run,
};
