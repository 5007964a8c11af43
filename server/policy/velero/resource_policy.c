/* Resource policies: volume policies, their conditions and actions (internal/resourcepolicies).
 *
 * A Backup names the ConfigMap in spec.resourcePolicy, a Restore since 1.19. Velero reads it
 * with yaml.v3 in strict mode and then validates each part; what it takes and yet never acts on
 * is reported as a warning. The filters by kind and namespace are in resource_policy_filters.c. */
#include <string.h>

#include "backstop/grammar.h"
#include "policy/velero/velero.h"

static const struct str actions[] = {STR_INIT("skip"), STR_INIT("fs-backup"), STR_INIT("snapshot"), STR_INIT("custom")};

/* Velero's SupportedVolume names: the kinds of volume that Kubernetes ever had. */
static const struct str volume_types[] = {
    STR_INIT("awsAzureDisk"),
    STR_INIT("awsElasticBlockStore"),
    STR_INIT("azureDisk"),
    STR_INIT("azureFile"),
    STR_INIT("cinder"),
    STR_INIT("cephfs"),
    STR_INIT("configMap"),
    STR_INIT("csi"),
    STR_INIT("downwardAPI"),
    STR_INIT("emptyDir"),
    STR_INIT("ephemeral"),
    STR_INIT("fc"),
    STR_INIT("flocker"),
    STR_INIT("flexVolume"),
    STR_INIT("gitRepo"),
    STR_INIT("glusterfs"),
    STR_INIT("gcePersistentDisk"),
    STR_INIT("hostPath"),
    STR_INIT("image"),
    STR_INIT("iscsi"),
    STR_INIT("local"),
    STR_INIT("nfs"),
    STR_INIT("photonPersistentDisk"),
    STR_INIT("portworxVolume"),
    STR_INIT("projected"),
    STR_INIT("quobyte"),
    STR_INIT("rbd"),
    STR_INIT("scaleIO"),
    STR_INIT("secret"),
    STR_INIT("storageOS"),
    STR_INIT("vsphereVolume"),
};
static const struct str claim_phases[] = {STR_INIT("Pending"), STR_INIT("Bound"), STR_INIT("Lost")};

/* "low,high" in quantities, either of them empty; low <= high unless high is empty. */
static void check_capacity(struct config_rules *map, struct str where, struct json_object *conditions)
{
    struct str text, rest, parts[2] = {{NULL, 0}, {NULL, 0}};
    struct str at = policy_under(map, where, "capacity");
    double bounds[2] = {0, 0};
    if (!rules_text(map, where, conditions, "capacity", &text) || text.len == 0)
        return;
    size_t count = 0;
    rest = text;
    for (struct str part; str_cut(&rest, ',', &part); count++)
        if (count < 2)
            parts[count] = str_trim(part);
    struct str quoted = arena_quote(map->arena, text);
    if (count != 2) {
        rules_problem(map, at,
                      "%.*s must be two quantities with a comma between them, such as \"10Gi,100Gi\" or \"10Gi,\"",
                      STR_ARG(quoted));
        return;
    }
    for (size_t i = 0; i < 2; i++)
        if (parts[i].len && !quantity_parse(parts[i], &bounds[i])) {
            rules_problem(map, at, "%.*s is not a quantity such as \"10Gi\"",
                          STR_ARG(arena_quote(map->arena, parts[i])));
            return;
        }
    bool open = bounds[0] > 0 || bounds[0] < 0;
    if (bounds[1] < bounds[0] && !(open && !(bounds[1] > 0) && !(bounds[1] < 0)))
        rules_problem(map, at, "%.*s has an upper bound below its lower bound", STR_ARG(quoted));
}

/* Velero compares these as they are written and refuses none: one that does not exist
 * matches no volume, and so the rule does nothing. */
static void warn_unknown_item(struct config_rules *map, struct str at, struct json_object *value,
                              const struct str *known, size_t count)
{
    struct str item = json_str(value);
    for (size_t k = 0; k < count; k++)
        if (str_eq(item, known[k]))
            return;
    rules_warn(map, at, "%.*s matches no volume%.*s", STR_ARG(arena_quote(map->arena, item)),
               STR_ARG(str_suggest(map->arena, item, known, count, "; ", "")));
}

/* The newest of volume_types. An older Velero has the word in none of its lists, so a policy for
 * it does nothing there. */
