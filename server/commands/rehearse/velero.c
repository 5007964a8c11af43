/* Who asks: webhooks and policies decide by it, and a restore is made by Velero's account. */
#include "commands/rehearse/rehearse.h"

static const struct kube_resource deployments = {.group = STR_INIT("apps"),
                                                 .version = STR_INIT("v1"),
                                                 .plural = STR_INIT("deployments"),
                                                 .kind = STR_INIT("Deployment"),
                                                 .namespaced = true};
static const struct kube_resource namespaces = {
    .group = STR_INIT(""), .version = STR_INIT("v1"), .plural = STR_INIT("namespaces"), .kind = STR_INIT("Namespace")};

struct account {
    struct arena *arena;
    struct str name;
};

static bool account_take(void *context, struct json_object *deployment, struct error *error)
{
    struct account *account = context;
    struct str name = json_path_str(deployment, "spec.template.spec.serviceAccountName");
    (void)error;
    account->name = arena_copy(account->arena, name.len ? name : STR("default"));
    return true;
}

static void velero_note(struct rehearsal *rehearsal, struct str why)
{
    strlist_add(rehearsal->arena, &rehearsal->notes,
                arena_printf(rehearsal->arena,
                             "asked with your account, not Velero's, which webhooks may treat otherwise: %.*s",
                             STR_ARG(why)));
}

void rehearsal_become_velero(struct rehearsal *rehearsal, const struct kube_options *access)
{
    struct arena *arena = rehearsal->arena;
    struct error error = {0};
    struct account account = {.arena = arena};
    struct kube_options options = *access;
    const struct kube_list_options list = {.ns = rehearsal->ns, .label_selector = STR("component=velero")};
    if (!kube_list(rehearsal->client, arena, &deployments, &list, account_take, &account, NULL, &error)) {
        velero_note(rehearsal, arena_copy(arena, str_from(error.message)));
        return;
    }
    if (account.name.len == 0) {
        velero_note(rehearsal,
                    arena_printf(arena, "no Deployment labelled component=velero in %.*s", STR_ARG(rehearsal->ns)));
        return;
    }
    options.as =
        arena_printf(arena, "system:serviceaccount:%.*s:%.*s", STR_ARG(rehearsal->ns), STR_ARG(account.name)).ptr;
    rehearsal->velero = options.as ? kube_open(&options, &error) : NULL;
    if (!rehearsal->velero || kube_get(rehearsal->velero, arena, &namespaces, STR(""), STR("default"), NULL, &error))
        return;
    kube_close(rehearsal->velero);
    rehearsal->velero = NULL;
    velero_note(rehearsal, arena_copy(arena, str_from(error.message)));
}
