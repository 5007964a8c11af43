#include "cron/zone/zone.h"

static void span_of(const struct cron_zone *zone, size_t type, int64_t start, int64_t end, struct zone_span *span)
{
    *span = (struct zone_span){start, end, start, end, zone->types[type]};
}

/* The type before the first transition (Go: lookupFirstZone): the first one,
 * unless a transition uses it; then the nearest standard time. */
static size_t first_type(const struct cron_zone *zone)
{
    bool used = false;
    for (size_t i = 0; i < zone->transition_count && !used; i++)
        used = zone->transitions[i].type == 0;
    if (!used)
        return 0;
    size_t first = zone->transitions[0].type;
    if (zone->types[first].dst)
        for (size_t i = first; i-- > 0;)
            if (!zone->types[i].dst)
                return i;
    for (size_t i = 0; i < zone->type_count; i++)
        if (!zone->types[i].dst)
            return i;
    return 0;
}

void zone_lookup(const struct cron_zone *zone, int64_t second, struct zone_span *span)
{
    if (zone->type_count == 0) {
        *span = (struct zone_span){INT64_MIN, INT64_MAX, INT64_MIN, INT64_MAX, {0, false, STR("UTC")}};
        return;
    }
    const struct zone_transition *transitions = zone->transitions; /* never empty: zone_decode sees to it */
    if (second < transitions[0].when) {
        span_of(zone, first_type(zone), INT64_MIN, transitions[0].when, span);
        return;
    }
    size_t low = 0, high = zone->transition_count;
    int64_t end = INT64_MAX;
    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;
        if (second < transitions[middle].when) {
            end = transitions[middle].when;
            high = middle;
        } else {
            low = middle;
        }
    }
    if (low == zone->transition_count - 1 && zone->rule.present)
        zone_rule_lookup(&zone->rule, transitions[low].when, second, span);
    else
        span_of(zone, transitions[low].type, transitions[low].when, end, span);
}

int cron_zone_offset(const struct cron_zone *zone, int64_t unix_seconds)
{
    struct zone_span span;
    zone_lookup(zone, unix_seconds, &span);
    return span.type.offset;
}
