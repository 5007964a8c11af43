#include <stdlib.h>

#include "review.h"

struct review_facts {
    struct inventory_files *files; /* NULL when nothing is known */
    const struct inventory *current;
    int64_t now;
};

struct review_facts *review_facts_open(const char *const *paths, size_t count, manifest_problem_fn *problem,
                                       void *context)
{
    struct error error;
    struct review_facts *facts = calloc(1, sizeof *facts);
    struct inventory_files_options options = {
        .paths = paths, .path_count = count, .simulate_seconds = -1, .problem = problem, .context = context};
    if (facts && count)
        facts->files = inventory_files_open(&options, &error);
    if (!facts || (count && !facts->files)) {
        problem(context, NULL, -1, facts ? error.message : "out of memory");
        free(facts);
        return NULL;
    }
    return facts;
}

static void let_go(struct review_facts *facts)
{
    if (facts->current)
        /* NOLINTNEXTLINE(performance-no-int-to-ptr): the door hands snapshots out as const */
        shared_release((struct shared *)(uintptr_t)&facts->current->shared);
    facts->current = NULL;
}

const struct inventory *review_facts_get(struct review_facts *facts, const struct facts_wanted *wanted, int64_t now)
{
    struct error ignored; /* out of memory */
    if (!facts->files)
        return inventory_unknown();
    let_go(facts);
    facts->now = now;
    facts->current = inventory_files_live(facts->files, wanted, now, &ignored);
    return facts->current;
}

/* ---- what kubectl apply would have made of it by now ---------------------- */

static void put_text(struct json_object *object, const char *key, struct str text)
{
    if (text.len)
        json_object_object_add(object, key, json_object_new_string_len(text.ptr, (int)text.len));
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
    struct json_object *status = json_object_new_object();
    put_time(json_get(object, "metadata"), "creationTimestamp", before->meta.created);
    put_text(status, "phase", before->phase);
    put_text(status, "message", before->message);
    put_time(status, "lastValidationTime", before->last_validated);
    json_object_object_add(object, "status", status);
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

static void apply(struct review_facts *facts, struct arena *arena, struct json_object *applied)
{
    struct error ignored; /* kinds that no policy reads */
    struct json_object *object = NULL;
    if (!applied || json_object_deep_copy(applied, &object, NULL) != 0 || !json_own(arena, object))
        return;
    struct str name = json_path_str(object, "metadata.name"), ns = json_path_str(object, "metadata.namespace");
    const struct storage_location *before = NULL;
    if (str_is(json_get_str(object, "kind"), "BackupStorageLocation"))
        before = inventory_storage_location(facts->current, ns, name);
    if (before && !json_get(object, "status"))
        keep_status(object, before);
    bool done = says_all(object) ? inventory_files_replace(facts->files, object, facts->now, &ignored)
                                 : inventory_files_create(facts->files, object, facts->now, &ignored);
    (void)done;
}

void review_facts_add(struct review_facts *facts, const struct review_result *result)
{
    struct error ignored; /* the gate asks for what is there already, too */
    const struct decision *decision = &result->decision;
    if (!facts->files || result->request.dry_run)
        return;
    if (!decision->denied)
        apply(facts, decision->arena, result->object);
    for (size_t i = 0; i < decision->effects.len; i++)
        (void)!inventory_files_create(facts->files, decision->effects.items[i].object, facts->now, &ignored);
}

void review_facts_close(struct review_facts **facts)
{
    if (!*facts)
        return;
    let_go(*facts);
    inventory_files_close((*facts)->files);
    free(*facts);
}
