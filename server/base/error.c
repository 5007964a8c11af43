#include <stdio.h>
#include <string.h>

#include "backstop/base.h"

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

bool error_at(struct error *error, int code, int64_t position, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    error_fill(error, code, position, format, args);
    va_end(args);
    return false;
}

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
