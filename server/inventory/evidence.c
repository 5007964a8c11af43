/* Deletions of Backups that were admitted a moment ago, as one line of text: what replicas tell
 * each other, and what `kubectl get lease` shows. docs/deletions.md has the whole protocol.
 *
 * Deleting is allowed while enough other backups remain. Two replicas, or two requests at the
 * same moment, would each count the other's Backup as remaining; a reservation makes one of them
 * see the other's deletion before it is in any cache. */
#include "inventory/inventory.h"

/* The API server drops a request after a minute (--request-timeout), so after that a deletion
 * that was admitted shows or never will; the rest is for clocks that differ. */
enum { KEPT_SECONDS = 120, KEPT_MAX = 1000, TEXT_MAX = 128 * 1024 };

/* A time far ahead is of a clock that was wrong, and must not block for ever. */
static bool is_kept(int64_t admitted, int64_t now)
{
    return now - admitted < KEPT_SECONDS && admitted - now < KEPT_SECONDS;
}

bool reservations_read(struct arena *arena, struct str text, int64_t now, struct evidence_reading *reading)
{
    struct str entry, name;
    reading->source = STR(RESERVATIONS);
    reading->access = EVIDENCE_READ;
    reading->len = reading->matching = 0;
    reading->objects = arena_array(arena, KEPT_MAX, sizeof *reading->objects);
    if (!reading->objects)
        return false;
    while (text.len && reading->len < KEPT_MAX && str_cut(&text, ',', &entry)) {
        int64_t admitted;
        if (!str_cut(&entry, '@', &name) || !name.len || !time_parse(entry, &admitted) || !is_kept(admitted, now))
            continue;
        reading->objects[reading->len++] =
            (struct evidence_object){.value = arena_copy(arena, name), .created = admitted};
    }
    reading->matching = reading->len;
    return !arena_failed(arena);
}

static void write_one(struct buf *out, struct str backup, int64_t admitted)
{
    char text[TIME_TEXT_SIZE];
    buf_printf(out, "%s%.*s@%s", out->len ? "," : "", STR_ARG(backup), time_format(admitted, 0, text));
}

struct str reservations_with(struct arena *arena, const struct evidence_reading *reading, struct str backup,
                             int64_t now, struct error *error)
{
    BUF_SCOPED out;
    size_t others = 0;
    buf_init(&out, TEXT_MAX);
    for (size_t i = 0; i < reading->len; i++) {
        const struct evidence_object *kept = &reading->objects[i];
        if (str_eq(kept->value, backup) || !is_kept(kept->created, now))
            continue;
        write_one(&out, kept->value, kept->created);
        others++;
    }
    write_one(&out, backup, now);
    struct str text = out.failed ? (struct str){NULL, 0} : arena_copy(arena, buf_str(&out));
    if (!text.ptr || others >= KEPT_MAX) {
        error_set(error, 429, "%zu other management backups were deleted in the last %d seconds", others, KEPT_SECONDS);
        return (struct str){NULL, 0};
    }
    return text;
}

/* Objects of other backup engines, looked at through an entry of settings upgrade.evidence. */

/* The gate needs the newest, and while an upgrade is under way the newest that is done. */
enum { KEPT = 16, SEEN_MAX = 5000 };

static size_t evidence_kept_limit(const struct evidence_source *source)
{
    return source->kept ? source->kept : KEPT;
}

const struct evidence_reading *inventory_evidence(const struct inventory *inventory, struct str source)
{
    for (size_t i = 0; i < inventory->evidence_count; i++)
        if (str_eq(inventory->evidence[i].source, source))
            return &inventory->evidence[i];
    return NULL;
}

/* ---- which objects ---------------------------------------------------------- */

static bool requirement_holds(const struct label_requirement *requirement, struct json_object *labels)
{
    struct json_object *label = json_get_named(labels, requirement->key);
    bool among = label && strlist_has(&requirement->values, json_str(label));
    switch (requirement->operator) {
    case LABEL_IN:
        return among;
    case LABEL_NOT_IN: /* also where the label is missing, as in the API server */
        return !among;
    case LABEL_EXISTS:
        return label != NULL;
    case LABEL_ABSENT:
        return label == NULL;
    }
    return false;
}

