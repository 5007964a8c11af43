#include "inventory/window.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void window_dispose(struct window *window)
{
    if (window->fd < 0)
        return;
    close(window->fd);
    free(window->memory);
}

void window_fill(struct window *window)
{
    enum { BLOCK = 64 << 10 };
    if (window->fd < 0)
        return;
    if (window->start && window->data) {
        memmove(window->memory, window->memory + window->start, window->len - window->start);
        window->len -= window->start;
        window->start = 0;
    }
    if (window->cap - window->len < BLOCK) {
        size_t cap = window->cap + window->cap / 2 + BLOCK;
        char *memory = realloc(window->memory, cap);
        window->failed |= !memory;
        if (!memory)
            return;
        window->data = window->memory = memory;
        window->cap = cap;
    }
    ssize_t got;
    do {
        got = read(window->fd, window->memory + window->len, BLOCK);
    } while (got < 0 && errno == EINTR);
    window->failed |= got < 0;
    window->eof |= got == 0;
    window->len += got > 0 ? (size_t)got : 0;
    window->total += got > 0 ? (size_t)got : 0;
    window->failed |= window->total > LOAD_LIMIT;
}

struct str window_text(const struct window *window, size_t len)
{
    return (struct str){window->data ? window->data + window->start : "", len};
}

bool window_reach(struct window *window, size_t at)
{
    while (at >= window->len - window->start && !window->eof && !window->failed)
        window_fill(window);
    return at < window->len - window->start && !window->failed;
}
