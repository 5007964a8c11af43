#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "backstop/base.h"
#include "verbs.h"

int verb_fail(const struct verb *verb, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fprintf(stderr, "backstop %s: ", verb->name);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
    return EXIT_USAGE;
}

bool write_all(int fd, struct str text)
{
    while (text.len) {
        ssize_t written = write(fd, text.ptr, text.len);
        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0)
            return false;
        text = str_slice(text, (size_t)written, text.len);
    }
    return true;
}

int verb_run(const struct verb *verb, int argc, char **argv, void *values, verb_body *body)
{
    char **operands;
    size_t operand_count;
    enum options_result parsed = options_parse(verb, argc, argv, values, &operands, &operand_count);
    int code = parsed == OPTIONS_HELP ? EXIT_OK : EXIT_USAGE;
    if (parsed == OPTIONS_RUN && operand_count && !verb->operands)
        verb_fail(verb, "takes no operands; see: backstop %s --help", verb->name);
    else if (parsed == OPTIONS_RUN)
        code = body(verb, values, operands, operand_count);
    options_dispose(verb, values);
    return code;
}

int64_t verb_now(int64_t given)
{
    return given == INT64_MIN ? time_now() : given;
}

static void *place(const struct option *option, void *values)
{
    return (char *)values + option->offset;
}

static bool list_add(struct option_list *list, struct str item)
{
    char **items = realloc(list->items, (list->len + 1) * sizeof *items);
    if (!items)
        return false;
    list->items = items;
    items[list->len] = strndup(item.len ? item.ptr : "", item.len);
    return items[list->len] && ++list->len;
}

static void list_clear(struct option_list *list)
{
    for (size_t i = 0; i < list->len; i++)
        free(list->items[i]);
    free(list->items);
    *list = (struct option_list){0};
}

static bool set_duration(struct str text, int64_t *seconds)
{
    int64_t nanoseconds;
    struct error ignored;
    if (!duration_parse(text, &nanoseconds, &ignored) || nanoseconds < 0)
        return false;
    *seconds = nanoseconds / 1000000000 + (nanoseconds % 1000000000 > 0);
    return true;
}

/* Stores one value; says what kind was expected when it does not fit. */
static bool set_value(const struct option *option, void *values, const char *text, const char **expected)
{
    static const char *const words[] = {
        [OPTION_FLAG] = "true or false",
        [OPTION_TEXT] = "a text",
        [OPTION_INTEGER] = "a whole number",
        [OPTION_DURATION] = "a duration such as 90s, 15m or 1h30m",
        [OPTION_TIME] = "a time such as 2026-11-21T03:00:00Z",
        [OPTION_LIST] = "a text",
    };
    struct str value = str_from(text);
    *expected = words[option->type];
    switch (option->type) {
    case OPTION_FLAG:
        *(bool *)place(option, values) = str_is(value, "true") || str_is(value, "1");
        return str_is(value, "true") || str_is(value, "1") || str_is(value, "false") || str_is(value, "0");
    case OPTION_TEXT:
        *(const char **)place(option, values) = text;
        return true;
    case OPTION_INTEGER:
        return str_to_int64(value, place(option, values));
    case OPTION_DURATION:
        return set_duration(value, place(option, values));
    case OPTION_TIME:
        return time_parse(value, place(option, values));
    case OPTION_LIST:
        return list_add(place(option, values), value);
    }
    return false;
}

static void variable_name(const struct option *option, char *out, size_t size)
{
    size_t used = (size_t)snprintf(out, size, "BACKSTOP_");
    for (const char *c = option->name; *c && used + 1 < size; c++)
        out[used++] = (char)(*c == '-' ? '_' : toupper((unsigned char)*c));
    out[used] = '\0';
}

/* A list's variable holds items between commas. */
static bool set_list_from(const struct option *option, void *values, const char *text)
{
    struct str rest = str_from(text), item;
    while (str_cut(&rest, ',', &item))
        if (item.len && !list_add(place(option, values), item))
            return false;
    return true;
}

static bool read_environment(const struct verb *verb, void *values)
{
    for (size_t i = 0; i < verb->option_count; i++) {
        const struct option *option = &verb->options[i];
        char name[80];
        variable_name(option, name, sizeof name);
        /* NOLINTNEXTLINE(concurrency-mt-unsafe): before any thread starts */
        const char *text = getenv(name), *expected = "a list";
        if (!text)
            continue;
        bool set = option->type == OPTION_LIST ? set_list_from(option, values, text)
                                               : set_value(option, values, text, &expected);
        if (!set) {
            verb_fail(verb, "%s=%s: expected %s", name, text, expected);
            return false;
        }
    }
    return true;
}

static const struct option *find(const struct verb *verb, struct str name, bool letter)
{
    for (size_t i = 0; i < verb->option_count; i++) {
        const struct option *option = &verb->options[i];
        if (letter ? (name.len == 1 && option->letter == name.ptr[0]) : str_is(name, option->name))
            return option;
    }
    return NULL;
}

