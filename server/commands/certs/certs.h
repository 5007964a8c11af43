/* What the files of `backstop certs` share. */
#ifndef BACKSTOP_COMMANDS_CERTS_CERTS_H
#define BACKSTOP_COMMANDS_CERTS_CERTS_H

#include "backstop/cli.h"

struct certs_options {
    const char *ca, *cert, *key, *service, *output;
    struct option_list names, addresses;
    int64_t lifetime, at; /* at: -1 = now */
    bool keep_ca_key, force;
};
enum { CERTS_PEM_LIMIT = 1024 * 1024 };

/* ---- certs_issue.c ---- */
int certs_issue(const struct command *command, const struct certs_options *options, const char *folder);

#endif
