/* Text for a terminal: nothing that it would act on, and how many columns the rest takes. */
#include <stdlib.h>
#include <string.h>

#include "backstop/base.h"

struct code_range {
    uint32_t first, last;
};

#include "base/width_table.h" /* tables of it */

static bool is_shown_as_is(char c)
{
    return c >= 0x20 && c < 0x7f;
}

/* The first byte of a character of n bytes has n leading ones and a zero: what is left of it
 * after those are the first bits. Only for what str_utf8_next has accepted. */
uint32_t str_code_point(struct str character)
{
    const unsigned char *bytes = (const unsigned char *)character.ptr;
    uint32_t point = character.len > 1 ? bytes[0] & 0x7fU >> character.len : bytes[0];
    for (size_t i = 1; i < character.len; i++)
        point = point << 6 | (bytes[i] & 0x3f);
    return point;
}

/* The first character of a text; one byte of what is no UTF-8. */
static struct str first_character(struct str text)
{
    size_t length = str_utf8_next(text);
    return str_slice(text, 0, length ? length : 1);
}

static int by_range(const void *key, const void *element)
{
    const uint32_t point = *(const uint32_t *)key;
    const struct code_range *range = element;
    return point < range->first ? -1 : point > range->last;
}

static bool in_table(uint32_t point, const struct code_range *table, size_t count)
{
    return bsearch(&point, table, count, sizeof *table, by_range) != NULL;
}

/* C1 controls, Unicode's format characters (category Cf: bidirectional controls, joiners, marks of no
 * width, tags), letters that show nothing, line breaks of its own, and what is no character. */
bool str_misleads(struct str character)
{
    static const struct code_range ranges[] = {
        {0x80, 0x9f},     {0xad, 0xad},       {0x34f, 0x34f},     {0x61c, 0x61c},     {0x115f, 0x1160},
        {0x17b4, 0x17b5}, {0x180b, 0x180f},   {0x200b, 0x200f},   {0x2028, 0x202e},   {0x2060, 0x206f},
        {0x3164, 0x3164}, {0xfdd0, 0xfdef},   {0xfeff, 0xfeff},   {0xffa0, 0xffa0},   {0xfff0, 0xfffb},
        {0xfffe, 0xffff}, {0x1bca0, 0x1bca3}, {0x1d173, 0x1d17a}, {0xe0000, 0xe0fff},
    };
    return character.len > 1 && in_table(str_code_point(character), ranges, LENGTH_OF(ranges));
}

/* Whole runs of ASCII are added at once, since nearly all text is that. */
void buf_add_printable(struct buf *buf, struct str text, bool ascii)
{
    for (size_t i = 0, step; i < text.len; i += step) {
        struct str rest = str_slice(text, i, text.len);
        for (step = 0; step < rest.len && is_shown_as_is(rest.ptr[step]); step++)
            continue;
        buf_add(buf, str_slice(rest, 0, step));
        if (step)
            continue;
        step = str_utf8_next(rest);
        if (step > 1 && !ascii && !str_misleads(str_slice(rest, 0, step))) {
            buf_add(buf, str_slice(rest, 0, step));
            continue;
        }
        step = step ? step : 1;
        for (size_t b = 0; b < step; b++)
            buf_printf(buf, "\\x%02x", (unsigned char)rest.ptr[b]);
    }
}

struct str arena_printable(struct arena *arena, struct str text, bool ascii)
{
    unsigned char odd = 0;
    for (size_t i = 0; i < text.len; i++) /* to the end, which compilers do 16 bytes at once */
        odd |= !is_shown_as_is(text.ptr[i]);
    if (!odd)
        return text;
    BUF_SCOPED out;
    buf_init(&out, 4 * text.len + 1);
    buf_add_printable(&out, text, ascii);
    if (out.failed)
        arena_fail(arena);
    return arena_copy(arena, buf_str(&out));
}

/* width_table.h is made from Unicode's EastAsianWidth and general categories, and does not
 * depend on the locale of the process as wcwidth does. */
