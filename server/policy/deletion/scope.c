/* Deletions of what kcm reads before it makes a ManagementBackup (internal/controller/backup/scope.go): a Credential that a
 * ClusterDeployment names, without which it makes none at all, and a Region, whose cluster is then in none. */
#include "policy/checks.h"
#include "policy/deletion/deletion.h"

struct scope_users {
    const struct cluster_deployment *first; /* NULL: there are none */
    size_t count;
};

static void scope_use(struct scope_users *users, const struct cluster_deployment *deployment)
{
    if (!users->count++)
        users->first = deployment;
}

/* ClusterDeployment "a/b", and 2 more. */
static struct str scope_users_words(struct arena *arena, const struct scope_users *users)
{
    struct str name = arena_quote(
        arena, arena_printf(arena, "%.*s/%.*s", STR_ARG(users->first->meta.ns), STR_ARG(users->first->meta.name)));
    if (users->count == 1)
        return arena_printf(arena, "ClusterDeployment %.*s", STR_ARG(name));
    return arena_printf(arena, "ClusterDeployment %.*s and %zu more", STR_ARG(name), users->count - 1);
}

/* By settings managementBackups.deleteNeeded; ANNOTATION_ALLOW_DELETE with a reason allows it. */
static void scope_judge(const struct request *request, const struct settings *settings, const char *resource,
                        struct str why, struct decision *decision)
{
    struct arena *arena = request->arena;
    struct str reason = object_reason(request, request->old_object, ANNOTATION_ALLOW_DELETE);
    struct str ns =
        request->ns.len ? arena_printf(arena, "-n %.*s ", STR_ARG(words_name(arena, request->ns))) : STR("");
    if (settings->backups_delete_needed == VERDICT_ALLOW)
        return;
    if (settings->backups_delete_needed == VERDICT_DENY && reason.len == 0) {
        decision_forbid(decision,
                        "%.*s. To delete it anyway, annotate it and delete it again: kubectl %.*sannotate %s "
                        "%.*s " ANNOTATION_ALLOW_DELETE "=REASON",
                        STR_ARG(why), STR_ARG(ns), resource, STR_ARG(words_name(arena, request->name)));
        return;
    }
    if (reason.len)
        decision_audit(decision, "allow-delete", "%.*s", STR_ARG(reason));
    decision_warn(decision, "%.*s", STR_ARG(why));
}

static bool scope_is_asked(const struct request *request, const struct inventory *inventory,
                           const struct settings *settings, struct decision *decision)
{
    if (request->operation != OPERATION_DELETE || object_deleting(request->old_object) ||
        deletion_is_automatic(request, settings) || request_by_kcm(request, settings))
        return false;
    if (inventory->known[FACT_CLUSTER_DEPLOYMENTS])
        return true;
    decision_unchecked(decision, FACT_CLUSTER_DEPLOYMENTS,
                       "nothing is known about ClusterDeployments: not checked whether one needs this");
    return false;
}

void policy_credential_deletion(const struct request *request, const struct inventory *inventory,
                                const struct settings *settings, struct decision *decision)
{
    struct arena *arena = request->arena;
    struct scope_users users = {0};
    if (!scope_is_asked(request, inventory, settings, decision))
        return;
    for (size_t i = 0; i < inventory->count[FACT_CLUSTER_DEPLOYMENTS]; i++) {
        const struct cluster_deployment *deployment = inventory->cluster_deployments[i];
        if (str_eq(deployment->meta.ns, request->ns) && str_eq(deployment->credential, request->name))
            scope_use(&users, deployment);
    }
    if (users.count)
        scope_judge(request, settings, "credential",
                    arena_printf(arena, "%.*s needs Credential %.*s: without it kcm makes no management backup at all",
                                 STR_ARG(scope_users_words(arena, &users)), STR_ARG(arena_quote(arena, request->name))),
                    decision);
}

void policy_region_deletion(const struct request *request, const struct inventory *inventory,
                            const struct settings *settings, struct decision *decision)
{
    struct arena *arena = request->arena;
    struct str region = arena_quote(arena, request->name);
    struct scope_users users = {0};
    size_t backups = 0;
    if (!scope_is_asked(request, inventory, settings, decision))
        return;
    for (size_t i = 0; i < inventory->count[FACT_CLUSTER_DEPLOYMENTS]; i++) {
        const struct cluster_deployment *deployment = inventory->cluster_deployments[i];
        const struct credential *credential =
            inventory_credential(inventory, deployment->meta.ns, deployment->credential);
        if (credential && str_eq(credential->region, request->name))
            scope_use(&users, deployment);
    }
    for (size_t i = 0; i < inventory->count[FACT_BACKUPS]; i++) {
        const struct backup *backup = inventory->backups[i];
        backups += str_eq(backup->region, request->name) && phase_is(backup->status.phase, PHASE_COMPLETED);
    }
    if (users.count)
        scope_judge(request, settings, "region",
                    arena_printf(arena,
                                 "%.*s runs in Region %.*s: without it k0rdent cannot manage it, and no "
                                 "management backup contains that cluster",
                                 STR_ARG(scope_users_words(arena, &users)), STR_ARG(region)),
                    decision);
    if (backups && !decision->denied && settings->backups_delete_needed != VERDICT_ALLOW)
        decision_warn(decision,
                      "%zu Completed backup%s of region %.*s remain%s, to be restored on its own cluster only", backups,
                      backups == 1 ? "" : "s", STR_ARG(region), backups == 1 ? "s" : "");
}
