#include <stdlib.h>

#include "review.h"

enum { EXTRAS_LIMIT = 1024 * 1024 * 1024 };

struct review_facts {
    struct facts opened;                     /* its source is NULL when nothing is known */
    const struct inventory *current, *fresh; /* with the extras; fresh: what a rule had read anew */
    struct arena *arena;                     /* of the extras */
    struct inventory_extra *extras;          /* what was allowed so far, and the effects */
    size_t count, cap;
    int64_t now;
};

static void let_go(const struct inventory **inventory)
{
    if (*inventory)
        /* NOLINTNEXTLINE(performance-no-int-to-ptr): the door hands snapshots out as const */
        shared_release((struct shared *)(uintptr_t) & (*inventory)->shared);
    *inventory = NULL;
}

static struct review_facts *facts_new(void)
{
    struct review_facts *facts = calloc(1, sizeof *facts);
    if (facts && (facts->arena = arena_new(EXTRAS_LIMIT)))
        return facts;
    free(facts);
    return NULL;
}

struct review_facts *review_facts_files(const struct option_list *paths, manifest_problem_fn *problem, void *context)
{
    struct error error;
    struct review_facts *facts = facts_new();
    const struct inventory_files_options options = {.paths = (const char *const *)paths->items,
                                                    .path_count = paths->len,
                                                    .simulate_seconds = -1,
                                                    .problem = problem,
                                                    .context = context};
    if (facts && paths->len)
        facts->opened.source = facts_from_files(&options, &error);
    if (facts && (facts->opened.source || !paths->len))
        return facts;
    problem(context, NULL, -1, facts ? error.message : "out of memory");
    review_facts_close(&facts);
    return NULL;
}

struct review_facts *review_facts_cluster(const struct verb *verb, const struct facts_options *options,
                                          const struct settings *settings, int64_t now)
{
    struct review_facts *facts = facts_new();
    if (!facts)
        verb_fail(verb, "out of memory");
    else if (!facts_open(&facts->opened, verb, options, settings, now))
        review_facts_close(&facts);
    return facts;
}

/* Takes the snapshot, which may be NULL. */
static const struct inventory *with_extras(const struct review_facts *facts, const struct inventory *inventory)
{
    if (!inventory || !facts->count)
        return inventory;
    const struct inventory *more = inventory_with(inventory, facts->extras, facts->count);
    let_go(&inventory);
    return more;
}

const struct inventory *review_facts_get(struct review_facts *facts, int64_t now)
{
    facts->now = now;
    if (!facts->opened.source)
        return inventory_unknown();
    let_go(&facts->fresh);
    let_go(&facts->current);
    facts->current = with_extras(facts, facts_get(facts->opened.source, now));
    return facts->current;
}

/* As serve does: the gate alone fails closed, the others do with what is known. */
const struct inventory *review_facts_read(void *context, const struct facts_wanted *wanted, struct error *error)
{
    struct review_facts *facts = context;
    if (!facts->opened.source)
        return inventory_unknown();
    error_set(error, 503, "out of memory");
    let_go(&facts->fresh);
    facts->fresh = with_extras(facts, facts_live(facts->opened.source, wanted, facts->now, error));
    return facts->fresh || wanted->upgrade ? facts->fresh : facts->current;
}

/* ---- what kubectl apply would have made of it by now ---------------------- */

static void put_text(struct json_object *object, const char *key, struct str text)
{
    if (text.len)
        json_put_text(object, key, text);
}

static void put_time(struct json_object *object, const char *key, int64_t seconds)
{
    char text[TIME_TEXT_SIZE];
    if (seconds)
        put_text(object, key, str_from(time_format(seconds, 0, text)));
}

/* Applying a storage location again keeps its age and the status that Velero wrote. */
static void keep_status(struct json_object *object, const struct storage_location *before)
{
    struct json_object *status;
    if (!json_put_map(object, "status", &status))
        return;
    put_time(json_get(object, "metadata"), "creationTimestamp", before->meta.created);
    put_text(status, "phase", before->phase);
    put_text(status, "message", before->message);
    put_time(status, "lastValidationTime", before->last_validated);
}

/* Objects whose facts stand in the part that users write; of the others a manifest
 * without a status says less than what is known already. */
static bool says_all(struct json_object *object)
{
    struct str kind = json_get_str(object, "kind");
    if (json_get(object, "status") || str_is(kind, "ConfigMap") || str_is(kind, "Secret"))
        return true;
    return str_is(kind, "ManagementBackup") && json_path_str(object, "spec.schedule").len;
}

static void add(struct review_facts *facts, struct json_object *object, bool replaces)
{
    struct json_object *metadata = json_get(object, "metadata");
    if (!json_get(metadata, "creationTimestamp"))
        put_time(metadata, "creationTimestamp", facts->now);
    if (facts->count == facts->cap) {
        size_t cap = facts->cap ? 2 * facts->cap : 16;
        struct inventory_extra *extras = arena_array(facts->arena, cap, sizeof *extras);
        if (!extras)
            return;
        for (size_t i = 0; i < facts->count; i++)
            extras[i] = facts->extras[i];
        facts->extras = extras;
        facts->cap = cap;
    }
    facts->extras[facts->count++] = (struct inventory_extra){object, replaces};
}

static struct json_object *copy_of(struct review_facts *facts, struct json_object *object)
{
    return json_own(facts->arena, json_copy(object));
}

static void apply(struct review_facts *facts, struct json_object *applied)
{
    struct json_object *object = applied ? copy_of(facts, applied) : NULL;
    if (!object)
        return;
    struct str name = json_path_str(object, "metadata.name"), ns = json_path_str(object, "metadata.namespace");
    const struct storage_location *before = NULL;
    if (str_is(json_get_str(object, "kind"), "BackupStorageLocation"))
        before = inventory_storage_location(facts->current, ns, name);
    if (before && !json_get(object, "status"))
        keep_status(object, before);
    add(facts, object, says_all(object));
}

void review_facts_add(struct review_facts *facts, const struct review_result *result)
{
    const struct decision *decision = &result->decision;
    if (!facts->opened.source || result->request.dry_run)
        return;
    if (!decision->denied)
        apply(facts, result->object);
    for (size_t i = 0; i < decision->effects.len; i++) {
        struct json_object *effect = copy_of(facts, decision->effects.items[i].object);
        if (effect) /* the gate asks for what is there already, too */
            add(facts, effect, false);
    }
}

void review_facts_close(struct review_facts **facts)
{
    if (!*facts)
        return;
    let_go(&(*facts)->fresh);
    let_go(&(*facts)->current);
    facts_dispose(&(*facts)->opened);
    arena_free((*facts)->arena);
    free(*facts);
    *facts = NULL;
}
