/* The commands' rows, and the help made of them. */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "backstop/cli.h"

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

bool command_option(const struct command *command, size_t *next, struct option *option)
{
    size_t shared = command->asks_cluster ? connection_option_count : 0;
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

const char *option_variable(const struct option *option, char out[OPTION_VARIABLE_SIZE])
{
    size_t used = (size_t)snprintf(out, OPTION_VARIABLE_SIZE, "BACKSTOP_");
    for (const char *c = option->name; *c && used + 1 < OPTION_VARIABLE_SIZE; c++)
        out[used++] = (char)(*c == '-' ? '_' : toupper((unsigned char)*c));
    out[used] = '\0';
    return out;
}

static void help_row(const struct option *option, struct buf *out)
{
    char left[80], letter[8] = "    ";
    if (option->letter)
        snprintf(letter, sizeof letter, "-%c, ", option->letter);
    snprintf(left, sizeof left, "%s--%s%s%s", letter, option->name, option->argument ? " " : "",
             option->argument ? option->argument : "");
    buf_printf(out, "  %-34s %s\n", left, option->help);
}

void options_help(const struct command *command, struct buf *out)
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
        help_row(&option, &text);
    }
    buf_printf(&text, "%s  %-34s %s\n", shared ? "\n" : "", "-h, --help", "show this help");
    program_say(out, buf_str(&text));
}
