/* Written for kubectl's users, so it reads what pflag reads: options before and after operands,
 * --name value and --name=value, letters together. Abbreviated names are not accepted: they
 * would turn ambiguous when an option is added. The environment is read first, so the command
 * line wins. Texts are not copied: they point into argv or the environment; lists are. */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "backstop/base.h"
#include "backstop/cli.h"

/* Options by table: one row gives an option's name, type, place and help; parsing, --help, the manual page and completion
 * follow from it. */

static void *option_place(const struct option *option, void *values)
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

/* Parts of a second are rounded up, so that no time-out becomes 0, which would mean none. */
static bool set_duration(struct str text, int64_t *seconds)
{
    int64_t nanoseconds;
    struct error ignored;
    if (str_to_int64(text, seconds)) /* as kubectl's --request-timeout: seconds */
        return true;
    if (!duration_parse(text, &nanoseconds, &ignored) || nanoseconds < 0)
        return false;
    *seconds = nanoseconds / NS_PER_SECOND + (nanoseconds % NS_PER_SECOND > 0);
    return true;
}

enum { EXPECTED_SIZE = 160 };

/* What kind of value an option takes: "a whole number"; of a choice "text, json or yaml". */
static const char *option_expected(const struct option *option, char out[EXPECTED_SIZE])
{
    static const char *const words[] = {
        [OPTION_FLAG] = "true or false",
        [OPTION_TEXT] = "a string",
        [OPTION_INTEGER] = "a whole number",
        [OPTION_DURATION] = "a duration such as 90s, 15m or 1h30m",
        [OPTION_TIME] = "a time such as 2026-11-21T03:00:00Z",
        [OPTION_LIST] = "a list",
    };
    if (option->type != OPTION_CHOICE)
        return words[option->type];
    struct str rest = str_from(option->argument), word;
    size_t used = 0;
    for (const char *before = ""; used < EXPECTED_SIZE && str_cut(&rest, '|', &word);
         before = str_contains(rest, STR("|")) ? ", " : " or ")
        used += (size_t)snprintf(out + used, EXPECTED_SIZE - used, "%s%.*s", before, STR_ARG(word));
    return out;
}

static bool set_choice(const struct option *option, struct str value, int *choice)
{
    struct str rest = str_from(option->argument), word;
    for (*choice = 0; str_cut(&rest, '|', &word); ++*choice)
        if (str_eq(word, value))
            return true;
    return false;
}

/* Stores one value; false when it does not fit. */
static bool set_value(const struct option *option, void *values, const char *text)
{
    struct str value = str_from(text);
    switch (option->type) {
    case OPTION_FLAG:
        *(bool *)option_place(option, values) = str_is(value, "true") || str_is(value, "1");
        return str_is(value, "true") || str_is(value, "1") || str_is(value, "false") || str_is(value, "0");
    case OPTION_TEXT:
        *(const char **)option_place(option, values) = text;
        return true;
    case OPTION_CHOICE:
        return set_choice(option, value, option_place(option, values));
    case OPTION_INTEGER:
        return str_to_int64(value, option_place(option, values));
    case OPTION_DURATION:
        return set_duration(value, option_place(option, values));
    case OPTION_TIME:
        return time_parse(value, option_place(option, values));
    case OPTION_LIST:
        return list_add(option_place(option, values), value);
    }
    return false;
}

/* A list's variable holds items between commas. */
static bool set_list_from(const struct option *option, void *values, const char *text)
{
    struct str rest = str_from(text), item;
    while (str_cut(&rest, ',', &item))
        if (item.len && !list_add(option_place(option, values), item))
            return false;
    return true;
}

static const char *option_variable(const struct option *option, char out[OPTION_VARIABLE_SIZE]);

static bool read_variable(const struct command *command, const struct option *option, void *values)
{
    char name[OPTION_VARIABLE_SIZE], expected[EXPECTED_SIZE];
    option_variable(option, name);
    /* NOLINTNEXTLINE(concurrency-mt-unsafe): before any thread starts */
    const char *text = getenv(name);
    if (!text)
        return true;
    bool set = option->type == OPTION_LIST ? set_list_from(option, values, text) : set_value(option, values, text);
    if (!set)
        command_fail(command, "%s=%s: expected %s", name, text, option_expected(option, expected));
    return set;
}

static bool read_environment(const struct command *command, void *values)
{
    struct option option;
    for (size_t next = 0; command_option(command, &next, &option);)
        if (!read_variable(command, &option, values))
            return false;
    return true;
}

