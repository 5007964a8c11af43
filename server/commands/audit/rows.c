#include "commands/audit/audit.h"

#include <stdio.h>

/* What an audit finds, kept: the first objects of each sort, and how many there are. */

enum { OBJECT_LIMIT = 256 * 1024 * 1024, ROWS = 100, SAYS = 20 };

struct rows {
    struct arena *arena;
    struct audit_world *world;
    bool failed; /* for want of memory */
    struct status_audit *audit;
    struct status_audited *denied, *warned;
    size_t denied_count, warned_count;
};

static void keep_problem(void *context, const char *source, int64_t line, const char *reason)
{
    struct rows *rows = context;
    char where[32] = "";
    if (source && line >= 0)
        snprintf(where, sizeof where, ":%lld", (long long)line);
    if (rows->audit->problem.len == 0)
        rows->audit->problem =
            arena_printf(rows->arena, "%s%s%s%s", source ? source : "", where, source ? ": " : "", reason);
}

static void keep_words(struct rows *rows, struct status_audited *row, const struct decision *decision)
{
    struct arena *arena = rows->arena;
    if (decision->message.len)
        strlist_add(arena, &row->says, arena_copy(arena, decision->message));
    for (size_t i = 0; i < decision->causes.len && row->says.len < SAYS; i++) {
        const struct cause *cause = &decision->causes.items[i];
        strlist_add(arena, &row->says,
                    arena_printf(arena, "%.*s%s%.*s", STR_ARG(cause->field), cause->field.len ? ": " : "",
                                 STR_ARG(cause->message)));
    }
    for (size_t i = 0; i < decision->warnings.len && row->says.len < SAYS; i++)
        strlist_add(arena, &row->says, arena_copy(arena, decision->warnings.items[i]));
}

static void keep_row(struct rows *rows, const struct review_result *result)
{
    const struct decision *decision = &result->decision;
    if (!decision->denied && decision->warnings.len == 0)
        return;
    size_t *count = decision->denied ? &rows->denied_count : &rows->warned_count;
    rows->audit->row_total++;
    if (*count == ROWS)
        return;
    struct status_audited *row = (decision->denied ? rows->denied : rows->warned) + (*count)++;
    row->object = arena_copy(rows->arena, audit_title(decision->arena, result->manifest));
    row->denied = decision->denied;
    keep_words(rows, row, decision);
}

static bool review_manifest(void *context, struct manifest *manifest)
{
    struct rows *rows = context;
    struct status_audit *audit = rows->audit;
    const char *passed_over;
    struct review_result result;
    if (!audit_concerns(manifest))
        return true;
    ARENA_SCOPED arena = arena_new(OBJECT_LIMIT);
    rows->failed = !arena || !audit_review(rows->world, audit->at, arena, manifest, &result, &passed_over);
    if (rows->failed)
        return false;
    if (passed_over)
        return true;
    audit->reviewed++;
    audit->denied += result.decision.denied;
    audit->warned += !result.decision.denied && result.decision.warnings.len > 0;
    keep_row(rows, &result);
    return true;
}

bool audit_rows(struct arena *arena, const struct facts_options *options, const struct facts *facts,
                const struct settings *settings, int64_t now, struct status_audit *audit)
{
    CLEANUP(audit_world_close) struct audit_world world = {0};
    struct rows rows = {.arena = arena, .world = &world, .audit = audit};
    const struct manifest_sink sink = {review_manifest, keep_problem, &rows, NULL};
    *audit = (struct status_audit){.at = now};
    rows.denied = arena_array(arena, 2 * ROWS, sizeof *rows.denied);
    rows.warned = arena_array(arena, ROWS, sizeof *rows.warned);
    if (!rows.denied || !rows.warned || !audit_world_open(&world, options, facts, settings))
        return false;
    audit_read(options, facts, &sink);
    if (rows.failed)
        return false;
    for (size_t i = 0; i < rows.warned_count; i++)
        rows.denied[rows.denied_count + i] = rows.warned[i];
    audit->rows = rows.denied;
    audit->row_count = rows.denied_count + rows.warned_count;
    return !arena_failed(arena);
}