static void check_image_volumes(struct config_rules *map, const struct resource_policy_use *use, struct str where,
                                struct json_object *conditions)
{
    struct json_object *list = json_get(conditions, "volumeTypes");
    struct str at = policy_under(map, where, "volumeTypes"), since = feature_since(map->arena, VELERO_IMAGE_VOLUMES);
    enum version_answer has = product_version_has(&use->velero, VELERO_IMAGE_VOLUMES);
    for (size_t i = 0; i < json_len(list) && has != ANSWER_YES; i++)
        if (str_is(json_str(json_item(list, i)), "image") && has == ANSWER_NO)
            rules_warn(map, at, "\"image\" matches no volume; %.*s or later knows it", STR_ARG(since));
        else if (str_is(json_str(json_item(list, i)), "image"))
            rules_warn(map, at, "\"image\" needs %.*s or later, and %.*s", STR_ARG(since),
                       STR_ARG(product_version_doubt(map->arena, &use->velero)));
}

/* The list is one whose items were checked to be texts; anything else reads as an empty one. */
static void policy_warn_unknown(struct config_rules *map, struct str where, struct json_object *object, const char *key,
                                const struct str *known, size_t count)
{
    struct json_object *list = json_get(object, key);
    for (size_t i = 0; i < json_len(list); i++)
        warn_unknown_item(map, policy_under(map, where, key), json_item(list, i), known, count);
}

/* A map of texts; yaml.v3 takes numbers and booleans for them, except in pvcLabels. */
static void check_labels(struct config_rules *map, struct str where, struct json_object *object, const char *key)
{
    struct json_object *labels = json_get(object, key);
    if (labels && !json_object_is_type(labels, json_type_object))
        rules_problem(map, policy_under(map, where, key), "must map names to strings");
}

/* Velero compares the attributes only of volumes of the driver that is named. */
static void check_csi(struct config_rules *map, struct str where, struct json_object *csi)
{
    static const char *const keys[] = {"driver", "volumeAttributes"};
    struct str driver;
    if (!rules_keys(map, where, csi, keys, LENGTH_OF(keys)) || !rules_text(map, where, csi, "driver", &driver))
        return;
    check_labels(map, where, csi, "volumeAttributes");
    if (driver.len == 0 && json_get(csi, "volumeAttributes"))
        rules_problem(map, policy_under(map, where, "driver"), "is missing: volumeAttributes need a driver");
}

/* unmarshalResourcePolicies looks at the types of these itself: texts, and no numbers for them. */
static void check_claim_modes(struct config_rules *map, const struct resource_policy_use *use, struct str where,
                              struct json_object *conditions)
{
    static const struct str volume_modes[] = {STR_INIT("Filesystem"), STR_INIT("Block")};
    static const struct str access_modes[] = {STR_INIT("ReadWriteOnce"), STR_INIT("ReadOnlyMany"),
                                              STR_INIT("ReadWriteMany"), STR_INIT("ReadWriteOncePod")};
    struct json_object *mode = json_get(conditions, "pvcVolumeMode"), *modes = json_get(conditions, "pvcAccessModes");
    if (policy_reads(map, use, where, conditions, "pvcVolumeMode", VELERO_PVC_MODES)) {
        if (!json_object_is_type(mode, json_type_string))
            rules_problem(map, policy_under(map, where, "pvcVolumeMode"), "must be a string: Filesystem or Block");
        else if (json_str(mode).len)
            warn_unknown_item(map, policy_under(map, where, "pvcVolumeMode"), mode, volume_modes,
                              LENGTH_OF(volume_modes));
    }
    if (!policy_reads(map, use, where, conditions, "pvcAccessModes", VELERO_PVC_MODES))
        return;
    bool texts = json_object_is_type(modes, json_type_array);
    for (size_t i = 0; i < json_len(modes); i++)
        texts = texts && json_object_is_type(json_item(modes, i), json_type_string);
    if (!texts)
        rules_problem(map, policy_under(map, where, "pvcAccessModes"),
                      "must be a list of strings, such as [ReadWriteOnce]");
    else
        policy_warn_unknown(map, where, conditions, "pvcAccessModes", access_modes, LENGTH_OF(access_modes));
}

static void check_conditions(struct config_rules *map, const struct resource_policy_use *use, struct str where,
                             struct json_object *conditions)
{
    static const char *const keys[] = {"capacity",  "storageClass", "nfs",           "csi",           "volumeTypes",
                                       "pvcLabels", "pvcPhase",     "pvcVolumeMode", "pvcAccessModes"};
    static const char *const nfs_keys[] = {"server", "path"};
    static const char *const lists[] = {"storageClass", "volumeTypes"};
    if (!rules_keys(map, where, conditions, keys, LENGTH_OF(keys)))
        return;
    check_capacity(map, where, conditions);
    for (size_t i = 0; i < LENGTH_OF(lists); i++)
        policy_check_texts(map, where, conditions, lists[i]);
    policy_warn_unknown(map, where, conditions, "volumeTypes", volume_types, LENGTH_OF(volume_types));
    check_image_volumes(map, use, where, conditions);
    check_labels(map, where, conditions, "pvcLabels");
    if (policy_reads(map, use, where, conditions, "pvcPhase", VELERO_PVC_PHASE)) {
        policy_check_texts(map, where, conditions, "pvcPhase");
        policy_warn_unknown(map, where, conditions, "pvcPhase", claim_phases, LENGTH_OF(claim_phases));
    }
    check_claim_modes(map, use, where, conditions);
    rules_keys(map, policy_under(map, where, "nfs"), json_get(conditions, "nfs"), nfs_keys, LENGTH_OF(nfs_keys));
    check_csi(map, policy_under(map, where, "csi"), json_get(conditions, "csi"));
}

