/* What the files of `backstop certs` share. */
#ifndef BACKSTOP_COMMANDS_CERTS_CERTS_H
#define BACKSTOP_COMMANDS_CERTS_CERTS_H

#include "backstop/cli.h"

struct certs_options {
    const char *ca, *cert, *key, *service, *output, *secret, *configurations;
    struct option_list names, addresses;
    int64_t lifetime, at; /* at: -1 = now */
    bool keep_ca_key, force;
    int64_t wait, ca_lifetime; /* ca_lifetime: 0 = CERTS_CA_FACTOR times lifetime */
    struct connection connection;
};
enum { CERTS_PEM_LIMIT = 1024 * 1024, CERTS_CA_FACTOR = 10 };

/* ---- certs_issue.c ---- */
int certs_issue(const struct command *command, const struct certs_options *options, const char *folder);

/* ---- renew.c ---- */
int certs_renew(const struct command *command, const struct certs_options *options);

#endif
