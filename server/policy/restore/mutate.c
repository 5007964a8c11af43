/* What is added to a Restore before it is validated: the exclusions that its CAPI providers
 * need, existingResourcePolicy, and the release's modifier.
 *
 * Nothing is added without a warning that names it, and the Restore keeps a record of it
 * (restore_record). A user who included a resource by name gets it, with a warning: the patch
 * completes a Restore and does not overrule one. */
#include "backstop/grammar.h"
#include "policy/checks.h"
#include "policy/restore/restore.h"

enum { WARNING_ROOM = 190 };

static const struct str webhook_configurations[] = {
    STR_INIT("mutatingwebhookconfigurations.admissionregistration.k8s.io"),
    STR_INIT("validatingwebhookconfigurations.admissionregistration.k8s.io"),
};

/* What one reason asks to leave out. */
struct exclusions {
    struct str why;
    struct strlist added, included_by_user;
};

static void exclusion_consider(struct restore_view *view, struct exclusions *exclusions, struct str text)
{
    struct resource_name name = resource_name_read(text);
    if (name.kind)
        name = (struct resource_name){name.kind->name, name.kind->plural, name.kind->group, name.kind, false};
    if (resource_names_have(&view->excluded_names, &name) ||
        restore_names_match(view, &view->excluded_names, name.text))
        return;
    if (resource_names_have(&view->included_names, &name)) {
        strlist_add(view->arena, &exclusions->included_by_user, name.text);
        return;
    }
    strlist_add(view->arena, &exclusions->added, name.text);
    strlist_add(view->arena, &view->excluded, name.text);
    resource_names_add(view->arena, &view->excluded_names, name);
}

/* "LEAD: a, b, c" in as many warnings as it takes, each short enough to be shown whole. */
static void warn_list(const struct restore_view *view, struct str lead, const struct strlist *list)
{
    BUF_SCOPED line;
    buf_init(&line, 4096);
    for (size_t i = 0; i < list->len; i++) {
        if (line.len && line.len + list->items[i].len + 2 > WARNING_ROOM) {
            decision_warn(view->decision, "%.*s", STR_ARG(arena_text(view->arena, &line)));
            buf_clear(&line);
        }
        bool first = line.len == 0;
        if (first)
            buf_add(&line, lead);
        buf_puts(&line, first ? ": " : ", ");
        buf_add(&line, list->items[i]);
    }
    if (line.len || line.failed)
        decision_warn(view->decision, "%.*s", STR_ARG(arena_text(view->arena, &line)));
}

static void exclusions_warn(const struct restore_view *view, const struct exclusions *exclusions, const char *verb)
{
    if (exclusions->added.len)
        warn_list(view, arena_printf(view->arena, "%s for %.*s", verb, STR_ARG(exclusions->why)), &exclusions->added);
    if (exclusions->included_by_user.len)
        warn_list(view,
                  arena_printf(view->arena, "kept because it is included explicitly, but %.*s cannot restore it",
                               STR_ARG(exclusions->why)),
                  &exclusions->included_by_user);
}

/* Works out what is missing from the exclusions, tells it, and adds it to the view. */
static void complete_exclusions(struct restore_view *view, const char *verb)
{
    struct provider_exclusions providers;
    restore_provider_exclusions(view, &providers);
    for (size_t i = 0; i < providers.len; i++) {
        const struct provider_exclusion *provider = providers.items[i];
        struct exclusions exclusions = {.why = provider->provider.len ? provider->provider : provider->component};
        for (size_t e = 0; e < provider->excluded_resources.len; e++)
            exclusion_consider(view, &exclusions, provider->excluded_resources.items[e]);
        exclusions_warn(view, &exclusions, verb);
    }
    struct strlist recorded = {0};
    restore_passport_exclusions(view, &recorded);
    struct exclusions of_backup = {.why = STR("the backup's providers")};
    for (size_t i = 0; i < recorded.len; i++)
        exclusion_consider(view, &of_backup, recorded.items[i]);
    exclusions_warn(view, &of_backup, verb);
    if (restore_is_regional(view)) {
        struct exclusions exclusions = {.why = STR("a regional backup")};
        for (size_t i = 0; i < LENGTH_OF(webhook_configurations); i++)
            exclusion_consider(view, &exclusions, webhook_configurations[i]);
        exclusions_warn(view, &exclusions, verb);
    }
}

static struct json_object *json_text_value(const struct restore_view *view, struct str text)
{
    return json_own(view->arena, json_new_text(text));
}

/* Appended to the list that is there, or the list is added; a review that is called again finds
 * its additions and adds none. */
static void patch_exclusions(struct restore_view *view, size_t had)
{
    if (view->excluded.len == had)
        return;
    if (object_has(view->request->object, "spec.excludedResources")) {
        for (size_t i = had; i < view->excluded.len; i++)
            decision_patch(view->decision, "add", "/spec/excludedResources/-",
                           json_text_value(view, view->excluded.items[i]));
        return;
    }
    struct json_object *array = json_own(view->arena, json_object_new_array());
    for (size_t i = had; i < view->excluded.len; i++)
        if (!json_append(array, json_new_text(view->excluded.items[i])))
            arena_fail(view->arena);
    decision_patch(view->decision, "add", "/spec/excludedResources", array);
}

/* k0rdent documents existingResourcePolicy: update for management restores, and none at all for
 * regional ones. */
