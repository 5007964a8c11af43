/* Backups of other engines as evidence (settings upgrade.evidence): the newest object of each
 * entry decides. allOf must all be good; one good entry of anyOf may stand in for the
 * ManagementBackups.
 *
 * backstop cannot start these backups, so an answer says how it is done (the entry's hint), and
 * a missing one is refused rather than waited for. */
#include "policy/upgrade/gate.h"

/* The clauses for other backup engines. */

/* "RunAction run-x in kasten-io" */
static struct str engine_subject(const struct gate *gate, const struct upgrade_evidence *engine)
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
static struct str engine_resource(const struct gate *gate, const struct evidence_source *source)
{
    if (source->group.len == 0)
        return source->resource;
    return arena_printf(gate->request->arena, "%.*s.%.*s", STR_ARG(source->resource), STR_ARG(source->group));
}

static struct str engine_command(const struct gate *gate, const struct upgrade_evidence *engine, const char *verb,
                                 const char *more)
{
    struct arena *arena = gate->request->arena;
    const struct evidence_object *object = engine->object;
    struct str ns = object->ns.len ? arena_printf(arena, " -n %.*s", STR_ARG(words_name(arena, object->ns))) : STR("");
    return arena_printf(arena, "kubectl %s %.*s%.*s %.*s%s", verb, STR_ARG(engine_resource(gate, engine->source)),
                        STR_ARG(ns), STR_ARG(words_name(arena, object->name)), more);
}

/* A value as it may stand in a message; "Complete", "true". */
static struct str engine_value(const struct gate *gate, struct str text)
{
    return words_name(gate->request->arena, text);
}

/* backstop starts ManagementBackups only. */
static struct str engine_advice(const struct gate *gate, const struct upgrade_evidence *engine, const char *which)
{
    struct str hint = engine->source->hint.len ? engine->source->hint : STR("take one with that engine");
    return arena_printf(gate->request->arena, "backstop cannot start %s: %.*s, then re-apply", which, STR_ARG(hint));
}

static struct str engine_running_message(const struct gate *gate, const struct upgrade_evidence *engine)
{
    struct arena *arena = gate->request->arena;
    struct str path = engine->source->done_path, seen = engine->object->value;
    struct str state = seen.len ? arena_printf(arena, "%.*s is %.*s", STR_ARG(path), STR_ARG(engine_value(gate, seen)))
                                : arena_printf(arena, "nothing at %.*s yet", STR_ARG(path));
    return arena_printf(arena, "%.*s is not done (%.*s, created %.*s; %.*s)", STR_ARG(engine_subject(gate, engine)),
                        STR_ARG(state), STR_ARG(gate_ago(arena, gate->request->now, engine->when)),
                        STR_ARG(engine_command(gate, engine, "get", " -o yaml")));
}

static struct str engine_failed_message(const struct gate *gate, const struct upgrade_evidence *engine)
{
    struct arena *arena = gate->request->arena;
    return arena_printf(
        arena, "%.*s failed %.*s (%.*s is %.*s; see: %.*s). Fix the cause; %.*s", STR_ARG(engine_subject(gate, engine)),
        STR_ARG(gate_ago(arena, gate->request->now, engine->when)), STR_ARG(engine->source->failed_path),
        STR_ARG(arena_quote(arena, engine->object->failure)), STR_ARG(engine_command(gate, engine, "describe", "")),
        STR_ARG(engine_advice(gate, engine, "another")));
}

static struct str engine_old_message(const struct gate *gate, const struct upgrade_evidence *engine)
{
    struct arena *arena = gate->request->arena;
    int64_t own = engine->source->maximum_age;
    char limit[TIME_TEXT_SIZE];
    return arena_printf(
        arena, "%.*s is from %.*s and counts only for %s (%s); %.*s", STR_ARG(engine_subject(gate, engine)),
        STR_ARG(gate_ago(arena, gate->request->now, engine->when)),
        duration_format(own ? own : gate->settings->upgrade_max_backup_age, limit),
        own ? "its maximumAge" : "upgrade.maxBackupAge", STR_ARG(engine_advice(gate, engine, "another")));
}

