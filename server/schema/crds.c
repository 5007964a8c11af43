/* Built in are the CRDs of the releases in versions/version.c; a folder of CRDs (--crds) or
 * those of the cluster outrank them. A CRD that is read becomes the same struct schema as one
 * that is compiled in, so all checks work on both. */
#include "backstop/api.h"
#include "schema/schema.h"

/* The schemas that are built in (crds.def, made from the released CRDs), and what was meant by an apiVersion or kind that is
 * not among them. */

#include "schema/crds.def"

/* ---- ObjectMeta, which no CRD describes ------------------------------------ */

/* It is decoded into Go's structure, so null stands for nothing everywhere. */
static const struct schema meta_text = {.type = SCHEMA_TEXT, .nullable = true};
static const struct schema meta_time = {.type = SCHEMA_TEXT, .nullable = true, .format = "date-time"};
static const struct schema meta_integer = {.type = SCHEMA_INTEGER, .nullable = true, .format = "int64"};
static const struct schema meta_boolean = {.type = SCHEMA_BOOLEAN, .nullable = true};
static const struct schema meta_map = {.type = SCHEMA_OBJECT, .nullable = true, .items = &meta_text};
static const struct schema meta_texts = {.type = SCHEMA_LIST, .nullable = true, .items = &meta_text};
static const struct schema meta_open = {.type = SCHEMA_ANY, .nullable = true, .open = true};
static const struct schema meta_open_list = {.type = SCHEMA_LIST, .nullable = true, .items = &meta_open};
static const struct schema_field owner_fields[] = {
    {"apiVersion", &meta_text, 0, true},     {"kind", &meta_text, 0, true},
    {"name", &meta_text, 0, true},           {"uid", &meta_text, 0, true},
    {"controller", &meta_boolean, 0, false}, {"blockOwnerDeletion", &meta_boolean, 0, false},
};
static const struct schema meta_owner = {
    .type = SCHEMA_OBJECT, .fields = owner_fields, .field_count = LENGTH_OF(owner_fields)};
static const struct schema meta_owners = {.type = SCHEMA_LIST, .nullable = true, .items = &meta_owner};
static const struct schema_field meta_fields[] = {
    {"name", &meta_text, 0, false},
    {"generateName", &meta_text, 0, false},
    {"namespace", &meta_text, 0, false},
    {"labels", &meta_map, 0, false},
    {"annotations", &meta_map, 0, false},
    {"finalizers", &meta_texts, 0, false},
    {"ownerReferences", &meta_owners, 0, false},
    {"uid", &meta_text, 0, false},
    {"resourceVersion", &meta_text, 0, false},
    {"generation", &meta_integer, 0, false},
    {"selfLink", &meta_text, 0, false},
    {"creationTimestamp", &meta_time, 0, false},
    {"deletionTimestamp", &meta_time, 0, false},
    {"deletionGracePeriodSeconds", &meta_integer, 0, false},
    {"managedFields", &meta_open_list, 0, false},
};
const struct schema schema_metadata = {
    .type = SCHEMA_OBJECT, .fields = meta_fields, .field_count = LENGTH_OF(meta_fields)};

/* ---- kinds ------------------------------------------------------------------ */

const struct schema_kind *schema_kinds(size_t *count)
{
    *count = LENGTH_OF(kinds);
    return kinds;
}

static bool schema_is_of_kind(const struct schema_kind *known, struct str group, struct str kind)
{
    return str_is(kind, known->kind) && str_is(group, known->group);
}

/* The order: a CRD that was read, for this very version; a built-in one for this version; one of
 * another version, which then only raises doubts. */
const struct schema_kind *schema_find(const struct schema_set *set, struct str api_version, struct str kind,
                                      bool *exact)
{
    struct str version, group = api_version_group(api_version, &version);
    const struct schema_kind *other = NULL;
    *exact = true;
    for (const struct schema_crd *crd = set ? set->first : NULL; crd; crd = crd->next)
        if (schema_is_of_kind(&crd->kind, group, kind) && str_is(version, crd->kind.version))
            return crd->kind.schema ? &crd->kind : NULL;
    for (size_t i = 0; i < LENGTH_OF(kinds); i++) {
        if (!schema_is_of_kind(&kinds[i], group, kind))
            continue;
        if (str_is(version, kinds[i].version))
            return &kinds[i];
        other = &kinds[i];
    }
    *exact = false;
    return other;
}

