#include "status/status.h"

/* Why no backup runs: causes that no single object reports, from what the objects say together. Each names the object and
 * the field that show it, since when, and what helps in this cluster. */

enum {
    SHOWS_PROGRESS = 10 * 60,    /* Velero writes status.progress every second once it has counted the items */
    RUNS_LONG = 60 * 60,         /* InProgress; kcm starts nothing meanwhile */
    RUNS_TOO_LONG = 4 * 60 * 60, /* Velero's own default for the operations of one item */
    QUEUE_RESTS = 2 * 60,        /* between the end of one Backup and the start of the next */
    PLUGIN_UNSEEN = 10 * 60      /* an Available location that was validated since has its plugin */
};

/* The Deployment that commands name: the one of the system namespace. */
static const struct status_velero *doctor_velero(const struct status_view *view)
{
    for (size_t i = 0; i < view->velero_count; i++)
        if (str_eq(view->veleros[i].object->meta.ns, view->settings->system_namespace))
            return &view->veleros[i];
    return view->velero_count ? &view->veleros[0] : NULL;
}

/* "kubectl logs -n kcm-system deployment/velero" */
static struct str doctor_velero_command(const struct status_view *view, const char *command)
{
    const struct status_velero *velero = doctor_velero(view);
    struct str name = velero ? status_command_name(velero->object->meta.name) : STR("velero");
    return arena_printf(view->arena, "%s -n %.*s deployment/%.*s", command, STR_ARG(view->settings->system_namespace),
                        STR_ARG(name));
}

static struct str doctor_age(const struct status_view *view, int64_t since)
{
    char text[TIME_TEXT_SIZE];
    return since > 0 && since < view->now ? arena_printf(view->arena, "%s", duration_format(view->now - since, text))
                                          : STR("an unknown time");
}

/* "a, b and 3 more" */
static struct str doctor_names(const struct status_view *view, struct str names, struct str name, size_t index)
{
    enum { NAMED = 3 };
    if (index >= NAMED)
        return names;
    return arena_printf(view->arena, "%.*s%s%.*s", STR_ARG(names), index ? ", " : "",
                        STR_ARG(shown(view->arena, name)));
}

static struct str doctor_more(const struct status_view *view, struct str names, size_t count)
{
    enum { NAMED = 3 };
    return count > NAMED ? arena_printf(view->arena, "%.*s and %zu more", STR_ARG(names), count - NAMED) : names;
}

/* ---- Velero's CRDs and plugins ------------------------------------------------------- */

/* Backups of the system namespace that Velero has not begun with. */
static size_t doctor_not_begun(const struct status_view *view, const struct backup **oldest)
{
    const struct inventory *inventory = view->inventory;
    size_t count = 0;
    *oldest = NULL;
    for (size_t i = 0; i < inventory->count[FACT_BACKUPS]; i++) {
        const struct backup *backup = inventory->backups[i];
        if (!phase_is(backup->status.phase, PHASE_WAITING) ||
            !str_eq(backup->meta.ns, view->settings->system_namespace))
            continue;
        count++;
        if (!*oldest || backup->meta.created < (*oldest)->meta.created)
            *oldest = backup;
    }
    return count;
}

static bool doctor_find_old_crds(struct status_view *view)
{
    struct arena *arena = view->arena;
    struct str why = {NULL, 0};
    enum version_answer starts =
        view->velero_count ? policy_velero_can_start(view->inventory, view->settings, arena, &why) : ANSWER_YES;
    if (starts == ANSWER_YES)
        return false;
    const struct backup *oldest;
    size_t count = doctor_not_begun(view, &oldest);
    if (count)
        why = arena_printf(arena, "%.*s. %zu Backup%s not started, the oldest (%.*s) for %.*s", STR_ARG(why), count,
                           count == 1 ? " has" : "s have", STR_ARG(shown(arena, oldest->meta.name)),
                           STR_ARG(doctor_age(view, oldest->meta.created)));
    status_report(view, CAUSE_CRDS_OLD, starts == ANSWER_NO ? STATUS_BLOCKS_UPGRADE | STATUS_BLOCKS_BACKUP : 0,
                  STR("customresourcedefinition/backups.velero.io"), why,
                  arena_printf(arena, "with the CLI of %.*s: " VELERO_CRDS_COMMAND,
                               STR_ARG(product_version_name(arena, &view->velero_version.version))));
    return starts == ANSWER_NO;
}

/* Since k0rdent 1.4 the values for Velero are below "regional"; those that stand beside it are
 * ignored. The command must not take away what stands there: a merge patch replaces a list. */
