/* Warnings about a schedule, collected one by one. */
#ifndef BACKSTOP_CRON_ADVICE_PITFALLS_H
#define BACKSTOP_CRON_ADVICE_PITFALLS_H

#include "cron/spec.h"

struct pitfalls {
    struct str spec;
    struct spec_parts parts;
    const struct cron_schedule *schedule;
    int64_t now;
    struct arena *arena;
    struct strlist *warnings;
};

void pitfall(const struct pitfalls *pitfalls, const char *format, ...) PRINTF_LIKE(2, 3); /* each text once */
struct str pitfall_quote(const struct pitfalls *pitfalls, struct str text);

void pitfalls_of_fields(const struct pitfalls *pitfalls); /* what is written and not meant */

#endif
