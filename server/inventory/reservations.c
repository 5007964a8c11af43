/* Deletions of Backups that were admitted a moment ago, as one line of text: what replicas tell
 * each other, and what `kubectl get lease` shows. docs/deletions.md has the whole protocol. */
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