static struct str doctor_plugin_fix(const struct status_view *view, const struct velero_deployment *velero,
                                    const char *image)
{
    struct arena *arena = view->arena;
    const struct management *management = inventory_management(view->inventory);
    const char *short_name = strrchr(image, '/') + 1;
    if (!management)
        return arena_printf(arena, "velero plugin add %s:TAG -n %.*s", image,
                            STR_ARG(view->settings->system_namespace));
    struct str name = status_command_name(management->meta.name);
    if (management->old_velero_values && product_version_before(&view->kcm_version.version, 1, 4) != ANSWER_YES)
        return arena_printf(arena,
                            "k0rdent ignores spec.core.kcm.config.velero since 1.4; move it: kubectl patch management "
                            "%.*s --type=json -p '[%s{\"op\":\"move\",\"from\":\"/spec/core/kcm/config/velero\","
                            "\"path\":\"/spec/core/kcm/config/regional/velero\"}]'",
                            STR_ARG(name),
                            management->regional_values
                                ? ""
                                : "{\"op\":\"add\",\"path\":\"/spec/core/kcm/config/regional\",\"value\":{}},");
    if (velero->plugins.len) /* a merge would replace the others */
        return arena_printf(arena,
                            "add %s to spec.core.kcm.config.regional.velero.initContainers: kubectl edit management "
                            "%.*s",
                            image, STR_ARG(name));
    return arena_printf(arena,
                        "kubectl patch management %.*s --type=merge -p '{\"spec\":{\"core\":{\"kcm\":{\"config\":"
                        "{\"regional\":{\"velero\":{\"initContainers\":[{\"name\":\"%s\",\"image\":\"%s:TAG\","
                        "\"volumeMounts\":[{\"mountPath\":\"/target\",\"name\":\"plugins\"}]}]}}}}}}}'",
                        STR_ARG(name), short_name, image);
}

/* What is Available and was validated a moment ago has its plugin, whatever that is called. */
static bool doctor_location_works(const struct status_view *view, const struct status_location *location)
{
    return location->readable && location->object->last_validated >= view->now - PLUGIN_UNSEEN;
}

/* One finding for each plugin, with all locations that need it; each of these is marked, so that
 * its own trouble is not told again. */
static void doctor_find_plugin(struct status_view *view, const struct velero_deployment *velero, const char *image)
{
    struct arena *arena = view->arena;
    struct str names = STR("");
    const unsigned restore = view->good ? 0 : STATUS_BLOCKS_RESTORE; /* what lies elsewhere can be restored */
    unsigned blocks = 0;
    size_t count = 0;
    for (size_t i = 0; i < view->location_count; i++) {
        struct status_location *location = &view->locations[i];
        const char *needed = NULL;
        if (doctor_location_works(view, location) ||
            !policy_velero_lacks_plugin(view->inventory, location->object->meta.ns, location->object->provider,
                                        &needed) ||
            strcmp(needed, image) != 0)
            continue;
        location->no_plugin = true;
        names = doctor_names(view, names, location->object->meta.name, count++);
        if (location->used)
            blocks |= STATUS_BLOCKS_BACKUP | restore | (location->used_upgrade ? STATUS_BLOCKS_UPGRADE : 0U);
    }
    struct str has = STR("");
    for (size_t i = 0; i < velero->plugins.len; i++)
        has = doctor_names(view, has, image_name(velero->plugins.items[i]), i);
    status_report(view, CAUSE_PLUGIN_MISSING, blocks, status_object_name(view, "deployment", velero->meta.name),
                  arena_printf(arena,
                               "has no plugin %s among its init containers (%.*s): storage location%s %.*s "
                               "cannot be reached",
                               image, STR_ARG(has.len ? doctor_more(view, has, velero->plugins.len) : STR("none")),
                               count == 1 ? "" : "s", STR_ARG(doctor_more(view, names, count))),
                  doctor_plugin_fix(view, velero, image));
}

/* ---- the node agent -------------------------------------------------------------------- */

struct doctor_need { /* what asks for file-system backup or data movement */
    struct str object;
    const char *field;
};

/* A Backup that ended well has found its node agent, or no volumes. */
static struct doctor_need doctor_node_agent_need(const struct status_view *view)
{
    const struct inventory *inventory = view->inventory;
    for (size_t i = 0; i < view->velero_count; i++)
        if (view->veleros[i].object->default_file_backup)
            return (struct doctor_need){status_object_name(view, "deployment", view->veleros[i].object->meta.name),
                                        "--default-volumes-to-fs-backup"};
    for (size_t i = 0; i < inventory->count[FACT_SCHEDULES]; i++)
        if (inventory->schedules[i]->node_agent && !inventory->schedules[i]->paused)
            return (struct doctor_need){
                status_object_name(view, "schedule", inventory->schedules[i]->meta.name),
                arena_printf(view->arena, "spec.template.%s", inventory->schedules[i]->node_agent).ptr};
    for (size_t i = 0; i < inventory->count[FACT_BACKUPS]; i++) {
        const struct backup *backup = inventory->backups[i];
        if (backup->node_agent && !phase_is(backup->status.phase, PHASE_COMPLETED) &&
            (backup->status.expires == 0 || backup->status.expires > view->now))
            return (struct doctor_need){status_object_name(view, "backup", backup->meta.name),
                                        arena_printf(view->arena, "spec.%s", backup->node_agent).ptr};
    }
    return (struct doctor_need){{NULL, 0}, NULL};
}

