#include "backstop/admission.h"
#include "commands/rollback/plan.h"

enum { OBJECT_LIMIT = 1024 * 1024 };

static bool needs_modifier(const struct rollback_candidate *candidate)
{
    return candidate->holds != HOLDS_OLD;
}

/* The Restore of k0rdent's documentation, before the webhook has completed it. */
static struct str bare_restore(const struct rollback *rollback, const struct rollback_candidate *candidate)
{
    BUF_SCOPED text;
    buf_init(&text, OBJECT_LIMIT);
    struct str name = arena_printf(rollback->arena, "rollback-to-%.*s", STR_ARG(candidate->release));
    buf_puts(&text, "{\"apiVersion\":\"velero.io/v1\",\"kind\":\"Restore\",\"metadata\":{\"name\":");
    json_write_str(&text, name);
    buf_puts(&text, ",\"namespace\":");
    json_write_str(&text, candidate->backup->meta.ns);
    buf_puts(&text, "},\"spec\":{\"backupName\":");
    json_write_str(&text, candidate->backup->meta.name);
    buf_puts(&text, ",\"existingResourcePolicy\":\"update\",\"includedNamespaces\":[\"*\"]}}");
    return text.failed ? (struct str){NULL, 0} : arena_copy(rollback->arena, buf_str(&text));
}

/* The review that completes it: with the injection of the modifier, whatever the
 * settings say, since the ConfigMap is printed and not created. */
static bool rollback_review_plan(const struct rollback *rollback, const struct rollback_candidate *candidate,
                                 struct str text, struct decision *decision)
{
    struct error ignored;
    struct request request;
    struct settings settings = *rollback->settings;
    const struct object object = {json_index(rollback->arena, text, 2, &ignored)};
    if (!object.root)
        return false;
    settings.restores_inject_release_modifier = needs_modifier(candidate);
    request_init(&request, rollback->arena);
    request.operation = OPERATION_CREATE;
    request.dry_run = true;
    request.now = rollback->now;
    request.api_version = STR(API_VELERO);
    request.kind = STR("Restore");
    request.ns = candidate->backup->meta.ns;
    request.object = &object;
    decision_init(decision, rollback->arena);
    policy_restore_mutate(&request, rollback->inventory, &settings, decision);
    return true;
}

static void rollback_write_comment(struct buf *out, struct str text)
{
    buf_printf(out, "# %.*s\n", STR_ARG(text));
}

static void rollback_explain(const struct rollback *rollback, const struct rollback_candidate *candidate,
                             const struct decision *decision, struct buf *out)
{
    struct arena *arena = rollback->arena;
    rollback_write_comment(out, arena_printf(arena, "Back to %.*s with backup %.*s.",
                                             STR_ARG(arena_quote(arena, candidate->release)),
                                             STR_ARG(arena_quote(arena, candidate->backup->meta.name))));
    rollback_write_comment(out, arena_printf(arena, "It %.*s%s", STR_ARG(policy_rollback_reason(arena, candidate)),
                                             needs_modifier(candidate) ? "." : ": no modifier is needed."));
    if (needs_modifier(candidate))
        rollback_write_comment(out, decision->effects.len
                                        ? STR("The ConfigMap sets the old one as it is restored.")
                                        : STR("The ConfigMap named below, which is there, sets the old one."));
    rollback_write_comment(
        out, STR("Restore into a clean installation, with the same storage location. What the webhook says:"));
    for (size_t i = 0; i < decision->warnings.len; i++)
        rollback_write_comment(out, decision->warnings.items[i]);
}

static int rollback_refuse(const struct command *command, const struct rollback_candidate *candidate,
                           struct arena *arena, struct str why)
{
    command_fail(command, "cannot roll back with %.*s: %.*s", STR_ARG(arena_quote(arena, candidate->backup->meta.name)),
                 STR_ARG(why));
    return EXIT_DENIED;
}

static bool has_modifier(struct json_object *restore)
{
    return json_path(restore, "spec.resourceModifier") != NULL;
}

int rollback_print(const struct command *command, struct rollback *rollback, const struct rollback_candidate *candidate,
                   struct buf *out)
{
    struct error error = {0};
    struct decision decision;
    struct arena *arena = rollback->arena;
    struct str text = bare_restore(rollback, candidate);
    if (!text.ptr || !rollback_review_plan(rollback, candidate, text, &decision))
        return command_fail(command, "out of memory");
    if (decision.denied)
        return rollback_refuse(command, candidate, arena, decision_message(&decision));
    struct json_object *bare = json_build(arena, text, &error);
    struct json_object *restore = bare ? admission_apply_patch(arena, bare, &decision, &error) : NULL;
    if (!restore)
        return command_fail(command, "%s", error.message);
    if (needs_modifier(candidate) && !has_modifier(restore))
        return rollback_refuse(
            command, candidate, arena,
            arena_printf(arena, "the ConfigMap backstop-release-%.*s exists with another content; rename or delete it",
                         STR_ARG(candidate->release)));
    rollback_explain(rollback, candidate, &decision, out);
    for (size_t i = 0; i < decision.effects.len; i++) {
        buf_puts(out, "---\n");
        yaml_write(out, decision.effects.items[i].object);
    }
    buf_puts(out, "---\n");
    yaml_write(out, restore);
    return EXIT_OK;
}
