/* Objects that bring what is known already. Whoever updates a Backup (Velero, each second, while it runs) changes a few
 * numbers of an object of some kilobytes, most of which is spec and metadata.managedFields. To parse it for that costs
 * fifty times as much as to see that nothing else has changed.
 *
 * So a record keeps a digest of the text that it was read from, without the values that change by themselves: those that
 * nobody reads (the object's version and generation, and when each manager wrote), and the one that is read,
 * status.progress.itemsBackedUp. A text of the same digest is the same object but for these, and needs no parser: in an
 * event, and in a list that is read anew. Any other is parsed. The number goes into the record as it is, which the snapshots
 * share: they need not be made anew for it.
 *
 * Texts are cut by how kube-apiserver writes custom resources: compact, members in the order of their names. What is cut
 * otherwise than the parser would is noticed when the object is parsed (repeat_confirmed), and gets no digest. The digest is
 * keyed, since whoever may write Backups could look for two texts of one digest. */
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "backstop/api.h"
#include "inventory/cluster/cluster.h"

/* Values that the digest leaves out, in the order in which they stand: the managers' times are the most. */
enum { CUTS_MAX = 16, COUNT_DIGITS_MAX = 15, TIME_LENGTH = 20, PROGRESS_DEPTH = 3 };

struct repeat_text {
    struct str ns, name, version, items; /* items: digits; absent where there is no progress */
    struct str cuts[CUTS_MAX];
    size_t cut_count;
};

/* Where the mark ends, between the two; NULL where it does not stand there. Looked for by the one of its characters that is
 * rarest in such texts, which is several times as fast as memmem. */
static const char *repeat_find(const char *from, const char *to, struct str mark, char rare)
{
    const size_t before = (size_t)((const char *)memchr(mark.ptr, rare, mark.len) - mark.ptr);
    while (to > from && (size_t)(to - from) >= mark.len) {
        const char *found = memchr(from + before, rare, (size_t)(to - from) - mark.len + 1);
        if (!found)
            return NULL;
        if (memcmp(found - before, mark.ptr, mark.len) == 0)
            return found - before + mark.len;
        from = found - before + 1;
    }
    return NULL;
}

static bool repeat_cut(struct repeat_text *text, struct str value)
{
    if (text->cut_count == CUTS_MAX)
        return false;
    text->cuts[text->cut_count++] = value;
    return true;
}

/* The digits at `at`, cut; absent where there are none, too many for any number, or a zero before others. */
static struct str repeat_cut_digits(struct repeat_text *text, const char *at, const char *end)
{
    struct str digits = {at, 0};
    while (digits.len <= COUNT_DIGITS_MAX && at + digits.len < end && char_is_digit(at[digits.len]))
        digits.len++;
    bool good = digits.len > 0 && digits.len <= COUNT_DIGITS_MAX && (at[0] != '0' || digits.len == 1);
    return good && repeat_cut(text, digits) ? digits : (struct str){NULL, 0};
}

/* The managers' times, as metav1.Time writes them: 2026-11-29T10:00:00Z. Only what looks exactly so is left out. */
static bool repeat_cut_times(struct repeat_text *text, const char *at, const char *end)
{
    static const char shape[] = "\"time\":\"0000-00-00T00:00:00Z\"";
    const size_t length = sizeof shape - 1;
    for (const char *z = at; (z = memchr(z, 'Z', (size_t)(end - z))); z++) {
        bool found = (size_t)(z - at) >= length - 2 && end - z >= 2;
        const char *first = found ? z - (length - 2) : z;
        for (size_t i = 0; found && i < length; i++)
            found = shape[i] == '0' ? char_is_digit(first[i]) : first[i] == shape[i];
        if (found && !repeat_cut(text, (struct str){z + 1 - TIME_LENGTH, TIME_LENGTH}))
            return false;
    }
    return true;
}

/* The text up to the closing quote; names and namespaces have no escapes. */
static struct str repeat_name(const char *at, const char *end)
{
    const char *quote = memchr(at, '"', (size_t)(end - at));
    return (struct str){at, quote ? (size_t)(quote - at) : 0};
}

