/* What a rehearsal takes over from the cluster before it begins: what backstop's webhook would
 * add to the Restore, and the account and order of its Velero. */
#include "backstop/admission.h"
#include "backstop/policy.h"
#include "commands/facts_open.h"
#include "commands/rehearse/rehearse.h"

/* What backstop's webhook would make of the Restore before Velero sees it. */

enum { RESTORE_LIMIT = 4 * 1024 * 1024 };

static bool mutate_review(struct rehearsal *rehearsal, const struct inventory *inventory,
                          const struct settings *settings, int64_t now, struct decision *decision)
{
    struct error ignored;
    struct request request;
    BUF_SCOPED text;
    buf_init(&text, RESTORE_LIMIT);
    json_write_tree(&text, rehearsal->tree);
    const struct object object = {
        text.failed ? NULL : json_index(rehearsal->arena, arena_copy(rehearsal->arena, buf_str(&text)), 2, &ignored)};
    if (!object.root)
        return false;
    request_init(&request, rehearsal->arena);
    request.operation = OPERATION_CREATE;
    request.dry_run = true;
    request.now = now;
    request.api_version = STR(API_VELERO);
    request.kind = STR("Restore");
    request.ns = rehearsal->ns;
    request.name = json_path_str(rehearsal->tree, "metadata.name");
    request.object = &object;
    decision_init(decision, rehearsal->arena);
    policy_restore_mutate(&request, inventory, settings, decision);
    return true;
}

/* By the same policy that the webhook runs. A denial ends the rehearsal: Velero would never see
 * this Restore. */
bool rehearsal_mutate(struct rehearsal *rehearsal, const struct inventory *inventory, const struct settings *settings,
                      int64_t now, struct error *error)
{
    struct arena *arena = rehearsal->arena;
    struct decision decision;
    if (!mutate_review(rehearsal, inventory, settings, now, &decision))
        return error_set(error, 500, "out of memory");
    if (decision.denied)
        return error_set(error, REHEARSAL_DENIED, "backstop's webhook would refuse this Restore: %.*s",
                         STR_ARG(decision_message(&decision)));
    for (size_t i = 0; i < decision.warnings.len; i++)
        strlist_add(arena, &rehearsal->notes,
                    arena_printf(arena, "the webhook warns: %.*s", STR_ARG(decision.warnings.items[i])));
    if (decision.patch.len == 0)
        return true;
    struct json_object *mutated = admission_apply_patch(arena, rehearsal->tree, &decision, error);
    if (!mutated)
        return false;
    rehearsal->tree = mutated;
    /* ConfigMaps that the webhook would create stand in for the cluster's, as those of the file do. */
    for (size_t i = 0; i < decision.effects.len; i++)
        if (str_is(json_get_str(decision.effects.items[i].object, "kind"), "ConfigMap"))
            json_append(rehearsal->maps, json_object_get(decision.effects.items[i].object));
    return true;
}

/* Who asks: webhooks and policies decide by it, and a restore is made by Velero's account. */

static const struct kube_resource deployments = {.group = STR_INIT("apps"),
                                                 .version = STR_INIT("v1"),
                                                 .plural = STR_INIT("deployments"),
                                                 .kind = STR_INIT("Deployment"),
                                                 .namespaced = true};
static const struct kube_resource namespaces = {
    .group = STR_INIT(""), .version = STR_INIT("v1"), .plural = STR_INIT("namespaces"), .kind = STR_INIT("Namespace")};

static bool velero_take(void *context, struct json_object *deployment, struct error *error)
{
    struct rehearsal *rehearsal = context;
    struct json_object *pod = json_path(deployment, "spec.template.spec"), *containers = json_get(pod, "containers");
    struct str name = json_get_str(pod, "serviceAccountName");
    rehearsal->account = arena_copy(rehearsal->arena, name.len ? name : STR("default"));
    rehearse_order_default(&rehearsal->order, rehearsal->arena);
    for (size_t i = 0; i < json_len(containers); i++) {
        struct json_object *container = json_item(containers, i);
        if (!rehearse_order_read(&rehearsal->order, rehearsal->arena, json_get(container, "command"), error) ||
            !rehearse_order_read(&rehearsal->order, rehearsal->arena, json_get(container, "args"), error))
            return false;
    }
    return true;
}

/* What cannot be read is a note: the default order then stands for Velero's. */
void rehearsal_find_velero(struct rehearsal *rehearsal)
{
    struct error error = {0};
    struct arena *arena = rehearsal->arena;
    const struct kube_list_options list = {.ns = rehearsal->ns, .label_selector = STR("component=velero")};
    if (!kube_list(rehearsal->client, arena, &deployments, &list, velero_take, rehearsal, NULL, &error))
        rehearsal->no_velero = arena_copy(arena, str_from(error.message));
    else if (rehearsal->account.len == 0)
        rehearsal->no_velero =
            arena_printf(arena, "no Deployment labelled component=velero in %.*s", STR_ARG(rehearsal->ns));
    if (rehearsal->no_velero.len)
        strlist_add(
            arena, &rehearsal->notes,
            arena_printf(arena, "the default order of a restore was assumed: %.*s", STR_ARG(rehearsal->no_velero)));
    else if (rehearsal->order.given)
        strlist_add(arena, &rehearsal->notes,
                    STR("the order is that of --restore-resource-priorities of Velero's Deployment"));
}

static void velero_note(struct rehearsal *rehearsal, struct str why)
{
    strlist_add(rehearsal->arena, &rehearsal->notes,
                arena_printf(rehearsal->arena,
                             "asked with your account, not Velero's, which webhooks may treat otherwise: %.*s",
                             STR_ARG(why)));
}

/* Tried on an object that is always there. Without the right to impersonate, the rehearsal goes
 * on with the caller's own account and says so. */
void rehearsal_become_velero(struct rehearsal *rehearsal, const struct kube_options *access)
{
    struct arena *arena = rehearsal->arena;
    struct error error = {0};
    struct kube_options options = *access;
    if (rehearsal->no_velero.len) {
        velero_note(rehearsal, rehearsal->no_velero);
        return;
    }
    options.as =
        arena_printf(arena, "system:serviceaccount:%.*s:%.*s", STR_ARG(rehearsal->ns), STR_ARG(rehearsal->account)).ptr;
    rehearsal->velero = options.as ? kube_open(&options, &error) : NULL;
    if (!rehearsal->velero || kube_get(rehearsal->velero, arena, &namespaces, STR(""), STR("default"), NULL, &error))
        return;
    kube_close(rehearsal->velero);
    rehearsal->velero = NULL;
    velero_note(rehearsal, arena_copy(arena, str_from(error.message)));
}
