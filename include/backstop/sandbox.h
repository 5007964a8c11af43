/* sandbox: what the process gives up before it listens. A hole in a parser should lead to
 * nothing: no other program, no file but those it was told to read, no kernel interface
 * that a web server has no use for. Knows nothing of what is served. */
#ifndef BACKSTOP_SANDBOX_H
#define BACKSTOP_SANDBOX_H

#include "backstop/base.h"

enum sandbox_mode {
    SANDBOX_AUTO,    /* as much as the kernel has */
    SANDBOX_REQUIRE, /* all of it, or fail */
    SANDBOX_OFF
};

struct sandbox_options {
    enum sandbox_mode mode;
    /* Files and folders that are read later on, also after they were replaced: of a file
     * its folder may be read. What is in none may not be opened (Landlock), except what the
     * C library, TLS and time zones need. NULL-terminated. */
    const char *const *readable;
    const char *writable; /* a file that is written, or NULL: the only one */
    bool runs_programs;   /* credential plugins: nothing can be known of what they need */
};

struct sandbox {
    bool no_new_privileges, seccomp, landlock;
    char words[160]; /* "seccomp yes, Landlock no (the kernel lacks it)" */
};
/* For all threads that are made from now on: call it before the first. Cannot be undone.
 * In SANDBOX_AUTO false only without memory. */
bool sandbox_enter(const struct sandbox_options *options, struct sandbox *sandbox, struct error *error) MUST_CHECK;

#endif
