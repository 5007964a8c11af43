/* !!binary: base64. JSON has no bytes, so what is not UTF-8 becomes U+FFFD, as
 * encoding/json does it. */
#include "json/yaml.h"

bool yaml_binary(struct arena *arena, struct str text, struct str *bytes)
{
    struct str decoded = base64_decode(arena, text);
    *bytes = decoded.ptr ? utf8_clean(arena, decoded) : decoded;
    return bytes->ptr;
}
