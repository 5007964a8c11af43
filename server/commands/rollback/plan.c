/* rollback-plan: from a pre-upgrade backup to the Restore that leads back.
 *
 * The plan is what the webhook would make of the bare Restore: the same policy runs here, so
 * that plan and webhook cannot differ. Nothing is applied; the ConfigMap that the webhook would
 * create is printed before the Restore. */
#include <unistd.h>

#include "backstop/admission.h"
#include "backstop/cli.h"
#include "backstop/policy.h"
#include "commands/commands.h"
#include "commands/facts_open.h"

struct rollback {
    struct arena *arena;
    const struct inventory *inventory;
    const struct settings *settings;
    int64_t now;
    struct rollback_candidate *candidates;
    size_t count;
};

enum { OBJECT_LIMIT = 1024 * 1024 };

/* Unless the backup is known to hold the old release: for one that cannot be told the modifier
 * does no harm. */
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

/* One line each; the texts have no line breaks. */
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

/* The plan as YAML with comments. EXIT_DENIED, with the reason told, when the webhook
 * would not admit it. */
static int rollback_print(const struct command *command, struct rollback *rollback,
                          const struct rollback_candidate *candidate, struct buf *out)
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

enum { MEMORY_LIMIT = 256 * 1024 * 1024, OUTPUT_LIMIT = 64 * 1024 * 1024 };

struct plan_options {
    struct facts_options facts;
    const char *settings;
    int64_t now;
};

static const struct option options[] = {
    FACTS_OPTIONS(struct plan_options),
    {"settings", 0, OPTION_TEXT, "FILE", "settings file of the webhook", offsetof(struct plan_options, settings)},
    {"now", 0, OPTION_TIME, "TIME", "current time to assume, such as 2026-11-21T03:00:00Z (now)",
     offsetof(struct plan_options, now)},
};

static const char details[] =
    "Prints the Velero Restore that rolls the cluster back to the release of a backup taken before\n"
    "an upgrade, with all exclusions it needs. If the backup already contains the new release, it\n"
    "also prints the ConfigMap that sets the old one: a backup started by backstop contains the\n"
    "old release, one started by kcm itself the new one. Without BACKUP, lists the backups that\n"
    "can be used, newest first.\n"
    "\n"
    "The plan is reviewed as the webhook would review it, and the answers are printed in it as\n"
    "comments. Nothing is applied.\n"
    "\n" FACTS_DETAILS "\n"
    "\n"
    "Exit status: 0 printed, 1 the backup cannot be used for a rollback (the reason is printed),\n"
    "2 wrong usage, or the cluster or the files cannot be read.\n"
    "\n"
    "Examples:\n"
    "  backstop rollback-plan\n"
    "  backstop rollback-plan kcm-backup-kcm-1-2-0 >rollback.yaml\n"
    "  backstop rollback-plan kcm-backup-kcm-1-2-0 | kubectl apply -f -";

/* A Backup that exists, but was not taken before an upgrade, is told apart from a slip in its
 * name. */
static int say_unknown(const struct command *command, struct rollback *rollback, struct str name)
{
    struct arena *arena = rollback->arena;
    struct strlist names = {0};
    struct str quoted = arena_quote(arena, name);
    for (size_t i = 0; i < rollback->count; i++)
        strlist_add(arena, &names, rollback->candidates[i].backup->meta.name);
    struct str near = str_nearest(name, names.items, names.len);
    bool exists = inventory_backup(rollback->inventory, rollback->settings->system_namespace, name) != NULL;
    command_fail(command, "%.*s is %s; %s%.*s", STR_ARG(quoted),
                 exists ? "no backup taken before an upgrade" : "no Velero Backup that is known",
                 near.len ? "did you mean " : "see: backstop rollback-plan", STR_ARG(near));
    return EXIT_DENIED;
}

static int rollback_plan_print(const struct command *command, struct rollback *rollback, const char *name,
                               struct buf *out)
{
    if (!name && rollback->count == 0) {
        command_fail(command, "there is no backup taken before an upgrade in %.*s",
                     STR_ARG(rollback->settings->system_namespace));
        return EXIT_DENIED;
    }
    if (!name) {
        static const char *const headings[] = {"BACKUP", "BACK TO", "TAKEN", "PHASE", "MODIFIER"};
        struct columns columns;
        struct arena *arena = rollback->arena;
        columns_init(&columns, arena, headings, LENGTH_OF(headings));
        for (size_t i = 0; i < rollback->count; i++) {
            const struct rollback_candidate *each = &rollback->candidates[i];
            const struct backup_status *status = &each->backup->status;
            char when[TIME_TEXT_SIZE];
            struct str taken =
                status->started ? arena_copy(arena, str_from(time_format(status->started, 0, when))) : STR("-");
            struct str phase = each->backup->meta.deleting ? STR("Deleting") : status->phase;
            columns_row(&columns,
                        (struct cell[]){{shown(arena, each->backup->meta.name), TONE_STRONG},
                                        {shown(arena, each->release), TONE_PLAIN},
                                        {taken, TONE_PLAIN},
                                        {shown(arena, phase), TONE_PLAIN},
                                        {each->holds == HOLDS_OLD ? STR("not needed") : STR("needed"), TONE_PLAIN}});
        }
        const struct page page = terminal_page(&(struct terminal_options){.color = COLOUR_NEVER, .width = -1}, out);
        columns_print(&columns, &page);
        return EXIT_OK;
    }
    for (size_t i = 0; i < rollback->count; i++)
        if (str_is(rollback->candidates[i].backup->meta.name, name))
            return rollback_print(command, rollback, &rollback->candidates[i], out);
    return say_unknown(command, rollback, str_from(name));
}

static int rollback_plan_execute(const struct command *command, void *context, char **operands, size_t operand_count)
{
    struct plan_options *values = context;
    if (operand_count > 1)
        return command_fail(command, "takes one backup; see: backstop rollback-plan --help");
    values->now = command_now(values->now);
    const char *name = operand_count ? operands[0] : NULL;
    CLEANUP(command_settings_release)
    struct settings *settings = command_settings(command, values->settings, &values->facts);
    if (!settings)
        return EXIT_USAGE;
    CLEANUP(facts_dispose) struct facts facts;
    if (!facts_open(&facts, command, &values->facts, settings, values->now))
        return EXIT_USAGE;
    ARENA_SCOPED arena = arena_new(MEMORY_LIMIT);
    BUF_SCOPED out;
    buf_init(&out, OUTPUT_LIMIT);
    struct rollback rollback = {.arena = arena, .inventory = facts.inventory, .settings = settings, .now = values->now};
    if (arena)
        rollback.candidates = policy_rollback_candidates(arena, facts.inventory, settings, &rollback.count);
    if (!rollback.candidates)
        return command_fail(command, "out of memory");
    int code = rollback_plan_print(command, &rollback, name, &out);
    if (arena_failed(arena))
        return command_fail(command, "out of memory");
    int printed = command_print(command, &out);
    return printed == EXIT_OK ? code : printed;
}

const struct command command_rollback_plan = {
    .name = "rollback-plan",
    .summary = "print the Restore that rolls the cluster back to the release before an upgrade",
    .operands = "[BACKUP]",
    .details = details,
    .options = options,
    .option_count = LENGTH_OF(options),
    FACTS_CONNECTION(struct plan_options),
    .body = rollback_plan_execute,
    COMMAND_DEFAULTS(struct plan_options, .now = INT64_MIN),
};
