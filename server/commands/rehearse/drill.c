/* A rehearsal on an API server of its own: what stands on it before the restore begins.
 *
 * The drill's API server is empty, and what a restore meets in a real cluster must be put there
 * first: the CRDs that controllers bring, the namespace, and the backup's CRDs that the Restore
 * leaves out. */
#include "commands/manifest/manifest.h"
#include "commands/rehearse/rehearse.h"

#include <stdlib.h>

static const struct kube_resource crds = {.group = STR_INIT("apiextensions.k8s.io"),
                                          .version = STR_INIT("v1"),
                                          .plural = STR_INIT("customresourcedefinitions"),
                                          .kind = STR_INIT("CustomResourceDefinition")};
static const struct kube_resource namespaces = {
    .group = STR_INIT(""), .version = STR_INIT("v1"), .plural = STR_INIT("namespaces"), .kind = STR_INIT("Namespace")};

/* ---- the CRDs that the cluster has without the backup ------------------------------------------------- */

/* Stripped of what the server sets, as in a backup it has a uid and a status. */
static bool drill_install(struct rehearsal *rehearsal, struct json_object *crd, struct strlist *installed,
                          struct error *error)
{
    struct str name = json_path_str(crd, "metadata.name");
    rehearse_object_strip(crd);
    if (strlist_has(installed, name)) /* given twice: the first counts, as for kubectl create */
        return true;
    if (!kube_create(rehearsal->client, rehearsal->arena, &crds, STR(""), crd, NULL, error))
        return error_wrap(error, "drill");
    strlist_add(rehearsal->arena, installed, name);
    return true;
}

struct crds_file {
    const char *problem_source;
    struct str problem;
    struct arena *arena;
};

/* The first problem is enough: the files are then not used. */
static void crds_problem(void *context, const char *source, int64_t line, const char *reason)
{
    struct crds_file *file = context;
    if (file->problem.len)
        return;
    file->problem_source = source;
    file->problem = line < 0 ? arena_copy(file->arena, str_from(reason))
                             : arena_printf(file->arena, "line %lld: %s", (long long)line, reason);
}

/* Their controllers run in the cluster that a restore is made into, and answer conversions; here nothing would. */
static bool drill_install_file(struct rehearsal *rehearsal, const char *path, struct strlist *installed,
                               struct error *error)
{
    struct manifests manifests = {0};
    struct crds_file file = {.arena = rehearsal->arena};
    size_t found = 0;
    if (!manifests_load(rehearsal->arena, path, &manifests, crds_problem, &file))
        return error_set(error, 422, "--crds %s: %.*s", file.problem_source ? file.problem_source : path,
                         STR_ARG(file.problem));
    for (size_t i = 0; i < manifests.len; i++) {
        struct json_object *tree = manifests.items[i].tree, *spec = json_get(tree, "spec"), *conversion;
        if (!str_is(json_get_str(tree, "kind"), "CustomResourceDefinition"))
            continue;
        found++;
        if (json_get(spec, "conversion") &&
            (!json_put_map(spec, "conversion", &conversion) || !json_put_text(conversion, "strategy", STR("None"))))
            return error_set(error, 500, "out of memory");
        if (!drill_install(rehearsal, tree, installed, error))
            return false;
    }
    if (found == 0)
        return error_set(error, 422,
                         "--crds %s: there is no CustomResourceDefinition; render a chart first: helm template", path);
    if (found < manifests.len)
        strlist_add(rehearsal->arena, &rehearsal->notes,
                    arena_printf(rehearsal->arena, "of %s only the CRDs were installed (%zu of %zu)", path, found,
                                 manifests.len));
    return true;
}

/* What the Restore leaves out is nevertheless there in a cluster that has the controllers of these kinds. */
static bool drill_install_left_out(struct rehearsal *rehearsal, struct strlist *installed, struct error *error)
{
    size_t before = installed->len;
    struct rehearse_resource *resource =
        rehearse_contents_resource(rehearsal->contents, STR("customresourcedefinitions.apiextensions.k8s.io"));
    for (size_t i = 0; resource && i < resource->count; i++) {
        struct error reason = {0};
        struct rehearse_item *item = &resource->items[i];
        if (item->outcome != REHEARSE_SKIPPED || strlist_has(installed, item->name))
            continue;
        struct json_object *crd = rehearse_item_read(rehearsal->contents, item, rehearsal->arena, error);
        if (!crd)
            return error_wrap(error, "CRD %.*s of the backup", STR_ARG(shown(rehearsal->arena, item->name)));
        if (!drill_install(rehearsal, crd, installed, &reason))
            strlist_add(rehearsal->arena, &rehearsal->notes,
                        arena_printf(rehearsal->arena, "a CRD of the backup was not installed: %s", reason.message));
    }
    if (installed->len > before)
        strlist_add(
            rehearsal->arena, &rehearsal->notes,
            arena_printf(rehearsal->arena,
                         "installed before the drill, since the Restore leaves them out: %zu of the backup's CRDs",
                         installed->len - before));
    return true;
}