static struct str engine_future_message(const struct gate *gate, const struct upgrade_evidence *engine)
{
    char when[TIME_TEXT_SIZE], now[TIME_TEXT_SIZE];
    return arena_printf(
        gate->request->arena,
        "%.*s was done at %s, but the time here is %s: the clocks differ too much to tell its age. Fix the clocks",
        STR_ARG(engine_subject(gate, engine)), time_format(engine->when, 0, when),
        time_format(gate->request->now, 0, now));
}

static struct str engine_none_message(const struct gate *gate, const struct upgrade_evidence *engine)
{
    struct arena *arena = gate->request->arena;
    const struct evidence_source *source = engine->source;
    struct str ns = source->ns.len ? arena_printf(arena, " in %.*s", STR_ARG(source->ns)) : STR("");
    struct str labels = source->selector.len
                            ? arena_printf(arena, " with labels %.*s", STR_ARG(arena_quote(arena, source->selector)))
                            : STR("");
    return arena_printf(arena, "there is no %.*s%.*s%.*s; %.*s", STR_ARG(source->kind), STR_ARG(ns), STR_ARG(labels),
                        STR_ARG(engine_advice(gate, engine, "one")));
}

static struct str engine_not_served_message(const struct gate *gate, const struct upgrade_evidence *engine)
{
    const struct evidence_source *source = engine->source;
    return arena_printf(gate->request->arena,
                        "the API server does not serve %.*s in version %.*s: the engine is not installed, or this "
                        "entry of upgrade.evidence has a wrong apiVersion, kind or resource",
                        STR_ARG(engine_resource(gate, source)), STR_ARG(source->version));
}

static struct str engine_unknown_message(const struct gate *gate, const struct upgrade_evidence *engine)
{
    const struct evidence_reading *reading = engine->reading;
    if (!reading)
        return STR("it was not read");
    struct str grant = reading->access == EVIDENCE_FORBIDDEN
                           ? STR("; to grant it: backstop rbac --settings FILE | kubectl apply -f -")
                           : STR("");
    return arena_printf(gate->request->arena, "%.*s%.*s", STR_ARG(reading->problem), STR_ARG(grant));
}

static struct str engine_good_message(const struct gate *gate, const struct upgrade_evidence *engine)
{
    struct arena *arena = gate->request->arena;
    char when[TIME_TEXT_SIZE];
    return arena_printf(arena, "%.*s, %.*s %.*s, from %.*s (%s)", STR_ARG(engine_subject(gate, engine)),
                        STR_ARG(engine->source->done_path), STR_ARG(engine_value(gate, engine->object->value)),
                        STR_ARG(gate_ago(arena, gate->request->now, engine->when)), time_format(engine->when, 0, when));
}

/* The clause of the answer for one entry, as gate_progress_message is for a ManagementBackup. */
static struct str engine_message(const struct gate *gate, const struct upgrade_evidence *engine)
{
    static struct str (*const clauses[])(const struct gate *, const struct upgrade_evidence *) = {
        [ENGINE_GOOD] = engine_good_message,
        [ENGINE_RUNNING] = engine_running_message,
        [ENGINE_FAILED] = engine_failed_message,
        [ENGINE_OLD] = engine_old_message,
        [ENGINE_FUTURE] = engine_future_message,
        [ENGINE_NONE] = engine_none_message,
        [ENGINE_NOT_SERVED] = engine_not_served_message,
        [ENGINE_UNKNOWN] = engine_unknown_message,
    };
    return arena_printf(gate->request->arena, "%.*s: %.*s", STR_ARG(engine->source->name),
                        STR_ARG(clauses[engine->state](gate, engine)));
}

/* ---- whole answers ------------------------------------------------------------- */

void engines_warn_passed(const struct gate *gate)
{
    for (size_t i = 0; i < gate->engine_count; i++) {
        const struct upgrade_evidence *engine = &gate->engines[i];
        if (engine->counts && engine->state == ENGINE_GOOD)
            decision_warn(gate->decision, "pre-upgrade backup by %.*s", STR_ARG(engine->says));
        if (engine->counts && engine->state == ENGINE_GOOD && gate->under_way)
            decision_warn(gate->decision,
                          "%.*s: backstop cannot verify that it was taken before the upgrade to %.*s began",
                          STR_ARG(engine->source->name), STR_ARG(words_name(gate->request->arena, gate->before)));
        if (!engine->counts && engine->state == ENGINE_FAILED && gate->count)
            decision_warn(gate->decision, "%.*s failed; the ManagementBackups count instead",
                          STR_ARG(engine->source->name));
    }
}