/* False for every text that is not written as expected: it is parsed then. */
static bool repeat_read(struct str object, struct repeat_text *text)
{
    *text = (struct repeat_text){.cut_count = 0};
    const char *at = object.ptr, *end = object.ptr + object.len, *after;
    after = repeat_find(at, end, STR(",\"generation\":"), 'g');
    if (after && !repeat_cut_digits(text, after, end).len)
        return false;
    at = after ? after : at;
    const char *name = repeat_find(at, end, STR("],\"name\":\""), ']'); /* managedFields end there */
    const char *ns = name ? repeat_find(name, end, STR("\",\"namespace\":\""), ',') : NULL;
    const char *version = ns ? repeat_find(ns, end, STR("\"resourceVersion\":\""), 'V') : NULL;
    if (!version || !repeat_cut_times(text, at, name))
        return false;
    text->name = repeat_name(name, end);
    text->ns = repeat_name(ns, end);
    text->version = repeat_cut_digits(text, version, end);
    const char *items = repeat_find(version, end, STR("\"itemsBackedUp\":"), 'B');
    if (items)
        text->items = repeat_cut_digits(text, items, end);
    return text->version.len && (!items || text->items.len);
}

/* ---- the digest ----------------------------------------------------------- */

/* Never 0, which stands for none. */
static uint64_t repeat_digest(const uint64_t key[2], struct str object, const struct repeat_text *text)
{
    const char *at = object.ptr;
    uint64_t digest = 0;
    for (size_t i = 0; i < text->cut_count; i++) {
        digest = digest_add(key, digest, (struct str){at, (size_t)(text->cuts[i].ptr - at)});
        at = text->cuts[i].ptr + text->cuts[i].len;
    }
    digest = digest_add(key, digest, (struct str){at, (size_t)(object.ptr + object.len - at)});
    return digest ? digest : 1;
}

/* The parser finds the same: nothing was cut out of a text, or of another object within. */
static bool repeat_confirmed(struct arena *arena, struct str raw, const struct repeat_text *text)
{
    struct error ignored;
    const struct json_node *object = json_index(arena, raw, PROGRESS_DEPTH, &ignored),
                           *metadata = json_member(object, STR("metadata"));
    const struct json_node *version = json_member(metadata, STR("resourceVersion")),
                           *progress = json_member(json_member(object, STR("status")), STR("progress")),
                           *items = json_member(progress, STR("itemsBackedUp"));
    return version && version->kind == JSON_STRING && json_text(arena, version).ptr == text->version.ptr &&
           str_eq(json_text(arena, json_member(metadata, STR("name"))), text->name) &&
           str_eq(json_text(arena, json_member(metadata, STR("namespace"))), text->ns) &&
           (items ? str_eq(items->raw, text->items) && items->raw.ptr == text->items.ptr : !text->items.len);
}

/* ---- for the watch -------------------------------------------------------- */

bool repeat_start(struct cluster *cluster)
{
    return getrandom(cluster->digest_key, sizeof cluster->digest_key, 0) == (ssize_t)sizeof cluster->digest_key;
}

static int64_t repeat_count(struct str digits)
{
    int64_t count = 0;
    for (size_t i = 0; i < digits.len; i++)
        count = count * 10 + (digits.ptr[i] - '0');
    return count;
}

/* The lock is held. The record's round is its informer's alone. */
static bool repeat_take(struct feed *feed, const struct repeat_text *text)
{
    struct record *known = table_find(&feed->records, text->ns, text->name);
    if (!known || !known->digest || known->digest != feed->digest)
        return false;
    struct backup *backup = (void *)known->bytes;
    known->round = feed->round;
    if (text->items.len)
        atomic_store_explicit(&backup->status.items_done, repeat_count(text->items), memory_order_relaxed);
    return true;
}

bool repeat_object(struct feed *feed, struct str object, struct str *version)
{
    struct repeat_text text;
    feed->digest = 0;
    if (!repeat_read(object, &text))
        return false;
    feed->digest = repeat_digest(feed->cluster->digest_key, object, &text);
    *version = text.version;
    pthread_mutex_lock(&feed->cluster->lock);
    bool taken = repeat_take(feed, &text);
    pthread_mutex_unlock(&feed->cluster->lock);
    if (taken)
        return true;
    ARENA_SCOPED arena = arena_new(1 << 20);
    if (!arena || !repeat_confirmed(arena, object, &text))
        feed->digest = 0;
    return false;
}
