/* What came of a rehearsal, in ten seconds: the verdict, counts, and what is refused by cause,
 * with its cure.
 *
 * Hundreds of refusals have a few causes, so they are grouped by cause and by what would cure
 * them: to exclude a resource. A cure is offered only where it loses nothing that could be
 * restored. */
#include <stdlib.h>

#include "commands/rehearse/rehearse.h"

/* "secrets/ns/name" */
static struct str rehearsal_item_text(struct arena *arena, const struct rehearse_item *item)
{
    struct str resource = shown(arena, item->resource->name), name = shown(arena, item->name);
    if (item->ns.len == 0)
        return arena_printf(arena, "%.*s/%.*s", STR_ARG(resource), STR_ARG(name));
    return arena_printf(arena, "%.*s/%.*s/%.*s", STR_ARG(resource), STR_ARG(shown(arena, item->ns)), STR_ARG(name));
}

/* ---- the summary ------------------------------------------------------------------------------ */

/* An object that its modifier failed on is restored, but not as it was asked for. */
static bool item_is_grouped(const struct rehearse_item *item)
{
    return item->outcome == REHEARSE_REFUSED || item->outcome == REHEARSE_UNKNOWN || item->unmodified;
}

/* NULL when there are too many causes; the rest is counted. */
static struct rehearsal_group *summary_group(struct rehearsal_summary *summary, const struct rehearse_item *item)
{
    for (size_t i = 0; i < summary->group_count; i++) {
        struct rehearsal_group *group = &summary->groups[i];
        if (group->outcome == item->outcome && str_eq(group->cause, item->cause) && str_eq(group->cure, item->cure))
            return group;
    }
    if (summary->group_count == REHEARSAL_GROUPS_MAX)
        return NULL;
    struct rehearsal_group *group = &summary->groups[summary->group_count++];
    *group = (struct rehearsal_group){
        .outcome = item->outcome, .cause = item->cause, .webhook = item->webhook, .cure = item->cure};
    return group;
}

/* Objects that can be restored and would be left out with this resource. A webhook configuration is no loss. */
static size_t cure_loses(struct rehearsal *rehearsal, struct str cure)
{
    size_t lost = 0;
    const struct rehearse_resource *resource = rehearse_contents_resource(rehearsal->contents, cure);
    bool webhooks = str_starts(cure, STR("mutatingwebhookconfigurations.")) ||
                    str_starts(cure, STR("validatingwebhookconfigurations."));
    for (size_t i = 0; !webhooks && resource && i < resource->count; i++) {
        const struct rehearse_item *item = &resource->items[i];
        bool refused = item->outcome == REHEARSE_REFUSED && !item->patches.len; /* with a modifier it is restored */
        lost += !refused && item->outcome != REHEARSE_SKIPPED;
    }
    return lost;
}

static void summary_take(struct rehearsal_summary *summary, const struct rehearse_item *item)
{
    summary->total++;
    summary->counts[item->outcome]++;
    summary->unmodified += item->unmodified;
    summary->by_crd += item->outcome == REHEARSE_CREATED && item->evidence == REHEARSE_BY_CRD;
    summary->by_stand_in += item->outcome == REHEARSE_CREATED && item->evidence == REHEARSE_BY_STAND_IN;
    if (!item_is_grouped(item))
        return;
    struct rehearsal_group *group = summary_group(summary, item);
    if (!group) {
        summary->in_more_groups++;
        return;
    }
    if (group->count < REHEARSAL_EXAMPLES)
        group->examples[group->count] = item;
    group->count++;
    group->patched += item->outcome == REHEARSE_REFUSED && item->patches.len > 0;
}

/* That to exclude its resource loses nothing, and nothing less helps. */
static bool group_is_cured(const struct rehearsal_group *group)
{
    return group->outcome == REHEARSE_REFUSED && group->cure.len && group->left == 0 && group->patched < group->count;
}

