/* What the advice on a refused schedule is made from. */
#ifndef BACKSTOP_CRON_ADVICE_ADVICE_H
#define BACKSTOP_CRON_ADVICE_ADVICE_H

#include "cron/spec.h"

struct advice {
    enum cron_dialect dialect;
    struct arena *arena;
    struct str spec;
    const struct fault *fault;
    struct str value, range; /* the fault's, quoted for people */
};

struct str advise_on_field(const struct advice *advice);
struct str advise_on_field_count(const struct advice *advice);
struct str advise_on_duration(const struct advice *advice);
struct str advise_on_descriptor(const struct advice *advice);

struct str advice_quote(struct arena *arena, struct str text);
struct str advice_lower(struct arena *arena, struct str text); /* ASCII */
bool advice_is_descriptor(struct str text);                    /* one that comes due by itself */
/* A duration that Go reads for one that people write, "24h" for "1 day"; empty where it is none. */
struct str advice_duration(struct arena *arena, struct str text);
size_t advice_digits(struct str text); /* how many the text starts with */

#endif