/* In any version: the cluster's CRD is then known, and asked for no more. */
bool schema_set_has(const struct schema_set *set, struct str group, struct str kind)
{
    for (const struct schema_crd *crd = set ? set->first : NULL; crd; crd = crd->next)
        if (schema_is_of_kind(&crd->kind, group, kind))
            return true;
    return false;
}

static const struct known {
    const char *group, *kind, *versions[2];
} known_kinds[] = {
    {GROUP_VELERO, "Backup", {"v1"}},
    {GROUP_VELERO, "BackupRepository", {"v1"}},
    {GROUP_VELERO, "BackupStorageLocation", {"v1"}},
    {GROUP_VELERO, "DataDownload", {"v2alpha1"}},
    {GROUP_VELERO, "DataUpload", {"v2alpha1"}},
    {GROUP_VELERO, "DeleteBackupRequest", {"v1"}},
    {GROUP_VELERO, "DownloadRequest", {"v1"}},
    {GROUP_VELERO, "PodVolumeBackup", {"v1"}},
    {GROUP_VELERO, "PodVolumeRestore", {"v1"}},
    {GROUP_VELERO, "ResticRepository", {"v1"}},
    {GROUP_VELERO, "Restore", {"v1"}},
    {GROUP_VELERO, "Schedule", {"v1"}},
    {GROUP_VELERO, "ServerStatusRequest", {"v1"}},
    {GROUP_VELERO, "VolumeSnapshotLocation", {"v1"}},
    {GROUP_K0RDENT, "AccessManagement", {"v1beta1", "v1alpha1"}},
    {GROUP_K0RDENT, "ClusterDeployment", {"v1beta1", "v1alpha1"}},
    {GROUP_K0RDENT, "ClusterTemplate", {"v1beta1", "v1alpha1"}},
    {GROUP_K0RDENT, "Credential", {"v1beta1", "v1alpha1"}},
    {GROUP_K0RDENT, "Management", {"v1beta1", "v1alpha1"}},
    {GROUP_K0RDENT, "ManagementBackup", {"v1beta1", "v1alpha1"}},
    {GROUP_K0RDENT, "MultiClusterService", {"v1beta1", "v1alpha1"}},
    {GROUP_K0RDENT, "ProviderTemplate", {"v1beta1", "v1alpha1"}},
    {GROUP_K0RDENT, "Region", {"v1beta1", "v1alpha1"}},
    {GROUP_K0RDENT, "Release", {"v1beta1", "v1alpha1"}},
    {GROUP_K0RDENT, "ServiceTemplate", {"v1beta1", "v1alpha1"}},
};

/* "Backups" for Backup: plurals are what kubectl get takes. */
static bool is_nearly(struct arena *arena, struct str kind, const char *known)
{
    struct str name = str_from(known), near = str_nearest(kind, &name, 1);
    return near.len || str_eq_nocase(kind, arena_printf(arena, "%ss", known));
}

/* The kind of this name; else, in `group` if that is not empty, the first one that is near it. */
static const struct known *find_known(struct arena *arena, struct str group, struct str kind)
{
    const struct known *near = NULL;
    for (size_t i = 0; i < LENGTH_OF(known_kinds); i++) {
        const struct known *row = &known_kinds[i];
        if (group.len && !str_is(group, row->group))
            continue;
        if (str_is(kind, row->kind))
            return row;
        bool closer = !near || str_eq_nocase(kind, str_from(row->kind));
        near = closer && is_nearly(arena, kind, row->kind) ? row : near;
    }
    return near;
}

/* Both lines, to be pasted into a manifest. */
static struct str write_this(struct arena *arena, const struct known *known)
{
    return arena_printf(arena, "apiVersion: %s/%s, kind: %s", known->group, known->versions[0], known->kind);
}

static bool has_version(const struct known *known, struct str version)
{
    for (size_t i = 0; i < LENGTH_OF(known->versions) && known->versions[i]; i++)
        if (str_is(version, known->versions[i]))
            return true;
    return false;
}

