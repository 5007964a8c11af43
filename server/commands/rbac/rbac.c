#include "commands/rbac/rbac.h"
#include "commands/commands.h"

#include <string.h>
#include <unistd.h>

#include "commands/facts_open.h"

enum { OUTPUT_LIMIT = 1024 * 1024 };

struct rbac_options {
    const char *settings, *ns, *account, *certificates;
};

static const struct option options[] = {
    {"settings", 0, OPTION_TEXT, "FILE", "settings file of the webhook", offsetof(struct rbac_options, settings)},
    {"namespace", 'n', OPTION_TEXT, "NAME", "where the webhook runs (backstop-system)",
     offsetof(struct rbac_options, ns)},
    {"certificates", 0, OPTION_TEXT, "managed|job|cert-manager|secret", "who issues the certificates (managed)",
     offsetof(struct rbac_options, certificates)},
    {"service-account", 0, OPTION_TEXT, "NAME", "what it runs as (backstop)", offsetof(struct rbac_options, account)},
};

static const char details[] =
    "Prints the roles that the webhook needs with these settings, and their bindings to its\n"
    "service account. With the default settings they equal those of manifests/install.yaml. Each\n"
    "entry of upgrade.evidence adds get and list for its objects, in its namespace, or in the\n"
    "whole cluster if it has none.\n"
    "\n"
    "--certificates takes the modes of the chart. With managed the webhook may patch its webhook\n"
    "configurations; with job only the account backstop-certificates may; otherwise neither.\n"
    "\n"
    "Rules name the plural of a resource: the entry's `resource`, else its kind in lower case with\n"
    "s, es or ies (RunAction: runactions). `kubectl api-resources` lists the real plurals.\n"
    "\n"
    "Exit status: 0 printed, 2 wrong usage, or the settings cannot be read.\n"
    "\n"
    "Examples:\n"
    "  backstop rbac --settings settings.yaml | kubectl apply -f -\n"
    "  backstop rbac --settings settings.yaml | kubectl diff -f -";

static bool is_name(const char *text)
{
    struct str name = str_from(text);
    for (size_t i = 0; i < name.len; i++) {
        char c = name.ptr[i];
        if ((c < 'a' || c > 'z') && (c < '0' || c > '9') && (c != '-' || i == 0))
            return false;
    }
    return name.len > 0 && name.len <= 63;
}

static const struct {
    const char *name;
    enum rbac_certificates certificates;
} modes[] = {
    {"managed", RBAC_MANAGED}, {"job", RBAC_JOB}, {"cert-manager", RBAC_CERTIFICATES}, {"secret", RBAC_CERTIFICATES}};

static int rbac_execute(const struct command *command, void *context, char **operands, size_t operand_count)
{
    const struct rbac_options *values = context;
    (void)operands, (void)operand_count;
    if (!is_name(values->ns) || !is_name(values->account))
        return command_fail(command,
                            "--namespace and --service-account: expected names (lower-case letters, digits and -)");
    size_t mode = 0;
    while (mode < LENGTH_OF(modes) && strcmp(modes[mode].name, values->certificates) != 0)
        mode++;
    if (mode == LENGTH_OF(modes))
        return command_fail(command, "--certificates: expected managed, job, cert-manager or secret");
    CLEANUP(command_settings_release) struct settings *settings = command_settings(command, values->settings, NULL);
    if (!settings)
        return EXIT_USAGE;
    BUF_SCOPED out;
    buf_init(&out, OUTPUT_LIMIT);
    rbac_write(settings, modes[mode].certificates, str_from(values->ns), str_from(values->account), &out);
    if (out.failed || !write_all(STDOUT_FILENO, buf_str(&out)))
        return command_fail(command, "out of memory, or the output cannot be written");
    return EXIT_OK;
}

static int rbac_run(const struct command *command, int argc, char **argv)
{
    struct rbac_options values = {.ns = "backstop-system", .account = "backstop", .certificates = "managed"};
    return command_run(command, argc, argv, &values, rbac_execute);
}

const struct command command_rbac = {
    .name = "rbac",
    .summary = "print the roles that the webhook needs",
    .details = details,
    .options = options,
    .option_count = LENGTH_OF(options),
    .run = rbac_run,
};
