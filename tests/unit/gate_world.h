/* A management cluster in a few lines of YAML, and an upgrade put before the gate. */
#ifndef BACKSTOP_TESTS_GATE_WORLD_H
#define BACKSTOP_TESTS_GATE_WORLD_H

#include "backstop/policy.h"
#include "suite.h"

enum { WORLD_NOW = 1795230000 }; /* 2026-11-21T03:00:00Z */

struct world {
    struct arena *arena;
    struct settings settings;
    struct buf yaml;
    bool unknown[FACT_COUNT];
    int64_t now;
    /* the next upgrade */
    const char *before, *target, *running, *annotations, *user, *providers;
    bool dry_run;
    struct arena *request_arena; /* NULL: the world's own */
    struct inventory *inventory; /* of the last judgement */
    struct decision decision;
};

void world_begin(struct world *world);
void world_end(struct world *world);
/* One more YAML document. */
void world_add(struct world *world, const char *format, ...) PRINTF_LIKE(2, 3);
/* A ManagementBackup with schedule and performOnManagementUpgrade. */
void world_source(struct world *world, const char *name);
/* A ManagementBackup taken for `release`, created so many seconds ago, and, when phase is
 * not NULL, its Velero Backup in that phase; "" makes one without a status. */
void world_taken(struct world *world, const char *name, const char *release, int64_t seconds_ago, const char *phase);
/* Puts the upgrade before policy_management. */
const struct decision *world_judge(struct world *world);
bool world_says(const struct world *world, const char *part);  /* in the denial */
bool world_warns(const struct world *world, const char *part); /* in any warning */
struct str world_audit(const struct world *world, const char *key);
/* The name in the n-th effect. */
struct str world_created(const struct world *world, size_t n);
const char *world_time(struct world *world, int64_t seconds_ago);

/* What every Backup of kcm has in its spec. */
#define BY_KCM                                                                                                         \
    "includedNamespaces: [\"*\"], excludedResources: [clusters.cluster.x-k8s.io], "                                    \
    "orLabelSelectors: [{matchLabels: {k0rdent.mirantis.com/component: kcm}}]"

#endif