/* Nothing is blocked by it: the objects are backed up, the contents of the volumes are not. */
static void doctor_find_node_agent(struct status_view *view)
{
    const struct inventory *inventory = view->inventory;
    struct arena *arena = view->arena;
    const struct node_agent *agent = NULL;
    struct str ns = view->settings->system_namespace;
    const struct management *management = inventory_management(inventory);
    struct doctor_need need = doctor_node_agent_need(view);
    for (size_t i = 0; i < inventory->count[FACT_NODE_AGENTS]; i++)
        if (str_eq(inventory->node_agents[i]->meta.ns, ns))
            agent = inventory->node_agents[i];
    if (!need.field || !inventory->known[FACT_NODE_AGENTS] || (agent && (agent->ready > 0 || agent->desired == 0)))
        return;
    if (agent)
        status_report(view, CAUSE_NODE_AGENT_MISSING, 0, STR("daemonset/node-agent"),
                      arena_printf(arena,
                                   "is ready on none of %lld nodes (status.numberReady), and %.*s asks for "
                                   "it (%s): volumes are not backed up",
                                   (long long)agent->desired, STR_ARG(need.object), need.field),
                      arena_printf(arena, "kubectl describe daemonset -n %.*s node-agent", STR_ARG(ns)));
    else
        status_report(
            view, CAUSE_NODE_AGENT_MISSING, 0, need.object,
            arena_printf(arena,
                         "asks for Velero's node agent (%s), and there is no DaemonSet node-agent in %.*s: volumes "
                         "are not backed up",
                         need.field, STR_ARG(ns)),
            management ? arena_printf(arena,
                                      "kubectl patch management %.*s --type=merge -p '{\"spec\":{\"core\":{\"kcm\":"
                                      "{\"config\":{\"regional\":{\"velero\":{\"deployNodeAgent\":true}}}}}}}'",
                                      STR_ARG(status_command_name(management->meta.name)))
                       : STR("velero install --use-node-agent"));
}

/* ---- Velero's queue ---------------------------------------------------------------------- */

struct doctor_queue {
    const struct backup *stuck;   /* the one that has run longest, for too long or without progress */
    const struct backup *running; /* any that is InProgress */
    const struct backup *oldest;  /* that waits */
    size_t waiting, queued;       /* queued: of those, in Velero's own queue */
    int64_t moved;                /* when Velero last began or ended one */
};

/* By its age, or because it has counted nothing for minutes: Velero counts before it begins. */
static bool doctor_is_stuck(const struct status_view *view, const struct backup *backup)
{
    int64_t since = backup->status.started ? backup->status.started : backup->meta.created;
    int64_t age = since ? view->now - since : 0;
    return age > RUNS_LONG || (!backup->status.counted && age > SHOWS_PROGRESS);
}

/* Of this cluster's own Velero; a regional cluster has its own queue. */
static struct doctor_queue doctor_read_queue(const struct status_view *view)
{
    const struct inventory *inventory = view->inventory;
    struct doctor_queue queue = {0};
    for (size_t i = 0; i < inventory->count[FACT_BACKUPS]; i++) {
        const struct backup *backup = inventory->backups[i];
        const struct backup_status *status = &backup->status;
        if (!str_eq(backup->meta.ns, view->settings->system_namespace) || backup->region.len)
            continue;
        int64_t moved = status->completed > status->started ? status->completed : status->started;
        if (moved <= view->now && moved > queue.moved)
            queue.moved = moved;
        if (phase_is_in_progress(status->phase)) {
            queue.running = backup;
            if (doctor_is_stuck(view, backup) && (!queue.stuck || status->started < queue.stuck->status.started))
                queue.stuck = backup;
        }
        queue.queued += str_is(status->phase, "Queued") || str_is(status->phase, "ReadyToStart");
    }
    queue.waiting = doctor_not_begun(view, &queue.oldest);
    return queue;
}

