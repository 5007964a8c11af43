/* kustomize: what it builds of a folder, and whether that is what the folder's files hold. */
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "backstop/json.h"
#include "commands/manifest/manifest.h"

extern char **environ;

/* ---- what is built ------------------------------------------------------------------ */

/* Without a shell: the folder is one argument whatever it is called, and "--" keeps it from
 * being an option. */
static bool kustomize_start(const char *folder, int output, pid_t *child, struct error *error)
{
    char kubectl[] = "kubectl", command[] = "kustomize", end[] = "--";
    char *path = strdup(folder);
    char *const argv[] = {kubectl, command, end, path, NULL};
    posix_spawn_file_actions_t actions;
    if (!path || posix_spawn_file_actions_init(&actions) != 0) {
        free(path);
        return error_set(error, 500, "out of memory");
    }
    int failure = posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO);
    if (!failure)
        failure = posix_spawnp(child, kubectl, &actions, NULL, argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    free(path);
    if (!failure)
        return true;
    char buffer[128];
    return error_set(error, 0, "-k runs `kubectl kustomize`: %s", strerror_r(failure, buffer, sizeof buffer));
}

static void kustomize_read(int input, struct buf *output)
{
    char block[16 * 1024];
    ssize_t got;
    while ((got = read(input, block, sizeof block)) != 0) {
        if (got < 0 && errno != EINTR)
            break;
        if (got > 0)
            buf_add(output, (struct str){block, (size_t)got}); /* read to the end even when it is too much */
    }
}

bool manifest_fetch_kustomization(struct arena *arena, const char *folder, size_t limit, struct str *text,
                                  struct error *error)
{
    int ends[2], status = 0;
    pid_t child = -1;
    BUF_SCOPED output;
    buf_init(&output, limit);
    if (pipe2(ends, O_CLOEXEC) != 0)
        return error_set(error, 500, "no pipe to kubectl kustomize");
    bool started = kustomize_start(folder, ends[1], &child, error);
    close(ends[1]);
    if (started)
        kustomize_read(ends[0], &output);
    close(ends[0]);
    if (!started)
        return false;
    while (waitpid(child, &status, 0) < 0 && errno == EINTR)
        ;
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
        return error_set(error, 0, "kubectl kustomize failed");
    if (output.failed)
        return error_set(error, 413, "larger than %zu bytes", limit);
    *text = arena_copy(arena, buf_str(&output));
    return text->ptr || error_set(error, 500, "out of memory");
}

/* ---- what is changed ---------------------------------------------------------------- */

/* A Component (kind) is built only by those that name it. kustomize takes a file without apiVersion and kind as well. */
static const char *kustomization_field(struct json_object *tree)
{
    static const char *const fields[] = {"patches",         "patchesStrategicMerge",
                                         "patchesJson6902", "components",
                                         "replacements",    "namespace",
                                         "namePrefix",      "nameSuffix",
                                         "transformers",    "helmCharts",
                                         "generators",      "configMapGenerator",
                                         "secretGenerator"};
    struct str kind = json_get_str(tree, "kind");
    if (kind.len && !str_is(kind, "Kustomization"))
        return NULL;
    for (size_t i = 0; i < LENGTH_OF(fields); i++)
        if (json_len(json_get(tree, fields[i])) || json_get_str(tree, fields[i]).len)
            return fields[i];
    return NULL;
}

const char *kustomization_changes(const char *folder)
{
    enum { KUSTOMIZATION_BYTES_MAX = 1024 * 1024 };
    static const char *const names[] = {"kustomization.yaml", "kustomization.yml", "Kustomization"};
    const char *field = NULL;
    for (size_t i = 0; i < LENGTH_OF(names) && !field; i++) {
        ARENA_SCOPED arena = arena_new((size_t)64 * KUSTOMIZATION_BYTES_MAX);
        const struct yaml_options options = {.lines_before = 0};
        struct yaml_document *document = NULL;
        struct stat info;
        struct error ignored;
        struct str text;
        const char *path =
            arena ? arena_printf(arena, "%s%s%s", folder, str_ends(str_from(folder), STR("/")) ? "" : "/", names[i]).ptr
                  : NULL;
        if (path && stat(path, &info) == 0 && S_ISREG(info.st_mode) &&
            file_read(arena, path, KUSTOMIZATION_BYTES_MAX, &text, &ignored) &&
            yaml_load(arena, text, &options, &document, &ignored) && document)
            field = kustomization_field(document->tree);
    }
    return field;
}
