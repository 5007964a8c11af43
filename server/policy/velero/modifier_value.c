/* A patch's value: Velero puts it into JSON text unquoted where Go's strconv would parse it as a number, bool or JSON
 * (internal/resourcemodifiers/json_patch.go), so "1.0" in YAML may become a number. */
#include "policy/velero/modifier.h"

#include <math.h>
#include <stdlib.h>

static char value_char_at(struct str text, size_t i)
{
    return i < text.len ? text.ptr[i] : '\0';
}

/* Digits and at most one point, from i on; how many digits. */
static size_t skip_mantissa(struct str text, size_t *i, bool hex)
{
    size_t digits = 0;
    bool point = false;
    for (;; ++*i) {
        char c = value_char_at(text, *i);
        if (hex ? char_is_hex(c) : char_is_digit(c))
            digits++;
        else if (c == '.' && !point)
            point = true;
        else
            return digits;
    }
}

static bool is_exponent(struct str text, size_t i)
{
    i += value_char_at(text, i) == '+' || value_char_at(text, i) == '-';
    size_t from = i;
    while (char_is_digit(value_char_at(text, i)))
        i++;
    return i > from && i == text.len;
}

/* Underscores may stand between digits (strconv underscoreOK); the text without them,
 * or as it is when one stands elsewhere. */
static struct str without_underscores(struct arena *arena, struct str text)
{
    struct str plain = STR(""), part, rest = text;
    bool hex = value_char_at(text, 0) == '0' && (value_char_at(text, 1) | 0x20) == 'x';
    for (size_t i = 0; i < text.len; i++) {
        char before = i > 0 ? text.ptr[i - 1] : '\0', after = value_char_at(text, i + 1);
        bool between =
            hex ? (char_is_hex(before) || i == 2) && char_is_hex(after) : char_is_digit(before) && char_is_digit(after);
        if (text.ptr[i] == '_' && !between)
            return text;
    }
    if (!str_contains(text, STR("_")))
        return text;
    while (str_cut(&rest, '_', &part))
        plain = arena_printf(arena, "%.*s%.*s", STR_ARG(plain), STR_ARG(part));
    return plain;
}

static bool is_special_float(struct str body, bool sign)
{
    return str_eq_nocase(body, STR("inf")) || str_eq_nocase(body, STR("infinity")) ||
           (!sign && str_eq_nocase(body, STR("nan")));
}

/* strconv.ParseFloat(text, 64) without an error: the syntax, and within range. */
static bool go_parses_as_float(struct arena *arena, struct str text)
{
    struct str body = text;
    bool sign = value_char_at(text, 0) == '+' || value_char_at(text, 0) == '-';
    if (sign)
        body = str_slice(text, 1, text.len);
    body = without_underscores(arena, body);
    if (is_special_float(body, sign))
        return true;
    bool hex = value_char_at(body, 0) == '0' && (value_char_at(body, 1) | 0x20) == 'x';
    size_t i = hex ? 2 : 0;
    if (skip_mantissa(body, &i, hex) == 0)
        return false;
    bool has_exponent = (value_char_at(body, i) | 0x20) == (hex ? 'p' : 'e');
    if (has_exponent ? !is_exponent(body, i + 1) : (hex || i < body.len))
        return false;
    struct str copy = arena_copy(arena, body); /* terminated, for strtod */
    return copy.ptr && (hex || isfinite(strtod(copy.ptr, NULL)));
}

struct str modifier_value_json(struct arena *arena, struct str value)
{
    bool quote = false;
    if (value.len == 0)
        return STR("\"\"");
    if (value.ptr[0] == '"' && value.ptr[value.len - 1] == '"') {
        value = str_slice(value, 1, value.len > 1 ? value.len - 1 : 1);
        quote = true;
    } else if (!str_is(value, "null") && !str_eq_nocase(value, STR("true")) && !str_eq_nocase(value, STR("false")) &&
               value.ptr[0] != '{' && value.ptr[0] != '[') {
        quote = !go_parses_as_float(arena, value);
    }
    return quote ? arena_printf(arena, "\"%.*s\"", STR_ARG(value)) : value;
}

/* Velero pastes the value into a JSON document without escaping anything. */
struct str modifier_value_problem(struct arena *arena, struct str value, struct json_object **tree)
{
    struct error error = {0};
    struct str json = modifier_value_json(arena, value), shown = arena_quote(arena, value);
    struct json_object *built = json_build(arena, json, &error);
    if (tree)
        *tree = built;
    if (built || str_is(json, "null"))
        return (struct str){NULL, 0};
    if (value.len && (value.ptr[0] == '{' || value.ptr[0] == '['))
        return arena_printf(arena, "%.*s is not JSON, but Velero reads text that begins with { or [ as JSON",
                            STR_ARG(shown));
    if (str_eq_nocase(value, STR("true")) || str_eq_nocase(value, STR("false")))
        return arena_printf(arena, "%.*s: write true or false in lower case", STR_ARG(shown));
    if (go_parses_as_float(arena, value))
        return arena_printf(arena,
                            "Velero reads %.*s as a number, but it is not one in JSON; for a string write '\"%.*s\"'",
                            STR_ARG(shown), STR_ARG(value));
    return arena_printf(arena,
                        "%.*s is not valid JSON, because Velero does not escape quotes, backslashes and line breaks; "
                        "write \\\" for a quote",
                        STR_ARG(shown));
}
