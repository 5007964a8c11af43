/* What the files of the probe command share. */
#ifndef BACKSTOP_COMMANDS_PROBE_PROBE_H
#define BACKSTOP_COMMANDS_PROBE_PROBE_H

#include "backstop/cli.h"

/* Where to ask, and how to know that it is the right one. */
struct probe_target {
    struct str host, port;  /* to connect to */
    struct str server_name; /* in SNI, and in the certificate */
    struct str path;
    struct str ca;   /* PEM; absent: the system's */
    int64_t timeout; /* seconds, for everything */
};
struct probe_answer {
    long status; /* of HTTP */
    struct str body;
    int64_t took_us;
    int64_t expires; /* of the certificate; 0 when it could not be read */
};
/* One POST over TLS, verified. The message of a failure says what to look at. */
bool probe_post(struct arena *arena, const struct probe_target *target, struct str body, struct probe_answer *answer,
                struct error *error) MUST_CHECK;

#endif
