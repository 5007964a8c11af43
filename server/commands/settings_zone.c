#include "commands/settings_zone.h"

#include "backstop/cron.h"

bool settings_zone_known(const struct settings *settings, struct error *error)
{
    enum { SHOWN = 200 };
    struct error ignored;
    if (cron_zone_find(settings->schedules_controller_zone, &ignored))
        return true;
    ARENA_SCOPED arena = arena_new(8 * SHOWN);
    struct str zone = arena ? arena_quote(arena, str_slice(settings->schedules_controller_zone, 0, SHOWN)) : STR("it");
    return error_set(error, 422,
                     "schedules.controllerTimeZone: there is no time zone %.*s here; write a name as in "
                     "/usr/share/zoneinfo, such as Europe/Berlin",
                     STR_ARG(zone));
}