/* No group of another product: nothing, a version only, the product's name of old, or a slip of the pen. */
static bool is_meant_group(struct str api_version, struct str group, const struct known *known)
{
    struct str right = str_from(known->group), head, rest = right;
    str_cut(&rest, '.', &head); /* velero, k0rdent */
    if (group.len == 0)         /* a version only, or a group without one */
        return true;
    bool former = str_is(group, str_is(head, "velero") ? "ark.heptio.com" : "hmc.mirantis.com");
    return str_eq_nocase(group, head) || former || str_nearest(group, &right, 1).len ||
           (str_starts(group, head) && !str_ends(api_version, STR(".io"))) || str_eq_nocase(group, right);
}

/* A Backup of k0rdent's group is one of Velero's, and the other way round. */
static const struct known *find_in_other_group(struct arena *arena, struct str group, struct str kind)
{
    const struct str other = str_is(group, GROUP_VELERO) ? STR(GROUP_K0RDENT) : STR(GROUP_VELERO);
    const struct known *known = find_known(arena, other, kind);
    return known && str_eq_nocase(kind, str_from(known->kind)) ? known : NULL;
}

enum schema_kind_verdict schema_kind_check(const struct schema_set *set, struct str api_version, struct str kind,
                                           struct arena *arena, struct str *meant)
{
    struct str version, group = api_version_group(api_version, &version);
    bool ours = str_is(group, GROUP_VELERO) || str_is(group, GROUP_K0RDENT), exact;
    const struct known *known = find_known(arena, ours ? group : STR(""), kind);
    if (ours && !known)
        known = find_in_other_group(arena, group, kind);
    *meant = known ? write_this(arena, known) : (struct str){NULL, 0};
    if (schema_set_has(set, group, kind))
        return schema_find(set, api_version, kind, &exact) && exact ? SCHEMA_KIND_FINE : SCHEMA_KIND_WRONG;
    if (!known) /* new releases of k0rdent bring new kinds */
        return str_is(group, GROUP_VELERO) ? SCHEMA_KIND_WRONG : SCHEMA_KIND_FINE;
    if (ours && str_is(group, known->group))
        return str_is(kind, known->kind) && has_version(known, version) ? SCHEMA_KIND_FINE : SCHEMA_KIND_WRONG;
    if (ours)
        return SCHEMA_KIND_WRONG;
    /* Of other groups' kinds only those of the very name: "Schedule" and "Restore" are common words. */
    bool wrong = str_eq_nocase(kind, str_from(known->kind)) && is_meant_group(api_version, group, known);
    return wrong ? SCHEMA_KIND_WRONG : SCHEMA_KIND_FINE;
}

/* Schemas read from CustomResourceDefinitions that are installed or stand in a folder; they outrank what is built in. */

enum { DEPTH_MAX = 40 };

static const struct schema *read_schema(struct arena *arena, struct json_object *tree, unsigned depth);

static enum schema_type type_of(struct json_object *tree)
{
    static const struct {
        const char *name;
        enum schema_type type;
    } types[] = {{"object", SCHEMA_OBJECT},   {"array", SCHEMA_LIST},    {"string", SCHEMA_TEXT},
                 {"integer", SCHEMA_INTEGER}, {"number", SCHEMA_NUMBER}, {"boolean", SCHEMA_BOOLEAN}};
    if (json_get_bool(tree, "x-kubernetes-int-or-string"))
        return SCHEMA_INT_OR_TEXT;
    for (size_t i = 0; i < LENGTH_OF(types); i++)
        if (str_is(json_get_str(tree, "type"), types[i].name))
            return types[i].type;
    return SCHEMA_ANY;
}

static size_t count_at(struct json_object *tree, const char *key)
{
    int64_t value = json_object_get_int64(json_get(tree, key));
    return value > 0 ? (size_t)value : 0;
}

static const char *crd_text_at(struct arena *arena, struct json_object *tree, const char *key)
{
    struct str text = json_get_str(tree, key);
    return text.len ? arena_copy(arena, text).ptr : NULL;
}

/* Only enums of texts: no CRD of ours has others. */
static void read_enum(struct arena *arena, struct json_object *list, struct schema *schema)
{
    const char **values = arena_array(arena, json_len(list), sizeof *values);
    for (size_t i = 0; values && i < json_len(list); i++)
        if (!(values[i] = arena_copy(arena, json_str(json_item(list, i))).ptr))
            return;
    schema->values = values;
    schema->value_count = values ? json_len(list) : 0;
}

/* A field with a default is never missing: the API server fills it in before it validates. */
static bool is_required(struct json_object *list, struct str name, struct json_object *property)
{
    for (size_t i = 0; i < json_len(list); i++)
        if (str_eq(json_str(json_item(list, i)), name))
            return !json_has(property, "default");
    return false;
}