static void unknown_option(const struct command *command, const char *argument)
{
    struct str names[64];
    size_t count = 0;
    struct option option;
    for (size_t next = 0; count < LENGTH_OF(names) && command_option(command, &next, &option);)
        names[count++] = str_from(option.name);
    struct str typed = str_from(argument + strspn(argument, "-"));
    typed.len = strcspn(typed.ptr, "=");
    struct str near = str_nearest(typed, names, count);
    for (size_t i = 0; i < count && !near.len && typed.len > 2; i++) /* --file */
        if (str_starts(names[i], typed))
            near = names[i];
    if (near.len)
        command_fail(command, "unknown option %s; did you mean --%.*s?", argument, STR_ARG(near));
    else
        command_fail(command, "unknown option %s; see: backstop %s --help", argument, command->name);
}

/* An argument taken apart as pflag does: --name, --name=value, -n, -nvalue, -n=value, and
 * letters of flags together (-Rf FILE), of which `rest` are the further ones. */
struct argument {
    struct str name;
    bool letter;
    const char *value, *rest; /* or NULL */
};

static struct argument argument_split(const char *text, size_t letter)
{
    struct str value = str_from(text + 2);
    if (text[1] == '-') {
        struct argument argument = {.name = value};
        if (str_cut(&value, '=', &argument.name) && value.ptr)
            argument.value = value.ptr;
        return argument;
    }
    const char *behind = text + letter + 1;
    return (struct argument){.name = {text + letter, 1},
                             .letter = true,
                             .value = *behind == '=' ? behind + 1 : (*behind ? behind : NULL),
                             .rest = *behind && *behind != '=' ? behind : NULL};
}

/* One option at argv[*at], or the letter there of several; *at moves over its value when that is
 * the next argument. -Rf FILE is -R -f FILE: a letter that is a flag passes on the rest of the
 * argument, one that takes a value has the rest as its value. */
static bool take_letter(const struct command *command, int argc, char **argv, int *at, size_t letter, void *values)
{
    const char *text = argv[*at];
    char expected[EXPECTED_SIZE];
    struct argument argument = argument_split(text, letter);
    struct option option;
    if (!command_option_named(command, argument.name, argument.letter, &option)) {
        unknown_option(command, text);
        return false;
    }
    bool flag = option.type == OPTION_FLAG;
    if (flag && argument.rest)
        return set_value(&option, values, "true") && take_letter(command, argc, argv, at, letter + 1, values);
    if (!argument.value && flag)
        argument.value = "true";
    if (!argument.value && *at + 1 < argc)
        argument.value = argv[++*at];
    if (!argument.value) {
        command_fail(command, "%s needs a value: %s", text, option.argument);
        return false;
    }
    if (set_value(&option, values, argument.value))
        return true;
    if (option.type == OPTION_CHOICE && option.letter)
        command_fail(command, "-%c %s: expected %s", option.letter, argument.value, option_expected(&option, expected));
    else
        command_fail(command, "--%s %s: expected %s", option.name, argument.value, option_expected(&option, expected));
    return false;
}

/* Used before the command is known ("backstop --output json status"): it asks all commands, and
 * the first that knows the option as one with a value decides. So an option has a value in every
 * command that has it, or in none. */
bool option_takes_next(const char *text)
{
    size_t count;
    const struct command *const *commands = program_commands(&count);
    struct argument argument = argument_split(text, 1);
    for (size_t i = 0; !argument.value && i < count; i++) {
        struct option option;
        if (command_option_named(commands[i], argument.name, argument.letter, &option) && option.type != OPTION_FLAG)
            return true;
    }
    return false;
}

/* What the command line says replaces what the environment said, lists included. Items of a list
 * add up within one of the two, so the others must go before the first is added. */
static void forget_listed(const struct command *command, int argc, char **argv, void *values)
{
    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++) {
        if (argv[i][0] != '-' || argv[i][1] == '\0')
            continue;
        bool letter = argv[i][1] != '-';
        struct str name = letter ? (struct str){argv[i] + 1, 1} : str_from(argv[i] + 2);
        if (!letter)
            name.len = strcspn(name.ptr, "=");
        struct option option;
        if (command_option_named(command, name, letter, &option) && option.type == OPTION_LIST)
            list_clear(option_place(&option, values));
    }
}

static bool is_help(const char *argument)
{
    return strcmp(argument, "--help") == 0 || strcmp(argument, "-h") == 0;
}

static void options_help(const struct command *command, struct buf *out);