static bool group_has_cure_of(const struct rehearsal_group *group, const struct rehearsal_group *other)
{
    return group_is_cured(group) && group_is_cured(other) && str_eq(group->cure, other->cure);
}

/* Those with one cure together, the largest first. */
static int group_order(const void *a, const void *b)
{
    const struct rehearsal_group *one = a, *other = b;
    if (one->together != other->together)
        return one->together < other->together ? 1 : -1;
    int cures = group_is_cured(one) || group_is_cured(other) ? str_cmp(one->cure, other->cure) : 0;
    if (cures || one->count == other->count)
        return cures ? cures : str_cmp(one->cause, other->cause);
    return one->count < other->count ? 1 : -1;
}

/* What cures each, and what is not cured. */
static void summary_cure(struct rehearsal *rehearsal, struct rehearsal_summary *summary)
{
    for (size_t i = 0; i < summary->group_count; i++) {
        struct rehearsal_group *group = &summary->groups[i];
        if (group->outcome != REHEARSE_REFUSED)
            continue;
        summary->patched += group->patched;
        group->left = group->cure.len && group->patched < group->count ? cure_loses(rehearsal, group->cure) : 0;
        if (!group_is_cured(group))
            summary->uncured += group->count - group->patched;
        else if (!strlist_has(&summary->cures, group->cure))
            strlist_add(rehearsal->arena, &summary->cures, group->cure);
    }
    for (size_t i = 0; i < summary->group_count; i++)
        for (size_t k = 0; k < summary->group_count; k++)
            if (k == i || group_has_cure_of(&summary->groups[i], &summary->groups[k]))
                summary->groups[i].together += summary->groups[k].count;
    qsort(summary->groups, summary->group_count, sizeof *summary->groups, group_order);
}

/* Refused is certain, so it goes before unknown. A Restore that takes nothing proves nothing:
 * unknown. */
bool rehearsal_summarize(struct rehearsal *rehearsal, struct rehearsal_summary *summary)
{
    size_t count;
    struct rehearse_resource *resources = rehearse_contents_resources(rehearsal->contents, &count);
    *summary = (struct rehearsal_summary){
        .groups = arena_array(rehearsal->arena, REHEARSAL_GROUPS_MAX, sizeof(struct rehearsal_group)),
        .taken = rehearsal->plan.count};
    if (!summary->groups)
        return false;
    for (size_t r = 0; r < count; r++)
        for (size_t i = 0; i < resources[r].count; i++)
            summary_take(summary, &resources[r].items[i]);
    summary_cure(rehearsal, summary);
    summary->verdict = summary->counts[REHEARSE_REFUSED] || summary->unmodified ? REHEARSAL_INCOMPLETE
                       : summary->counts[REHEARSE_UNKNOWN] || summary->counts[REHEARSE_PENDING] || summary->taken == 0
                           ? REHEARSAL_UNKNOWN
                           : REHEARSAL_RESTORABLE;
    return !arena_failed(rehearsal->arena);
}

