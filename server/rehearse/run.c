/* A rehearsal from its beginning to its end: namespaces, what exists already, CRDs, then everything else at once. */
#include "rehearse/run.h"

enum {
    CONCURRENCY = 8,
    CONCURRENCY_MAX = 64,
    RATE = 50,
    OBJECT_BYTES = 128 * 1024 * 1024,
    ASKED_ALONE = 3 /* so few objects of a resource are asked for one by one, instead of listing all there are */
};

/* ---- namespaces ------------------------------------------------------------------------------------ */

static const struct kube_resource namespace_resource = {
    .group = STR_INIT(""), .version = STR_INIT("v1"), .plural = STR_INIT("namespaces"), .kind = STR_INIT("Namespace")};

/* getNamespace: labels, annotations and spec of the backup's, or a bare one. */
static struct json_object *namespace_object(struct rehearse_state *run, struct str original, struct str target,
                                            struct arena *arena)
{
    struct error ignored;
    const struct rehearse_item *item =
        rehearse_resource_item(rehearse_contents_resource(run->contents, STR("namespaces")), STR(""), original);
    struct json_object *backup = item ? rehearse_item_read(run->contents, item, arena, &ignored) : NULL;
    struct json_object *object = json_own(arena, json_object_new_object()), *metadata;
    if (!json_put_text(object, "apiVersion", STR("v1")) || !json_put_text(object, "kind", STR("Namespace")) ||
        !json_put_map(object, "metadata", &metadata) || !json_put_text(metadata, "name", target))
        return object;
    if (json_path(backup, "metadata.labels"))
        json_put_shared(metadata, "labels", json_path(backup, "metadata.labels"));
    if (json_path(backup, "metadata.annotations"))
        json_put_shared(metadata, "annotations", json_path(backup, "metadata.annotations"));
    if (json_get(backup, "spec"))
        json_put_shared(object, "spec", json_get(backup, "spec"));
    return object;
}

/* A namespace that is absent is created as a dry run, which tells what would refuse it. */
static void namespace_ask(struct rehearse_state *run, struct str original, struct namespace_state *state)
{
    struct error error = {0};
    struct json_object *object = NULL;
    ARENA_SCOPED arena = arena_new(OBJECT_BYTES);
    state->state = run->client ? NAMESPACE_UNKNOWN : NAMESPACE_COMES;
    if (!arena || !run->client)
        return;
    if (kube_get(run->client, arena, &namespace_resource, STR(""), state->name, &object, &error)) {
        bool ends = json_path_str(object, "metadata.deletionTimestamp").len > 0;
        state->state = ends ? NAMESPACE_REFUSED : NAMESPACE_EXISTS;
        state->reason = ends ? STR("the namespace is being deleted: Velero waits for that, for ten minutes") : STR("");
        return;
    }
    if (error.code == 404) {
        const struct kube_trial trial = {.resource = &namespace_resource,
                                         .object = namespace_object(run, original, state->name, arena),
                                         .stores = run->stores};
        if (run_try(run, arena, trial, &error)) {
            state->state = NAMESPACE_COMES;
            return;
        }
        state->state =
            run_answer_tells_nothing(run, &error, str_from(error.message)) ? NAMESPACE_UNKNOWN : NAMESPACE_REFUSED;
    }
    state->reason = arena_copy(run->arena, str_from(error.message));
}

/* Each target once, before any object: all objects in it rest on the answer. */
static bool run_ask_namespaces(struct rehearse_state *run, struct error *error)
{
    for (size_t i = 0; i < run->plan->count; i++) {
        const struct rehearse_item *item = run->plan->items[i];
        bool is_namespace = str_is(item->resource->name, "namespaces");
        struct str original = is_namespace ? item->name : item->ns;
        struct str target = rehearse_restore_target(run->restore, original);
        if (target.len == 0 || run_namespace(run, target))
            continue;
        if (!ARENA_ROOM(run->arena, &run->namespaces))
            return error_set(error, 500, "out of memory");
        struct namespace_state *state = &run->namespaces.items[run->namespaces.len++];
        *state = (struct namespace_state){.name = target};
        namespace_ask(run, original, state);
    }
    return true;
}