/* A cluster may have a CRD that it does not serve, too; its objects are then refused. */
static bool drill_wait_for(struct rehearsal *rehearsal, const struct strlist *installed, struct error *error)
{
    struct strlist problems;
    if (!rehearse_wait_served(&rehearsal->served, rehearsal->client, installed, &problems, error))
        return false;
    for (size_t i = 0; i < installed->len; i++) {
        struct str note = arena_printf(rehearsal->arena, "CRD %.*s is installed, but never served: %.*s",
                                       STR_ARG(installed->items[i]), STR_ARG(problems.items[i]));
        if (problems.items[i].len && !strlist_has(&rehearsal->notes, note))
            strlist_add(rehearsal->arena, &rehearsal->notes, note);
    }
    return true;
}

static bool drill_make_namespace(struct rehearsal *rehearsal, struct error *error)
{
    struct json_object *metadata, *object = json_own(rehearsal->arena, json_object_new_object());
    bool made = json_put_text(object, "apiVersion", STR("v1")) && json_put_text(object, "kind", STR("Namespace")) &&
                json_put_map(object, "metadata", &metadata) && json_put_text(metadata, "name", rehearsal->ns);
    if (!made)
        return error_set(error, 500, "out of memory");
    return kube_create(rehearsal->client, rehearsal->arena, &namespaces, STR(""), object, NULL, error) ||
           error->code == 409 || error_wrap(error, "drill");
}

bool rehearsal_drill(struct rehearsal *rehearsal, const struct option_list *files, struct str *log, struct error *error)
{
    const char *assets = getenv("KUBEBUILDER_ASSETS"); /* NOLINT(concurrency-mt-unsafe): nothing sets the environment */
    if (!assets || !*assets)
        return error_set(
            error, 404,
            "--against-crds needs etcd and kube-apiserver in the folder that KUBEBUILDER_ASSETS names, and "
            "it is not set. With controller-runtime's setup-envtest: "
            "export KUBEBUILDER_ASSETS=$(setup-envtest use -p path)");
    if (!name_is_dns_label(rehearsal->ns))
        return error_set(error, 422, "--namespace: %.*s is not a name of a namespace",
                         STR_ARG(shown(rehearsal->arena, rehearsal->ns)));
    rehearsal->drill = rehearse_drill_new();
    if (!rehearsal->drill)
        return error_set(error, 500, "out of memory");
    if (rehearse_drill_start(rehearsal->drill, assets, rehearsal->ns, error)) {
        strlist_add(rehearsal->arena, &rehearsal->notes,
                    STR("a drill runs no controller and calls no webhook: each that fails closed refuses, as while its "
                        "service is not up yet; quotas and ServiceAccounts are not checked"));
        struct strlist installed = {0};
        struct str version = {NULL, 0};
        rehearsal->client = rehearse_drill_client(rehearsal->drill);
        if (!kube_version(rehearsal->client, rehearsal->arena, &version, error) ||
            !drill_make_namespace(rehearsal, error))
            return false;
        rehearsal->server = arena_printf(rehearsal->arena, "an API server of its own (%.*s)",
                                         STR_ARG(shown(rehearsal->arena, version)));
        for (size_t i = 0; i < files->len; i++)
            if (!drill_install_file(rehearsal, files->items[i], &installed, error))
                return false;
        /* What the Restore takes rests on what is served; what is served, on what it leaves out. */
        return drill_wait_for(rehearsal, &installed, error) &&
               rehearse_plan_make(&rehearsal->plan, rehearsal->contents, &rehearsal->restore, &rehearsal->served,
                                  rehearsal->arena, error) &&
               drill_install_left_out(rehearsal, &installed, error) && drill_wait_for(rehearsal, &installed, error);
    }
    *log = rehearse_drill_log(rehearsal->drill, rehearsal->arena);
    return false;
}