static size_t columns_of(uint32_t point)
{
    if (point < 0x80)
        return 1;
    if (in_table(point, no_columns, LENGTH_OF(no_columns)))
        return 0;
    return in_table(point, two_columns, LENGTH_OF(two_columns)) ? 2 : 1;
}

/* What takes columns all the same: white space and fillers that are meant to show nothing
 * (Unicode's White_Space and Default_Ignorable_Code_Point), controls, noncharacters. */
static const struct code_range blanks[] = {
    {0x0080, 0x00a0}, {0x00ad, 0x00ad}, {0x034f, 0x034f},   {0x061c, 0x061c},   {0x115f, 0x1160},   {0x1680, 0x1680},
    {0x17b4, 0x17b5}, {0x180b, 0x180f}, {0x2000, 0x200f},   {0x2028, 0x202f},   {0x205f, 0x206f},   {0x2800, 0x2800},
    {0x3000, 0x3000}, {0x3164, 0x3164}, {0xfdd0, 0xfdef},   {0xfe00, 0xfe0f},   {0xfeff, 0xfeff},   {0xffa0, 0xffa0},
    {0xfff0, 0xfffb}, {0xfffe, 0xffff}, {0x1bca0, 0x1bca3}, {0x1d173, 0x1d17a}, {0xe0000, 0xe0fff},
};

bool str_is_visible(struct str text)
{
    struct str character;
    for (size_t i = 0; i < text.len; i += character.len) {
        character = first_character(str_slice(text, i, text.len));
        uint32_t point = str_code_point(character);
        if (character.len == 1 ? is_shown_as_is(character.ptr[0]) && character.ptr[0] != ' '
                               : columns_of(point) > 0 && !in_table(point, blanks, LENGTH_OF(blanks)))
            return true;
    }
    return false;
}

size_t str_columns(struct str text)
{
    struct str character;
    size_t columns = 0;
    for (size_t i = 0; i < text.len; i += character.len) {
        character = first_character(str_slice(text, i, text.len));
        columns += columns_of(str_code_point(character));
    }
    return columns;
}

struct str str_fitting(struct str text, size_t columns)
{
    struct str character;
    size_t used = 0;
    for (size_t i = 0; i < text.len; i += character.len) {
        character = first_character(str_slice(text, i, text.len));
        used += columns_of(str_code_point(character));
        if (used > columns)
            return str_slice(text, 0, i);
    }
    return text;
}

/* A byte at a time where it is no UTF-8, so that one bad byte does not hide what follows it. */
size_t buf_add_escaped(struct buf *buf, struct str text, const struct buf_escape *escapes, size_t count)
{
    size_t length = str_utf8_next(text), step = length ? length : 1;
    struct str character = str_slice(text, 0, step);
    unsigned char first = (unsigned char)text.ptr[0];
    for (size_t i = 0; length == 1 && i < count; i++)
        if (text.ptr[0] == escapes[i].c) {
            buf_puts(buf, escapes[i].escape);
            return step;
        }
    if (length > 1 ? !str_misleads(character) : length == 1 && first >= 0x20 && first != 0x7f)
        buf_add(buf, character);
    else
        for (size_t i = 0; i < step; i++)
            buf_printf(buf, "\\x%02x", (unsigned char)character.ptr[i]);
    return step;
}

enum { QUOTE_BYTES_MAX = 120 };

static const struct buf_escape quote_escapes[] = {
    {'"', "\\\""}, {'\\', "\\\\"}, {'\n', "\\n"}, {'\t', "\\t"}, {'\r', "\\r"}};

/* The bytes that stand for themselves, from the first on. */
static size_t plain_length(struct str text)
{
    size_t length = 0;
    while (length < text.len && text.ptr[length] >= 0x20 && text.ptr[length] < 0x7f && text.ptr[length] != '"' &&
           text.ptr[length] != '\\')
        length++;
    return length;
}

/* A text that is cut must not be cut inside a character, and an escape counts for the bytes that
 * it stands for. */
