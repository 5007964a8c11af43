/* Evidence of other backup engines, listed for one review. */
#include "inventory/cluster/cluster.h"

enum { PAGE = 250 };

static bool cluster_look_for_evidence(void *context, struct json_object *object, struct error *error)
{
    return evidence_look(context, object, error);
}

enum evidence_access evidence_access_of(int code)
{
    switch (code) {
    case 404:
        return EVIDENCE_NOT_SERVED;
    case 401:
    case 403:
        return EVIDENCE_FORBIDDEN;
    default:
        return EVIDENCE_UNREADABLE;
    }
}

/* One source that cannot be read does not keep the others from being read: which of them
 * are needed is for the policy to say. */
void cluster_evidence(struct kube_client *client, struct evidence_search *search, bool in_time)
{
    const struct evidence_source *source = search->source;
    const struct kube_resource resource = {.group = source->group,
                                           .version = source->version,
                                           .plural = source->resource,
                                           .kind = source->kind,
                                           .namespaced = source->ns.len > 0};
    const struct kube_list_options options = {.ns = source->ns, .label_selector = source->selector, .page = PAGE};
    struct evidence_reading *reading = &search->reading;
    struct error error = {.code = 503};
    reading->source = source->name;
    if (!in_time)
        error_set(&error, 503, "list %.*s: the API server responds too slowly", STR_ARG(source->resource));
    else if (kube_list(client, search->arena, &resource, &options, cluster_look_for_evidence, search, NULL, &error))
        return;
    reading->access = evidence_access_of(error.code);
    reading->problem = arena_copy(search->arena, str_from(error.message));
    reading->len = reading->matching = 0;
}
