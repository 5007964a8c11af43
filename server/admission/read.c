#include <stdio.h>
#include <string.h>

#include "admission/answer.h"

/* Members of the review are 1, of the request 2, of the objects 3, of their metadata, spec and status 4. */
enum { INDEX_DEPTH = 4 };

static const char *const versions[] = {"admission.k8s.io/v1", "admission.k8s.io/v1beta1"};

/* What the request must look like before a policy sees it; null counts as absent.
 * Only the parents of what policies read: the fields themselves are the API
 * server's to check against the resource's schema. */
enum field_id { REQUEST, KIND, USER_INFO, OBJECT, METADATA, OLD_OBJECT, OLD_METADATA, LEAF };

static const struct field {
    const char *path;
    enum json_kind kind;
    bool required;
    enum field_id parent, id; /* a parent stands above its members */
} fields[] = {
    {"kind", JSON_OBJECT, true, REQUEST, KIND},
    {"kind.group", JSON_STRING, false, KIND, LEAF},
    {"kind.version", JSON_STRING, true, KIND, LEAF},
    {"kind.kind", JSON_STRING, true, KIND, LEAF},
    {"operation", JSON_STRING, true, REQUEST, LEAF},
    {"name", JSON_STRING, false, REQUEST, LEAF},
    {"subResource", JSON_STRING, false, REQUEST, LEAF},
    {"namespace", JSON_STRING, false, REQUEST, LEAF},
    {"dryRun", JSON_BOOL, false, REQUEST, LEAF},
    {"userInfo", JSON_OBJECT, false, REQUEST, USER_INFO},
    {"userInfo.username", JSON_STRING, false, USER_INFO, LEAF},
    {"object", JSON_OBJECT, false, REQUEST, OBJECT},
    {"object.apiVersion", JSON_STRING, false, OBJECT, LEAF},
    {"object.kind", JSON_STRING, false, OBJECT, LEAF},
    {"object.metadata", JSON_OBJECT, false, OBJECT, METADATA},
    {"object.metadata.name", JSON_STRING, false, METADATA, LEAF},
    {"object.metadata.namespace", JSON_STRING, false, METADATA, LEAF},
    {"object.spec", JSON_OBJECT, false, OBJECT, LEAF},
    {"oldObject", JSON_OBJECT, false, REQUEST, OLD_OBJECT},
    {"oldObject.apiVersion", JSON_STRING, false, OLD_OBJECT, LEAF},
    {"oldObject.kind", JSON_STRING, false, OLD_OBJECT, LEAF},
    {"oldObject.metadata", JSON_OBJECT, false, OLD_OBJECT, OLD_METADATA},
    {"oldObject.metadata.name", JSON_STRING, false, OLD_METADATA, LEAF},
    {"oldObject.metadata.namespace", JSON_STRING, false, OLD_METADATA, LEAF},
};

static const char *const kind_names[] = {
    [JSON_NULL] = "null",       [JSON_BOOL] = "a boolean", [JSON_NUMBER] = "a number",
    [JSON_STRING] = "a string", [JSON_ARRAY] = "an array", [JSON_OBJECT] = "an object",
};

/* The value at a dotted path; NULL when it is absent or null. */
static const struct json_node *envelope_find(const struct json_node *node, const char *path)
{
    const char *end = path;
    for (; node && *end; path = end + 1) {
        end = strchrnul(path, '.');
        node = json_member(node, (struct str){path, (size_t)(end - path)});
    }
    return node && node->kind != JSON_NULL ? node : NULL;
}

static bool name_field(struct error *error, const char *path)
{
    snprintf(error->field, sizeof error->field, "request.%s", path);
    return false;
}

/* Always false: 422, with the field that is wrong. */
#define REFUSE_FIELD(error, path, ...) (error_set((error), 422, __VA_ARGS__), name_field((error), (path)))

