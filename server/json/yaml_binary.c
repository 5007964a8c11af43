/* !!binary: base64. JSON has no bytes, so what is not UTF-8 becomes U+FFFD, as
 * encoding/json does it. */
#include "json/yaml.h"

#include <string.h>

static int sextet(char c)
{
    static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const char *found = c ? strchr(alphabet, c) : NULL;
    return found ? (int)(found - alphabet) : -1;
}

/* The text without line breaks and padding; false when the padding is wrong. */
static bool strip(struct str text, char *out, size_t *length)
{
    size_t used = 0, padding = 0;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        if (c == '\n' || c == '\r')
            continue;
        if (c == '=')
            padding++;
        else if (padding > 0)
            return false;
        else
            out[used++] = c;
    }
    *length = used;
    return padding <= 2 && (used + padding) % 4 == 0;
}

bool yaml_binary(struct arena *arena, struct str text, struct str *bytes)
{
    char *out = arena_alloc(arena, text.len + 1);
    size_t length, used = 0;
    if (!out || !strip(text, out, &length))
        return false;
    uint32_t bits = 0;
    unsigned held = 0;
    for (size_t i = 0; i < length; i++) {
        int value = sextet(out[i]);
        if (value < 0)
            return false;
        bits = (bits << 6 | (uint32_t)value) & 0xffff;
        held += 6;
        if (held >= 8) {
            held -= 8;
            out[used++] = (char)(unsigned char)(bits >> held);
        }
    }
    *bytes = utf8_clean(arena, (struct str){out, used});
    return bytes->ptr;
}
