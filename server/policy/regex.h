/* Regular expressions as Go's regexp (RE2, Perl flags) compiles them. Only checked,
 * never run. Mirrors go1.2x regexp/syntax/parse.go. */
#ifndef BACKSTOP_POLICY_REGEX_H
#define BACKSTOP_POLICY_REGEX_H

#include "backstop/base.h"

/* Why Go would refuse the expression, in a few words; NULL when it compiles. The
 * text must be valid UTF-8. */
const char *regex_problem(struct str text);

#endif