static bool check_fields(const struct json_node *request, struct error *error)
{
    const struct json_node *found[LEAF + 1] = {[REQUEST] = request};
    for (size_t i = 0; i < LENGTH_OF(fields); i++) {
        const char *dot = strrchr(fields[i].path, '.');
        const struct json_node *node = envelope_find(found[fields[i].parent], dot ? dot + 1 : fields[i].path);
        found[fields[i].id] = node;
        if (!node && fields[i].required)
            return REFUSE_FIELD(error, fields[i].path, "Required value: %s", kind_names[fields[i].kind]);
        if (node && node->kind != fields[i].kind)
            return REFUSE_FIELD(error, fields[i].path, "Invalid type: must be %s, not %s", kind_names[fields[i].kind],
                                kind_names[node->kind]);
    }
    return true;
}

/* The answer can only be sent back under a uid, so it is taken first, whatever else is wrong. */
static void take_uid(struct arena *arena, const struct json_node *root, struct review *review)
{
    struct str uid = json_text(arena, envelope_find(root, "request.uid"));
    if (uid.len > 0 && uid.len <= UID_LIMIT)
        review->request.uid = uid;
}

static bool check_envelope(struct arena *arena, const struct json_node *root, struct review *review,
                           struct error *error)
{
    if (root->kind != JSON_OBJECT)
        return error_set(error, 400, "the body is %s, not an AdmissionReview", kind_names[root->kind]);
    take_uid(arena, root, review);
    struct str kind = json_text(arena, json_member(root, STR("kind")));
    if (!str_is(kind, "AdmissionReview"))
        return error_set(error, 400, "the body's kind is %.*s, not \"AdmissionReview\"",
                         STR_ARG(kind.ptr ? arena_quote(arena, kind) : STR("missing")));
    struct str version = json_text(arena, json_member(root, STR("apiVersion")));
    bool known = false;
    for (size_t i = 0; i < LENGTH_OF(versions); i++)
        known = known || str_is(version, versions[i]);
    if (!known)
        return error_set(error, 400, "the AdmissionReview's apiVersion is %.*s: send admission.k8s.io/v1 or v1beta1",
                         STR_ARG(version.ptr ? arena_quote(arena, version) : STR("missing")));
    review->api_version = version;
    const struct json_node *request = envelope_find(root, "request");
    if (!request || request->kind != JSON_OBJECT)
        return error_set(error, 400, "the AdmissionReview has no request");
    if (!review->request.uid.len)
        return error_set(error, 400, "the AdmissionReview's request.uid must be a string of 1 to %d bytes", UID_LIMIT);
    return true;
}

static struct str group_version(struct arena *arena, const struct json_node *request)
{
    struct str group = json_text(arena, envelope_find(request, "kind.group"));
    struct str version = json_text(arena, envelope_find(request, "kind.version"));
    return group.len && version.len ? arena_printf(arena, "%.*s/%.*s", STR_ARG(group), STR_ARG(version)) : version;
}

/* Who asks what of which object: as far as it can be read, so that answers and
 * logs of a malformed request say it too. */
static void take_names(struct arena *arena, const struct json_node *request, struct review *review)
{
    struct request *r = &review->request;
    const char *subject = envelope_find(request, "object") ? "object" : "oldObject";
    const struct json_node *metadata = envelope_find(envelope_find(request, subject), "metadata");
    if (!operation_parse(json_text(arena, envelope_find(request, "operation")), &r->operation))
        r->operation = 0;
    r->kind = json_text(arena, envelope_find(request, "kind.kind"));
    r->api_version = group_version(arena, request);
    r->user = json_text(arena, envelope_find(request, "userInfo.username"));
    r->dry_run = json_is_true(envelope_find(request, "dryRun"));
    r->name = json_text(arena, envelope_find(request, "name"));
    r->ns = json_text(arena, envelope_find(request, "namespace"));
    r->subresource = json_text(arena, envelope_find(request, "subResource"));
    if (!r->name.len)
        r->name = json_text(arena, envelope_find(metadata, "name"));
    if (!r->ns.len)
        r->ns = json_text(arena, envelope_find(metadata, "namespace"));
}

/* With matchPolicy Equivalent the object comes in the rule's version, so its own
 * apiVersion counts; the group and the kind must be those of the request. */
