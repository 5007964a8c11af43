/* What the program is called, which commands it has, and how it reports a failure.
 *
 * Found on PATH as kubectl-backstop the program is a plugin of kubectl, and every command in its
 * help and messages must be one that can be typed: program_say puts "kubectl " before them.
 * Messages are written for "backstop" and need not know how they were started. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "backstop/cli.h"
#include "backstop/telemetry.h"

enum { MESSAGE_LIMIT = 64 * 1024 };

/* Set once, before anything else. */
static struct {
    const struct command *const *commands;
    size_t count;
    bool is_plugin;
} program;

const struct command *const *program_commands(size_t *count)
{
    *count = program.count;
    return program.commands;
}

const struct command *command_named(struct str name)
{
    for (size_t i = 0; i < program.count; i++)
        if (str_is(name, program.commands[i]->name))
            return program.commands[i];
    return NULL;
}

/* ---- the name --------------------------------------------------------------------- */

static bool base_name_is(const char *path, const char *name)
{
    const char *slash = path ? strrchr(path, '/') : NULL;
    return path && strcmp(slash ? slash + 1 : path, name) == 0;
}

void program_init(const char *argv0, const struct command *const *commands, size_t count)
{
    program.commands = commands;
    program.count = count;
    program.is_plugin = base_name_is(argv0, "kubectl-backstop");
}

bool program_is_plugin(void)
{
    return program.is_plugin;
}

bool program_completes(const char *argv0)
{
    return base_name_is(argv0, "kubectl_complete-backstop");
}

static bool in_word(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || strchr("-_./", c) != NULL;
}

/* "backstop status" and "backstop --help" are commands; "backstop itself" and
 * "backstop-system" are not. */
static bool is_command(struct str text, size_t at)
{
    static const struct str name = STR_INIT("backstop ");
    struct str rest = str_slice(text, at, text.len);
    if (!str_starts(rest, name) || (at > 0 && in_word(text.ptr[at - 1])))
        return false;
    rest = str_slice(rest, name.len, rest.len);
    size_t length = 0;
    while (length < rest.len && in_word(rest.ptr[length]))
        length++;
    struct str word = str_slice(rest, 0, length);
    if (word.len && word.ptr[word.len - 1] == '.') /* of the sentence */
        word.len--;
    return command_named(word) || str_is(word, "COMMAND") || str_is(word, "--help");
}

void program_say(struct buf *out, struct str text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (program.is_plugin && is_command(text, i))
            buf_puts(out, "kubectl ");
        buf_putc(out, text.ptr[i]);
    }
}

void program_usage(struct buf *out)
{
    BUF_SCOPED text;
    buf_init(&text, MESSAGE_LIMIT);
    buf_puts(&text, "backstop keeps a k0rdent management cluster restorable: a Kubernetes admission webhook\n"
                    "for its backups, restores and upgrades.\n\n"
                    "Usage: backstop COMMAND [options]\n\n");
    for (size_t i = 0; i < program.count; i++)
        if (!program.commands[i]->hidden)
            buf_printf(&text, "  %-13s %s\n", program.commands[i]->name, program.commands[i]->summary);
    buf_puts(&text, "\nFor the options of a command: backstop COMMAND --help\n");
    program_say(out, buf_str(&text));
}

/* ---- what every command does ------------------------------------------------------------ */

static void command_log_error(struct str reason)
{
    BUF_SCOPED said;
    buf_init(&said, 16 * MESSAGE_LIMIT);
    program_say(&said, reason);
    log_line(LOG_ERROR, "cannot start", LOG_TEXT("reason", buf_str(&said)));
}

static void command_print_error(const struct command *command, struct str reason)
{
    BUF_SCOPED text;
    BUF_SCOPED said;
    BUF_SCOPED safe;
    buf_init(&text, 2 * MESSAGE_LIMIT);
    buf_init(&said, 16 * MESSAGE_LIMIT);
    buf_init(&safe, 8 * MESSAGE_LIMIT);
    buf_printf(&text, "backstop %s: ", command->name);
    buf_add(&text, reason);
    buf_add_printable(&safe, buf_str(&text), false); /* API servers and files may say anything */
    buf_putc(&safe, '\n');
    program_say(&said, buf_str(&safe));
    fputs(said.data ? said.data : "backstop: out of memory\n", stderr);
}

/* Always EXIT_USAGE, so that failing is one line. A command that logs reports it as a line of
 * JSON instead: its stderr is read by a log collector. */
int command_fail(const struct command *command, const char *format, ...)
{
    BUF_SCOPED reason;
    va_list args;
    buf_init(&reason, MESSAGE_LIMIT);
    va_start(args, format);
    buf_vprintf(&reason, format, args);
    va_end(args);
    if (command->logs)
        command_log_error(buf_str(&reason));
    else
        command_print_error(command, buf_str(&reason));
    return EXIT_USAGE;
}

/* Whoever reads a pipe and has had enough (head) needs no message. */
int command_fail_output(const struct command *command)
{
    char reason[128];
    if (errno == EPIPE)
        return EXIT_USAGE;
    return command_fail(command, "cannot write the output: %s", strerror_r(errno, reason, sizeof reason));
}

/* stdio is not used for output, since a failing write (a full disk, a closed pipe) would show
 * only at exit, and output that was cut short must not end with exit code 0. */
int command_print(const struct command *command, const struct buf *out)
{
    if (out->failed)
        return command_fail(command, "out of memory");
    return fd_write(STDOUT_FILENO, buf_str(out)) ? EXIT_OK : command_fail_output(command);
}

int64_t command_now(int64_t given)
{
    return given == INT64_MIN ? time_now() : given;
}
