/* The telemetry room's own header. */
#ifndef BACKSTOP_TELEMETRY_TELEMETRY_H
#define BACKSTOP_TELEMETRY_TELEMETRY_H

#include "backstop/telemetry.h"

/* ---- log.c: where lines go ---- */

/* Writes one line to standard error, or counts it as lost. Never waits longer than
 * a moment for whoever reads it, however long that stands still. */
void log_out(const char *line, size_t length);

#endif
