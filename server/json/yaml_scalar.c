/* What a YAML scalar stands for, after go-yaml v2's resolve.go, which is what kubectl and the
 * Kubernetes controllers use: YAML 1.1 words, Go's integers. A schedule that is a date, a
 * version that is a number, a "no" that is false: the API server sees what comes out here, and a
 * review must see the same. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "json/yaml.h"

/* !!binary: base64 as in Go's StdEncoding, line breaks passed over. JSON has no bytes, so what is not UTF-8 becomes
 * U+FFFD, as encoding/json does it. False when it is no base64 or the arena is full. */
static bool yaml_binary(struct arena *arena, struct str text, struct str *bytes)
{
    struct str decoded = base64_decode(arena, text);
    *bytes = decoded.ptr ? utf8_clean(arena, decoded) : decoded;
    return bytes->ptr;
}

/* What a YAML scalar stands for, after go-yaml v2's resolve.go, which is what
 * kubectl and the Kubernetes controllers use: YAML 1.1 words, Go's integers. */

#define TAG "tag:yaml.org,2002:"

static const struct {
    const char *words[6];
    struct yaml_scalar scalar;
} words[] = {
    {{"y", "Y", "yes", "Yes", "YES"}, {.kind = SCALAR_BOOL, .truth = true}},
    {{"true", "True", "TRUE"}, {.kind = SCALAR_BOOL, .truth = true}},
    {{"on", "On", "ON"}, {.kind = SCALAR_BOOL, .truth = true}},
    {{"n", "N", "no", "No", "NO"}, {.kind = SCALAR_BOOL}},
    {{"false", "False", "FALSE"}, {.kind = SCALAR_BOOL}},
    {{"off", "Off", "OFF"}, {.kind = SCALAR_BOOL}},
    {{"", "~", "null", "Null", "NULL"}, {.kind = SCALAR_NULL}},
    {{".nan", ".NaN", ".NAN"}, {.kind = SCALAR_FLOAT, .real = (double)NAN}},
    {{".inf", ".Inf", ".INF"}, {.kind = SCALAR_FLOAT, .real = (double)INFINITY}},
    {{"+.inf", "+.Inf", "+.INF"}, {.kind = SCALAR_FLOAT, .real = (double)INFINITY}},
    {{"-.inf", "-.Inf", "-.INF"}, {.kind = SCALAR_FLOAT, .real = (double)-INFINITY}},
};

static bool resolve_word(struct str text, struct yaml_scalar *scalar)
{
    if (text.len > 5)
        return false;
    for (size_t i = 0; i < LENGTH_OF(words); i++)
        for (const char *const *word = words[i].words; *word; word++)
            if (str_is(text, *word)) {
                *scalar = words[i].scalar;
                return true;
            }
    return false;
}

/* ---- integers ------------------------------------------------------------- */

static unsigned digit_of(char c)
{
    if (c >= '0' && c <= '9')
        return (unsigned)(c - '0');
    char lower = (char)(c | 0x20);
    return lower >= 'a' && lower <= 'z' ? (unsigned)(lower - 'a') + 10 : 99;
}

static bool parse_digits(struct str text, unsigned base, uint64_t *out)
{
    *out = 0;
    for (size_t i = 0; i < text.len; i++) {
        unsigned digit = digit_of(text.ptr[i]);
        if (digit >= base || __builtin_mul_overflow(*out, (uint64_t)base, out) ||
            __builtin_add_overflow(*out, (uint64_t)digit, out))
            return false;
    }
    return text.len > 0;
}

/* strconv.ParseUint with base 0: 0x, 0o, 0b, and a leading 0 for octal. */
static bool parse_natural(struct str text, uint64_t *out)
{
    if (text.len == 0 || *text.ptr != '0')
        return parse_digits(text, 10, out);
    char letter = text.len >= 3 ? (char)(text.ptr[1] | 0x20) : 0;
    unsigned base = letter == 'x' ? 16 : letter == 'o' ? 8 : letter == 'b' ? 2 : 0;
    if (base)
        return parse_digits(str_slice(text, 2, text.len), base, out);
    *out = 0;
    return text.len == 1 || parse_digits(str_slice(text, 1, text.len), 8, out);
}

/* Above INT64_MAX without a sign it is a natural number, with one it is no integer and becomes a
 * float. */
