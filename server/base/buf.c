/* Text that grows, up to a maximum that every buffer names when it is made; and errors, whose message is one of fixed
 * size, so that a failure for want of memory can still be reported. */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backstop/base.h"

enum { BUF_FIRST_SIZE = 1000, FORMATTED_ONCE = 512 };

void buf_init(struct buf *buf, size_t limit)
{
    *buf = (struct buf){.limit = limit};
}

void buf_dispose(struct buf *buf)
{
    free(buf->data);
    buf_init(buf, buf->limit);
}

/* The only way to use a failed buffer again; buf_dispose does it too, and gives up its memory. */
void buf_clear(struct buf *buf)
{
    buf->len = 0;
    buf->failed = false;
    if (buf->data)
        buf->data[0] = '\0';
}

/* Makes room for `more` bytes and the closing NUL. */
static bool buf_reserve(struct buf *buf, size_t more)
{
    if (buf->failed || more > buf->limit || buf->len > buf->limit - more) {
        buf->failed = true;
        return false;
    }
    size_t needed = buf->len + more + 1;
    if (needed <= buf->cap)
        return true;
    size_t cap = buf->cap ? buf->cap : BUF_FIRST_SIZE;
    while (cap < needed)
        cap *= 2;
    char *data = realloc(buf->data, cap);
    if (!data) {
        buf->failed = true;
        return false;
    }
    buf->data = data;
    buf->cap = cap;
    return true;
}

void buf_add(struct buf *buf, struct str text)
{
    if (!buf_reserve(buf, text.len))
        return;
    if (text.len)
        memcpy(buf->data + buf->len, text.ptr, text.len);
    buf->len += text.len;
    buf->data[buf->len] = '\0';
}

/* False, with nothing written, when the text and its closing NUL do not fit. */
static bool format_put(char *room, size_t size, size_t *len, struct str text)
{
    if (text.len >= size - *len)
        return false;
    memcpy(room + *len, text.ptr, text.len);
    *len += text.len;
    room[*len] = '\0';
    return true;
}

/* Whether it has nothing but "%s" and "%.*s", and fits. Nearly all messages consist of such
 * texts only, and the C library's printf spends most of its time on locales and wide characters
 * that this project never uses. The caller formats again with vsnprintf on false, so a
 * half-written `room` does no harm. */
static bool format_texts(char *room, size_t size, size_t *len, const char *format, va_list args)
{
    const char *percent = strchrnul(format, '%');
    while (format_put(room, size, len, (struct str){format, (size_t)(percent - format)})) {
        bool sized = strncmp(percent, "%.*s", 4) == 0;
        if (!*percent)
            return true;
        if (!sized && percent[1] != 's')
            return false;
        int most = sized ? va_arg(args, int) : INT_MAX;
        const char *text = va_arg(args, const char *);
        if (!text || most < 0 || !format_put(room, size, len, (struct str){text, strnlen(text, (size_t)most)}))
            return false;
        format = percent + (sized ? 4 : 2);
        percent = strchrnul(format, '%');
    }
    return false;
}

int text_vformat(char *room, size_t size, const char *format, va_list args)
{
    size_t len = 0;
    va_list again;
    va_copy(again, args);
    int length = format_texts(room, size, &len, format, args) ? (int)len : vsnprintf(room, size, format, again);
    va_end(again);
    return length;
}

/* One pass on the stack for nearly every text; `again` is for the long ones, since a va_list may
 * be walked only once. */
void buf_vprintf(struct buf *buf, const char *format, va_list args)
{
    char most[FORMATTED_ONCE];
    va_list again;
    va_copy(again, args);
    int length = text_vformat(most, sizeof most, format, args);
    if (length < 0) {
        buf->failed = true;
    } else if ((size_t)length < sizeof most) {
        buf_add(buf, (struct str){most, (size_t)length});
    } else if (buf_reserve(buf, (size_t)length)) {
        vsnprintf(buf->data + buf->len, (size_t)length + 1, format, again);
        buf->len += (size_t)length;
    }
    va_end(again);
}

void buf_printf(struct buf *buf, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    buf_vprintf(buf, format, args);
    va_end(args);
}

struct str buf_str(const struct buf *buf)
{
    return (struct str){buf->data ? buf->data : "", buf->len};
}

/* A new error forgets the field of the one before: functions reuse the caller's struct, and a
 * stale field would be put before an unrelated message. */
static void error_fill(struct error *error, int code, int64_t position, const char *format, va_list args)
    PRINTF_LIKE(4, 0);

static void error_fill(struct error *error, int code, int64_t position, const char *format, va_list args)
{
    error->code = code;
    error->position = position;
    error->field[0] = '\0';
    vsnprintf(error->message, sizeof error->message, format, args);
}

bool error_set(struct error *error, int code, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    error_fill(error, code, -1, format, args);
    va_end(args);
    return false;
}

void *error_null(struct error *error, int code, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    error_fill(error, code, -1, format, args);
    va_end(args);
    return NULL;
}

bool error_at(struct error *error, int code, int64_t position, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    error_fill(error, code, position, format, args);
    va_end(args);
    return false;
}

/* The context goes first, as Go's fmt.Errorf("...: %w") has it. Of a text that gets too long the
 * end of the inner message is lost, never the context: that names what was being done. */
bool error_wrap(struct error *error, const char *format, ...)
{
    char inner[sizeof error->message];
    memcpy(inner, error->message, sizeof inner);
    va_list args;
    va_start(args, format);
    int used = vsnprintf(error->message, sizeof error->message - 2, format, args);
    va_end(args);
    size_t at = used < 0 ? 0 : (size_t)used;
    if (at > sizeof error->message - 3)
        at = sizeof error->message - 3;
    memcpy(error->message + at, ": ", 3);
    size_t room = sizeof error->message - at - 3, length = strnlen(inner, sizeof inner);
    length = length < room ? length : room;
    memcpy(error->message + at + 2, inner, length);
    error->message[at + 2 + length] = '\0';
    return false;
}