/* Fills `values` from the environment, then from argv[1..]; argv is permuted so
 * that operands stand at *operands. Options may follow operands; "--" ends them;
 * a lone "-" is an operand. OPTIONS_HELP: help was printed. OPTIONS_BAD: the
 * mistake was printed with the fix. */
static enum options_result options_parse(const struct command *command, int argc, char **argv, void *values,
                                         char ***operands, size_t *operand_count)
{
    size_t count = 0;
    bool options_end = false;
    if (!read_environment(command, values))
        return OPTIONS_BAD;
    forget_listed(command, argc, argv, values);
    for (int i = 1; i < argc; i++) {
        bool operand = options_end || argv[i][0] != '-' || argv[i][1] == '\0';
        if (operand) {
            argv[1 + count++] = argv[i]; /* never ahead of i */
        } else if (strcmp(argv[i], "--") == 0) {
            options_end = true;
        } else if (is_help(argv[i])) {
            BUF_SCOPED help;
            buf_init(&help, 64 * 1024);
            options_help(command, &help);
            return command_print(command, &help) == EXIT_OK ? OPTIONS_HELP : OPTIONS_BAD;
        } else if (!take_letter(command, argc, argv, &i, 1, values)) {
            return OPTIONS_BAD;
        }
    }
    *operands = argv + 1;
    *operand_count = count;
    return OPTIONS_RUN;
}

/* `values` starts as a copy of the defaults, and is freed when the body returns. Commands with a
 * `run` of their own parse nothing here: __complete must see the words as they are. */
int command_run(const struct command *command, int argc, char **argv)
{
    char **operands;
    size_t operand_count;
    if (command->run)
        return command->run(command, argc, argv);
    void *values = command->size ? malloc(command->size) : NULL;
    if (command->size && !values)
        return command_fail(command, "out of memory");
    if (values)
        memcpy(values, command->defaults, command->size);
    enum options_result parsed = options_parse(command, argc, argv, values, &operands, &operand_count);
    int code = parsed == OPTIONS_HELP ? EXIT_OK : EXIT_USAGE;
    if (parsed == OPTIONS_RUN && operand_count && !command->operands)
        command_fail(command, "unexpected argument \"%s\"; see: backstop %s --help", operands[0], command->name);
    else if (parsed == OPTIONS_RUN)
        code = command->body(command, values, operands, operand_count);
    struct option option;
    for (size_t next = 0; command_option(command, &next, &option);)
        if (option.type == OPTION_LIST)
            list_clear(option_place(&option, values));
    free(values);
    return code;
}

/* The options of every command that talks to a cluster. */

#define AT(member) offsetof(struct connection, member)
/* Of every command with asks_cluster, after its own rows; offsets count from its struct connection_options. */
static const struct option connection_options[] = {
    {"kubeconfig", 0, OPTION_TEXT, "FILE", "kubeconfig file (default: $KUBECONFIG, in-cluster, ~/.kube/config)",
     AT(kubeconfig)},
    {"context", 0, OPTION_TEXT, "NAME", "kubeconfig context (default: current-context)", AT(context)},
    {"cluster", 0, OPTION_TEXT, "NAME", "kubeconfig cluster (default: the context's)", AT(cluster)},
    {"user", 0, OPTION_TEXT, "NAME", "kubeconfig user (default: the context's)", AT(user)},
    {"server", 's', OPTION_TEXT, "URL", "API server (default: the cluster's)", AT(server)},
    {"certificate-authority", 0, OPTION_TEXT, "FILE", "trusted CAs in PEM (default: the cluster's)",
     AT(certificate_authority)},
    {"insecure-skip-tls-verify", 0, OPTION_FLAG, NULL, "do not verify the API server's certificate", AT(insecure)},
    {"tls-server-name", 0, OPTION_TEXT, "NAME", "server name to verify its certificate against", AT(tls_server_name)},
    {"token", 0, OPTION_TEXT, "TOKEN", "bearer token (default: the user's)", AT(token)},
    {"client-certificate", 0, OPTION_TEXT, "FILE", "client certificate in PEM (default: the user's)",
     AT(client_certificate)},
    {"client-key", 0, OPTION_TEXT, "FILE", "key of the client certificate in PEM", AT(client_key)},
    {"as", 0, OPTION_TEXT, "NAME", "impersonate this user", AT(as)},
    {"as-group", 0, OPTION_LIST, "NAME", "impersonate this group (repeatable)", AT(as_groups)},
    {"as-uid", 0, OPTION_TEXT, "UID", "impersonate this UID", AT(as_uid)},
    {"request-timeout", 0, OPTION_DURATION, "DURATION", "timeout of one request (default: 10s)", AT(request_timeout)},
};

