#include <stdio.h>
#include <string.h>

#include "backstop/base.h"

static void fill(struct error *error, int code, int64_t position, const char *format, va_list args) PRINTF_LIKE(4, 0);

static void fill(struct error *error, int code, int64_t position, const char *format, va_list args)
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
    fill(error, code, -1, format, args);
    va_end(args);
    return false;
}

bool error_at(struct error *error, int code, int64_t position, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fill(error, code, position, format, args);
    va_end(args);
    return false;
}

bool error_wrap(struct error *error, const char *format, ...)
{
    char inner[sizeof error->message];
    memcpy(inner, error->message, sizeof inner);
    va_list args;
    va_start(args, format);
    int used = vsnprintf(error->message, sizeof error->message, format, args);
    va_end(args);
    if (used >= 0 && (size_t)used < sizeof error->message)
        snprintf(error->message + used, sizeof error->message - (size_t)used, ": %s", inner);
    return false;
}
