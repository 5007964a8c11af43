#include "policy/upgrade/gate.h"

/* The gate, looked at from outside: a dry run of an upgrade is put before it, the same
 * review that kubectl --dry-run=server would send, and its parts are shown. */

enum { OBJECT_LIMIT = 1024 * 1024 };

static const char *const states[] = {
    [EVIDENCE_COMPLETED] = "completed",     [EVIDENCE_RUNNING] = "running",
    [EVIDENCE_NOT_STARTED] = "not started", [EVIDENCE_STUCK] = "stuck",
    [EVIDENCE_FAILED] = "failed",           [EVIDENCE_OLD] = "too old",
    [EVIDENCE_FUTURE] = "in the future",    [EVIDENCE_GONE] = "gone",
    [EVIDENCE_ADOPTED] = "adopted",         [EVIDENCE_NONE] = "none",
};

static const enum upgrade_step steps[] = {
    [STEP_PASS] = UPGRADE_STEP_PASS,
    [STEP_WAIT] = UPGRADE_STEP_WAIT,
    [STEP_START] = UPGRADE_STEP_START,
    [STEP_REFUSE] = UPGRADE_STEP_REFUSE,
};

/* The Management as it is, with this release; its annotations may open the gate. */
static const struct json_node *gate_view_management(struct arena *arena, const struct management *management,
                                                    struct str release)
{
    struct error ignored;
    BUF_SCOPED text;
    buf_init(&text, OBJECT_LIMIT);
    buf_puts(&text, "{\"metadata\":{\"name\":");
    json_write_str(&text, management->meta.name);
    buf_puts(&text, ",\"annotations\":");
    if (management->meta.annotations)
        json_write_tree(&text, management->meta.annotations);
    else
        buf_puts(&text, "{}");
    buf_puts(&text, "},\"spec\":{\"release\":");
    json_write_str(&text, release);
    buf_puts(&text, "},\"status\":{\"release\":");
    json_write_str(&text, management->status_release);
    buf_puts(&text, "}}");
    struct str whole = arena_text(arena, &text), copy = text.failed ? (struct str){NULL, 0} : arena_copy(arena, whole);
    return copy.ptr ? json_index(arena, copy, 2, &ignored) : NULL;
}

static struct upgrade_source gate_view_source(const struct gate_source *source)
{
    const struct evidence *evidence = &source->evidence;
    bool starts = source->step == STEP_START;
    struct upgrade_source view = {.source = source->source,
                                  .evidence = evidence->backup,
                                  .state = states[evidence->state],
                                  .step = steps[source->step],
                                  .no_storage = source->no_storage,
                                  .name = source->exact,
                                  .velero = evidence->velero,
                                  .region = evidence->region,
                                  .status = evidence->status,
                                  .when = evidence->when,
                                  .says = source->says};
    if (starts)
        view.name = source->starting;
    else if (evidence->backup)
        view.name = evidence->backup->meta.name;
    return view;
}

static bool gate_view_engines(struct upgrade_view *view, struct arena *arena, const struct gate *gate)
{
    view->evidence = arena_array(arena, gate->engine_count + 1, sizeof *view->evidence);
    for (size_t i = 0; view->evidence && i < gate->engine_count; i++) {
        const struct gate_engine *engine = &gate->engines[i];
        view->evidence[view->evidence_count++] = (struct upgrade_evidence){.source = engine->source,
                                                                           .object = engine->object,
                                                                           .state = engine_states[engine->state],
                                                                           .step = steps[engine->step],
                                                                           .counts = engine->counts,
                                                                           .when = engine->when,
                                                                           .says = engine->says};
    }
    return view->evidence != NULL;
}

static bool gate_view_fill(struct upgrade_view *view, struct arena *arena, const struct gate *gate)
{
    view->outcome = gate->outcome;
    view->running = gate->running;
    view->before = gate->before;
    view->under_way = gate->under_way;
    view->not_ready = !gate->under_way && management_progress(view->management) == MANAGEMENT_NOT_READY;
    /* Sources were found but not judged when the gate let the change through or lacked facts. */
    bool judged = gate->outcome == UPGRADE_ADMITTED || gate->outcome == UPGRADE_WAITS ||
                  (gate->outcome == UPGRADE_REFUSED && gate->count > 0);
    view->sources = arena_array(arena, gate->count + 1, sizeof *view->sources);
    for (size_t i = 0; judged && view->sources && i < gate->count; i++)
        view->sources[view->count++] = gate_view_source(&gate->sources[i]);
    return view->sources && gate_view_engines(view, arena, gate) && !arena_failed(arena);
}

bool policy_upgrade_view(struct arena *arena, const struct inventory *inventory, const struct settings *settings,
                         int64_t now, struct str target, struct upgrade_view *view)
{
    const struct management *management = inventory_management(inventory);
    *view = (struct upgrade_view){.outcome = UPGRADE_NONE, .management = management, .target = target};
    decision_init(&view->decision, arena);
    if (!management) {
        view->outcome = inventory->known[FACT_MANAGEMENTS] ? UPGRADE_NONE : UPGRADE_UNKNOWN;
        return true;
    }
    struct request *request = arena_alloc(arena, sizeof *request);
    struct object *objects = arena_array(arena, 2, sizeof *objects);
    struct gate *gate = arena_alloc(arena, sizeof *gate);
    if (!request || !objects || !gate)
        return false;
    struct str asked = target.len ? target : STR("RELEASE"); /* stands in answers as REASON does in commands */
    objects[0].root = gate_view_management(arena, management, management->release);
    objects[1].root = gate_view_management(arena, management, asked);
    if (!objects[0].root || !objects[1].root)
        return false;
    request_init(request, arena);
    request->operation = OPERATION_UPDATE;
    request->dry_run = true;
    request->now = now;
    request->api_version = STR(API_K0RDENT);
    request->kind = STR("Management");
    request->name = management->meta.name;
    request->old_object = &objects[0];
    request->object = &objects[1];
    bool changes = gate_open(gate, request, inventory, settings, &view->decision);
    gate->any_target = target.len == 0;
    if (changes)
        gate_decide(gate);
    else /* that release is asked for already */
        gate->outcome = UPGRADE_LET_THROUGH;
    return gate_view_fill(view, arena, gate);
}
