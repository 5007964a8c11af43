/* Which files a configuration needs. */
#include <stdlib.h>

#include "kube/kube.h"

/* Where kube_config_load looks; the pod's own files come with the configuration. */
static void add_kubeconfigs(const struct kube_options *options, struct arena *arena, struct strlist *files)
{
    /* NOLINTNEXTLINE(concurrency-mt-unsafe): the environment is never written */
    const char *listed = getenv("KUBECONFIG"), *home = getenv("HOME");
    struct str paths = str_from(options->kubeconfig ? options->kubeconfig : listed), path;
    if (!paths.len)
        paths = arena_printf(arena, "%s/.kube/config", home ? home : "");
    while (str_cut(&paths, ':', &path))
        if (path.len)
            strlist_add(arena, files, arena_copy(arena, path));
}

bool kube_files(const struct kube_options *options, struct arena *arena, struct strlist *files, bool *runs_program,
                struct error *error)
{
    struct kube_config config = {.insecure = false};
    *runs_program = false;
    if (!kube_config_load(arena, options, &config, error))
        return false;
    *runs_program = config.exec != NULL;
    const struct str named[] = {config.ca_file, config.client_cert_file, config.client_key_file, config.token_file};
    add_kubeconfigs(options, arena, files);
    for (size_t i = 0; i < LENGTH_OF(named); i++)
        if (named[i].len)
            strlist_add(arena, files, named[i]);
    return arena_failed(arena) ? error_set(error, 500, "out of memory") : true;
}
