#ifndef BACKSTOP_COMMANDS_SETTINGS_ZONE_H
#define BACKSTOP_COMMANDS_SETTINGS_ZONE_H

#include "backstop/settings.h"

/* Whether schedules.controllerTimeZone is a zone of this machine. The settings' own reader knows no zones, and
 * one that is not there would silently be taken for UTC. */
bool settings_zone_known(const struct settings *settings, struct error *error) MUST_CHECK;

#endif