static void judge_namespace(struct rehearse_state *run, struct rehearse_item *item)
{
    const struct namespace_state *state = run_namespace(run, rehearse_restore_target(run->restore, item->name));
    if (!state || state->state == NAMESPACE_UNKNOWN) {
        struct str reason = state ? state->reason : STR("");
        run_outcome(run, item, REHEARSE_UNKNOWN, REHEARSE_BY_DRY_RUN, "%.*s", STR_ARG(reason));
        run_cause(run, item, STR(""), "namespace %.*s: %.*s", STR_ARG(item->name), STR_ARG(run_answer_cause(reason)));
    } else if (state->state == NAMESPACE_EXISTS)
        run_outcome(run, item, REHEARSE_LEFT_SAME, REHEARSE_BY_PLAN, "it exists: Velero does not change namespaces");
    else if (state->state == NAMESPACE_COMES)
        run_outcome(run, item, run->client ? REHEARSE_CREATED : REHEARSE_PENDING, REHEARSE_BY_DRY_RUN, "%s", "");
    else {
        run_outcome(run, item, REHEARSE_REFUSED, REHEARSE_BY_DRY_RUN, "%.*s", STR_ARG(state->reason));
        run_cause(run, item, STR(""), "%.*s", STR_ARG(run_answer_cause(state->reason)));
    }
}

/* ---- what exists already ---------------------------------------------------------------------------- */

struct existing {
    const struct rehearse_state *run;
    const struct rehearse_resource *resource;
};

/* An object of the cluster may be the target of its own namespace, and of each that is mapped to it. */
static bool existing_mark(void *context, struct json_object *object, struct error *error)
{
    const struct existing *existing = context;
    struct str ns = json_path_str(object, "metadata.namespace"), name = json_path_str(object, "metadata.name");
    struct rehearse_item *item = rehearse_resource_item(existing->resource, ns, name);
    (void)error;
    if (item && str_eq(item->target_ns, ns))
        item->exists = REHEARSE_EXISTS;
    json_foreach(existing->run->restore->mapping, from, to)
    {
        item = str_eq(json_str(to), ns) ? rehearse_resource_item(existing->resource, str_from(from), name) : NULL;
        if (item && str_eq(item->target_ns, ns))
            item->exists = REHEARSE_EXISTS;
    }
    return true;
}

/* The end of the stretch of the plan that begins at `from`. */
static size_t run_same_resource(const struct rehearse_state *run, size_t from)
{
    size_t to = from;
    while (to < run->plan->count && run->plan->items[to]->resource == run->plan->items[from]->resource)
        to++;
    return to;
}

/* Where a list is not granted, objects are asked for one by one. A few objects are cheaper to
 * ask for by name. */
static void run_ask_existing(struct rehearse_state *run)
{
    for (size_t from = 0, to; run->client && from < run->plan->count; from = to) {
        const struct rehearse_resource *resource = run->plan->items[from]->resource;
        const struct rehearse_kind *kind = rehearse_served_exactly(run->served, resource->group, resource->plural);
        to = run_same_resource(run, from);
        if (!kind || kind->crd || to - from <= ASKED_ALONE || str_is(resource->name, "namespaces"))
            continue;
        struct error error;
        struct existing existing = {run, resource};
        const struct kube_resource listed = {.group = kind->group,
                                             .version = kind->version,
                                             .plural = kind->plural,
                                             .kind = kind->kind,
                                             .namespaced = kind->namespaced};
        const struct kube_list_options options = {.metadata_only = true, .page = 200};
        ARENA_SCOPED arena = arena_new(1024 * 1024 * 64);
        if (!arena || !kube_list(run->client, arena, &listed, &options, existing_mark, &existing, NULL, &error))
            continue;
        for (size_t i = from; i < to; i++)
            if (run->plan->items[i]->exists == REHEARSE_EXISTS_UNASKED)
                run->plan->items[i]->exists = REHEARSE_ABSENT;
    }
}

/* ---- all of them ---------------------------------------------------------------------------------------- */

