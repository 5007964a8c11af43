/* A file that passes through a window holding one piece of it, or a text in memory seen the same way. */
#ifndef BACKSTOP_INVENTORY_WINDOW_H
#define BACKSTOP_INVENTORY_WINDOW_H

#include "inventory/files/files.h"

struct window {
    int fd; /* -1: all is in memory, and not the window's */
    const char *data;
    char *memory;           /* of the data of a file */
    size_t start, len, cap; /* the unread bytes: data[start..len) */
    size_t total;
    bool eof, failed;
};
void window_dispose(struct window *window);
/* Reads more behind what is there, making room in front first. */
void window_fill(struct window *window);
/* The first `len` unread bytes; valid until more is read. */
struct str window_text(const struct window *window, size_t len);
/* Whether the byte `at` bytes after the window's start exists; reads on to it. */
bool window_reach(struct window *window, size_t at);
static inline bool window_has(struct window *window, size_t at)
{
    return at < window->len - window->start || window_reach(window, at);
}

/* The items of what kubectl get -o json prints, one by one. False when the text is
 * something else, or an item is wrong: then it is to be read whole, which also
 * words the error. Facts found until then are dropped by the caller. */
bool load_json_list(struct load *load, struct window *window) MUST_CHECK;

#endif
