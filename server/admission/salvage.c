#include <string.h>

#include "admission/answer.h"

/* The API server writes apiVersion and request.uid first, so the first bytes of a
 * broken or cut body are enough to answer it as a review. Nothing here is strict:
 * strings and brackets are followed just well enough not to take the uid of
 * userInfo or of the object for the review's. */
enum { SALVAGE_BYTES = 64 * 1024 };

static bool is_space(char c)
{
    return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

/* The inside of the string that begins at text.ptr[*at], *at moved behind it. Absent when it does not end. */
static struct str take_string(struct str text, size_t *at)
{
    size_t start = *at + 1;
    for (size_t i = start; i < text.len; i++) {
        if (text.ptr[i] == '\\') {
            i++;
        } else if (text.ptr[i] == '"') {
            *at = i + 1;
            return (struct str){text.ptr + start, i - start};
        }
    }
    *at = text.len;
    return (struct str){NULL, 0};
}

static void skip_space(struct str text, size_t *at)
{
    while (*at < text.len && is_space(text.ptr[*at]))
        (*at)++;
}

/* The string value that follows a key, when it can stand in an answer as it is. */
static struct str take_value(struct str text, size_t *at)
{
    skip_space(text, at);
    if (*at >= text.len || text.ptr[*at] != '"')
        return (struct str){NULL, 0};
    struct str value = take_string(text, at);
    bool plain = value.ptr && value.len > 0 && value.len <= UID_LIMIT && str_utf8_valid(value);
    for (size_t i = 0; plain && i < value.len; i++)
        plain = (unsigned char)value.ptr[i] >= ' ' && value.ptr[i] != '\\';
    return plain ? value : (struct str){NULL, 0};
}

struct salvage salvage_review(struct str body)
{
    struct salvage found = {0};
    struct str text = str_slice(body, 0, SALVAGE_BYTES), member = {NULL, 0};
    size_t at = 0, depth = 0;
    while (at < text.len && !found.uid.ptr) {
        char c = text.ptr[at];
        if (c != '"') {
            depth += c == '{' || c == '[';
            if (c == '}' || c == ']')
                depth -= depth > 0;
            at++;
            continue;
        }
        struct str key = take_string(text, &at);
        skip_space(text, &at);
        if (at >= text.len || text.ptr[at] != ':')
            continue;
        at++;
        if (depth == 1)
            member = key;
        if (depth == 1 && str_is(key, "apiVersion"))
            found.api_version = take_value(text, &at);
        else if (depth == 2 && str_is(member, "request") && str_is(key, "uid"))
            found.uid = take_value(text, &at);
    }
    return found;
}

struct str admission_salvage_uid(struct arena *arena, struct str body)
{
    struct salvage found = salvage_review(body);
    return found.uid.ptr ? arena_copy(arena, found.uid) : found.uid;
}