/* Each thread takes the next object until none is left; what is written of an object is its own. */
static void *run_work(void *context)
{
    struct rehearse_state *run = context;
    for (;;) {
        pthread_mutex_lock(&run->lock);
        size_t at = run->next < run->to ? run->next++ : SIZE_MAX;
        pthread_mutex_unlock(&run->lock);
        if (at == SIZE_MAX)
            return NULL;
        if (run->plan->items[at]->outcome != REHEARSE_PENDING)
            continue; /* judged in an earlier part */
        if (str_is(run->plan->items[at]->resource->name, "namespaces"))
            judge_namespace(run, run->plan->items[at]);
        else
            run_judge(run, run->plan->items[at], at);
        pthread_mutex_lock(&run->lock);
        run->done++;
        if (run->progress && run->progress->tell)
            run->progress->tell(run->progress->context, run->done, run->plan->count);
        pthread_mutex_unlock(&run->lock);
    }
}

/* Threads that cannot be started are done without: this one works too. */
static void run_part(struct rehearse_state *run, size_t from, size_t to, unsigned concurrency)
{
    pthread_t workers[CONCURRENCY_MAX];
    size_t started = 0;
    run->next = from;
    run->to = to;
    while (started + 1 < concurrency && started < to - from &&
           pthread_create(&workers[started], NULL, run_work, run) == 0)
        started++;
    run_work(run);
    for (size_t i = 0; i < started; i++)
        pthread_join(workers[i], NULL);
}

/* As Velero does it: one object after another, CRDs and then namespaces before all others. */
static bool run_drill(struct rehearse_state *run, struct error *error)
{
    run_part(run, 0, run->plan->crds, 1);
    if (!run_wait_for_crds(run, error) || !run_ask_namespaces(run, error) || !run_find_webhooks(run, error))
        return false;
    for (size_t from = run->plan->crds, to; from < run->plan->count; from = to) {
        to = run_same_resource(run, from);
        run_part(run, from, to, 1);
        if (!run_wait_for_admission(run, run->plan->items[from]->resource, error))
            return false;
    }
    return true;
}

/* CRDs and webhooks are judged before the rest, since a refusal of theirs changes what is said
 * of other objects; beyond that no order matters, for a dry run stores nothing. */
bool rehearse_run(struct rehearse_plan *plan, struct rehearse_contents *contents,
                  const struct rehearse_restore *restore, struct rehearse_served *served,
                  const struct rehearse_cluster *cluster, const struct rehearse_progress *progress, struct arena *arena,
                  struct error *error)
{
    unsigned concurrency = cluster->concurrency ? cluster->concurrency : CONCURRENCY;
    struct rehearse_state run = {.plan = plan,
                                 .contents = contents,
                                 .restore = restore,
                                 .served = served,
                                 .client = cluster->client,
                                 .as_velero = cluster->as_velero,
                                 .stores = cluster->stores,
                                 .arena = arena,
                                 .lock = PTHREAD_MUTEX_INITIALIZER,
                                 .progress = progress,
                                 .rate = cluster->rate ? cluster->rate : RATE,
                                 .filled_ns = time_monotonic_ns()};
    run.tokens = run.rate * CONCURRENCY_MAX; /* cut to a burst at the first write */
    concurrency = concurrency > CONCURRENCY_MAX ? CONCURRENCY_MAX : concurrency;
    if (run.stores)
        return run_drill(&run, error) && (!arena_failed(arena) || error_set(error, 500, "out of memory"));
    if (!run_ask_namespaces(&run, error))
        return false;
    run_ask_existing(&run);
    if (!run_find_webhooks(&run, error))
        return false;
    run_part(&run, 0, plan->crds, concurrency); /* what is said of their objects rests on them */
    for (size_t from = plan->crds, to; from < plan->count; from = to) {
        to = run_same_resource(&run, from);
        if (run_is_webhooks(plan->items[from])) /* so does what they refuse */
            run_part(&run, from, to, concurrency);
    }
    run_part(&run, plan->crds, plan->count, concurrency);
    return !arena_failed(arena) || error_set(error, 500, "out of memory");
}