struct str rehearsal_verdict_text(struct rehearsal *rehearsal, const struct rehearsal_summary *summary)
{
    struct arena *arena = rehearsal->arena;
    size_t refused = summary->counts[REHEARSE_REFUSED], differs = summary->counts[REHEARSE_LEFT_DIFFERS];
    if (refused)
        return arena_printf(arena, "INCOMPLETE: %zu of %zu object%s would be refused", refused, summary->taken,
                            plural_s(summary->taken));
    if (summary->unmodified)
        return arena_printf(arena, "INCOMPLETE: the resource modifier fails for %zu object%s", summary->unmodified,
                            plural_s(summary->unmodified));
    if (summary->counts[REHEARSE_UNKNOWN])
        return arena_printf(arena, "UNKNOWN: %zu of %zu object%s could not be checked",
                            summary->counts[REHEARSE_UNKNOWN], summary->taken, plural_s(summary->taken));
    if (summary->counts[REHEARSE_PENDING])
        return arena_printf(arena, "UNKNOWN: no cluster was asked about %zu of %zu object%s",
                            summary->counts[REHEARSE_PENDING], summary->taken, plural_s(summary->taken));
    if (differs)
        return differs == 1 ? STR("RESTORABLE: nothing would be refused; 1 object exists, differs, and stays as it is")
                            : arena_printf(arena,
                                           "RESTORABLE: nothing would be refused; %zu objects exist, differ, and stay "
                                           "as they are",
                                           differs);
    if (summary->taken == 0)
        return arena_printf(arena, "UNKNOWN: the Restore takes none of the backup's %zu object%s", summary->total,
                            plural_s(summary->total));
    return summary->taken == 1 ? STR("RESTORABLE: 1 object")
                               : arena_printf(arena, "RESTORABLE: all %zu objects", summary->taken);
}

/* ---- text ---------------------------------------------------------------------------------------- */

static struct str group_examples(struct rehearsal *rehearsal, const struct rehearsal_group *group)
{
    struct str text = STR("");
    for (size_t i = 0; i < REHEARSAL_EXAMPLES && group->examples[i]; i++)
        text = arena_printf(rehearsal->arena, "%.*s%s%.*s", STR_ARG(text), i ? ", " : "",
                            STR_ARG(rehearsal_item_text(rehearsal->arena, group->examples[i])));
    return group->count > REHEARSAL_EXAMPLES
               ? arena_printf(rehearsal->arena, "%.*s and %zu more", STR_ARG(text), group->count - REHEARSAL_EXAMPLES)
               : text;
}

/* "remove /spec/level, replace /apiVersion" */
static struct str patches_text(struct arena *arena, struct str patches)
{
    struct error ignored;
    struct json_object *list = json_build(arena, patches, &ignored);
    struct str text = STR("");
    for (size_t i = 0; i < json_len(list); i++)
        text = arena_printf(arena, "%.*s%s%.*s %.*s", STR_ARG(text), i ? ", " : "",
                            STR_ARG(json_get_str(json_item(list, i), "operation")),
                            STR_ARG(shown(arena, json_get_str(json_item(list, i), "path"))));
    return text;
}

static struct str group_fix(struct rehearsal *rehearsal, const struct rehearsal_group *group)
{
    struct arena *arena = rehearsal->arena;
    struct str cure = shown(arena, group->cure);
    if (group->patched == group->count)
        return arena_printf(arena, "fix: a resource modifier (%.*s); --suggest prints it",
                            STR_ARG(patches_text(arena, group->examples[0]->patches)));
    return group->left ? arena_printf(arena,
                                      "fix: the cause; excluding %.*s would also leave out %zu object%s that can be "
                                      "restored",
                                      STR_ARG(cure), group->left, plural_s(group->left))
                       : arena_printf(arena, "fix: exclude %.*s (spec.excludedResources); --suggest prints the Restore",
                                      STR_ARG(cure));
}

static void text_group(struct rehearsal *rehearsal, const struct rehearsal_group *group, const struct page *page)
{
    const char *what = group->outcome == REHEARSE_REFUSED   ? "refused"
                       : group->outcome == REHEARSE_UNKNOWN ? "unknown"
                                                            : "restored without the modifier";
    page_paragraph(page, 2, "",
                   arena_printf(rehearsal->arena, "%zu %s: %.*s", group->count, what, STR_ARG(group->cause)));
    page_paragraph(page, 4, "", group_examples(rehearsal, group));
}