bool connection_given(const struct connection *connection)
{
    return connection->kubeconfig || connection->context || connection->cluster || connection->user ||
           connection->server || connection->token || connection->as;
}

struct kube_options connection_access(const struct connection *connection)
{
    return (struct kube_options){.kubeconfig = connection->kubeconfig,
                                 .context = connection->context,
                                 .cluster = connection->cluster,
                                 .user = connection->user,
                                 .server = connection->server,
                                 .tls_server_name = connection->tls_server_name,
                                 .certificate_authority = connection->certificate_authority,
                                 .insecure = connection->insecure,
                                 .token = connection->token,
                                 .client_certificate = connection->client_certificate,
                                 .client_key = connection->client_key,
                                 .as = connection->as,
                                 .as_uid = connection->as_uid,
                                 .as_groups = (const char *const *)connection->as_groups.items,
                                 .as_group_count = connection->as_groups.len,
                                 .user_agent = "backstop/" BACKSTOP_VERSION,
                                 .timeout_seconds = (unsigned)connection->request_timeout};
}

/* The commands' rows, and the help made of them. */

static bool is_row(const struct option *row, struct str name, bool letter)
{
    return letter ? name.len == 1 && row->letter == name.ptr[0] : str_is(name, row->name);
}

static const struct option *own_row(const struct command *command, struct str name, bool letter)
{
    for (size_t i = 0; i < command->option_count; i++)
        if (is_row(&command->options[i], name, letter))
            return &command->options[i];
    return NULL;
}

/* A command may have a row of the same name as a shared one. It wins: the shared row is skipped,
 * in the help, too. */
bool command_option(const struct command *command, size_t *next, struct option *option)
{
    size_t shared = command->asks_cluster ? LENGTH_OF(connection_options) : 0;
    while (*next >= command->option_count && *next < command->option_count + shared) {
        *option = connection_options[(*next)++ - command->option_count];
        option->offset += command->connection;
        if (!own_row(command, str_from(option->name), false))
            return true;
    }
    if (*next >= command->option_count)
        return false;
    *option = command->options[(*next)++];
    return true;
}

bool command_option_named(const struct command *command, struct str name, bool letter, struct option *option)
{
    for (size_t next = 0; command_option(command, &next, option);)
        if (is_row(option, name, letter))
            return true;
    return false;
}

bool option_shared(const struct command *command, const struct option *option)
{
    return command->asks_cluster && !own_row(command, str_from(option->name), false);
}

/* Writes the name of the environment variable that gives the option ("BACKSTOP_LISTEN") to `out`, and returns
 * that. */
static const char *option_variable(const struct option *option, char out[OPTION_VARIABLE_SIZE])
{
    size_t used = (size_t)snprintf(out, OPTION_VARIABLE_SIZE, "BACKSTOP_");
    for (const char *c = option->name; *c && used + 1 < OPTION_VARIABLE_SIZE; c++)
        out[used++] = (char)(*c == '-' ? '_' : toupper((unsigned char)*c));
    out[used] = '\0';
    return out;
}

static void options_help(const struct command *command, struct buf *out)
{
    BUF_SCOPED text;
    struct option option;
    bool shared = false;
    buf_init(&text, out->limit);
    buf_printf(&text, "backstop %s - %s\n\nUsage: backstop %s%s%s\n", command->name, command->summary, command->name,
               command->option_count ? " [options] " : " ", command->operands ? command->operands : "");
    if (command->details)
        buf_printf(&text, "\n%s\n", command->details);
    buf_puts(&text, "\nOptions (each has an environment variable, such as BACKSTOP_OUTPUT for --output):\n");
    for (size_t next = 0; command_option(command, &next, &option);) {
        if (option_shared(command, &option) && !shared)
            buf_puts(&text, "\nCluster options (as in kubectl):\n");
        shared = option_shared(command, &option);
        char left[80], letter[8] = "    ";
        if (option.letter)
            snprintf(letter, sizeof letter, "-%c, ", option.letter);
        snprintf(left, sizeof left, "%s--%s%s%s", letter, option.name, option.argument ? " " : "",
                 option.argument ? option.argument : "");
        buf_printf(&text, "  %-34s %s\n", left, option.help);
    }
    buf_printf(&text, "%s  %-34s %s\n", shared ? "\n" : "", "-h, --help", "show this help");
    program_say(out, buf_str(&text));
}