static void read_fields(struct arena *arena, struct json_object *tree, struct schema *schema, unsigned depth)
{
    struct json_object *properties = json_get(tree, "properties"), *required = json_get(tree, "required");
    if (!json_object_is_type(properties, json_type_object))
        return;
    size_t count = json_member_count(properties), i = 0;
    struct schema_field *fields = arena_array(arena, count, sizeof *fields);
    if (!fields)
        return;
    json_foreach(properties, name, property)
    {
        const char *copy = arena_copy(arena, str_from(name)).ptr;
        const struct schema *below = read_schema(arena, property, depth);
        if (copy && below)
            fields[i++] = (struct schema_field){copy, below, 0, is_required(required, str_from(name), property)};
    }
    schema->fields = fields;
    schema->field_count = i;
}

/* Beyond DEPTH_MAX everything is open, so a CRD that nests without end costs no more than this. */
static const struct schema *read_schema(struct arena *arena, struct json_object *tree, unsigned depth)
{
    struct schema *schema = arena_alloc(arena, sizeof *schema);
    struct json_object *minimum = json_get(tree, "minimum"), *maximum = json_get(tree, "maximum");
    if (!schema)
        return NULL;
    *schema = (struct schema){
        .type = type_of(tree),
        .nullable = json_get_bool(tree, "nullable"),
        .open = json_get_bool(tree, "x-kubernetes-preserve-unknown-fields") || depth == DEPTH_MAX,
        .has_minimum = minimum != NULL,
        .has_maximum = maximum != NULL,
        .minimum = json_object_get_double(minimum),
        .maximum = json_object_get_double(maximum),
        .format = crd_text_at(arena, tree, "format"),
        .pattern = crd_text_at(arena, tree, "pattern"),
        .min_length = count_at(tree, "minLength"),
        .max_length = count_at(tree, "maxLength"),
        .min_items = count_at(tree, "minItems"),
        .max_items = count_at(tree, "maxItems"),
    };
    if (depth == DEPTH_MAX)
        return schema;
    read_enum(arena, json_get(tree, "enum"), schema);
    read_fields(arena, tree, schema, depth + 1);
    struct json_object *items = json_get(tree, schema->type == SCHEMA_LIST ? "items" : "additionalProperties");
    if (json_object_is_type(items, json_type_object))
        schema->items = read_schema(arena, items, depth + 1);
    return schema;
}

static void add_version(struct schema_set *set, const char *group, const char *kind, struct json_object *version)
{
    struct arena *arena = set->arena;
    struct json_object *schema = json_path(version, "schema.openAPIV3Schema"), *served = json_get(version, "served");
    struct schema_crd *crd = arena_alloc(arena, sizeof *crd);
    const char *name = crd_text_at(arena, version, "name");
    if (!crd || !name || (served && !json_object_get_boolean(served)))
        return;
    crd->kind = (struct schema_kind){.group = group, .version = name, .kind = kind, .releases = no_releases};
    if (schema)
        crd->kind.schema = read_schema(arena, schema, 0);
    crd->next = set->first;
    set->first = crd;
}

static bool add_crd(struct schema_set *set, struct json_object *tree)
{
    struct str group = json_path_str(tree, "spec.group");
    struct json_object *versions = json_path(tree, "spec.versions");
    const char *kind = crd_text_at(set->arena, json_path(tree, "spec.names"), "kind");
    bool reviewed = str_is(group, GROUP_VELERO) || str_is(group, GROUP_K0RDENT);
    if (!kind || (!reviewed && !set->any_group))
        return false;
    const char *group_copy = arena_copy(set->arena, group).ptr;
    for (size_t i = 0; group_copy && i < json_len(versions); i++)
        add_version(set, group_copy, kind, json_item(versions, i));
    return json_len(versions) > 0;
}

bool schema_set_add(struct schema_set *set, struct json_object *tree)
{
    struct json_object *items = json_get(tree, "items");
    bool any = false;
    if (str_is(json_get_str(tree, "kind"), "CustomResourceDefinition"))
        return add_crd(set, tree);
    for (size_t i = 0; str_ends(json_get_str(tree, "kind"), STR("List")) && i < json_len(items); i++)
        any = add_crd(set, json_item(items, i)) || any;
    return any;
}