static void doctor_find_stuck(struct status_view *view, const struct doctor_queue *queue)
{
    struct arena *arena = view->arena;
    const struct backup *backup = queue->stuck;
    int64_t since = backup->status.started ? backup->status.started : backup->meta.created;
    bool none = !backup->status.counted;
    /* What a Backup that hangs keeps from running: the queue of Velero 1.18 takes one at a time, and kcm starts no scheduled
     * Backup of a ManagementBackup beside another one of it. */
    struct str owner = json_get_str(queue->stuck->meta.labels, LABEL_MANAGEMENT_BACKUP), says = STR("");
    if (queue->waiting)
        says =
            arena_printf(arena, ". %zu Backup%s behind it", queue->waiting, queue->waiting == 1 ? " waits" : "s wait");
    else if (product_version_has(&view->velero_version.version, VELERO_QUEUE) == ANSWER_YES)
        says = STR(". Velero begins no other one meanwhile");
    if (owner.len)
        says = arena_printf(arena, "%.*s. kcm starts no other one of managementbackup/%.*s", STR_ARG(says),
                            STR_ARG(shown(arena, owner)));
    struct str holds = says;
    struct str progress = none ? STR("without any progress (status.progress is empty)")
                               : arena_printf(arena, "at %lld of %lld items", (long long)backup->status.items_done,
                                              (long long)backup->status.items_total);
    bool queues = product_version_has(&view->velero_version.version, VELERO_QUEUE) == ANSWER_YES || queue->waiting;
    bool blocks = holds.len && (none || view->now - since > RUNS_TOO_LONG);
    status_report(view, CAUSE_BACKUP_STUCK, !blocks ? 0 : STATUS_BLOCKS_BACKUP | (queues ? STATUS_BLOCKS_UPGRADE : 0U),
                  status_object_name(view, "backup", backup->meta.name),
                  arena_printf(arena, "has been InProgress for %.*s, %.*s%.*s", STR_ARG(doctor_age(view, since)),
                               STR_ARG(progress), STR_ARG(holds)),
                  arena_printf(arena, "restart Velero, which then marks it Failed: %.*s",
                               STR_ARG(doctor_velero_command(view, "kubectl rollout restart"))));
}

/* Nothing runs, and something has waited for longer than a start takes. */
static void doctor_find_waiting(struct status_view *view, const struct doctor_queue *queue)
{
    struct arena *arena = view->arena;
    const struct backup *oldest = queue->oldest;
    int64_t limit = view->settings->upgrade_start_timeout;
    bool is_queued = queue->queued > 0;
    if (oldest->meta.created == 0 || view->now - oldest->meta.created <= limit ||
        (is_queued && view->now - queue->moved <= QUEUE_RESTS))
        return;
    struct str what = arena_printf(arena, "has waited for %.*s", STR_ARG(doctor_age(view, oldest->meta.created)));
    if (queue->waiting > 1)
        what = arena_printf(arena, "%.*s, and %zu more after it", STR_ARG(what), queue->waiting - 1);
    if (is_queued)
        status_report(view, CAUSE_QUEUE_BLOCKED, STATUS_BLOCKS_UPGRADE | STATUS_BLOCKS_BACKUP,
                      status_object_name(view, "backup", oldest->meta.name),
                      arena_printf(arena, "%.*s: %zu of them Queued, and none InProgress. Velero's queue is blocked",
                                   STR_ARG(what), queue->queued),
                      doctor_velero_command(view, "kubectl rollout restart"));
    else
        status_report(view, CAUSE_BACKUP_NOT_STARTED, STATUS_BLOCKS_UPGRADE | STATUS_BLOCKS_BACKUP,
                      status_object_name(view, "backup", oldest->meta.name),
                      arena_printf(arena, "%.*s in phase %.*s: Velero does not take it up", STR_ARG(what),
                                   STR_ARG(oldest->status.phase.len ? oldest->status.phase : STR("\"\""))),
                      doctor_velero_command(view, "kubectl logs --tail=50"));
}

/* A Backup that hangs explains those that wait behind it, so only one of the two is reported. True
 * when CRDs that are too old stop all backups. */
bool status_find_in_velero(struct status_view *view)
{
    bool told = doctor_find_old_crds(view);
    for (size_t i = 0; i < view->location_count; i++) {
        const struct status_location *location = &view->locations[i];
        const char *image = NULL;
        const struct velero_deployment *velero =
            policy_velero_lacks_plugin(view->inventory, location->object->meta.ns, location->object->provider, &image);
        if (velero && !location->no_plugin && !doctor_location_works(view, location))
            doctor_find_plugin(view, velero, image);
    }
    doctor_find_node_agent(view);
    const struct doctor_queue queue = doctor_read_queue(view);
    if (queue.stuck)
        doctor_find_stuck(view, &queue);
    else if (queue.oldest && !queue.running)
        doctor_find_waiting(view, &queue);
    return told;
}