static void mutate_policy(struct restore_view *view)
{
    bool forced = str_is(view->policy, "none") && view->settings->restores_force_update;
    enum json_kind kind = object_kind(view->request->object, "spec.existingResourcePolicy");
    bool is_text = kind == JSON_STRING;
    if (restore_is_regional(view) || !(view->policy.len == 0 || forced))
        return;
    if (kind != JSON_NULL && !is_text)
        return; /* of a wrong type: denied below */
    if (!restore_may_update(view)) {
        /* restores.mutateAll asks to complete every Restore; that must not cost the Management. */
        struct str reason = STR("not known to be made by kcm");
        if (view->backup)
            reason = backup_identity_reason(view->arena, view->backup->identity);
        decision_caution(
            view->decision,
            "existingResourcePolicy was not set to update: the backup is %.*s, and update would overwrite this "
            "cluster's Management",
            STR_ARG(reason));
        return;
    }
    if (forced)
        decision_warn(view->decision, "existingResourcePolicy changed from none to update (restores."
                                      "forceExistingResourcePolicy): existing k0rdent objects must be updated");
    else
        decision_warn(view->decision,
                      "existingResourcePolicy set to update, as k0rdent requires for a management restore");
    decision_patch(view->decision, is_text ? "replace" : "add", "/spec/existingResourcePolicy",
                   json_text_value(view, STR("update")));
    view->policy = STR("update");
    view->policy_added = true;
}

/* True when the annotation asks to leave the Restore alone. An empty reason does not. */
static bool opts_out(const struct restore_view *view)
{
    struct str reason = str_trim(view->opt_out_reason);
    if (view->opt_out_reason.ptr && !view->opted_out)
        decision_warn(view->decision,
                      "annotation %s was ignored: it needs a reason as its value. The Restore was completed as usual",
                      ANNOTATION_SKIP_MUTATION);
    if (!view->opted_out)
        return false;
    decision_warn(view->decision, "left unchanged by annotation %s: %.*s", ANNOTATION_SKIP_MUTATION,
                  STR_ARG(arena_quote(view->arena, str_slice(reason, 0, 100))));
    decision_audit(view->decision, "skip-mutation", "%.*s", STR_ARG(reason));
    return true;
}

void restore_mutate(struct restore_view *view)
{
    enum json_kind kind = object_kind(view->request->object, "spec.excludedResources");
    view->excluded_given = view->excluded.len;
    if (!view->management) {
        restore_advise(view);
        return;
    }
    if (opts_out(view))
        return;
    size_t had = view->excluded.len;
    if (kind == JSON_NULL || kind == JSON_ARRAY) {
        complete_exclusions(view, "excluded");
        patch_exclusions(view, had);
    }
    BUF_SCOPED names;
    buf_init(&names, 64 * 1024);
    for (size_t i = had; i < view->excluded.len; i++) {
        if (i > had)
            buf_putc(&names, ',');
        buf_add(&names, view->excluded.items[i]);
    }
    if (view->excluded.len > had)
        decision_audit(view->decision, "excluded-resources", "%.*s", STR_ARG(arena_text(view->arena, &names)));
    mutate_policy(view);
}

/* The Velero CLI prints no warnings, so that what was added must stand on the Restore itself. A
 * review that is repeated for the same Restore adds to what the first one wrote. */
void restore_record(const struct restore_view *view)
{
    BUF_SCOPED text;
    buf_init(&text, 64 * 1024);
    struct str before = object_annotation(view->request, view->request->object, ANNOTATION_ADDED);
    buf_add(&text, before);
    for (size_t i = view->excluded_given; i < view->excluded.len; i++) {
        bool first = i == view->excluded_given;
        buf_puts(&text, first ? (text.len ? "; excludedResources: " : "excludedResources: ") : ", ");
        buf_add(&text, view->excluded.items[i]);
    }
    if (view->policy_added)
        buf_printf(&text, "%sexistingResourcePolicy: %.*s", text.len ? "; " : "", STR_ARG(view->policy));
    if (view->modifier_injected)
        buf_printf(&text, "%sresourceModifier: %.*s", text.len ? "; " : "", STR_ARG(view->modifier_name));
    struct str added = arena_copy(view->arena, arena_text(view->arena, &text));
    if (added.len == before.len)
        return;
    const struct annotation item = {ANNOTATION_ADDED, added};
    annotations_patch(view->request, view->decision, &item, 1);
}

/* A validating review sees the Restore completed, unless the mutation was skipped or
 * could not run: then what is missing must at least be said. */
void restore_advise(const struct restore_view *view)
{
    struct restore_view copy = *view;
    /* A backup by hand is not completed; on an empty cluster its restore fails all the same. */
    bool by_hand = view->backup && view->backup->identity.kind == BACKUP_HANDMADE && restore_may_update(view);
    if ((!view->management && !by_hand) || view->opted_out)
        return;
    /* Lists are appended to: the copy must not share the view's room. */
    copy.excluded.cap = copy.excluded.len;
    copy.excluded_names.cap = copy.excluded_names.len;
    complete_exclusions(&copy, "missing from spec.excludedResources");
    if (!restore_is_regional(view) && view->policy.len == 0 && view->management && restore_may_update(view))
        decision_caution(view->decision,
                         "existingResourcePolicy is not set: a k0rdent management restore needs update");
}
