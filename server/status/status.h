/* What the files of the status room share. */
#ifndef BACKSTOP_STATUS_ROOM_H
#define BACKSTOP_STATUS_ROOM_H

#include "backstop/status.h"

void status_find(struct status_view *view); /* findings.c: opinions of a view that is filled otherwise */

#endif
