/* Private to the module json: the scanner that index, build and yaml share, and
 * YAML nodes. */
#ifndef BACKSTOP_JSON_JSON_H
#define BACKSTOP_JSON_JSON_H

#include "backstop/json.h"

#ifdef __SSE2__
#include <emmintrin.h>
#endif

/* ---- scanning ------------------------------------------------------------- */

/* A text being read. Every scan_ function starts at `at`, moves it past what it
 * accepted, and on failure fills the error and returns false (or NULL). */
struct scan {
    const char *start, *at, *end;
    struct error *error;
};

/* What kubectl and people indent is half white space; what the API server sends has none. */
static inline const char *scan_indent_end(const char *at, const char *end)
{
#ifdef __SSE2__
    const __m128i space = _mm_set1_epi8(' ');
    for (; end - at >= 16; at += 16) {
        __m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)at);
        unsigned other = ~(unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(bytes, space)) & 0xffff;
        if (other)
            return at + __builtin_ctz(other);
    }
#else
    while (at < end && *at == ' ')
        at++;
#endif
    return at;
}

static inline const char *scan_space_end(const char *at, const char *end)
{
    while (at < end && *at <= ' ' && (*at == ' ' || *at == '\n' || *at == '\r' || *at == '\t'))
        if (*at++ == '\n')
            at = scan_indent_end(at, end);
    return at;
}

struct scan scan_text(struct str text, struct error *error);
/* Fails with "expected WHAT, found ..." at this byte. Always false. */
bool scan_expected(struct scan *scan, const char *at, const char *what);
void scan_space(struct scan *scan);
/* The bytes between the quotes; `escaped` says whether they hold a backslash. */
bool scan_string(struct scan *scan, struct str *inside, bool *escaped);
/* `whole` says that it has neither fraction nor exponent. */
bool scan_number(struct scan *scan, bool *whole);
bool scan_literal(struct scan *scan);
/* A key and the colon after it. */
bool scan_key(struct scan *scan, struct str *inside, bool *escaped);
/* After a member or an item: true past a comma or the closing bracket; `more` says which. */
bool scan_next(struct scan *scan, char closing, bool *more);
/* The same, also right after the opening bracket, where the object or array may be empty. */
bool scan_member(struct scan *scan, char closing, bool opened, bool *more);
/* Any value, checked but not kept. `level` is how many arrays and objects are open around it. */
bool scan_value(struct scan *scan, unsigned level);
/* Nothing but white space may follow. */
bool scan_finish(struct scan *scan);
/* The first byte from `at` on that needs a closer look: a quote, a backslash, a
 * control character, a byte outside ASCII; or `end`. */
const char *scan_plain_end(const char *at, const char *end);
bool scan_string_broken(struct scan *scan, const char *at);
bool scan_too_deep(struct scan *scan);
bool scan_memory(struct scan *scan);
/* One more than the json_kind of a value that starts with this byte. */
extern const unsigned char scan_value_start[256];

/* What a value starting with this byte is; false when no value starts so. */
static inline bool scan_kind(char first, enum json_kind *kind)
{
    unsigned char known = scan_value_start[(unsigned char)first];
    *kind = known ? (enum json_kind)(known - 1) : JSON_NULL;
    return known;
}

/* The length of the well-formed UTF-8 sequence at `at`, 0 when it is none. */
size_t utf8_length(const char *at, const char *end);
/* The text with each byte that is not UTF-8 replaced by U+FFFD; the text itself
 * when there is none. The absent text when the arena is full. */
struct str utf8_clean(struct arena *arena, struct str text);
/* Resolves the escapes of a scanned string; lone surrogates become U+FFFD, as in
 * Go. The absent text when the arena is full. */
struct str json_unescape(struct arena *arena, struct str inside);

/* A double as encoding/json writes it; infinities and NaN, which JSON has not, as null. */
void number_write_json(struct buf *buf, double value);
/* A double as sigs.k8s.io/yaml makes a key of it: strconv.FormatFloat(value, 'g', -1, 32). */
void number_write_key(struct buf *buf, double value);

/* What a tree may cost in memory: json-c spends some 800 bytes on "{}", so a few
 * megabytes of text could otherwise take gigabytes. */
/* json-c gives every object a table of 16 entries, 640 bytes, and most have two or three members: of a large text that is
 * most of the memory. For objects that are complete. */
void json_shrink(struct json_object *object);
/* Room for so many members at once. */
void json_reserve(struct json_object *object, size_t members);
/* Reads what an opened tree's array or object holds (json_unread). */
void json_read_now(struct json_object *container);
/* Whether nothing of this array or object was read yet, and the text of it. */
bool json_unread(struct json_object *container, struct str *raw);
/* How many items such an array has, which stays unread; false where something was read. */
bool json_unread_length(struct json_object *array, size_t *length);
/* A walk through one of which nothing was read (json_walk); NULL where something was, and without memory. */
struct json_walk *json_unread_walk(struct json_object *container);
bool json_unread_walk_next(struct json_walk *walk, const char **key, struct json_object **value);
void json_unread_walk_end(struct json_walk *walk);

enum { JSON_TREE_LIMIT = 256 * 1024 * 1024, JSON_OBJECT_COST = 800, JSON_ARRAY_COST = 160, JSON_SCALAR_COST = 80 };

#endif
