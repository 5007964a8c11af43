#include <stdlib.h>

#include "review.h"

struct review_facts {
    struct inventory_files *files; /* NULL when nothing is known */
    const struct inventory *current;
    int64_t now;
};

struct review_facts *review_facts_open(const char *const *paths, size_t count, manifest_problem_fn *problem,
                                       void *context)
{
    struct error error;
    struct review_facts *facts = calloc(1, sizeof *facts);
    struct inventory_files_options options = {
        .paths = paths, .path_count = count, .simulate_seconds = -1, .problem = problem, .context = context};
    if (facts && count)
        facts->files = inventory_files_open(&options, &error);
    if (!facts || (count && !facts->files)) {
        problem(context, NULL, -1, facts ? error.message : "out of memory");
        free(facts);
        return NULL;
    }
    return facts;
}

static void let_go(struct review_facts *facts)
{
    if (facts->current) {
        struct shared *shared = (struct shared *)(uintptr_t)&facts->current->shared;
        shared_release(shared);
    }
    facts->current = NULL;
}

const struct inventory *review_facts_get(struct review_facts *facts, int64_t now)
{
    if (!facts->files)
        return inventory_unknown();
    let_go(facts);
    facts->now = now;
    facts->current = inventory_files_get(facts->files, now);
    return facts->current;
}

void review_facts_add(struct review_facts *facts, const struct review_result *result)
{
    struct error ignored;
    if (!facts->files || result->request.dry_run)
        return;
    if (result->object && !result->decision.denied)
        (void)!inventory_files_create(facts->files, result->object, facts->now, &ignored);
    for (size_t i = 0; i < result->decision.effects.len; i++)
        (void)!inventory_files_create(facts->files, result->decision.effects.items[i].object, facts->now, &ignored);
}

void review_facts_close(struct review_facts **facts)
{
    if (!*facts)
        return;
    let_go(*facts);
    inventory_files_close((*facts)->files);
    free(*facts);
}
