/* What must go before anything else does: configurations without a webhook behind them refuse
 * upgrades and restores.
 *
 * They come first because some of them fail closed: while the configurations stand and nobody
 * answers, the API server refuses whatever they cover. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "backstop/cli.h"
#include "commands/commands.h"

enum { MEMORY = 16 * 1024 * 1024 };

struct uninstall_options {
    const char *configuration;
    bool yes, dry_run;
    struct connection connection;
};

static const struct option options[] = {
    {"configuration", 0, OPTION_TEXT, "NAME", "name of both webhook configurations (backstop)",
     offsetof(struct uninstall_options, configuration)},
    {"yes", 'y', OPTION_FLAG, NULL, "do not ask for confirmation", offsetof(struct uninstall_options, yes)},
    {"dry-run", 0, OPTION_FLAG, NULL, "print what would be deleted, and delete nothing",
     offsetof(struct uninstall_options, dry_run)},
};

/* Goes on after a failure: the one that could be deleted is one less that blocks. Not found is
 * success, so that the command can be run again. */
static int delete_all(const struct command *command, struct kube_client *client, struct arena *arena, const char *name)
{
    int code = EXIT_OK;
    for (size_t i = 0; i < KUBE_WEBHOOK_CONFIGURATIONS; i++) {
        struct error error;
        const struct kube_resource *resource = &kube_webhook_configurations[i];
        if (kube_delete(client, arena, resource, STR(""), str_from(name), &error)) {
            printf("%.*s %s deleted\n", STR_ARG(resource->kind), name);
        } else if (error.code == 404) {
            printf("%.*s %s is not there\n", STR_ARG(resource->kind), name);
        } else {
            (void)command_fail(command, "%s: %s", kube_server(client), error.message);
            code = EXIT_DENIED;
        }
    }
    return fflush(stdout) == 0 ? code : command_fail_output(command);
}

/* kubectl delete asks nobody, but this is typed in a hurry, beside `kubectl backstop status`. */
static bool is_wanted(const struct command *command, const struct uninstall_options *values, const char *server)
{
    char answer[8] = "";
    if (values->yes || values->dry_run)
        return true;
    if (!isatty(STDIN_FILENO)) {
        command_fail(command, "this stops all reviews at %s; confirm with --yes", server);
        return false;
    }
    fprintf(stderr, "Delete the webhook configurations \"%s\" at %s? Nothing is reviewed after that. [y/N] ",
            values->configuration, server);
    return fgets(answer, sizeof answer, stdin) && (strcmp(answer, "y\n") == 0 || strcmp(answer, "yes\n") == 0);
}

/* With the rights to read alone; it asks for the very objects that would be deleted. */
static int show_all(const struct command *command, struct kube_client *client, struct arena *arena, const char *name)
{
    int code = EXIT_OK;
    for (size_t i = 0; i < KUBE_WEBHOOK_CONFIGURATIONS; i++) {
        struct error error;
        struct json_object *found = NULL;
        const struct kube_resource *resource = &kube_webhook_configurations[i];
        if (kube_get(client, arena, resource, STR(""), str_from(name), &found, &error)) {
            printf("%.*s %s would be deleted\n", STR_ARG(resource->kind), name);
        } else if (error.code == 404) {
            printf("%.*s %s is not there\n", STR_ARG(resource->kind), name);
        } else {
            (void)command_fail(command, "%s: %s", kube_server(client), error.message);
            code = EXIT_DENIED;
        }
    }
    return fflush(stdout) == 0 ? code : command_fail_output(command);
}

static int uninstall_execute(const struct command *command, void *context, char **operands, size_t operand_count)
{
    const struct uninstall_options *values = context;
    struct error error;
    (void)operands, (void)operand_count;
    if (!values->configuration[0])
        return command_fail(command, "--configuration: expected a name");
    const struct kube_options wanted = connection_access(&values->connection);
    ARENA_SCOPED arena = arena_new(MEMORY);
    struct kube_client *client = arena ? kube_open(&wanted, &error) : NULL;
    if (!client)
        return command_fail(command, "%s", arena ? error.message : "out of memory");
    int code = EXIT_USAGE;
    if (is_wanted(command, values, kube_server(client)))
        code = (values->dry_run ? show_all : delete_all)(command, client, arena, values->configuration);
    kube_close(client);
    return code;
}

const struct command command_uninstall = {
    .name = "uninstall",
    .summary = "remove the webhook configurations (stops all reviews)",
    .details = "Every change is then admitted as before backstop was installed. Nothing else is removed: use\n"
               "`helm uninstall`, which needs no running pod, or kubectl for the rest. Asks first at a terminal;\n"
               "needs --yes elsewhere.\n\n"
               "Exit status: 0 both are gone, 1 one could not be deleted, 2 usage, configuration, or not confirmed.",
    .options = options,
    .option_count = LENGTH_OF(options),
    .asks_cluster = true,
    .connection = offsetof(struct uninstall_options, connection),
    .body = uninstall_execute,
    COMMAND_DEFAULTS(struct uninstall_options, .configuration = "backstop"),
};
