#include "backstop/grammar.h"
#include "policy/velero/modifier.h"

/* What is gone before a rule sees the object: pkg/restore/restore.go restoreItem takes away the status
 * and the server's part of metadata (resetMetadataAndStatus), the item actions what belongs to the old
 * cluster, and only then come the rules (ApplyResourceModifierRules). */
static const struct removed {
    const char *target; /* plural.group; NULL: every object */
    const char *path;
    bool settable; /* giving it back as a whole is of use */
} removed[] = {
    {NULL, "/status", false},
    {NULL, "/metadata/generateName", true},
    {NULL, "/metadata/ownerReferences", true},
    {NULL, "/metadata/selfLink", false},
    {NULL, "/metadata/uid", false},
    {NULL, "/metadata/resourceVersion", false},
    {NULL, "/metadata/generation", false},
    {NULL, "/metadata/creationTimestamp", false},
    {NULL, "/metadata/deletionTimestamp", false},
    {NULL, "/metadata/deletionGracePeriodSeconds", false},
    {"pods", "/spec/nodeName", true},
    {"pods", "/spec/priority", true},
    {"persistentvolumeclaims", "/metadata/annotations/pv.kubernetes.io~1bind-completed", true},
    {"persistentvolumeclaims", "/metadata/annotations/pv.kubernetes.io~1bound-by-controller", true},
    {"persistentvolumeclaims", "/metadata/annotations/volume.kubernetes.io~1storage-provisioner", true},
    {"persistentvolumeclaims", "/metadata/annotations/volume.beta.kubernetes.io~1storage-provisioner", true},
    {"persistentvolumeclaims", "/metadata/annotations/volume.kubernetes.io~1selected-node", true},
    {"persistentvolumes", "/spec/claimRef/uid", true},
    {"persistentvolumes", "/spec/claimRef/resourceVersion", true},
};

static const struct removed *find_removed(struct str target, struct str path)
{
    for (size_t i = 0; i < LENGTH_OF(removed); i++) {
        struct str root = str_from(removed[i].path);
        if (removed[i].target && !str_is(target, removed[i].target))
            continue;
        if (str_eq(path, root) || (str_starts(path, root) && path.ptr[root.len] == '/'))
            return &removed[i];
    }
    return NULL;
}

/* An earlier rule or patch may put it there again, and another go on from that. */
static bool is_added_again(const struct config_rules *modifier, const struct removed *what)
{
    struct json_object *rules = rules_get(modifier->document->tree, "resourceModifierRules");
    for (size_t r = 0; r < json_len(rules); r++) {
        struct json_object *patches = rules_get(json_item(rules, r), "patches");
        for (size_t i = 0; i < json_len(patches); i++) {
            struct json_object *patch = json_item(patches, i);
            if (str_is(json_str(rules_get(patch, "operation")), "add") &&
                str_is(json_str(rules_get(patch, "path")), what->path))
                return true;
        }
    }
    return false;
}

void modifier_check_removed_match(struct config_rules *modifier, struct str where, struct str target, struct str path,
                                  struct str value)
{
    const struct removed *what = find_removed(target, path);
    if (what && !str_is(value, "null")) /* null is equal to what is not there */
        rules_problem(modifier, where, "%.*s: Velero removes %s before rules are applied; the rule would never apply",
                      STR_ARG(arena_quote(modifier->arena, path)), what->path);
}

void modifier_check_removed_patch(struct config_rules *modifier, struct str where, struct str target,
                                  struct str operation, struct str path)
{
    const struct removed *what = find_removed(target, path);
    if (!what)
        return;
    bool sets = str_is(operation, "add") || str_is(operation, "copy") || str_is(operation, "move");
    struct str quoted = arena_quote(modifier->arena, path);
    if (sets && str_is(path, what->path)) {
        if (!what->settable)
            rules_warn(modifier, where, "%.*s has no effect: only the API server and controllers set it",
                       STR_ARG(quoted));
    } else if (!is_added_again(modifier, what)) {
        rules_problem(modifier, where,
                      "%.*s: Velero removes %s before rules are applied, so the patch fails and the object is restored "
                      "unpatched",
                      STR_ARG(quoted), what->path);
    }
}

/* A merge patch cannot fail over what is not there. */
void modifier_check_removed_data(struct config_rules *modifier, struct str where, struct json_object *data)
{
    struct json_object *metadata = json_get(data, "metadata");
    if (json_get(data, "status"))
        rules_warn(modifier, where, "sets status, which has no effect: only controllers set it");
    for (size_t i = 0; i < LENGTH_OF(removed); i++) {
        struct str name = str_from(removed[i].path), head = STR("/metadata/");
        if (removed[i].target || removed[i].settable || !str_starts(name, head))
            continue;
        if (json_get(metadata, name.ptr + head.len))
            rules_warn(modifier, where, "sets metadata.%s, which has no effect: only the API server sets it",
                       name.ptr + head.len);
    }
}
