/* An AdmissionReview, read into what policies ask of it; whatever is wrong with it is answered,
 * if at all possible, as a review, so that whoever made the request reads the reason.
 *
 * First for a body that is no JSON. The API server writes apiVersion and request.uid first, so
 * the first bytes of a broken or cut body are enough to answer it as a review. Nothing there is
 * strict: strings and brackets are followed just well enough not to take the uid of userInfo or
 * of the object for the review's. */
#include <stdio.h>
#include <string.h>

#include "admission/answer.h"

enum { SALVAGE_BYTES = 64 * 1024 };

static bool salvage_is_space(char c)
{
    return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

/* The inside of the string that begins at text.ptr[*at], *at moved behind it. Absent when it does not end. */
static struct str take_string(struct str text, size_t *at)
{
    size_t start = *at + 1;
    for (size_t i = start; i < text.len; i++) {
        if (text.ptr[i] == '\\') {
            i++;
        } else if (text.ptr[i] == '"') {
            *at = i + 1;
            return (struct str){text.ptr + start, i - start};
        }
    }
    *at = text.len;
    return (struct str){NULL, 0};
}

static void skip_space(struct str text, size_t *at)
{
    while (*at < text.len && salvage_is_space(text.ptr[*at]))
        (*at)++;
}

/* The string value that follows a key, when it can stand in an answer as it is. */
static struct str take_value(struct str text, size_t *at)
{
    skip_space(text, at);
    if (*at >= text.len || text.ptr[*at] != '"')
        return (struct str){NULL, 0};
    struct str value = take_string(text, at);
    bool plain = value.ptr && value.len > 0 && value.len <= UID_LIMIT && str_utf8_valid(value);
    for (size_t i = 0; plain && i < value.len; i++)
        plain = (unsigned char)value.ptr[i] >= ' ' && value.ptr[i] != '\\';
    return plain ? value : (struct str){NULL, 0};
}

/* Depth 1 is the review's own members, depth 2 those of its request; a later apiVersion would
 * count, but the uid ends the search. */
static struct salvage salvage_review(struct str body)
{
    struct salvage found = {0};
    struct str text = str_slice(body, 0, SALVAGE_BYTES), member = {NULL, 0};
    size_t at = 0, depth = 0;
    while (at < text.len && !found.uid.ptr) {
        char c = text.ptr[at];
        if (c != '"') {
            depth += c == '{' || c == '[';
            if (c == '}' || c == ']')
                depth -= depth > 0;
            at++;
            continue;
        }
        struct str key = take_string(text, &at);
        skip_space(text, &at);
        if (at >= text.len || text.ptr[at] != ':')
            continue;
        at++;
        if (depth == 1)
            member = key;
        if (depth == 1 && str_is(key, "apiVersion"))
            found.api_version = take_value(text, &at);
        else if (depth == 2 && str_is(member, "request") && str_is(key, "uid"))
            found.uid = take_value(text, &at);
    }
    return found;
}

struct str admission_salvage_uid(struct arena *arena, struct str body)
{
    struct salvage found = salvage_review(body);
    return found.uid.ptr ? arena_copy(arena, found.uid) : found.uid;
}

/* Members of the review are 1, of the request 2, of the objects 3, of their metadata, spec and status 4. */
enum { INDEX_DEPTH = 4 };

static const char *const versions[] = {"admission.k8s.io/v1", "admission.k8s.io/v1beta1"};

/* What the request must look like before a policy sees it; null counts as absent. Only the parents of what
 * policies read and what is read here: the other fields are the API server's to check against the
 * resource's schema. A parent stands above its members, and both objects in the same order. */
enum envelope_field_id {
    REQUEST,
    KIND,
    KIND_GROUP,
    KIND_VERSION,
    KIND_KIND,
    OPERATION,
    NAME,
    SUBRESOURCE,
    NAMESPACE,
    DRY_RUN,
    USER_INFO,
    USERNAME,
    OBJECT,
    OBJECT_API_VERSION,
    OBJECT_KIND,
    OBJECT_METADATA,
    OBJECT_NAME,
    OBJECT_NAMESPACE,
    OBJECT_SPEC,
    OLD_OBJECT,
    OLD_API_VERSION,
    OLD_KIND,
    OLD_METADATA,
    OLD_NAME,
    OLD_NAMESPACE,
    FIELDS
};

#define FIELD(above, member, kind, required, parent)                                                                   \
    {                                                                                                                  \
        above member, STR_INIT(member), kind, required, parent                                                         \
    }

static const struct envelope_field {
    const char *path;
    struct str name;
    enum json_kind kind;
    bool required;
    enum envelope_field_id parent;
} fields[FIELDS] = {
    [KIND] = FIELD("", "kind", JSON_OBJECT, true, REQUEST),
    [KIND_GROUP] = FIELD("kind.", "group", JSON_STRING, false, KIND),
    [KIND_VERSION] = FIELD("kind.", "version", JSON_STRING, true, KIND),
    [KIND_KIND] = FIELD("kind.", "kind", JSON_STRING, true, KIND),
    [OPERATION] = FIELD("", "operation", JSON_STRING, true, REQUEST),
    [NAME] = FIELD("", "name", JSON_STRING, false, REQUEST),
    [SUBRESOURCE] = FIELD("", "subResource", JSON_STRING, false, REQUEST),
    [NAMESPACE] = FIELD("", "namespace", JSON_STRING, false, REQUEST),
    [DRY_RUN] = FIELD("", "dryRun", JSON_BOOL, false, REQUEST),
    [USER_INFO] = FIELD("", "userInfo", JSON_OBJECT, false, REQUEST),
    [USERNAME] = FIELD("userInfo.", "username", JSON_STRING, false, USER_INFO),
    [OBJECT] = FIELD("", "object", JSON_OBJECT, false, REQUEST),
    [OBJECT_API_VERSION] = FIELD("object.", "apiVersion", JSON_STRING, false, OBJECT),
    [OBJECT_KIND] = FIELD("object.", "kind", JSON_STRING, false, OBJECT),
    [OBJECT_METADATA] = FIELD("object.", "metadata", JSON_OBJECT, false, OBJECT),
    [OBJECT_NAME] = FIELD("object.metadata.", "name", JSON_STRING, false, OBJECT_METADATA),
    [OBJECT_NAMESPACE] = FIELD("object.metadata.", "namespace", JSON_STRING, false, OBJECT_METADATA),
    [OBJECT_SPEC] = FIELD("object.", "spec", JSON_OBJECT, false, OBJECT),
    [OLD_OBJECT] = FIELD("", "oldObject", JSON_OBJECT, false, REQUEST),
    [OLD_API_VERSION] = FIELD("oldObject.", "apiVersion", JSON_STRING, false, OLD_OBJECT),
    [OLD_KIND] = FIELD("oldObject.", "kind", JSON_STRING, false, OLD_OBJECT),
    [OLD_METADATA] = FIELD("oldObject.", "metadata", JSON_OBJECT, false, OLD_OBJECT),
    [OLD_NAME] = FIELD("oldObject.metadata.", "name", JSON_STRING, false, OLD_METADATA),
    [OLD_NAMESPACE] = FIELD("oldObject.metadata.", "namespace", JSON_STRING, false, OLD_METADATA),
};

static const char *const kind_names[] = {
    [JSON_NULL] = "null",       [JSON_BOOL] = "a boolean", [JSON_NUMBER] = "a number",
    [JSON_STRING] = "a string", [JSON_ARRAY] = "an array", [JSON_OBJECT] = "an object",
};

/* A member that is there and not null. */
static const struct json_node *envelope_member(const struct json_node *node, struct str name)
{
    node = json_member(node, name);
    return node && node->kind != JSON_NULL ? node : NULL;
}

/* The fields of one request, each looked up once. */
struct envelope {
    struct arena *arena;
    const struct json_node *nodes[FIELDS];
};

static struct str envelope_text(const struct envelope *envelope, enum envelope_field_id field)
{
    return json_text(envelope->arena, envelope->nodes[field]);
}

static bool name_field(struct error *error, const char *path)
{
    snprintf(error->field, sizeof error->field, "request.%s", path);
    return false;
}

/* Always false: 422, with the field that is wrong. */
#define REFUSE_FIELD(error, path, ...) (error_set((error), 422, __VA_ARGS__), name_field((error), (path)))

/* The first fault ends it. */
static bool check_fields(const struct envelope *envelope, struct error *error)
{
    for (size_t i = REQUEST + 1; i < FIELDS; i++) {
        const struct json_node *node = envelope->nodes[i];
        if (!node && fields[i].required)
            return REFUSE_FIELD(error, fields[i].path, "Required value: %s", kind_names[fields[i].kind]);
        if (node && node->kind != fields[i].kind)
            return REFUSE_FIELD(error, fields[i].path, "Invalid value: must be %s, not %s", kind_names[fields[i].kind],
                                kind_names[node->kind]);
    }
    return true;
}

static bool check_envelope(struct arena *arena, const struct json_node *root, struct review *review,
                           struct error *error)
{
    if (root->kind != JSON_OBJECT)
        return error_set(error, 400, "the body is %s, not an AdmissionReview", kind_names[root->kind]);
    /* The answer can only be sent back under a uid, so it is taken first, whatever else is wrong. */
    struct str uid = json_text(arena, envelope_member(envelope_member(root, STR("request")), STR("uid")));
    if (uid.len > 0 && uid.len <= UID_LIMIT)
        review->request.uid = uid;
    struct str kind = json_text(arena, json_member(root, STR("kind")));
    if (!str_is(kind, "AdmissionReview"))
        return error_set(error, 400, "expected kind \"AdmissionReview\" in the body, got %.*s",
                         STR_ARG(kind.ptr ? arena_quote(arena, kind) : STR("missing")));
    struct str version = json_text(arena, json_member(root, STR("apiVersion")));
    bool known = false;
    for (size_t i = 0; i < LENGTH_OF(versions); i++)
        known = known || str_is(version, versions[i]);
    if (!known)
        return error_set(error, 400, "the AdmissionReview's apiVersion is %.*s: send admission.k8s.io/v1 or v1beta1",
                         STR_ARG(version.ptr ? arena_quote(arena, version) : STR("missing")));
    review->api_version = version;
    const struct json_node *request = envelope_member(root, STR("request"));
    if (!request || request->kind != JSON_OBJECT)
        return error_set(error, 400, "the AdmissionReview has no request");
    if (!review->request.uid.len)
        return error_set(error, 400, "the AdmissionReview's request.uid must be a string of 1 to %d bytes", UID_LIMIT);
    return true;
}

/* Who asks what of which object: as far as it can be read, so that answers and
 * logs of a malformed request say it too. */
static void take_names(const struct envelope *envelope, struct review *review)
{
    struct request *r = &review->request;
    const bool fresh = envelope->nodes[OBJECT];
    if (!operation_parse(envelope_text(envelope, OPERATION), &r->operation))
        r->operation = 0;
    r->kind = envelope_text(envelope, KIND_KIND);
    struct str group = envelope_text(envelope, KIND_GROUP), version = envelope_text(envelope, KIND_VERSION);
    r->api_version = group.len && version.len ? arena_join(envelope->arena, group, "/", version) : version;
    r->user = envelope_text(envelope, USERNAME);
    r->dry_run = json_is_true(envelope->nodes[DRY_RUN]);
    r->name = envelope_text(envelope, NAME);
    r->ns = envelope_text(envelope, NAMESPACE);
    r->subresource = envelope_text(envelope, SUBRESOURCE);
    if (!r->name.len)
        r->name = envelope_text(envelope, fresh ? OBJECT_NAME : OLD_NAME);
    if (!r->ns.len)
        r->ns = envelope_text(envelope, fresh ? OBJECT_NAMESPACE : OLD_NAMESPACE);
}

/* With matchPolicy Equivalent the object comes in the rule's version, so its own
 * apiVersion counts; the group and the kind must be those of the request. */
static bool take_kind(const struct envelope *envelope, struct review *review, struct error *error)
{
    struct request *r = &review->request;
    struct arena *arena = envelope->arena;
    if (r->operation == OPERATION_CONNECT) /* its object is an option kind, PodExecOptions say */
        return true;
    enum envelope_field_id kind_field = r->object ? OBJECT_KIND : OLD_KIND;
    enum envelope_field_id version_field = r->object ? OBJECT_API_VERSION : OLD_API_VERSION;
    struct str kind = envelope_text(envelope, kind_field), version = envelope_text(envelope, version_field);
    struct str group = envelope_text(envelope, KIND_GROUP);
    if (kind.len && !str_eq(kind, r->kind))
        return REFUSE_FIELD(error, fields[kind_field].path, "Invalid value: %.*s: request.kind says %.*s",
                            STR_ARG(arena_quote(arena, kind)), STR_ARG(arena_quote(arena, r->kind)));
    if (version.len && !str_eq(api_version_group(version, NULL), group))
        return REFUSE_FIELD(error, fields[version_field].path, "Invalid value: %.*s: request.kind says group %.*s",
                            STR_ARG(arena_quote(arena, version)), STR_ARG(arena_quote(arena, group)));
    if (version.len)
        r->api_version = version;
    return true;
}

/* Which objects each operation comes with. */
static bool take_objects(const struct envelope *envelope, struct review *review, struct error *error)
{
    struct request *r = &review->request;
    review->object.root = envelope->nodes[OBJECT];
    review->old_object.root = envelope->nodes[OLD_OBJECT];
    r->object = review->object.root ? &review->object : NULL;
    r->old_object = review->old_object.root ? &review->old_object : NULL;
    bool writes = r->operation == OPERATION_CREATE || r->operation == OPERATION_UPDATE;
    if (writes && !r->object)
        return REFUSE_FIELD(error, "object", "Required value: a %s must contain the object",
                            operation_name(r->operation));
    if (r->operation == OPERATION_UPDATE && !r->old_object)
        return REFUSE_FIELD(error, "oldObject", "Required value: an UPDATE must contain the old object");
    /* API servers before 1.15, which spoke v1beta1 only, sent no object on DELETE. */
    bool may_lack_old = str_is(review->api_version, "admission.k8s.io/v1beta1");
    if (r->operation == OPERATION_DELETE && !r->old_object && !may_lack_old)
        return REFUSE_FIELD(error, "oldObject", "Required value: a DELETE must contain the old object");
    return true;
}

/* What an operation must have goes before what kind it is of, as the kind is read from the
 * object. */
static bool take_request(const struct envelope *envelope, struct review *review, struct error *error)
{
    if (!review->request.operation)
        return REFUSE_FIELD(error, "operation", "Unsupported value: %.*s: must be CREATE, UPDATE, DELETE or CONNECT",
                            STR_ARG(arena_quote(envelope->arena, envelope_text(envelope, OPERATION))));
    return take_objects(envelope, review, error) && take_kind(envelope, review, error);
}

/* The index is of the upper levels only; policies build a tree of what they need of an object.
 * False with the error, and with as much of the request filled in as could be read. */
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
    struct envelope envelope = {0};
    const struct json_node *request = envelope_member(root, STR("request"));
    envelope.arena = arena;
    envelope.nodes[REQUEST] = request;
    for (size_t i = REQUEST + 1; i < FIELDS; i++)
        envelope.nodes[i] = envelope_member(envelope.nodes[fields[i].parent], fields[i].name);
    take_names(&envelope, review);
    if (!check_fields(&envelope, error) || !take_request(&envelope, review, error))
        return false;
    return arena_failed(arena) ? error_set(error, 500, "out of memory while reading the review") : true;
}