/* The provider of a cluster brings a webhook for each of its kinds, and all have one cure. */
static void text_groups_of_cure(struct rehearsal *rehearsal, const struct rehearsal_group *groups, size_t count,
                                const struct page *page)
{
    struct arena *arena = rehearsal->arena;
    size_t webhooks = 0, rest = 0;
    for (size_t i = 0; i < count; i++)
        webhooks += groups[i].webhook.len > 0;
    page_paragraph(page, 2, "",
                   webhooks == count
                       ? arena_printf(arena,
                                      "%zu refused: %zu webhooks are restored before them, and their services are not "
                                      "running",
                                      groups->together, count)
                       : arena_printf(arena, "%zu refused, for %zu causes with one fix", groups->together, count));
    for (size_t i = 0; i < count; i++)
        if (i < REHEARSAL_CAUSES)
            page_paragraph(page, 4, "",
                           arena_printf(arena, "%.*s: %.*s",
                                        STR_ARG(webhooks == count ? groups[i].webhook : groups[i].cause),
                                        STR_ARG(group_examples(rehearsal, &groups[i]))));
        else
            rest += groups[i].count;
    size_t more = count > REHEARSAL_CAUSES ? count - REHEARSAL_CAUSES : 0;
    if (more)
        page_paragraph(page, 4, "",
                       arena_printf(arena, "and %zu more %s%s, for %zu object%s: see -o json", more,
                                    webhooks == count ? "webhook" : "cause", plural_s(more), rest, plural_s(rest)));
}

static void text_groups(struct rehearsal *rehearsal, const struct rehearsal_summary *summary, const struct page *page)
{
    struct arena *arena = rehearsal->arena;
    for (size_t i = 0, next; i < summary->group_count; i = next) {
        const struct rehearsal_group *group = &summary->groups[i];
        for (next = i + 1; next < summary->group_count && group_has_cure_of(group, &summary->groups[next]);)
            next++;
        if (i == 0)
            page_heading(page, "Not restored as it is");
        if (next - i > 1)
            text_groups_of_cure(rehearsal, group, next - i, page);
        else
            text_group(rehearsal, group, page);
        if (group->outcome == REHEARSE_REFUSED && (group->cure.len || group->patched == group->count))
            page_paragraph(page, 4, "", group_fix(rehearsal, group));
    }
    if (summary->in_more_groups)
        page_paragraph(page, 2, "", arena_printf(arena, "%zu for other causes: see -o json", summary->in_more_groups));
}

static void text_counts(struct rehearsal *rehearsal, const struct rehearsal_summary *summary, const struct page *page)
{
    static const char *const headings[] = {"OUTCOME", "OBJECTS"};
    static const enum tone tones[REHEARSE_OUTCOMES] = {
        [REHEARSE_LEFT_DIFFERS] = TONE_DOUBTFUL, [REHEARSE_REFUSED] = TONE_BAD, [REHEARSE_UNKNOWN] = TONE_DOUBTFUL};
    struct columns columns;
    columns_init(&columns, rehearsal->arena, headings, LENGTH_OF(headings));
    for (int i = 0; i < REHEARSE_OUTCOMES; i++)
        if (summary->counts[i])
            columns_row(&columns,
                        (struct cell[]){{str_from(rehearse_outcome_name((enum rehearse_outcome)i)), tones[i]},
                                        {arena_printf(rehearsal->arena, "%zu", summary->counts[i]), TONE_PLAIN}});
    buf_putc(page->out, '\n');
    columns_print(&columns, page);
}

static void text_item(struct rehearsal *rehearsal, const struct rehearse_item *item, const struct page *page)
{
    struct arena *arena = rehearsal->arena;
    page_paragraph(page, 2, "",
                   arena_printf(arena, "%s: %.*s%s%.*s", rehearse_outcome_name((enum rehearse_outcome)item->outcome),
                                STR_ARG(rehearsal_item_text(arena, item)), item->reason.len ? ": " : "",
                                STR_ARG(item->reason)));
}