static bool parse_integer(struct str text, struct yaml_scalar *scalar)
{
    bool negative = text.len > 0 && *text.ptr == '-', sign = negative || (text.len > 0 && *text.ptr == '+');
    uint64_t natural, least = (uint64_t)INT64_MAX + 1;
    if (!parse_natural(sign ? str_slice(text, 1, text.len) : text, &natural))
        return false;
    scalar->kind = SCALAR_INTEGER;
    if (natural <= INT64_MAX) {
        scalar->integer = negative ? -(int64_t)natural : (int64_t)natural;
        return true;
    }
    if (negative && natural == least) {
        scalar->integer = INT64_MIN;
        return true;
    }
    scalar->kind = SCALAR_NATURAL;
    scalar->natural = natural;
    return !sign;
}

/* go-yaml reads what follows "0b" as a number of its own, so 0b-1 is -1. */
static bool parse_signed_binary(struct str text, struct yaml_scalar *scalar)
{
    if (text.len < 4 || text.ptr[0] != '0' || text.ptr[1] != 'b' || (text.ptr[2] != '-' && text.ptr[2] != '+'))
        return false;
    uint64_t natural;
    if (!parse_digits(str_slice(text, 3, text.len), 2, &natural) || natural > INT64_MAX)
        return false;
    scalar->kind = SCALAR_INTEGER;
    scalar->integer = text.ptr[2] == '-' ? -(int64_t)natural : (int64_t)natural;
    return true;
}

/* ---- floating point ------------------------------------------------------- */

static size_t skip_digits(struct str text, size_t at)
{
    while (at < text.len && text.ptr[at] >= '0' && text.ptr[at] <= '9')
        at++;
    return at;
}

/* `text` is NUL-terminated. What is out of range stays a string, as in Go. */
static bool parse_float(struct str text, struct yaml_scalar *scalar)
{
    /* ^[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?$ */
    size_t at = text.len > 0 && (*text.ptr == '-' || *text.ptr == '+'), from = at;
    at = skip_digits(text, at);
    size_t digits = at - from;
    if (at < text.len && text.ptr[at] == '.') {
        from = ++at;
        at = skip_digits(text, at);
        if (digits == 0 && at == from)
            return false;
    } else if (digits == 0) {
        return false;
    }
    if (at < text.len && (text.ptr[at] | 0x20) == 'e') {
        at++;
        at += at < text.len && (text.ptr[at] == '-' || text.ptr[at] == '+');
        from = at;
        at = skip_digits(text, at);
        if (at == from)
            return false;
    }
    if (at != text.len)
        return false;
    scalar->kind = SCALAR_FLOAT;
    scalar->real = strtod(text.ptr, NULL);
    return isfinite(scalar->real);
}

/* strconv.ParseFloat takes underscores between digits only; elsewhere go-yaml drops them all first. */
static bool underscores_separate_digits(struct str text)
{
    for (size_t i = 0; i < text.len; i++)
        if (text.ptr[i] == '_' &&
            (i == 0 || i + 1 == text.len || digit_of(text.ptr[i - 1]) > 9 || digit_of(text.ptr[i + 1]) > 9))
            return false;
    return true;
}

/* The order is resolve.go's: integer, float, signed binary. */
static bool resolve_number(struct arena *arena, struct str text, struct yaml_scalar *scalar)
{
    if (*text.ptr == '.' && !underscores_separate_digits(text))
        return false;
    char *plain = arena_alloc(arena, text.len + 1);
    size_t length = 0;
    if (!plain)
        return false;
    for (size_t i = 0; i < text.len; i++)
        if (text.ptr[i] != '_')
            plain[length++] = text.ptr[i];
    struct str digits = {plain, length};
    return parse_integer(digits, scalar) || parse_float(digits, scalar) || parse_signed_binary(digits, scalar);
}

/* ---- timestamps ----------------------------------------------------------- */

/* One or `most` digits up to `limit`, then the separator (0: none). */
static bool scalar_part(struct str *text, size_t most, uint64_t limit, char separator)
{
    size_t digits = skip_digits(*text, 0);
    uint64_t value;
    if (digits == 0 || digits > most || !parse_digits(str_slice(*text, 0, digits), 10, &value) || value > limit)
        return false;
    if (separator && (digits == text->len || text->ptr[digits] != separator))
        return false;
    *text = str_slice(*text, digits + (separator != 0), text->len);
    return true;
}

static bool scalar_zone(struct str text)
{
    if (str_is(text, "Z"))
        return true;
    if (text.len != 6 || (*text.ptr != '+' && *text.ptr != '-'))
        return false;
    text = str_slice(text, 1, text.len);
    return scalar_part(&text, 2, 24, ':') && scalar_part(&text, 2, 60, 0);
}

