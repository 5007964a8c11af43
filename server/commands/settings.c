#include "backstop/settings.h"
#include "commands/commands.h"

#include <unistd.h>

#include "backstop/cli.h"

struct settings_options {
    const char *output;
};

static const struct option options[] = {
    {"output", 'o', OPTION_TEXT, "yaml|schema", "a settings file, or its JSON Schema (yaml)",
     offsetof(struct settings_options, output)},
};

static int settings_command_execute(const struct command *command, void *context, char **operands, size_t operand_count)
{
    enum { LIMIT = 1 << 20 };
    const struct settings_options *values = context;
    struct str output = str_from(values->output);
    BUF_SCOPED out;
    (void)operands, (void)operand_count;
    buf_init(&out, LIMIT);
    if (str_is(output, "yaml"))
        settings_write_sample(&out);
    else if (str_is(output, "schema"))
        settings_write_schema(&out);
    else
        return command_fail(command, "--output %s: write yaml or schema", values->output);
    if (out.failed || !write_all(STDOUT_FILENO, buf_str(&out)))
        return command_fail(command, "out of memory, or the output cannot be written");
    return EXIT_OK;
}

static int settings_command_run(const struct command *command, int argc, char **argv)
{
    struct settings_options values = {.output = "yaml"};
    return command_run(command, argc, argv, &values, settings_command_execute);
}

const struct command command_settings_sample = {
    .name = "settings",
    .summary = "print a settings file with every default",
    .details = "Prints a settings file with every key at its default and a comment on what it decides; with\n"
               "-o schema, the JSON Schema that editors use for completion.\n\n"
               "Examples:\n"
               "  backstop settings >settings.yaml\n"
               "  backstop review --settings settings.yaml -f manifest.yaml",
    .options = options,
    .option_count = LENGTH_OF(options),
    .run = settings_command_run,
};