/* In the order of the restore, then what it leaves out. */
static void text_items(struct rehearsal *rehearsal, const struct page *page)
{
    size_t count;
    struct rehearse_resource *resources = rehearse_contents_resources(rehearsal->contents, &count);
    bool *taken = arena_array(rehearsal->arena, rehearse_contents_count(rehearsal->contents) + 1, sizeof *taken);
    page_heading(page, "Objects, in the order of the restore");
    for (size_t i = 0; taken && i < rehearsal->plan.count; i++) {
        taken[rehearsal->plan.items[i] - resources[0].items] = true;
        text_item(rehearsal, rehearsal->plan.items[i], page);
    }
    for (size_t i = 0; taken && i < rehearse_contents_count(rehearsal->contents); i++)
        if (!taken[i])
            text_item(rehearsal, &resources[0].items[i], page);
}

void rehearsal_text(struct rehearsal *rehearsal, const struct rehearsal_summary *summary, bool all,
                    const struct page *page)
{
    static const enum tone tones[] = {
        [REHEARSAL_RESTORABLE] = TONE_GOOD, [REHEARSAL_INCOMPLETE] = TONE_BAD, [REHEARSAL_UNKNOWN] = TONE_DOUBTFUL};
    struct arena *arena = rehearsal->arena;
    page_sentence(page, tones[summary->verdict], rehearsal_verdict_text(rehearsal, summary), STR(""));
    page_paragraph(page, 0, "",
                   arena_printf(arena, "backup %.*s, %zu object%s, %s%.*s",
                                STR_ARG(shown(arena, rehearsal->restore.backup)), summary->total,
                                plural_s(summary->total),
                                rehearsal->server.len ? "rehearsed on " : "offline: no cluster was asked",
                                STR_ARG(rehearsal->server)));
    text_counts(rehearsal, summary, page);
    text_groups(rehearsal, summary, page);
    size_t notes = rehearsal->notes.len + rehearsal->plan.notes.len;
    if (notes || summary->by_crd || summary->by_stand_in)
        page_heading(page, "Notes");
    for (size_t i = 0; i < rehearsal->notes.len; i++)
        page_paragraph(page, 2, "", rehearsal->notes.items[i]);
    for (size_t i = 0; i < rehearsal->plan.notes.len; i++)
        page_paragraph(page, 2, "", rehearsal->plan.notes.items[i]);
    if (summary->by_crd)
        page_paragraph(page, 2, "",
                       arena_printf(arena,
                                    "%zu object%s checked against a CRD of the backup, which comes with the "
                                    "restore: CEL rules were not evaluated",
                                    summary->by_crd, summary->by_crd == 1 ? " was" : "s were"));
    if (summary->by_stand_in)
        page_paragraph(page, 2, "",
                       arena_printf(arena,
                                    "%zu object%s tried in namespace default, since the namespace comes with the "
                                    "restore: its quotas and policies were not checked",
                                    summary->by_stand_in, summary->by_stand_in == 1 ? " was" : "s were"));
    if (all)
        text_items(rehearsal, page);
}

/* ---- the Restore that would go through -------------------------------------------------------------- */

enum { RULE_NAMES_BYTES = 16 * 1024 };

/* One rule for all objects of a resource and namespace that take the same patches: they stand together. */
static void suggest_rules(struct rehearsal *rehearsal, const struct rehearse_resource *resource,
                          struct json_object *rules)
{
    struct arena *arena = rehearsal->arena;
    for (size_t i = 0; i < resource->count; i++) {
        const struct rehearse_item *first = &resource->items[i];
        struct error ignored;
        bool earlier = false;
        struct str names = STR("");
        if (first->outcome != REHEARSE_REFUSED || !first->patches.len)
            continue;
        for (size_t k = 0; k < resource->count && names.len < RULE_NAMES_BYTES; k++) {
            const struct rehearse_item *item = &resource->items[k];
            if (item->outcome != REHEARSE_REFUSED || !str_eq(item->ns, first->ns) ||
                !str_eq(item->patches, first->patches))
                continue;
            earlier = earlier || k < i;
            names = arena_join(arena, names, names.len ? "|" : "", rehearse_name_pattern(arena, item->name));
        }
        if (!earlier && !rehearse_modifier_add(arena, rules, first, names, json_build(arena, first->patches, &ignored)))
            arena_fail(arena);
    }
}

