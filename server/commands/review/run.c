/* One manifest through all rules that its kind meets, mutating ones first, as the API server would send it: the patch
 * of one rule is the object of the next. The decision code is serve's own. */
#include <ctype.h>
#include <string.h>

#include "commands/review/review.h"

enum { REVIEW_LIMIT = 512 * 1024 * 1024 };

/* ---- a manifest becomes a review ------------------------------------------ */

static void request_write_text(struct buf *out, const char *name, struct str value)
{
    buf_printf(out, ",\"%s\":", name);
    json_write_str(out, value);
}

/* Where no rule knows the kind the plural is a guess: no rule will read it. */
static void request_write_resource(struct buf *out, struct str group, struct str version, struct str kind)
{
    const struct rule *rule = review_rule(group, kind);
    buf_puts(out, ",\"resource\":{\"group\":");
    json_write_str(out, group);
    request_write_text(out, "version", version);
    buf_puts(out, ",\"resource\":\"");
    for (size_t i = 0; !rule && i < kind.len; i++)
        if (isalnum((unsigned char)kind.ptr[i]))
            buf_putc(out, (char)tolower((unsigned char)kind.ptr[i]));
    buf_printf(out, "%s\"}", rule ? rule->resource : "s");
}

/* Returns the bytes that it takes. */
static size_t request_write_object(struct buf *out, const char *name, struct json_object *tree)
{
    buf_printf(out, ",\"%s\":", name);
    size_t before = out->len;
    if (tree)
        json_write_tree(out, tree);
    else
        buf_puts(out, "null");
    return out->len - before;
}

/* The review that the API server would send for this manifest. It goes through the reader of
 * AdmissionReviews as one from the network does, so that both paths are the same code. The uid
 * is the number of the document, for the same output each time. `object_bytes` is the size of the
 * object that the API server was asked to store. */
static struct str request_from_manifest(const struct review_context *context, struct arena *arena,
                                        const struct manifest *manifest, size_t *object_bytes)
{
    struct json_object *tree = manifest->tree, *old = review_old(context, tree);
    if (!old)
        old = context->live;
    enum operation operation = context->operation ? context->operation : (old ? OPERATION_UPDATE : OPERATION_CREATE);
    bool deletes = operation == OPERATION_DELETE;
    struct str version = json_get_str(tree, "apiVersion"), kind = json_get_str(tree, "kind"), head;
    struct str group = api_version_group(version, NULL);
    if (group.len)
        str_cut(&version, '/', &head);
    BUF_SCOPED out;
    buf_init(&out, REVIEW_LIMIT);
    buf_printf(&out,
               "{\"kind\":\"AdmissionReview\",\"apiVersion\":\"admission.k8s.io/v1\",\"request\":"
               "{\"uid\":\"00000000-0000-0000-0000-%012u\",\"kind\":{\"group\":",
               manifest->number);
    json_write_str(&out, group);
    request_write_text(&out, "version", version);
    request_write_text(&out, "kind", kind);
    buf_putc(&out, '}');
    request_write_resource(&out, group, version, kind);
    if (json_path_str(tree, "metadata.name").len)
        request_write_text(&out, "name", json_path_str(tree, "metadata.name"));
    if (json_path_str(tree, "metadata.namespace").len)
        request_write_text(&out, "namespace", json_path_str(tree, "metadata.namespace"));
    request_write_text(&out, "operation", str_from(operation_name(operation)));
    buf_puts(&out, ",\"userInfo\":{\"username\":");
    json_write_str(&out, str_from(context->user));
    buf_putc(&out, '}');
    *object_bytes = request_write_object(&out, "object", deletes ? NULL : tree);
    (void)request_write_object(&out, "oldObject",
                               deletes ? (old ? old : tree) : (operation == OPERATION_UPDATE ? old : NULL));
    buf_printf(&out, ",\"dryRun\":%s}}", context->dry_run ? "true" : "false");
    return arena_keep_buf(arena, &out);
}

/* The same review with another object in it, as the API server goes on after a patch. */
static struct str request_with_object(struct arena *arena, struct str review, struct json_object *object)
{
    struct error error;
    struct json_object *tree = json_build(arena, review, &error);
    if (!json_put_shared(json_get(tree, "request"), "object", object))
        return (struct str){NULL, 0};
    BUF_SCOPED out;
    buf_init(&out, REVIEW_LIMIT);
    json_write_tree(&out, tree);
    return arena_keep_buf(arena, &out);
}

/* ---- past all rules ------------------------------------------------------- */

/* What a further rule decided joins what the ones before it did. The last rule's verdict is that
 * of all: a denial ends the loop, so nothing comes after it. */
static void decision_join(struct decision *all, const struct decision *more)
{
    /* Of several rules the last one's counts, and it stands last. */
    size_t kept = 0;
    for (size_t i = 0; i < all->audit.len; i++)
        if (!str_is(all->audit.items[i].key, "decision"))
            all->audit.items[kept++] = all->audit.items[i];
    all->audit.len = kept;
    for (size_t i = 0; i < more->warnings.len; i++)
        decision_warn(all, "%.*s", STR_ARG(more->warnings.items[i]));
    for (size_t i = 0; i < more->told.len; i++)
        strlist_add(all->arena, &all->told, more->told.items[i]);
    for (size_t i = 0; i < more->unchecked.len; i++)
        strlist_add(all->arena, &all->unchecked, more->unchecked.items[i]);
    for (size_t f = 0; f < FACT_COUNT; f++)
        all->missing[f] |= more->missing[f];
    for (size_t i = 0; i < more->audit.len; i++)
        decision_audit(all, more->audit.items[i].key.ptr, "%.*s", STR_ARG(more->audit.items[i].value));
    for (size_t i = 0; i < more->patch.len; i++)
        decision_patch(all, more->patch.items[i].op, more->patch.items[i].path.ptr, more->patch.items[i].value);
    for (size_t i = 0; i < more->effects.len; i++)
        decision_create(all, more->effects.items[i].object, more->effects.items[i].what);
    if (more->reservation.backup.len)
        all->reservation = more->reservation;
    if (!more->denied) {
        if (all->patch.len)
            decision_audit(all, "decision", "patched");
        return;
    }
    all->denied = true;
    all->waits = more->waits;
    all->code = more->code;
    all->reason = more->reason;
    all->message = more->message;
    all->retry_after = more->retry_after;
    all->causes.items = more->causes.items;
    all->causes.len = more->causes.len;
    all->causes.cap = more->causes.cap; /* what the manifest itself has wrong comes behind */
}

