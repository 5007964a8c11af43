/* status, the page and explain ask "what would the gate say now" without an upgrade being asked
 * for. They get the gate's own answer to a made-up request, so the two can never differ. */
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

const char *evidence_state_name(enum evidence_state state)
{
    return states[state];
}

struct str upgrade_source_name(const struct upgrade_source *source)
{
    if (source->step == UPGRADE_STEP_START)
        return source->starting;
    return source->evidence.backup ? source->evidence.backup->meta.name : source->exact;
}

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

/* Without a target the word RELEASE stands for it, and the checks of the Release itself are left
 * out (any_target). */
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
    view->outcome = gate->outcome;
    view->running = gate->running;
    view->before = gate->before;
    view->under_way = gate->under_way;
    view->not_ready = !gate->under_way && management_progress(view->management) == MANAGEMENT_NOT_READY;
    /* Sources were found but not judged when the gate let the change through or lacked facts. */
    bool judged =
        gate->outcome == UPGRADE_ADMITTED || gate->outcome == UPGRADE_WAITS || gate->outcome == UPGRADE_REFUSED;
    view->sources = gate->sources;
    view->count = judged ? gate->count : 0;
    view->evidence = gate->engines;
    view->evidence_count = gate->engine_count;
    return !arena_failed(arena);
}
