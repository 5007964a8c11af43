/* The terminal's face of status. */
#ifndef BACKSTOP_COMMANDS_STATUS_TEXT_H
#define BACKSTOP_COMMANDS_STATUS_TEXT_H

#include "backstop/cli.h"
#include "backstop/status.h"

void status_text(const struct status_view *view, const struct page *page);

void status_print_verdicts(const struct status_view *view, const struct page *page); /* and the findings below them */
void status_timeline(const struct status_view *view, const struct page *page);       /* nothing without sources */
void status_progress(const struct status_view *view, const struct page *page);       /* nothing when nothing runs */

#endif
