#include "policy/checks.h"

void judge_value(struct decision *decision, enum verdict verdict, const char *field, struct str value,
                 const char *format, ...)
{
    va_list args;
    va_start(args, format);
    struct str message = arena_vprintf(decision->arena, format, args);
    va_end(args);
    if (verdict == VERDICT_DENY)
        decision_invalid(decision, field, "%.*s: %.*s", STR_ARG(arena_quote(decision->arena, value)), STR_ARG(message));
    else if (verdict == VERDICT_WARN)
        decision_caution(decision, "%s: %.*s", field, STR_ARG(message));
}

static bool name_is_plain(struct str name)
{
    for (size_t i = 0; i < name.len; i++) {
        char c = name.ptr[i];
        bool alphanumeric = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (!alphanumeric && (i == 0 || (c != '-' && c != '.')))
            return false;
    }
    return name.len > 0;
}

struct str words_name(struct arena *arena, struct str name)
{
    return name_is_plain(name) ? name : arena_quote(arena, name);
}

struct str ago(struct arena *arena, int64_t now, int64_t when)
{
    char text[TIME_TEXT_SIZE];
    if (when == 0)
        return STR("at an unknown time");
    if (when > now)
        return arena_printf(arena, "at %s", time_format(when, 0, text));
    return arena_printf(arena, "%s ago", duration_format(now - when, text));
}
