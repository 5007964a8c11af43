/* json_index: the top of a document as linked nodes, the rest only checked.
 *
 * A review of a few hundred kilobytes is mostly managedFields and values that no policy reads.
 * So only the upper levels become nodes; everything below is checked and skipped, and stays
 * available as `raw`, from which json_build makes a tree when a policy asks for it. Keys and
 * texts are slices of the request's own bytes, copied only where they hold escapes.
 *
 * Duplicate keys are refused on the levels that are indexed: the API server decodes the last
 * one, others the first, and a policy must not judge another value than the one that is stored. */
#include "json/json.h"

#include <stdlib.h>
#include <string.h>

struct index {
    struct scan scan;
    struct arena *arena;
    unsigned depth; /* levels of members to keep */
    struct json_node *spare;
    size_t spare_count;
};

static bool index_value(struct index *index, struct json_node *node, unsigned level);

/* ---- keys that occur twice ------------------------------------------------ */

/* Up to this many members are compared pair by pair; more are sorted, so that a
 * hostile object costs O(n log n). */
enum { PAIRWISE_LIMIT = 16 };

static bool index_duplicate(struct index *index, const struct json_node *second)
{
    return error_at(index->scan.error, 400, second->raw.ptr - index->scan.start,
                    "duplicate key %.*s in one object: remove one of the two",
                    STR_ARG(arena_quote(index->arena, second->key)));
}

static int compare_keys(const void *a, const void *b)
{
    const struct json_node *left = *(const struct json_node *const *)a, *right = *(const struct json_node *const *)b;
    int order = str_cmp(left->key, right->key);
    if (order != 0)
        return order;
    return (left->raw.ptr > right->raw.ptr) - (left->raw.ptr < right->raw.ptr);
}

/* The repetition that stands first in the text is reported, whatever the order of sorting. */
static bool unique_sorted(struct index *index, const struct json_node *first, size_t count)
{
    const struct json_node **sorted = arena_array(index->arena, count, sizeof(struct json_node *)), *worst = NULL;
    if (!sorted)
        return scan_memory(&index->scan);
    for (size_t i = 0; i < count; i++, first = first->next)
        sorted[i] = first;
    qsort(sorted, count, sizeof(struct json_node *), compare_keys);
    for (size_t i = 1; i < count; i++)
        if (str_eq(sorted[i - 1]->key, sorted[i]->key) && (!worst || sorted[i]->raw.ptr < worst->raw.ptr))
            worst = sorted[i];
    return !worst || index_duplicate(index, worst);
}

/* Keys of one length mostly differ at their end: "f:component-1", "f:component-2". */
static bool same_key(struct str a, struct str b)
{
    return a.len == b.len && (a.len == 0 || (a.ptr[a.len - 1] == b.ptr[a.len - 1] && memcmp(a.ptr, b.ptr, a.len) == 0));
}

/* ---- members -------------------------------------------------------------- */

static bool index_member(struct index *index, struct json_node *node, unsigned level)
{
    bool escaped;
    if (!scan_key(&index->scan, &node->key, &escaped))
        return false;
    if (escaped) {
        node->key = json_unescape(index->arena, node->key);
        if (!node->key.ptr)
            return scan_memory(&index->scan);
    }
    return index_value(index, node, level);
}

/* From the arena by the dozen: an object has several members. */
static struct json_node *new_node(struct index *index)
{
    enum { AT_ONCE = 12 };
    if (index->spare_count == 0) {
        index->spare = arena_array(index->arena, AT_ONCE, sizeof(struct json_node));
        if (!index->spare)
            return NULL;
        index->spare_count = AT_ONCE;
    }
    index->spare_count--;
    return index->spare++;
}

static bool index_members(struct index *index, struct json_node *object, unsigned level)
{
    struct scan *scan = &index->scan;
    const struct json_node **link = &object->first;
    size_t count = 0;
    scan->at++;
    scan_space(scan);
    bool more = scan->at == scan->end || *scan->at != '}';
    if (!more)
        scan->at++;
    while (more) {
        struct json_node *node = new_node(index);
        if (!node)
            return scan_memory(scan);
        if (!index_member(index, node, level) || !scan_next(scan, '}', &more))
            return false;
        *link = node;
        link = &node->next;
        count++;
    }
    if (count > PAIRWISE_LIMIT)
        return unique_sorted(index, object->first, count);
    for (const struct json_node *second = object->first; second; second = second->next)
        for (const struct json_node *node = object->first; node != second; node = node->next)
            if (same_key(node->key, second->key))
                return index_duplicate(index, second);
    return true;
}

/* Below the indexed depth scan_value only checks; it counts its own levels on from this one, so
 * the limit on nesting holds for the whole. */
static bool index_value(struct index *index, struct json_node *node, unsigned level)
{
    struct scan *scan = &index->scan;
    const char *from = scan->at;
    if (from == scan->end || !scan_kind(*from, &node->kind))
        return scan_expected(scan, from, "a value");
    bool good = node->kind == JSON_OBJECT && level < index->depth ? index_members(index, node, level + 1)
                                                                  : scan_value(scan, level);
    node->raw = (struct str){from, (size_t)(scan->at - from)};
    return good;
}