void engine_answer_unknown(const struct gate *gate, const struct upgrade_evidence *engine)
{
    decision_wait(gate->decision, 503, gate->settings->upgrade_retry_after,
                  "cannot verify the pre-upgrade backup: %.*s. Nothing was changed; retry. If it persists, see "
                  "/readyz?verbose. %.*s",
                  STR_ARG(engine->says), STR_ARG(gate_skip_hint(gate->request)));
    decision_audit(gate->decision, AUDIT_GATE, "unknown: the evidence of %.*s could not be read",
                   STR_ARG(engine->source->name));
}

void engines_audit(const struct gate *gate)
{
    struct arena *arena = gate->request->arena;
    for (size_t i = 0; i < gate->engine_count; i++) {
        const struct upgrade_evidence *engine = &gate->engines[i];
        const struct evidence_object *object = engine->object;
        struct str seen = object && object->value.len ? engine_value(gate, object->value) : STR("not set");
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

/* Evidence of other backup engines: what each of their newest objects proves, and how that
 * goes together with the ManagementBackups. An upgrade needs
 *     all of allOf, and (the ManagementBackups, or one of anyOf). */

const char *const engine_states[] = {
    [ENGINE_GOOD] = "good",
    [ENGINE_RUNNING] = "running",
    [ENGINE_FAILED] = "failed",
    [ENGINE_OLD] = "too old",
    [ENGINE_FUTURE] = "in the future",
    [ENGINE_NONE] = "none",
    [ENGINE_NOT_SERVED] = "not served",
    [ENGINE_UNKNOWN] = "unknown",
};

/* ---- one engine -------------------------------------------------------------- */

static bool engine_is_failed(const struct evidence_source *source, const struct evidence_object *object)
{
    return object->failure.len && evidence_value_matches(&source->failed_values, object->failure);
}

static bool engine_is_done(const struct evidence_source *source, const struct evidence_object *object)
{
    return object->value.len && !engine_is_failed(source, object) &&
           evidence_value_matches(&source->done_values, object->value);
}

/* The newest decides. A backup taken before an upgrade began stays the right one however
 * long the upgrade takes, so while it is under way one that is done is looked for. */
static const struct evidence_object *engine_deciding_object(const struct gate *gate,
                                                            const struct upgrade_evidence *engine)
{
    const struct evidence_reading *reading = engine->reading;
    for (size_t i = 0; gate->under_way && i < reading->len; i++)
        if (engine_is_done(engine->source, &reading->objects[i]))
            return &reading->objects[i];
    return reading->len ? &reading->objects[0] : NULL;
}

/* An object is created before its backup is done, so its creation makes it no younger. */
static int64_t engine_object_time(const struct evidence_object *object)
{
    return object->time != 0 ? object->time : object->created;
}

static int64_t engine_age_limit(const struct gate *gate, const struct upgrade_evidence *engine)
{
    return engine->source->maximum_age ? engine->source->maximum_age : gate->settings->upgrade_max_backup_age;
}

/* Failed before done: an engine may set both, as a Job with a failed condition and one success. */
static enum engine_state engine_judge(const struct gate *gate, struct upgrade_evidence *engine)
{
    const struct evidence_reading *reading = engine->reading;
    if (!reading || reading->access == EVIDENCE_FORBIDDEN || reading->access == EVIDENCE_UNREADABLE)
        return ENGINE_UNKNOWN;
    if (reading->access == EVIDENCE_NOT_SERVED)
        return ENGINE_NOT_SERVED;
    engine->object = engine_deciding_object(gate, engine);
    if (!engine->object)
        return ENGINE_NONE;
    engine->when = engine_object_time(engine->object);
    if (engine_is_failed(engine->source, engine->object))
        return ENGINE_FAILED;
    if (engine_is_done(engine->source, engine->object)) {
        int64_t age = gate->request->now - engine->when;
        if (age < -GATE_CLOCK_SKEW)
            return ENGINE_FUTURE;
        return age > engine_age_limit(gate, engine) && !gate->under_way ? ENGINE_OLD : ENGINE_GOOD;
    }
    engine->when = engine->object->created;
    return ENGINE_RUNNING;
}

/* A running one is waited for, everything else that is not good refuses. Those of anyOf do not
 * count until engines_combine says so. */
bool engines_find(struct gate *gate)
{
    const struct settings *settings = gate->settings;
    gate->engines = arena_array(gate->request->arena, settings->evidence_count + 1, sizeof *gate->engines);
    for (size_t i = 0; gate->engines && i < settings->evidence_count; i++) {
        struct upgrade_evidence *engine = &gate->engines[gate->engine_count++];
        engine->source = &settings->evidence[i];
        engine->reading = inventory_evidence(gate->inventory, engine->source->name);
        engine->state = engine_judge(gate, engine);
        engine->step = engine->state == ENGINE_GOOD      ? UPGRADE_STEP_PASS
                       : engine->state == ENGINE_RUNNING ? UPGRADE_STEP_WAIT
                                                         : UPGRADE_STEP_REFUSE;
        engine->counts = !engine->source->alternative;
        engine->says = engine_message(gate, engine);
    }
    return gate->engines != NULL;
}

/* ---- together ----------------------------------------------------------------- */

bool engines_alternative(const struct gate *gate, enum engine_state state)
{
    for (size_t i = 0; i < gate->engine_count; i++)
        if (gate->engines[i].source->alternative && gate->engines[i].state == state)
            return true;
    return false;
}

const struct upgrade_evidence *engines_unknown(const struct gate *gate)
{
    for (size_t i = 0; i < gate->engine_count; i++)
        if (gate->engines[i].counts && gate->engines[i].state == ENGINE_UNKNOWN)
            return &gate->engines[i];
    return NULL;
}

bool engines_any_alternative(const struct gate *gate)
{
    for (size_t i = 0; i < gate->engine_count; i++)
        if (gate->engines[i].source->alternative)
            return true;
    return false;
}

bool engines_at(const struct gate *gate, enum upgrade_step step)
{
    for (size_t i = 0; i < gate->engine_count; i++)
        if (gate->engines[i].counts && gate->engines[i].step == step)
            return true;
    return false;
}

static bool engines_sources_at(const struct gate *gate, enum upgrade_step step)
{
    for (size_t i = 0; i < gate->count; i++)
        if (gate->sources[i].step == step)
            return true;
    return false;
}

/* One that began longer ago than a backup counts for may never end; when it does it still counts. */
static bool engines_run_in_time(const struct gate *gate)
{
    for (size_t i = 0; i < gate->engine_count; i++) {
        const struct upgrade_evidence *engine = &gate->engines[i];
        if (engine->source->alternative && engine->state == ENGINE_RUNNING &&
            gate->request->now - engine->when <= engine_age_limit(gate, engine))
            return true;
    }
    return false;
}

static void engines_count_alternatives(struct gate *gate, enum upgrade_step step)
{
    for (size_t i = 0; i < gate->engine_count; i++)
        if (gate->engines[i].source->alternative && gate->engines[i].step == step)
            gate->engines[i].counts = true;
}

/* Good: the engine alone decides, and kcm's backups need not be made. Running in time: it is
 * waited for instead of starting another. Neither: it is named among the refusals only if the
 * ManagementBackups refuse as well. */
void engines_combine(struct gate *gate)
{
    bool refused = gate->count == 0 || engines_sources_at(gate, UPGRADE_STEP_REFUSE);
    if (!engines_any_alternative(gate))
        return;
    if (engines_alternative(gate, ENGINE_GOOD)) {
        engines_count_alternatives(gate, UPGRADE_STEP_PASS);
        gate->count = 0;
    } else if (engines_run_in_time(gate) || (refused && engines_alternative(gate, ENGINE_RUNNING))) {
        /* Nothing is started beside a backup that runs already. */
        engines_count_alternatives(gate, UPGRADE_STEP_WAIT);
        if (refused || engines_sources_at(gate, UPGRADE_STEP_START))
            gate->count = 0;
        else if (!engines_sources_at(gate, UPGRADE_STEP_WAIT))
            for (size_t i = 0; i < gate->engine_count; i++) /* the ManagementBackups are good already */
                gate->engines[i].counts = !gate->engines[i].source->alternative;
    } else if (refused) {
        engines_count_alternatives(gate, UPGRADE_STEP_REFUSE);
    }
}
