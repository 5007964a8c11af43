/* Text for a terminal: nothing that it would act on, and how many columns the rest takes. */
#include <stdlib.h>

#include "backstop/base.h"

struct range {
    uint32_t first, last;
};
#include "base/width_table.h"

static bool is_shown_as_is(char c)
{
    return c >= 0x20 && c < 0x7f;
}

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
    const struct range *range = element;
    return point < range->first ? -1 : point > range->last;
}

static bool in_table(uint32_t point, const struct range *table, size_t count)
{
    return bsearch(&point, table, count, sizeof *table, by_range) != NULL;
}

/* C1 controls, Unicode's format characters (category Cf: bidirectional controls, joiners, marks of no
 * width, tags), letters that show nothing, line breaks of its own, and what is no character. */
bool str_misleads(struct str character)
{
    static const struct range ranges[] = {
        {0x80, 0x9f},     {0xad, 0xad},       {0x34f, 0x34f},     {0x61c, 0x61c},     {0x115f, 0x1160},
        {0x17b4, 0x17b5}, {0x180b, 0x180f},   {0x200b, 0x200f},   {0x2028, 0x202e},   {0x2060, 0x206f},
        {0x3164, 0x3164}, {0xfdd0, 0xfdef},   {0xfeff, 0xfeff},   {0xffa0, 0xffa0},   {0xfff0, 0xfffb},
        {0xfffe, 0xffff}, {0x1bca0, 0x1bca3}, {0x1d173, 0x1d17a}, {0xe0000, 0xe0fff},
    };
    return character.len > 1 && in_table(str_code_point(character), ranges, LENGTH_OF(ranges));
}

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
static const struct range blanks[] = {
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