bool evidence_wanted(const struct evidence_source *source, struct str group, struct str kind,
                     struct json_object *object)
{
    if (!str_eq(source->group, group) || !str_eq(source->kind, kind))
        return false;
    if (source->ns.len && !str_eq(source->ns, json_path_str(object, "metadata.namespace")))
        return false;
    struct json_object *labels = json_path(object, "metadata.labels");
    for (size_t i = 0; i < source->requirement_count; i++)
        if (!requirement_holds(&source->requirements[i], labels))
            return false;
    return true;
}

/* ---- the newest of them ------------------------------------------------------ */

static struct str text_at(struct json_object *object, struct str path)
{
    return str_slice(json_scalar(json_select(object, path)), 0, EVIDENCE_TEXT_MAX);
}

/* When the backup began, at the latest: an object that was made anew for an old backup
 * (synced from a bucket, listed again after a restart) is as old as that. */
static int64_t evidence_started(const struct evidence_object *object)
{
    if (object->time != 0 && (object->created == 0 || object->time < object->created))
        return object->time;
    return object->created;
}

/* Equal times: by name, so that the answer does not depend on the order of the list. */
static bool is_newer(const struct evidence_object *a, const struct evidence_object *b)
{
    if (evidence_started(a) != evidence_started(b))
        return evidence_started(a) > evidence_started(b);
    int order = str_cmp(a->ns, b->ns);
    return order ? order > 0 : str_cmp(a->name, b->name) > 0;
}

static void evidence_keep_object(struct evidence_search *search, struct evidence_object object)
{
    struct evidence_reading *reading = &search->reading;
    size_t at = reading->len, limit = evidence_kept_limit(search->source);
    while (at > 0 && is_newer(&object, &reading->objects[at - 1]))
        at--;
    reading->matching++;
    if (at == limit)
        return;
    reading->len += reading->len < limit;
    for (size_t i = reading->len - 1; i > at; i--)
        reading->objects[i] = reading->objects[i - 1];
    object.ns = arena_copy(search->arena, object.ns);
    object.name = arena_copy(search->arena, object.name);
    object.value = arena_copy(search->arena, object.value);
    object.failure = arena_copy(search->arena, object.failure);
    reading->objects[at] = object;
}

/* SEEN_MAX is a mistake in the entry rather than a limit of the engine: without a selector it
 * would match every Job of a cluster. */
bool evidence_look(struct evidence_search *search, struct json_object *object, struct error *error)
{
    if (search->seen++ == SEEN_MAX)
        return error_set(error, 422, "more than %d objects match; narrow them down with namespace or selector",
                         SEEN_MAX);
    if (json_path_str(object, "metadata.deletionTimestamp").len)
        return true;
    struct evidence_reading *reading = &search->reading;
    if (!reading->objects)
        reading->objects = arena_array(search->arena, evidence_kept_limit(search->source), sizeof *reading->objects);
    if (!reading->objects)
        return error_set(error, 500, "out of memory");
    struct evidence_object seen = {.ns = json_path_str(object, "metadata.namespace"),
                                   .name = json_path_str(object, "metadata.name"),
                                   .created = object_time(object, "metadata.creationTimestamp"),
                                   .value = text_at(object, search->source->done_path),
                                   .failure = text_at(object, search->source->failed_path)};
    if (!time_parse(text_at(object, search->source->time_path), &seen.time))
        seen.time = 0;
    /* Files may hold an object twice; the last counts. */
    for (size_t i = 0; i < reading->len; i++)
        if (str_eq(reading->objects[i].name, seen.name) && str_eq(reading->objects[i].ns, seen.ns)) {
            for (reading->len--; i < reading->len; i++)
                reading->objects[i] = reading->objects[i + 1];
            reading->matching--;
        }
    evidence_keep_object(search, seen);
    return arena_failed(search->arena) ? error_set(error, 500, "out of memory") : true;
}
