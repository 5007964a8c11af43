/* What the parts of the mutation run share. */
#ifndef BACKSTOP_TESTS_MUTATE_H
#define BACKSTOP_TESTS_MUTATE_H

#include "backstop/json.h"
#include "commands/commands.h"
#include "mutation.h"

#define MUTATE_NOW "2026-11-21T03:00:00Z"
#define MUTATE_INVENTORY "tests/golden/inventories/cluster.yaml"

/* A text as a file that has a path: "/proc/self/fd/N". */
struct text_file {
    int fd;
    char path[64];
};
struct text_file text_file_new(void);
void text_file_set(struct text_file *file, struct str text);

/* Of the changes of this document those whose turn it is: calls run(context, text) with each. What is under
 * way is named when the process dies. */
void mutate_each(const char *name, struct json_object *tree, void (*run)(void *context, struct str text),
                 void *context);
/* Runs a command in this process; its exit code must be one of those that there are. The last argument is NULL. */
void mutate_command(const struct command *command, ...);
/* All documents of YAML or JSON text in a file; owned by the arena. */
struct yaml_document *mutate_documents(struct arena *arena, const char *path);
void mutate_fail(const char *format, ...) PRINTF_LIKE(1, 2); /* ends the run */

void mutate_api(void); /* api.c: what the API server answers, and the Secret of managed certificates */

#endif