static void quote_into(struct buf *out, struct str text)
{
    bool cut = text.len > QUOTE_BYTES_MAX;
    buf_putc(out, '"');
    for (size_t i = 0; i < text.len;) {
        struct str rest = str_slice(text, i, text.len);
        size_t plain = plain_length(str_slice(text, i, cut ? QUOTE_BYTES_MAX : text.len));
        if (plain) {
            buf_add(out, str_slice(rest, 0, plain));
            i += plain;
            continue;
        }
        size_t length = cut ? str_utf8_next(rest) : 0;
        if (cut && i + (length ? length : 1) > QUOTE_BYTES_MAX)
            break;
        i += buf_add_escaped(out, rest, quote_escapes, LENGTH_OF(quote_escapes));
    }
    buf_puts(out, cut ? "...\"" : "\"");
}

struct str arena_quote(struct arena *arena, struct str text)
{
    if (text.len && text.len <= QUOTE_BYTES_MAX && plain_length(text) == text.len) {
        /* Nearly every name and value: a text in quotes, and nothing to escape. */
        char *quoted = arena_alloc(arena, text.len + sizeof "\"\"");
        if (!quoted)
            return (struct str){NULL, 0};
        quoted[0] = '"';
        memcpy(quoted + 1, text.ptr, text.len);
        quoted[text.len + 1] = '"';
        return (struct str){quoted, text.len + 2};
    }
    BUF_SCOPED out;
    buf_init(&out, 8 * QUOTE_BYTES_MAX);
    quote_into(&out, text);
    if (out.failed) {
        arena_fail(arena);
        return (struct str){NULL, 0};
    }
    return arena_copy(arena, buf_str(&out));
}

/* Looks at most LOOK bytes further for the beginning of a wrapped error: a longer search could
 * skip the very cause. */
struct str arena_quote_error(struct arena *arena, struct str text)
{
    static const struct str dots = STR_INIT("...");
    enum { LOOK = 48 };
    text = str_trim(text);
    if (text.len <= QUOTE_BYTES_MAX)
        return arena_quote(arena, text);
    size_t limit = text.len - (QUOTE_BYTES_MAX - dots.len) + LOOK;
    size_t at = text.len - str_utf8_tail(text, QUOTE_BYTES_MAX - dots.len).len;
    /* Better from the beginning of one of the wrapped errors. */
    for (size_t i = at; i + 2 < text.len && i < limit; i++)
        if ((text.ptr[i] == ':' || text.ptr[i] == ',') && text.ptr[i + 1] == ' ') {
            at = i + 2;
            break;
        }
    return arena_quote(arena, arena_printf(arena, "%.*s%.*s", STR_ARG(dots), STR_ARG(str_slice(text, at, text.len))));
}

void strlist_add(struct arena *arena, struct strlist *list, struct str text)
{
    if (ARENA_ROOM(arena, list))
        list->items[list->len++] = text;
}

bool strlist_has(const struct strlist *list, struct str text)
{
    for (size_t i = 0; i < list->len; i++)
        if (str_eq(list->items[i], text))
            return true;
    return false;
}

struct str strlist_quoted_first(struct arena *arena, const struct strlist *list, size_t count)
{
    enum { SHOWN = 16 * 1024 };
    BUF_SCOPED out;
    buf_init(&out, 64 * 1024);
    for (size_t i = 0; i < list->len; i++) {
        if (i >= count || (out.len > SHOWN && i + 1 < list->len)) {
            buf_printf(&out, " and %zu more", list->len - i);
            break;
        }
        if (i > 0)
            buf_puts(&out, i + 1 == list->len ? " and " : ", ");
        quote_into(&out, list->items[i]);
    }
    if (out.failed) {
        arena_fail(arena);
        return (struct str){NULL, 0};
    }
    return arena_copy(arena, buf_str(&out));
}

struct str strlist_quoted(struct arena *arena, const struct strlist *list)
{
    return strlist_quoted_first(arena, list, list->len);
}

struct str shown(struct arena *arena, struct str text)
{
    for (size_t i = 0; i < text.len; i++)
        if (text.ptr[i] <= ' ' || text.ptr[i] > '~' || text.ptr[i] == '"')
            return arena_quote(arena, text);
    return text.len ? text : STR("-");
}
