#include <unistd.h>

#include "backstop/admission.h"
#include "backstop/cli.h"
#include "backstop/settings.h"
#include "backstop/versions.h"
#include "commands/commands.h"

/* The table of commands, and those that only print what the binary holds: settings, rules. */

/* Each has the one option -o. */
enum { SETTINGS_YAML, SETTINGS_SCHEMA };
enum { RULES_TEXT, RULES_MARKDOWN };
struct print_options {
    int output;
};

static const struct option settings_options[] = {
    {"output", 'o', OPTION_CHOICE, "yaml|schema", "a settings file, or its JSON Schema (yaml)",
     offsetof(struct print_options, output)},
};

static int settings_command_execute(const struct command *command, void *context, char **operands, size_t operand_count)
{
    enum { LIMIT = 1 << 20 };
    const struct print_options *values = context;
    BUF_SCOPED out;
    (void)operands, (void)operand_count;
    buf_init(&out, LIMIT);
    (values->output == SETTINGS_SCHEMA ? settings_write_schema : settings_write_sample)(&out);
    return command_print(command, &out);
}

static const struct command command_settings_sample = {
    .name = "settings",
    .summary = "print a settings file with every default",
    .details = "Prints a settings file with every key at its default and a comment on what it decides; with\n"
               "-o schema, the JSON Schema that editors use for completion.\n\n"
               "Examples:\n"
               "  backstop settings >settings.yaml\n"
               "  backstop review --settings settings.yaml -f manifest.yaml",
    .options = settings_options,
    .option_count = LENGTH_OF(settings_options),
    .body = settings_command_execute,
    COMMAND_DEFAULTS(struct print_options, SETTINGS_YAML),
};

static const struct option rules_options[] = {
    {"output", 'o', OPTION_CHOICE, "text|markdown", "how to print them (text)", offsetof(struct print_options, output)},
};

/* In a fixed order, whatever the order of the bits. */
static void rules_operations(struct buf *out, unsigned operations)
{
    static const enum operation all[] = {OPERATION_CREATE, OPERATION_UPDATE, OPERATION_DELETE};
    const char *between = "";
    for (size_t i = 0; i < LENGTH_OF(all); i++)
        if (operations & (unsigned)all[i]) {
            buf_printf(out, "%s%s", between, operation_name(all[i]));
            between = ", ";
        }
}

static void rules_markdown(struct buf *out, const struct rule *rules, size_t count)
{
    buf_puts(out, "| object | operations | what it does | when the webhook is down |\n|---|---|---|---|\n");
    for (size_t i = 0; i < count; i++) {
        buf_printf(out, "| %s%s%s (%s) | ", rules[i].kind, rules[i].subresource ? " /" : "",
                   rules[i].subresource ? rules[i].subresource : "", rules[i].group);
        rules_operations(out, rules[i].operations);
        buf_printf(out, " | %s%s | %s |\n", rules[i].mutating ? "changes: " : "", rules[i].documentation,
                   str_is(str_from(rules[i].failure_policy), "Fail") ? "refused" : "admitted unchecked");
    }
    buf_puts(out, "\n## By release\n\nOf a version that is not known, or not listed here, only what all releases agree "
                  "on is denied; what they differ in is warned about.\n");
    versions_write_table(out);
}

static void rules_text(struct buf *out, const struct rule *rules, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        buf_printf(out, "%s.%s%s%s  ", rules[i].resource, rules[i].group, rules[i].subresource ? "/" : "",
                   rules[i].subresource ? rules[i].subresource : "");
        rules_operations(out, rules[i].operations);
        buf_printf(out, "  %s (%s)\n    %s\n", rules[i].path, rules[i].failure_policy, rules[i].documentation);
    }
}

static int rules_execute(const struct command *command, void *context, char **operands, size_t operand_count)
{
    enum { LIMIT = 1 << 20 };
    const struct print_options *values = context;
    size_t count;
    (void)operands, (void)operand_count;
    const struct rule *rules = admission_rules(&count);
    BUF_SCOPED out;
    buf_init(&out, LIMIT);
    (values->output == RULES_MARKDOWN ? rules_markdown : rules_text)(&out, rules, count);
    return command_print(command, &out);
}

static const struct command command_rules = {
    .name = "rules",
    .summary = "what is reviewed: objects, operations, paths",
    .details = "The rule table, from which the webhook manifests are tested and docs/decisions.md is generated.",
    .options = rules_options,
    .option_count = LENGTH_OF(rules_options),
    .body = rules_execute,
    COMMAND_DEFAULTS(struct print_options, RULES_TEXT),
};

/* In the order in which `backstop --help` lists them: what runs all the time, what people use
 * daily, then the tools. */
static const struct command *const commands[] = {
    &command_serve, &command_review,        &command_explain,  &command_status,    &command_audit,
    &command_probe, &command_certs,         &command_version,  &command_rules,     &command_settings_sample,
    &command_rbac,  &command_rollback_plan, &command_rehearse, &command_uninstall, &command_completion,
    &command_man,   &command_complete};

const struct command *const *commands_all(size_t *count)
{
    *count = LENGTH_OF(commands);
    return commands;
}