/* Of the recorded text before the byte at which it is broken. */
static unsigned count_lines(struct str text)
{
    unsigned lines = 0;
    for (size_t i = 0; i < text.len; i++)
        lines += text.ptr[i] == '\n';
    return lines;
}

/* As in `serve`: a rule that wants newer facts gets them, and where they cannot be read the
 * review fails with the reason. */
static void review_run_decide(const struct review_context *context, struct review *review, const struct rule *rule)
{
    struct facts_wanted wanted;
    struct error error = {0};
    const struct inventory *inventory = context->inventory;
    if (context->read && admission_wants(review, rule, inventory, context->settings, &wanted))
        inventory = context->read(context->reader, &wanted, &error);
    if (inventory)
        admission_decide(review, rule, inventory, context->settings);
    else
        admission_fail(review, &error);
}

/* A dump has Restores and Backups that were carried out long ago: what they name may be gone since, Velero
 * has rewritten their spec, and a Completed status is what nobody else may give a Backup. */
static bool manifest_is_history(const struct request *request, const struct manifest *manifest)
{
    struct str phase = json_path_str(manifest->tree, "status.phase");
    bool restore = str_is(request->kind, "Restore"), backup = str_is(request->kind, "Backup") && manifest->stored;
    if (manifest->review.ptr || request->operation != OPERATION_CREATE || (!restore && !backup))
        return false;
    return !phase_is(phase, PHASE_WAITING);
}

/* MaxRequestBodyBytes (k8s.io/apiserver pkg/server/config.go), in kube-apiserver's words. etcd's limits are lower, but can
 * be set. */
static bool review_is_too_large(const struct review_result *result, struct error *error)
{
    enum { REQUEST_MAX = 3 * 1024 * 1024 };
    if (result->bytes <= REQUEST_MAX)
        return false;
    error_set(error, 413, "Request entity too large: limit is %d, and as JSON this object has %zu bytes", REQUEST_MAX,
              result->bytes);
    return true;
}

/* False: a denial, or the end of the rules. */
static bool review_run_rule(const struct review_context *context, struct arena *arena, struct str *text, size_t n,
                            struct review_result *result)
{
    struct error error;
    struct review *review = arena_alloc(arena, sizeof *review);
    if (!review)
        return false;
    const struct rule *rule = NULL;
    bool read = admission_read(arena, *text, context->now, review, &error);
    struct request *request = &review->request;
    if (n == 0)
        result->request = *request;
    if (!read) {
        admission_fail(review, &error);
        if (error.position >= 0) /* a byte of the recorded text */
            result->line += count_lines(str_slice(*text, 0, (size_t)error.position));
    } else if (review_is_too_large(result, &error)) {
        admission_fail(review, &error);
    } else {
        rule = admission_rule_for_request(request, n);
        if (n == 0 && request->object)
            result->before = result->object = result->manifest->review.ptr
                                                  ? json_build(arena, request->object->root->raw, &error)
                                                  : result->manifest->tree; /* what the review was written from */
        if (rule && manifest_is_history(request, result->manifest)) {
            struct json_object *tree = result->manifest->tree;
            result->reviewed = true;
            decision_audit(&result->decision, "skipped", "already carried out");
            if (!result->manifest->stored)
                decision_warn(
                    &result->decision,
                    "status.phase: %.*s: Velero takes this Restore for carried out and restores nothing; remove the "
                    "status to run it",
                    STR_ARG(arena_quote(result->decision.arena, json_path_str(tree, "status.phase"))));
            return false;
        }
        if (!rule)
            return false;
        review_run_decide(context, review, rule);
    }
    result->reviewed = true;
    if (review->decision.patch.len) {
        result->object = admission_apply_patch(arena, result->object, &review->decision, &error);
        if (!result->object)
            admission_fail(review, &error);
        else
            *text = request_with_object(arena, *text, result->object);
    }
    decision_join(&result->decision, &review->decision);
    return !review->decision.denied && text->ptr;
}

/* False only for want of memory. The schema is judged last, since a policy's words on a field go
 * before those of its type. */
bool review_run(const struct review_context *context, struct arena *arena, struct manifest *manifest,
                struct review_result *result)
{
    *result = (struct review_result){.manifest = manifest, .line = manifest->line};
    decision_init(&result->decision, arena);
    struct str text =
        manifest->review.ptr ? manifest->review : request_from_manifest(context, arena, manifest, &result->bytes);
    for (size_t n = 0; text.ptr && review_run_rule(context, arena, &text, n, result); n++)
        ;
    if (text.ptr && context->schemas && result->decision.code != 413) /* which the API server answers unread */
        review_schema_judge(context, arena, result);
    return text.ptr && !arena_failed(arena);
}
