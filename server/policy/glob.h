/* Glob patterns as gobwas/glob v0.2.3, which Velero uses, takes them. */
#ifndef BACKSTOP_POLICY_GLOB_H
#define BACKSTOP_POLICY_GLOB_H

#include "backstop/base.h"

/* Why the pattern does not compile, or compiles but can never match (an unclosed
 * brace); NULL when it is fine. */
const char *glob_problem(struct str pattern);
bool glob_has_wildcard(struct str pattern);
/* `*` stops at the separator, `**` does not; separator 0: there is none. Texts over
 * 512 bytes, patterns over 253 and those with over 64 alternatives match nothing. */
bool glob_match(struct arena *arena, struct str pattern, struct str text, char separator);

#endif
