/* What the status page's files share. */
#ifndef BACKSTOP_COMMANDS_SERVE_PAGE_H
#define BACKSTOP_COMMANDS_SERVE_PAGE_H

#include "backstop/status.h"
#include "commands/serve/serve.h"

/* The last decisions, in memory that does not grow. */
enum { DECISIONS = 200 };
struct kept_decision {
    int64_t at;
    const char *operation, *outcome; /* literals */
    bool dry_run;
    char user[96], kind[48], ns[64], name[128], why[384];
};
struct decisions {
    pthread_mutex_t lock;
    bool users;
    size_t count; /* ever kept */
    struct kept_decision kept[DECISIONS];
};

/* Copies of the kept ones, the newest first; NULL when out of memory. */
struct status_decision *decisions_list(struct decisions *decisions, struct arena *arena, size_t *count);

struct status_page {
    struct decisions decisions;
    pthread_mutex_t lock; /* guards body and made_ns */
    struct buf body;      /* the last page */
    int64_t made_ns;      /* 0: none yet */
    char policy[512];
    struct http_header headers[8]; /* the first is for those who want the page to reload itself */
};

#endif
