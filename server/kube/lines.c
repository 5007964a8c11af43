#include <string.h>

#include "kube/kube.h"

bool kube_lines(struct buf *rest, struct str bytes, bool (*take)(void *context, struct str line), void *context)
{
    while (bytes.len) {
        const char *end = memchr(bytes.ptr, '\n', bytes.len);
        struct str piece = str_slice(bytes, 0, end ? (size_t)(end - bytes.ptr) : bytes.len);
        bytes = str_slice(bytes, piece.len + (end ? 1 : 0), bytes.len);
        buf_add(rest, piece);
        if (rest->failed)
            return false;
        if (!end)
            break;
        bool taken = rest->len == 0 || take(context, buf_str(rest));
        buf_clear(rest);
        if (!taken)
            return false;
    }
    return true;
}