/* What Velero 1.19 reads of them (Action.validate) an older one ignores, whatever it says. */
static void check_parameter(struct config_rules *map, const struct resource_policy_use *use, struct str at,
                            const char *key, struct json_object *value, bool snapshot)
{
    static const struct str movers[] = {STR_INIT("velero"), STR_INIT("velero-fs"), STR_INIT("velero-block")};
    struct arena *arena = map->arena;
    struct str since = feature_since(arena, VELERO_SNAPSHOT_PARAMETERS), text = json_str(value);
    bool mover = strcmp(key, "dataMover") == 0, known = mover && text.len == 0;
    switch (product_version_has(&use->velero, VELERO_SNAPSHOT_PARAMETERS)) {
    case ANSWER_NO:
        rules_warn(map, at, "%.*s ignores this; it needs %.*s or later",
                   STR_ARG(product_version_name(arena, &use->velero)), STR_ARG(since));
        return;
    case ANSWER_DEPENDS:
        rules_warn(map, at, "needs %.*s or later, and %.*s", STR_ARG(since),
                   STR_ARG(product_version_doubt(arena, &use->velero)));
        return;
    case ANSWER_YES:
    default:
        break;
    }
    for (size_t i = 0; mover && i < LENGTH_OF(movers); i++)
        known = known || str_eq(text, movers[i]);
    if (!snapshot)
        rules_problem(map, at, "is for the action snapshot alone");
    else if (!json_object_is_type(value, json_type_string))
        rules_problem(map, at, "must be a string");
    else if (mover && !known)
        rules_problem(map, at, "%.*s is not one of velero, velero-fs and velero-block",
                      STR_ARG(arena_quote(arena, text)));
    else if (!mover && text.len == 0)
        rules_problem(map, at, "must not be empty: name a VolumeSnapshotClass");
}

/* For another action than snapshot parameters are free: a plugin's "custom" action reads its
 * own. Only what Velero itself reads is judged. */
static void check_parameters(struct config_rules *map, const struct resource_policy_use *use, struct str where,
                             struct json_object *action, struct str type)
{
    static const struct str known[] = {STR_INIT("dataMover"), STR_INIT("snapshotClass")};
    struct json_object *parameters = json_get(action, "parameters");
    struct str at = policy_under(map, where, "parameters");
    check_labels(map, where, action, "parameters");
    if (!json_object_is_type(parameters, json_type_object))
        return;
    json_foreach(parameters, key, value)
    {
        struct str name = str_from(key), near = str_nearest(name, known, LENGTH_OF(known));
        if (str_eq(name, known[0]) || str_eq(name, known[1]))
            check_parameter(map, use, policy_under(map, at, key), key, value, str_is(type, "snapshot"));
        else if (str_is(type, "snapshot") && near.len)
            rules_warn(map, policy_under(map, at, key), "is not read by Velero; did you mean %.*s?", STR_ARG(near));
    }
}

/* The list of actions is that of the newest Velero; "custom" is the only one that came later
 * than the others. */
static void check_action(struct config_rules *map, const struct resource_policy_use *use, struct str where,
                         struct json_object *action)
{
    static const char *const keys[] = {"type", "parameters"};
    struct str type, at = policy_under(map, where, "type");
    if (!rules_keys(map, where, action, keys, LENGTH_OF(keys)) || !rules_text(map, where, action, "type", &type))
        return;
    check_parameters(map, use, where, action, type);
    if (str_is(type, "custom")) {
        struct str since = feature_since(map->arena, VELERO_ACTION_CUSTOM);
        enum version_answer has = product_version_has(&use->velero, VELERO_ACTION_CUSTOM);
        if (has == ANSWER_NO)
            rules_problem(map, at, "%.*s does not support the action custom; it needs %.*s or later",
                          STR_ARG(product_version_name(map->arena, &use->velero)), STR_ARG(since));
        else if (has == ANSWER_DEPENDS)
            rules_warn(map, at, "the action custom needs %.*s or later, and %.*s", STR_ARG(since),
                       STR_ARG(product_version_doubt(map->arena, &use->velero)));
    }
    for (size_t i = 0; i < LENGTH_OF(actions); i++)
        if (str_eq(type, actions[i]))
            return;
    rules_problem(map, at, "%.*s is not one of skip, fs-backup, snapshot and custom%.*s",
                  STR_ARG(arena_quote(map->arena, type)),
                  STR_ARG(str_suggest(map->arena, type, actions, LENGTH_OF(actions), "; ", "")));
}