const struct json_node *json_index(struct arena *arena, struct str text, unsigned depth, struct error *error)
{
    struct index index = {.scan = scan_text(text, error), .arena = arena, .depth = depth};
    if (index.depth > JSON_DEPTH_LIMIT)
        index.depth = JSON_DEPTH_LIMIT;
    struct json_node *root = arena_alloc(arena, sizeof(*root));
    if (!root) {
        scan_memory(&index.scan);
        return NULL;
    }
    scan_space(&index.scan);
    return index_value(&index, root, 0) && scan_finish(&index.scan) ? root : NULL;
}

/* ---- one member, without an index -------------------------------------------- */

/* Of several members of that name the last one, as the API server decodes it. */
bool json_find(struct arena *arena, const struct json_node *object, struct str wanted, struct json_node *member)
{
    struct error ignored;
    struct scan scan = scan_text(object->raw, &ignored);
    bool escaped, found = false, more = object->kind == JSON_OBJECT;
    scan.at += more;
    scan_space(&scan);
    more = more && scan.at < scan.end && *scan.at != '}';
    while (more) {
        struct json_node each = {0};
        if (!scan_key(&scan, &each.key, &escaped))
            return false;
        if (escaped)
            each.key = json_unescape(arena, each.key);
        const char *from = scan.at;
        if (from == scan.end || !scan_kind(*from, &each.kind) || !scan_value(&scan, 0))
            return false;
        each.raw = (struct str){from, (size_t)(scan.at - from)};
        if (str_eq(each.key, wanted)) {
            *member = each;
            found = true;
        }
        if (!scan_next(&scan, '}', &more))
            return false;
    }
    return found;
}

/* ---- keys that occur twice, anywhere ---------------------------------------------- */

/* Of the keys of all objects that are open only hashes are kept: two that are equal are taken for one key. */
struct repeats {
    struct scan scan;
    uint64_t *items;
    size_t len, cap;
};

static uint64_t repeats_hash(struct str key)
{
    uint64_t hash = key.len;
    for (size_t i = 0; i < key.len; i++)
        hash = (hash ^ (unsigned char)key.ptr[i]) * 0x9e3779b97f4a7c15U;
    return hash ^ hash >> 32;
}

static int repeats_order(const void *a, const void *b)
{
    uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;
    return left < right ? -1 : left > right;
}

static bool repeats_among(uint64_t *hashes, size_t count)
{
    bool sorted = count > PAIRWISE_LIMIT;
    if (sorted)
        qsort(hashes, count, sizeof *hashes, repeats_order);
    for (size_t i = 1; i < count; i++)
        for (size_t k = sorted ? i - 1 : 0; k < i; k++)
            if (hashes[k] == hashes[i])
                return true;
    return false;
}

/* True as well where it cannot be told. */
static bool repeats_below(struct repeats *repeats) /* NOLINT(misc-no-recursion): JSON_DEPTH_LIMIT deep at most */
{
    struct scan *scan = &repeats->scan;
    bool more, escaped, object = scan->at < scan->end && *scan->at == '{';
    size_t before = repeats->len;
    if (!object && (scan->at == scan->end || *scan->at != '['))
        return !scan_value(scan, 0);
    scan->at++;
    for (bool opened = true;; opened = false) {
        struct str key;
        if (!scan_member(scan, object ? '}' : ']', opened, &more))
            return true;
        if (!more)
            break;
        if (object) {
            if (!scan_key(scan, &key, &escaped) || escaped || !ARRAY_ROOM(repeats))
                return true;
            repeats->items[repeats->len++] = repeats_hash(key);
        }
        scan_space(scan);
        if (repeats_below(repeats))
            return true;
    }
    bool found = repeats_among(repeats->items + before, repeats->len - before);
    repeats->len = before;
    return found;
}

bool json_repeats_keys(struct str raw)
{
    struct error ignored;
    struct repeats repeats = {.scan = scan_text(raw, &ignored)};
    scan_space(&repeats.scan);
    bool found = repeats_below(&repeats);
    free(repeats.items);
    return found;
}

/* ---- reading -------------------------------------------------------------- */

const struct json_node *json_member(const struct json_node *node, struct str key)
{
    if (!node)
        return NULL;
    for (node = node->first; node; node = node->next)
        if (str_eq(node->key, key))
            return node;
    return NULL;
}

struct str json_text(struct arena *arena, const struct json_node *node)
{
    if (!node || node->kind != JSON_STRING)
        return (struct str){NULL, 0};
    struct str inside = {node->raw.ptr + 1, node->raw.len - 2};
    return memchr(inside.ptr, '\\', inside.len) ? json_unescape(arena, inside) : inside;
}

bool json_is_true(const struct json_node *node)
{
    return node && node->kind == JSON_BOOL && node->raw.ptr[0] == 't';
}

/* `rest` begins just after the opening bracket, and later after the comma; it is empty after the
 * last item. */
bool json_next_item(struct str *rest, struct str *item)
{
    struct error ignored;
    struct scan scan = scan_text(*rest, &ignored);
    bool more = false;
    scan_space(&scan);
    const char *from = scan.at;
    if (from == scan.end || *from == ']' || !scan_value(&scan, 0))
        return false;
    *item = (struct str){from, (size_t)(scan.at - from)};
    if (!scan_next(&scan, ']', &more))
        return false;
    *rest = (struct str){scan.at, more ? (size_t)(scan.end - scan.at) : 0};
    return true;
}