static bool take_kind(struct arena *arena, const struct json_node *request, struct review *review, struct error *error)
{
    struct request *r = &review->request;
    if (r->operation == OPERATION_CONNECT) /* its object is an option kind, PodExecOptions say */
        return true;
    const char *subject = r->object ? "object" : "oldObject";
    const struct json_node *root = envelope_find(request, subject);
    struct str kind = json_text(arena, envelope_find(root, "kind")),
               version = json_text(arena, envelope_find(root, "apiVersion"));
    struct str group = json_text(arena, envelope_find(request, "kind.group"));
    char path[32];
    snprintf(path, sizeof path, "%s.kind", subject);
    if (kind.len && !str_eq(kind, r->kind))
        return REFUSE_FIELD(error, path, "Invalid value: %.*s: request.kind says %.*s",
                            STR_ARG(arena_quote(arena, kind)), STR_ARG(arena_quote(arena, r->kind)));
    snprintf(path, sizeof path, "%s.apiVersion", subject);
    if (version.len && !str_eq(admission_group(version), group))
        return REFUSE_FIELD(error, path, "Invalid value: %.*s: request.kind says group %.*s",
                            STR_ARG(arena_quote(arena, version)), STR_ARG(arena_quote(arena, group)));
    if (version.len)
        r->api_version = version;
    return true;
}

/* Which objects each operation comes with. */
static bool take_objects(const struct json_node *request, struct review *review, struct error *error)
{
    struct request *r = &review->request;
    review->object.root = envelope_find(request, "object");
    review->old_object.root = envelope_find(request, "oldObject");
    r->object = review->object.root ? &review->object : NULL;
    r->old_object = review->old_object.root ? &review->old_object : NULL;
    bool writes = r->operation == OPERATION_CREATE || r->operation == OPERATION_UPDATE;
    if (writes && !r->object)
        return REFUSE_FIELD(error, "object", "Required value: a %s carries the object", operation_name(r->operation));
    if (r->operation == OPERATION_UPDATE && !r->old_object)
        return REFUSE_FIELD(error, "oldObject", "Required value: an UPDATE carries the object as it was");
    /* API servers before 1.15, which spoke v1beta1 only, sent no object on DELETE. */
    bool may_lack_old = str_is(review->api_version, "admission.k8s.io/v1beta1");
    if (r->operation == OPERATION_DELETE && !r->old_object && !may_lack_old)
        return REFUSE_FIELD(error, "oldObject", "Required value: a DELETE carries the object as it was");
    return true;
}

static bool take_request(struct arena *arena, const struct json_node *request, struct review *review,
                         struct error *error)
{
    struct request *r = &review->request;
    struct str operation = json_text(arena, envelope_find(request, "operation"));
    if (!r->operation)
        return REFUSE_FIELD(error, "operation", "Unsupported value: %.*s: must be CREATE, UPDATE, DELETE or CONNECT",
                            STR_ARG(arena_quote(arena, operation)));
    return take_objects(request, review, error) && take_kind(arena, request, review, error);
}

bool admission_read(struct arena *arena, struct str body, int64_t now, struct review *review, struct error *error)
{
    *review = (struct review){.api_version = str_from(versions[0])};
    request_init(&review->request, arena);
    review->request.now = now;
    decision_init(&review->decision, arena);
    if (str_trim(body).len == 0)
        return error_set(error, 400, "the body is empty: send an AdmissionReview");
    const struct json_node *root = json_index(arena, body, INDEX_DEPTH, error);
    if (!root) {
        struct salvage found = salvage_review(body);
        review->request.uid = found.uid;
        if (str_is(found.api_version, versions[1]))
            review->api_version = found.api_version;
        return error->code >= 500
                   ? false
                   : error_wrap(error, "the body is not valid JSON at byte %lld", (long long)error->position);
    }
    if (!check_envelope(arena, root, review, error))
        return false;
    const struct json_node *request = envelope_find(root, "request");
    take_names(arena, request, review);
    if (!check_fields(request, error) || !take_request(arena, request, review, error))
        return false;
    return arena_failed(arena) ? error_set(error, 500, "ran out of memory while reading the review") : true;
}
