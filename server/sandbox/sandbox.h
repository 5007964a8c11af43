/* The two fences. Each says in `why`, a word or two, what stood against it. */
#ifndef BACKSTOP_SANDBOX_SANDBOX_H
#define BACKSTOP_SANDBOX_SANDBOX_H

#include "backstop/sandbox.h"

/* Allows the system calls in seccomp.c's table. */
bool sandbox_seccomp(const char **why);
/* Allows reading and writing what the options name. */
bool sandbox_landlock(const struct sandbox_options *options, const char **why);

#endif
