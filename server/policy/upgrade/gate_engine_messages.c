#include "policy/upgrade/gate.h"

/* The clauses for other backup engines. */

/* "RunAction run-x in kasten-io" */
static struct str subject(const struct gate *gate, const struct gate_engine *engine)
{
    struct arena *arena = gate->request->arena;
    const struct evidence_object *object = engine->object;
    struct str name = words_name(arena, object->name);
    if (object->ns.len == 0)
        return arena_printf(arena, "%.*s %.*s", STR_ARG(engine->source->kind), STR_ARG(name));
    return arena_printf(arena, "%.*s %.*s in %.*s", STR_ARG(engine->source->kind), STR_ARG(name),
                        STR_ARG(words_name(arena, object->ns)));
}

/* runactions.actions.kio.kasten.io */
static struct str resource(const struct gate *gate, const struct evidence_source *source)
{
    if (source->group.len == 0)
        return source->resource;
    return arena_printf(gate->request->arena, "%.*s.%.*s", STR_ARG(source->resource), STR_ARG(source->group));
}

static struct str command(const struct gate *gate, const struct gate_engine *engine, const char *verb, const char *more)
{
    struct arena *arena = gate->request->arena;
    const struct evidence_object *object = engine->object;
    struct str ns = object->ns.len ? arena_printf(arena, " -n %.*s", STR_ARG(words_name(arena, object->ns))) : STR("");
    return arena_printf(arena, "kubectl %s %.*s%.*s %.*s%s", verb, STR_ARG(resource(gate, engine->source)), STR_ARG(ns),
                        STR_ARG(words_name(arena, object->name)), more);
}

/* A value as it may stand in a message; "Complete", "true". */
static struct str value(const struct gate *gate, struct str text)
{
    return words_name(gate->request->arena, text);
}

/* backstop starts ManagementBackups only. */
static struct str how(const struct gate *gate, const struct gate_engine *engine, const char *which)
{
    struct str hint = engine->source->hint.len ? engine->source->hint : STR("take one with that engine");
    return arena_printf(gate->request->arena, "backstop cannot start %s: %.*s, then apply again", which, STR_ARG(hint));
}

static struct str running(const struct gate *gate, const struct gate_engine *engine)
{
    struct arena *arena = gate->request->arena;
    struct str path = engine->source->done_path, seen = engine->object->value;
    struct str state = seen.len ? arena_printf(arena, "%.*s is %.*s", STR_ARG(path), STR_ARG(value(gate, seen)))
                                : arena_printf(arena, "nothing at %.*s yet", STR_ARG(path));
    return arena_printf(arena, "%.*s is not done (%.*s, created %.*s; %.*s)", STR_ARG(subject(gate, engine)),
                        STR_ARG(state), STR_ARG(words_ago(arena, gate->request->now, engine->when)),
                        STR_ARG(command(gate, engine, "get", " -o yaml")));
}

static struct str failed(const struct gate *gate, const struct gate_engine *engine)
{
    struct arena *arena = gate->request->arena;
    return arena_printf(arena, "%.*s failed %.*s (%.*s is %.*s; see %.*s): repair that; %.*s",
                        STR_ARG(subject(gate, engine)), STR_ARG(words_ago(arena, gate->request->now, engine->when)),
                        STR_ARG(engine->source->failed_path), STR_ARG(arena_quote(arena, engine->object->failure)),
                        STR_ARG(command(gate, engine, "describe", "")), STR_ARG(how(gate, engine, "another")));
}

static struct str old(const struct gate *gate, const struct gate_engine *engine)
{
    struct arena *arena = gate->request->arena;
    int64_t own = engine->source->maximum_age;
    char limit[TIME_TEXT_SIZE];
    return arena_printf(arena, "%.*s is from %.*s and counts for %s (%s); %.*s", STR_ARG(subject(gate, engine)),
                        STR_ARG(words_ago(arena, gate->request->now, engine->when)),
                        duration_format(own ? own : gate->settings->upgrade_max_backup_age, limit),
                        own ? "its maximumAge" : "upgrade.maxBackupAge", STR_ARG(how(gate, engine, "another")));
}

static struct str future(const struct gate *gate, const struct gate_engine *engine)
{
    char when[TIME_TEXT_SIZE], now[TIME_TEXT_SIZE];
    return arena_printf(gate->request->arena,
                        "%.*s says it was done at %s, but it is %s here: the clocks differ too much to tell its age; "
                        "set them right",
                        STR_ARG(subject(gate, engine)), time_format(engine->when, 0, when),
                        time_format(gate->request->now, 0, now));
}

static struct str none(const struct gate *gate, const struct gate_engine *engine)
{
    struct arena *arena = gate->request->arena;
    const struct evidence_source *source = engine->source;
    struct str ns = source->ns.len ? arena_printf(arena, " in %.*s", STR_ARG(source->ns)) : STR("");
    struct str labels = source->selector.len
                            ? arena_printf(arena, " with labels %.*s", STR_ARG(arena_quote(arena, source->selector)))
                            : STR("");
    return arena_printf(arena, "there is no %.*s%.*s%.*s; %.*s", STR_ARG(source->kind), STR_ARG(ns), STR_ARG(labels),
                        STR_ARG(how(gate, engine, "one")));
}