static void check_volumes(struct config_rules *map, const struct resource_policy_use *use, struct json_object *tree)
{
    static const char *const keys[] = {"conditions", "action"};
    struct json_object *list;
    size_t count = rules_list(map, (struct str){NULL, 0}, tree, "volumePolicies", &list);
    if (use->restore && count)
        rules_problem(map, STR("volumePolicies"),
                      "cannot be used for a Restore; put them into a ConfigMap of their own");
    for (size_t i = 0; i < count && map->problems < RULES_PROBLEMS_SHOWN; i++) {
        struct json_object *policy = json_item(list, i);
        struct str at = arena_printf(map->arena, "volumePolicies[%zu]", i);
        if (!rules_keys(map, at, policy, keys, LENGTH_OF(keys)))
            continue;
        check_conditions(map, use, policy_under(map, at, "conditions"), json_get(policy, "conditions"));
        check_action(map, use, policy_under(map, at, "action"), json_get(policy, "action"));
    }
}

/* IncludeExcludePolicy.Validate: no "*" at all, and nothing in both lists. */
static void check_filters(struct config_rules *map, struct str where, struct json_object *policy, const char *included,
                          const char *excluded)
{
    struct json_object *in = json_get(policy, included), *out = json_get(policy, excluded);
    struct strlist names = {0};
    policy_check_texts(map, where, policy, included);
    policy_check_texts(map, where, policy, excluded);
    for (size_t i = 0; i < json_len(in); i++)
        strlist_add(map->arena, &names, json_str(json_item(in, i)));
    if (strlist_has(&names, STR("*")))
        rules_problem(map, policy_under(map, where, included), "has \"*\", which Velero refuses here");
    for (size_t i = 0; i < json_len(out) && map->problems < RULES_PROBLEMS_SHOWN; i++) {
        struct str name = json_str(json_item(out, i));
        if (str_is(name, "*"))
            rules_problem(map, policy_under(map, where, excluded), "has \"*\", which Velero refuses here");
        else if (strlist_has(&names, name))
            rules_problem(map, policy_under(map, where, excluded), "has %.*s, which is also in %s",
                          STR_ARG(arena_quote(map->arena, name)), included);
    }
}

static void check_include_exclude(struct config_rules *map, const struct resource_policy_use *use,
                                  struct json_object *policy)
{
    static const char *const keys[] = {"includedClusterScopedResources", "excludedClusterScopedResources",
                                       "includedNamespaceScopedResources", "excludedNamespaceScopedResources"};
    const struct str at = STR("includeExcludePolicy");
    if (!policy || !rules_keys(map, at, policy, keys, LENGTH_OF(keys)))
        return;
    if (use->restore) {
        rules_problem(map, at, "cannot be used for a Restore; use the Restore's own includedResources and the like");
        return;
    }
    check_filters(map, at, policy, keys[0], keys[1]);
    check_filters(map, at, policy, keys[2], keys[3]);
    if (use->old_filters)
        rules_problem(map, at,
                      "cannot be combined with includedResources, excludedResources or includeClusterResources of the "
                      "Backup: use the scoped filters");
}

/* An empty version is refused too: Velero compares with "v1" and nothing else. */
void resource_policy_check(struct decision *decision, const char *field, const struct config_map *config,
                           const struct resource_policy_use *use)
{
    static const char *const keys[] = {"version", "volumePolicies", "includeExcludePolicy", "clusterScopedFilterPolicy",
                                       "namespacedFilterPolicies"};
    struct config_rules map = {.arena = decision->arena,
                               .decision = decision,
                               .field = field,
                               .content = use->restore ? "namespacedFilterPolicies" : "volumePolicies",
                               .exact = true};
    struct str version;
    if (!rules_load(&map, config))
        return;
    struct json_object *tree = map.document->tree;
    rules_keys(&map, (struct str){NULL, 0}, tree, keys, LENGTH_OF(keys));
    if (rules_text(&map, (struct str){NULL, 0}, tree, "version", &version) && !str_is(version, "v1"))
        rules_problem(&map, STR("version"), "%.*s is not supported: write \"version: v1\"",
                      STR_ARG(arena_quote(map.arena, version)));
    check_volumes(&map, use, tree);
    check_include_exclude(&map, use, json_get(tree, "includeExcludePolicy"));
    policy_check_filters(&map, use, tree);
}
