/* Evidence of other backup engines: what each of their newest objects proves, and how that
 * goes together with the ManagementBackups. An upgrade needs
 *     all of allOf, and (the ManagementBackups, or one of anyOf). */
#include "policy/upgrade/gate.h"

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

static bool is_failed(const struct evidence_source *source, const struct evidence_object *object)
{
    return object->failure.len && evidence_value_matches(&source->failed_values, object->failure);
}

static bool is_done(const struct evidence_source *source, const struct evidence_object *object)
{
    return object->value.len && !is_failed(source, object) &&
           evidence_value_matches(&source->done_values, object->value);
}

/* The newest decides. A backup taken before an upgrade began stays the right one however
 * long the upgrade takes, so while it is under way one that is done is looked for. */
static const struct evidence_object *deciding(const struct gate *gate, const struct gate_engine *engine)
{
    const struct evidence_reading *reading = engine->reading;
    for (size_t i = 0; gate->under_way && i < reading->len; i++)
        if (is_done(engine->source, &reading->objects[i]))
            return &reading->objects[i];
    return reading->len ? &reading->objects[0] : NULL;
}

/* An object is created before its backup is done, so its creation makes it no younger. */
static int64_t time_of(const struct evidence_object *object)
{
    return object->time != 0 ? object->time : object->created;
}

static int64_t age_limit(const struct gate *gate, const struct gate_engine *engine)
{
    return engine->source->maximum_age ? engine->source->maximum_age : gate->settings->upgrade_max_backup_age;
}

static enum engine_state judge_age(const struct gate *gate, const struct gate_engine *engine)
{
    int64_t age = gate->request->now - engine->when;
    if (age < -GATE_CLOCK_SKEW)
        return ENGINE_FUTURE;
    return age > age_limit(gate, engine) && !gate->under_way ? ENGINE_OLD : ENGINE_GOOD;
}

static enum engine_state judge(const struct gate *gate, struct gate_engine *engine)
{
    const struct evidence_reading *reading = engine->reading;
    if (!reading || reading->access == EVIDENCE_FORBIDDEN || reading->access == EVIDENCE_UNREADABLE)
        return ENGINE_UNKNOWN;
    if (reading->access == EVIDENCE_NOT_SERVED)
        return ENGINE_NOT_SERVED;
    engine->object = deciding(gate, engine);
    if (!engine->object)
        return ENGINE_NONE;
    engine->when = time_of(engine->object);
    if (is_failed(engine->source, engine->object))
        return ENGINE_FAILED;
    if (is_done(engine->source, engine->object))
        return judge_age(gate, engine);
    engine->when = engine->object->created;
    return ENGINE_RUNNING;
}

bool engines_find(struct gate *gate)
{
    const struct settings *settings = gate->settings;
    gate->engines = arena_array(gate->request->arena, settings->evidence_count + 1, sizeof *gate->engines);
    for (size_t i = 0; gate->engines && i < settings->evidence_count; i++) {
        struct gate_engine *engine = &gate->engines[gate->engine_count++];
        engine->source = &settings->evidence[i];
        engine->reading = inventory_evidence(gate->inventory, engine->source->name);
        engine->state = judge(gate, engine);
        engine->step = engine->state == ENGINE_GOOD      ? STEP_PASS
                       : engine->state == ENGINE_RUNNING ? STEP_WAIT
                                                         : STEP_REFUSE;
        engine->counts = !engine->source->alternative;
        engine->says = words_engine(gate, engine);
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

const struct gate_engine *engines_unknown(const struct gate *gate)
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

bool engines_at(const struct gate *gate, enum gate_step step)
{
    for (size_t i = 0; i < gate->engine_count; i++)
        if (gate->engines[i].counts && gate->engines[i].step == step)
            return true;
    return false;
}

static bool sources_at(const struct gate *gate, enum gate_step step)
{
    for (size_t i = 0; i < gate->count; i++)
        if (gate->sources[i].step == step)
            return true;
    return false;
}

/* One that began longer ago than a backup counts for may never end; when it does it still counts. */
static bool runs_in_time(const struct gate *gate)
{
    for (size_t i = 0; i < gate->engine_count; i++) {
        const struct gate_engine *engine = &gate->engines[i];
        if (engine->source->alternative && engine->state == ENGINE_RUNNING &&
            gate->request->now - engine->when <= age_limit(gate, engine))
            return true;
    }
    return false;
}

static void count_alternatives(struct gate *gate, enum gate_step step)
{
    for (size_t i = 0; i < gate->engine_count; i++)
        if (gate->engines[i].source->alternative && gate->engines[i].step == step)
            gate->engines[i].counts = true;
}

void engines_combine(struct gate *gate)
{
    bool refused = gate->count == 0 || sources_at(gate, STEP_REFUSE);
    if (!engines_any_alternative(gate))
        return;
    if (engines_alternative(gate, ENGINE_GOOD)) {
        count_alternatives(gate, STEP_PASS);
        gate->count = 0;
    } else if (runs_in_time(gate) || (refused && engines_alternative(gate, ENGINE_RUNNING))) {
        /* Nothing is started beside a backup that runs already. */
        count_alternatives(gate, STEP_WAIT);
        if (refused || sources_at(gate, STEP_START))
            gate->count = 0;
        else if (!sources_at(gate, STEP_WAIT))
            for (size_t i = 0; i < gate->engine_count; i++) /* the ManagementBackups are good already */
                gate->engines[i].counts = !gate->engines[i].source->alternative;
    } else if (refused) {
        count_alternatives(gate, STEP_REFUSE);
    }
}