static void unknown_option(const struct verb *verb, const char *argument)
{
    struct str names[64];
    size_t count = 0;
    for (size_t i = 0; i < verb->option_count && count < LENGTH_OF(names); i++)
        names[count++] = str_from(verb->options[i].name);
    struct str typed = str_from(argument + strspn(argument, "-"));
    typed.len = strcspn(typed.ptr, "=");
    struct str near = str_nearest(typed, names, count);
    if (near.len)
        verb_fail(verb, "unknown option %s; did you mean --%.*s?", argument, STR_ARG(near));
    else
        verb_fail(verb, "unknown option %s; see: backstop %s --help", argument, verb->name);
}

/* One option at argv[*at]; *at moves over its value when that is the next argument. */
static bool take_option(const struct verb *verb, int argc, char **argv, int *at, void *values)
{
    const char *argument = argv[*at];
    bool letter = argument[1] != '-';
    struct str name = str_from(argument + (letter ? 1 : 2)), value = name;
    const char *text = NULL;
    if (letter && name.len > 1) {
        text = argument + 2;
        name = str_slice(name, 0, 1);
    } else if (!letter && str_cut(&value, '=', &name) && value.ptr) {
        text = value.ptr;
    }
    const struct option *option = find(verb, name, letter);
    if (!option) {
        unknown_option(verb, argument);
        return false;
    }
    if (!text && option->type == OPTION_FLAG)
        text = "true";
    if (!text && *at + 1 < argc)
        text = argv[++*at];
    if (!text) {
        verb_fail(verb, "%s needs a value: %s", argument, option->argument);
        return false;
    }
    const char *expected;
    if (!set_value(option, values, text, &expected)) {
        verb_fail(verb, "--%s %s: expected %s", option->name, text, expected);
        return false;
    }
    return true;
}

/* What the command line says replaces what the environment said, lists included. */
static void forget_listed(const struct verb *verb, int argc, char **argv, void *values)
{
    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++) {
        if (argv[i][0] != '-' || argv[i][1] == '\0')
            continue;
        bool letter = argv[i][1] != '-';
        struct str name = letter ? (struct str){argv[i] + 1, 1} : str_from(argv[i] + 2);
        if (!letter)
            name.len = strcspn(name.ptr, "=");
        const struct option *option = find(verb, name, letter);
        if (option && option->type == OPTION_LIST)
            list_clear(place(option, values));
    }
}

static bool is_help(const char *argument)
{
    return strcmp(argument, "--help") == 0 || strcmp(argument, "-h") == 0;
}

enum options_result options_parse(const struct verb *verb, int argc, char **argv, void *values, char ***operands,
                                  size_t *operand_count)
{
    size_t count = 0;
    bool options_end = false;
    if (!read_environment(verb, values))
        return OPTIONS_BAD;
    forget_listed(verb, argc, argv, values);
    for (int i = 1; i < argc; i++) {
        bool operand = options_end || argv[i][0] != '-' || argv[i][1] == '\0';
        if (operand) {
            argv[1 + count++] = argv[i]; /* never ahead of i */
        } else if (strcmp(argv[i], "--") == 0) {
            options_end = true;
        } else if (is_help(argv[i])) {
            BUF_SCOPED help;
            buf_init(&help, 64 * 1024);
            options_help(verb, &help);
            return write_all(STDOUT_FILENO, buf_str(&help)) ? OPTIONS_HELP : OPTIONS_BAD;
        } else if (!take_option(verb, argc, argv, &i, values)) {
            return OPTIONS_BAD;
        }
    }
    *operands = argv + 1;
    *operand_count = count;
    return OPTIONS_RUN;
}

void options_dispose(const struct verb *verb, void *values)
{
    for (size_t i = 0; i < verb->option_count; i++)
        if (verb->options[i].type == OPTION_LIST)
            list_clear(place(&verb->options[i], values));
}

void options_help(const struct verb *verb, struct buf *out)
{
    buf_printf(out, "backstop %s - %s\n\nUsage: backstop %s%s%s\n", verb->name, verb->summary, verb->name,
               verb->option_count ? " [options] " : " ", verb->operands ? verb->operands : "");
    if (verb->details)
        buf_printf(out, "\n%s\n", verb->details);
    buf_puts(out, "\nOptions (each has an environment variable, --listen is BACKSTOP_LISTEN):\n");
    for (size_t i = 0; i < verb->option_count; i++) {
        const struct option *option = &verb->options[i];
        char left[80], letter[8] = "    ";
        if (option->letter)
            snprintf(letter, sizeof letter, "-%c, ", option->letter);
        snprintf(left, sizeof left, "%s--%s%s%s", letter, option->name, option->argument ? " " : "",
                 option->argument ? option->argument : "");
        buf_printf(out, "  %-34s %s\n", left, option->help);
    }
    buf_printf(out, "  %-34s %s\n", "-h, --help", "this text");
}
