/* The golden cluster as facts, and Restores put before the policies. */
#ifndef BACKSTOP_TESTS_RESTORE_WORLD_H
#define BACKSTOP_TESTS_RESTORE_WORLD_H

#include "backstop/admission.h"
#include "suite.h"

struct restore_world {
    struct arena *arena;
    struct settings *settings;
    struct buf yaml;   /* more facts */
    const char *facts; /* file of the golden inventories, or NULL for none */
    bool unknown[FACT_COUNT];
    const char *annotations; /* JSON of the next Restore's */
    struct inventory *inventory;
    struct json_object *object;
    struct decision decision; /* of the last review */
};

void restore_world_begin(struct restore_world *world);
void restore_world_end(struct restore_world *world);
void restore_world_add(struct restore_world *world, const char *yaml); /* before the first review */
/* A ConfigMap "m" in kcm-system with one key of this content, replacing the last. */
void restore_world_map(struct restore_world *world, const char *content);
/* CREATE of a Restore with this spec (YAML flow style), mutating, or only validating. */
const struct decision *restore_mutated(struct restore_world *world, const char *spec);
const struct decision *restore_validated(struct restore_world *world, const char *spec);
/* The object after the last review's patch, reviewed by the mutating policy again. */
const struct decision *restore_again(struct restore_world *world);
const struct decision *restore_updated(struct restore_world *world, const char *spec, const char *old_spec,
                                       const char *old_phase);
bool restore_says(const struct restore_world *world, const char *part);  /* in a denial's causes */
bool restore_warns(const struct restore_world *world, const char *part); /* in any warning */
/* The patch as "op path value" lines. */
struct str restore_patch(const struct restore_world *world);

#endif