static struct str not_served(const struct gate *gate, const struct gate_engine *engine)
{
    const struct evidence_source *source = engine->source;
    return arena_printf(gate->request->arena,
                        "the API server does not serve %.*s in version %.*s: that engine is not installed, or "
                        "apiVersion, kind or resource of this entry of upgrade.evidence are wrong",
                        STR_ARG(resource(gate, source)), STR_ARG(source->version));
}

static struct str unknown(const struct gate *gate, const struct gate_engine *engine)
{
    const struct evidence_reading *reading = engine->reading;
    if (!reading)
        return STR("it was not read");
    struct str grant = reading->access == EVIDENCE_FORBIDDEN
                           ? STR("; grant that with: backstop rbac --settings FILE | kubectl apply -f -")
                           : STR("");
    return arena_printf(gate->request->arena, "%.*s%.*s", STR_ARG(reading->problem), STR_ARG(grant));
}

static struct str good(const struct gate *gate, const struct gate_engine *engine)
{
    struct arena *arena = gate->request->arena;
    char when[TIME_TEXT_SIZE];
    return arena_printf(arena, "%.*s, %.*s %.*s, from %.*s (%s)", STR_ARG(subject(gate, engine)),
                        STR_ARG(engine->source->done_path), STR_ARG(value(gate, engine->object->value)),
                        STR_ARG(words_ago(arena, gate->request->now, engine->when)),
                        time_format(engine->when, 0, when));
}

struct str words_engine(const struct gate *gate, const struct gate_engine *engine)
{
    static struct str (*const clauses[])(const struct gate *, const struct gate_engine *) = {
        [ENGINE_GOOD] = good,
        [ENGINE_RUNNING] = running,
        [ENGINE_FAILED] = failed,
        [ENGINE_OLD] = old,
        [ENGINE_FUTURE] = future,
        [ENGINE_NONE] = none,
        [ENGINE_NOT_SERVED] = not_served,
        [ENGINE_UNKNOWN] = unknown,
    };
    return arena_printf(gate->request->arena, "%.*s: %.*s", STR_ARG(engine->source->name),
                        STR_ARG(clauses[engine->state](gate, engine)));
}

/* ---- whole answers ------------------------------------------------------------- */

void words_engines_pass(const struct gate *gate)
{
    for (size_t i = 0; i < gate->engine_count; i++) {
        const struct gate_engine *engine = &gate->engines[i];
        if (engine->counts && engine->state == ENGINE_GOOD)
            decision_warn(gate->decision, "pre-upgrade backup by %.*s", STR_ARG(engine->says));
        if (engine->counts && engine->state == ENGINE_GOOD && gate->under_way)
            decision_warn(gate->decision, "%.*s: only you can tell whether it is from before the upgrade to %.*s began",
                          STR_ARG(engine->source->name), STR_ARG(words_name(gate->request->arena, gate->before)));
        if (!engine->counts && engine->state == ENGINE_FAILED && gate->count)
            decision_warn(gate->decision, "%.*s failed; the ManagementBackups count instead",
                          STR_ARG(engine->source->name));
    }
}

void words_engine_unknown(const struct gate *gate, const struct gate_engine *engine)
{
    decision_wait(
        gate->decision, 503, gate->settings->upgrade_retry_after,
        "the upgrade gate cannot tell whether there is a fresh pre-upgrade backup: %.*s. Nothing was changed: "
        "apply again in a moment. If it stays so, go on without it: %.*s, then apply again",
        STR_ARG(engine->says), STR_ARG(words_skip_command(gate->request)));
    decision_audit(gate->decision, "upgrade-gate", "unknown: the evidence of %.*s could not be read",
                   STR_ARG(engine->source->name));
}

void words_engines_audit(const struct gate *gate)
{
    struct arena *arena = gate->request->arena;
    for (size_t i = 0; i < gate->engine_count; i++) {
        const struct gate_engine *engine = &gate->engines[i];
        const struct evidence_object *object = engine->object;
        struct str seen = object && object->value.len ? value(gate, object->value) : STR("not set");
        struct str key = arena_printf(arena, AUDIT_EVIDENCE "%.*s", STR_ARG(engine->source->name));
        char when[TIME_TEXT_SIZE];
        if (!key.ptr)
            return;
        if (!object)
            decision_audit(gate->decision, key.ptr, "%s", engine_states[engine->state]);
        else
            decision_audit(gate->decision, key.ptr, "%s: %.*s %.*s%s%.*s, %.*s %.*s, %s", engine_states[engine->state],
                           STR_ARG(engine->source->kind), STR_ARG(object->ns), object->ns.len ? "/" : "",
                           STR_ARG(object->name), STR_ARG(engine->source->done_path), STR_ARG(seen),
                           engine->when ? time_format(engine->when, 0, when) : "at an unknown time");
    }
}