/* Whether go-yaml's parseTimestamp takes it: a date, or a date with a time and a
 * zone, or with a space, a time and no zone. Such texts stay strings, but are
 * written in quotes. */
static bool is_timestamp(struct str text)
{
    if (skip_digits(text, 0) != 4 || !scalar_part(&text, 4, 9999, '-') || !scalar_part(&text, 2, 12, '-') ||
        !scalar_part(&text, 2, 31, 0))
        return false;
    if (text.len == 0)
        return true;
    char separator = *text.ptr;
    text = str_slice(text, 1, text.len);
    if (!strchr("Tt ", separator) || !scalar_part(&text, 2, 23, ':') || !scalar_part(&text, 2, 59, ':') ||
        !scalar_part(&text, 2, 59, 0))
        return false;
    if (text.len > 1 && (*text.ptr == '.' || *text.ptr == ',')) {
        size_t digits = skip_digits(text, 1);
        if (digits == 1)
            return false;
        text = str_slice(text, digits, text.len);
    }
    return separator == ' ' ? text.len == 0 : scalar_zone(text);
}

/* ---- all of it ------------------------------------------------------------ */

/* Most scalars are words and leave at the first byte: only a sign, a point or a digit can begin
 * a number. */
bool yaml_resolve(struct arena *arena, struct str text, struct yaml_scalar *scalar)
{
    *scalar = (struct yaml_scalar){.kind = SCALAR_STRING, .text = text};
    if (resolve_word(text, scalar))
        return true;
    if (!strchr("+-.0123456789", *text.ptr))
        return true;
    if (is_timestamp(text)) {
        scalar->kind = SCALAR_TIMESTAMP;
        return true;
    }
    struct yaml_scalar number = {0};
    if (resolve_number(arena, text, &number))
        *scalar = number;
    return !arena_failed(arena);
}

enum { TAG_FLOAT = 3 };

/* The words an error uses for a tag's type, and which kinds fit it. */
static const struct {
    const char *tag, *what;
    unsigned fits; /* bits of scalar_kind */
} tags[] = {
    {TAG "null", "null", 1u << SCALAR_NULL},
    {TAG "bool", "true or false", 1u << SCALAR_BOOL},
    {TAG "int", "an integer", 1u << SCALAR_INTEGER | 1u << SCALAR_NATURAL},
    [TAG_FLOAT] = {TAG "float", "a number", 1u << SCALAR_FLOAT | 1u << SCALAR_INTEGER},
    {TAG "timestamp", "a timestamp", 1u << SCALAR_TIMESTAMP},
};

static bool resolve_tagged(struct arena *arena, const struct yaml_node *node, struct yaml_scalar *scalar,
                           struct error *error)
{
    for (size_t i = 0; i < LENGTH_OF(tags); i++) {
        if (!str_is(node->tag, tags[i].tag))
            continue;
        if (!yaml_resolve(arena, node->value, scalar))
            return error_at(error, 500, node->line, "not enough memory for this document");
        if (!(tags[i].fits >> scalar->kind & 1))
            return error_at(error, 400, node->line, "%.*s is tagged as %s but is not one: change the value or the tag",
                            STR_ARG(arena_quote(arena, node->value)), tags[i].what);
        if (i == TAG_FLOAT && scalar->kind == SCALAR_INTEGER)
            *scalar = (struct yaml_scalar){.kind = SCALAR_FLOAT, .real = (double)scalar->integer};
        return true;
    }
    if (str_is(node->tag, TAG "binary"))
        return yaml_binary(arena, node->value, &scalar->text) ||
               error_at(error, 400, node->line, "this !!binary value is not base64");
    return true; /* !!str, and tags that no program here knows: a string */
}

bool yaml_resolve_node(struct arena *arena, const struct yaml_node *node, struct yaml_scalar *scalar,
                       struct error *error)
{
    *scalar = (struct yaml_scalar){.kind = SCALAR_STRING, .text = node->value};
    if (node->tag.ptr)
        return resolve_tagged(arena, node, scalar, error);
    return !node->implicit || yaml_resolve(arena, node->value, scalar) ||
           error_at(error, 500, node->line, "not enough memory for this document");
}

bool yaml_scalar_finite(const struct yaml_scalar *scalar)
{
    return isfinite(scalar->real);
}