/* The modifier of the Restore, with rules for what is refused behind its own. */
static void suggest_modifier(struct rehearsal *rehearsal, const struct rehearsal_summary *summary, struct buf *out)
{
    struct arena *arena = rehearsal->arena;
    size_t count;
    struct rehearse_resource *resources = rehearse_contents_resources(rehearsal->contents, &count);
    struct json_object *spec = json_get(rehearsal->tree, "spec"), *reference, *metadata, *data;
    struct json_object *map = json_own(arena, json_object_new_object()), *own = rehearsal->restore.modifier;
    struct json_object *modifier = json_own(arena, own ? json_copy(own) : json_object_new_object());
    struct json_object *rules = json_get(modifier, "resourceModifierRules");
    struct str name = arena_join(arena, rehearsal->restore.name, "-", STR("modifier"));
    BUF_SCOPED text;
    buf_init(&text, 1024 * 1024);
    if (!own)
        json_put_text(modifier, "version", STR("v1"));
    if (!rules) {
        json_put(modifier, "resourceModifierRules", json_object_new_array());
        rules = json_get(modifier, "resourceModifierRules");
    }
    for (size_t i = 0; i < count; i++)
        suggest_rules(rehearsal, &resources[i], rules);
    yaml_write(&text, modifier);
    bool made = json_put_text(map, "apiVersion", STR("v1")) && json_put_text(map, "kind", STR("ConfigMap")) &&
                json_put_map(map, "metadata", &metadata) && json_put_text(metadata, "name", name) &&
                json_put_text(metadata, "namespace", rehearsal->ns) && json_put_map(map, "data", &data) &&
                json_put_text(data, "modifier", buf_str(&text)) && json_put_map(spec, "resourceModifier", &reference) &&
                json_put_text(reference, "kind", STR("ConfigMap")) && json_put_text(reference, "name", name);
    if (!made || text.failed)
        arena_fail(arena);
    buf_printf(
        out,
        "# Modified, since %zu object%s would be refused: with these patches the API server took %s in a dry run.\n"
        "# They change what is restored: read them.\n",
        summary->patched, plural_s(summary->patched), summary->patched == 1 ? "it" : "them");
    yaml_write(out, map);
    buf_puts(out, "---\n");
}

/* The Restore with the cures added, and as comments what they are for and what they do not mend. */
void rehearsal_suggest(struct rehearsal *rehearsal, const struct rehearsal_summary *summary, struct buf *out)
{
    struct json_object *spec = json_get(rehearsal->tree, "spec"), *excluded = json_get(spec, "excludedResources");
    struct str verdict = rehearsal_verdict_text(rehearsal, summary);
    if (!excluded && summary->cures.len) {
        json_put(spec, "excludedResources", json_object_new_array());
        excluded = json_get(spec, "excludedResources");
    }
    buf_printf(out, "# Rehearsed: %.*s.\n", STR_ARG(verdict));
    for (size_t i = 0; i < summary->cures.len; i++) {
        json_append(excluded, json_new_text(summary->cures.items[i]));
        buf_printf(out, "# Excluded, since objects would be refused: %.*s\n", STR_ARG(summary->cures.items[i]));
    }
    size_t rest = summary->uncured + summary->unmodified + summary->in_more_groups;
    if (rest)
        buf_printf(out, "# %zu object%s still refused or unmodified: see the report without --suggest.\n", rest,
                   rest == 1 ? " is" : "s are");
    if (summary->patched)
        suggest_modifier(rehearsal, summary, out);
    yaml_write(out, rehearsal->tree);
}
