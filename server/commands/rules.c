#include <unistd.h>

#include "backstop/admission.h"
#include "backstop/cli.h"
#include "backstop/versions.h"
#include "commands/commands.h"

struct rules_options {
    const char *output;
};

static const struct option options[] = {
    {"output", 'o', OPTION_TEXT, "text|markdown", "how to print them (text)", offsetof(struct rules_options, output)},
};

static void add_operations(struct buf *out, unsigned operations)
{
    static const enum operation all[] = {OPERATION_CREATE, OPERATION_UPDATE, OPERATION_DELETE};
    const char *between = "";
    for (size_t i = 0; i < LENGTH_OF(all); i++)
        if (operations & (unsigned)all[i]) {
            buf_printf(out, "%s%s", between, operation_name(all[i]));
            between = ", ";
        }
}

static void print_markdown(struct buf *out, const struct rule *rules, size_t count)
{
    buf_puts(out, "| object | operations | what it does | when the webhook is down |\n|---|---|---|---|\n");
    for (size_t i = 0; i < count; i++) {
        buf_printf(out, "| %s%s%s (%s) | ", rules[i].kind, rules[i].subresource ? " /" : "",
                   rules[i].subresource ? rules[i].subresource : "", rules[i].group);
        add_operations(out, rules[i].operations);
        buf_printf(out, " | %s%s | %s |\n", rules[i].mutating ? "changes: " : "", rules[i].documentation,
                   str_is(str_from(rules[i].failure_policy), "Fail") ? "refused" : "admitted unchecked");
    }
    buf_puts(out, "\n## By release\n\nOf a version that is not known, or not listed here, only what all releases agree "
                  "on is denied; what they differ in is warned about.\n");
    versions_write_table(out);
}

static void print_text(struct buf *out, const struct rule *rules, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        buf_printf(out, "%s.%s%s%s  ", rules[i].resource, rules[i].group, rules[i].subresource ? "/" : "",
                   rules[i].subresource ? rules[i].subresource : "");
        add_operations(out, rules[i].operations);
        buf_printf(out, "  %s (%s)\n    %s\n", rules[i].path, rules[i].failure_policy, rules[i].documentation);
    }
}

static int rules_execute(const struct command *command, void *context, char **operands, size_t operand_count)
{
    enum { LIMIT = 1 << 20 };
    const struct rules_options *values = context;
    size_t count;
    bool markdown = str_is(str_from(values->output), "markdown");
    (void)operands, (void)operand_count;
    if (!markdown && !str_is(str_from(values->output), "text"))
        return command_fail(command, "--output %s: write text or markdown", values->output);
    const struct rule *rules = admission_rules(&count);
    BUF_SCOPED out;
    buf_init(&out, LIMIT);
    if (markdown)
        print_markdown(&out, rules, count);
    else
        print_text(&out, rules, count);
    return !out.failed && write_all(STDOUT_FILENO, buf_str(&out)) ? EXIT_OK : EXIT_USAGE;
}

static int rules_run(const struct command *command, int argc, char **argv)
{
    struct rules_options values = {.output = "text"};
    return command_run(command, argc, argv, &values, rules_execute);
}

const struct command command_rules = {
    .name = "rules",
    .summary = "what is reviewed: objects, operations, paths",
    .details = "The rule table, from which the webhook manifests are tested and docs/decisions.md is generated.",
    .options = options,
    .option_count = LENGTH_OF(options),
    .run = rules_run,
};
