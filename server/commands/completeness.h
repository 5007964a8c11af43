/* What a restore would miss, read by a command with the rights of whoever runs it. */
#ifndef BACKSTOP_COMMANDS_COMPLETENESS_H
#define BACKSTOP_COMMANDS_COMPLETENESS_H

#include "backstop/status.h"
#include "commands/facts_open.h"

/* Reads what status_complete needs, of the files or the cluster that `facts` are of: of Secrets and ConfigMaps only the
 * metadata, and of each kind a bounded number. What cannot be read is unknown, with the reason. Everything lives in the
 * arena. False when out of memory. */
bool completeness_read(struct arena *arena, const struct facts_options *options, const struct facts *facts,
                       const struct settings *settings, struct status_completeness *found) MUST_CHECK;

#endif
