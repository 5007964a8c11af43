/* A rehearsal for programs (JSON, JUnit) and as a page of its own.
 *
 * All list the objects in the order in which Velero restores them, then what the Restore leaves
 * out. Text from a backup is escaped by the rules of the format. */
#include "commands/rehearse/rehearse.h"
#include "commands/review/review.h"

static void json_member_text(struct buf *out, const char *key, struct str value)
{
    buf_printf(out, ",\"%s\":", key);
    json_write_str(out, value);
}

static void objects_line(struct buf *out, const struct rehearse_item *item, bool first)
{
    buf_printf(out, "%s\n{\"resource\":", first ? "" : ",");
    json_write_str(out, item->resource->name);
    json_member_text(out, "namespace", item->ns);
    json_member_text(out, "name", item->name);
    if (item->outcome != REHEARSE_SKIPPED && !str_eq(item->ns, item->target_ns))
        json_member_text(out, "targetNamespace", item->target_ns);
    json_member_text(out, "outcome", str_from(rehearse_outcome_name((enum rehearse_outcome)item->outcome)));
    json_member_text(out, "evidence", str_from(rehearse_evidence_name((enum rehearse_evidence)item->evidence)));
    if (item->reason.len)
        json_member_text(out, "reason", item->reason);
    if (item->outcome == REHEARSE_REFUSED && item->patches.len) /* JSON already */
        buf_printf(out, ",\"patches\":%.*s", STR_ARG(item->patches));
    if (item->unmodified)
        buf_puts(out, ",\"unmodified\":true");
    buf_putc(out, '}');
}

/* Every object of the backup: `each` is called in the order of the restore, then for what is left out. */
static void each_item(struct rehearsal *rehearsal, struct buf *out,
                      void (*each)(struct buf *out, const struct rehearse_item *item, bool first))
{
    size_t count;
    bool first = true;
    struct rehearse_resource *resources = rehearse_contents_resources(rehearsal->contents, &count);
    for (size_t i = 0; i < rehearsal->plan.count; i++, first = false)
        each(out, rehearsal->plan.items[i], first);
    size_t total = rehearse_contents_count(rehearsal->contents);
    bool *taken = arena_array(rehearsal->arena, total + 1, sizeof *taken);
    for (size_t i = 0; taken && i < rehearsal->plan.count; i++)
        taken[rehearsal->plan.items[i] - resources[0].items] = true;
    for (size_t i = 0; taken && i < total; i++)
        if (!taken[i]) {
            each(out, &resources[0].items[i], first);
            first = false;
        }
}

void rehearsal_json(struct rehearsal *rehearsal, const struct rehearsal_summary *summary, struct buf *out)
{
    buf_printf(out, "{\"verdict\":\"%s\",\"message\":", rehearsal_verdict_name(summary->verdict));
    json_write_str(out, rehearsal_verdict_text(rehearsal, summary));
    json_member_text(out, "backup", rehearsal->restore.backup);
    json_member_text(out, "restore", rehearsal->restore.name);
    if (rehearsal->server.len)
        json_member_text(out, "server", rehearsal->server);
    buf_printf(out, ",\"total\":%zu,\"counts\":{", summary->total);
    for (int i = 0, written = 0; i < REHEARSE_OUTCOMES; i++)
        if (summary->counts[i])
            buf_printf(out, "%s\"%s\":%zu", written++ ? "," : "", rehearse_outcome_name((enum rehearse_outcome)i),
                       summary->counts[i]);
    buf_puts(out, "},\"causes\":[");
    for (size_t i = 0; i < summary->group_count; i++) {
        const struct rehearsal_group *group = &summary->groups[i];
        buf_printf(out, "%s\n{\"outcome\":\"%s\",\"objects\":%zu", i ? "," : "", rehearse_outcome_name(group->outcome),
                   group->count);
        json_member_text(out, "cause", group->cause);
        if (group->cure.len)
            json_member_text(out, "exclude", group->cure);
        buf_putc(out, '}');
    }
    buf_puts(out, "],\"exclude\":[");
    for (size_t i = 0; i < summary->cures.len; i++) {
        buf_puts(out, i ? "," : "");
        json_write_str(out, summary->cures.items[i]);
    }
    buf_puts(out, "],\"notes\":[");
    for (size_t i = 0; i < rehearsal->notes.len; i++) {
        buf_puts(out, i ? "," : "");
        json_write_str(out, rehearsal->notes.items[i]);
    }
    buf_puts(out, "],\"objects\":[");
    each_item(rehearsal, out, objects_line);
    buf_puts(out, "]}\n");
}

/* A refusal is a failure; what could not be checked is an error; what is left out, or was not
 * asked about, is skipped. */
static void junit_case(struct buf *out, const struct rehearse_item *item, bool first)
{
    (void)first;
    buf_puts(out, "  <testcase");
    xml_write_attribute(out, "classname", item->resource->name);
    buf_puts(out, " name=\"");
    xml_write_text(out, item->ns);
    buf_puts(out, item->ns.len ? "/" : "");
    xml_write_text(out, item->name);
    buf_puts(out, "\"");
    const char *element = item->outcome == REHEARSE_REFUSED || item->unmodified                    ? "failure"
                          : item->outcome == REHEARSE_UNKNOWN                                      ? "error"
                          : item->outcome == REHEARSE_SKIPPED || item->outcome == REHEARSE_PENDING ? "skipped"
                                                                                                   : NULL;
    if (element) {
        buf_printf(out, ">\n    <%s", element);
        xml_write_attribute(out, "message", item->reason.len ? item->reason : STR("not checked: no cluster was asked"));
        buf_puts(out, "/>\n  </testcase>\n");
    } else {
        buf_puts(out, "/>\n");
    }
}

void rehearsal_junit(struct rehearsal *rehearsal, const struct rehearsal_summary *summary, struct buf *out)
{
    buf_printf(out,
               "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
               "<testsuite name=\"backstop rehearse\" tests=\"%zu\" failures=\"%zu\" errors=\"%zu\" skipped=\"%zu\">\n",
               summary->total, summary->counts[REHEARSE_REFUSED] + summary->unmodified,
               summary->counts[REHEARSE_UNKNOWN],
               summary->counts[REHEARSE_SKIPPED] + summary->counts[REHEARSE_PENDING]);
    each_item(rehearsal, out, junit_case);
    buf_puts(out, "</testsuite>\n");
}

/* ---- a page ---------------------------------------------------------------------------------------- */

static void html_row(struct buf *out, const struct rehearse_item *item, bool first)
{
    (void)first;
    buf_printf(out, "<tr class=\"o%d\"><td>%s</td><td>", item->outcome,
               rehearse_outcome_name((enum rehearse_outcome)item->outcome));
    xml_write_text(out, item->resource->name);
    buf_puts(out, "</td><td>");
    xml_write_text(out, item->ns);
    buf_puts(out, "</td><td>");
    xml_write_text(out, item->name);
    buf_puts(out, "</td><td>");
    xml_write_text(out, item->reason);
    buf_puts(out, "</td></tr>\n");
}

/* One file without scripts, to be kept with the record of a restore test. */
void rehearsal_html(struct rehearsal *rehearsal, const struct rehearsal_summary *summary, struct buf *out)
{
    buf_puts(out,
             "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>backstop rehearse</title>\n"
             "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<style>"
             "body{font:16px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:72rem;padding:0 1rem;color:#1a1a1a;"
             "background:#fff}table{border-collapse:collapse;width:100%}td,th{text-align:left;vertical-align:top;"
             "padding:.3rem .6rem;border-bottom:1px solid #ccc;overflow-wrap:anywhere}"
             ".o6 td:first-child{color:#a4161a;font-weight:600}"
             ".o7 td:first-child{color:#7a4b00;font-weight:600}</style></head><body>\n<h1>");
    xml_write_text(out, rehearsal_verdict_text(rehearsal, summary));
    buf_puts(out, "</h1>\n<p>Backup ");
    xml_write_text(out, rehearsal->restore.backup);
    buf_printf(out, ", %zu object%s", summary->total, plural_s(summary->total));
    if (rehearsal->server.len) {
        buf_puts(out, ", rehearsed on ");
        xml_write_text(out, rehearsal->server);
    }
    buf_puts(out, "</p>\n<table><caption>Outcomes</caption><tr><th>Outcome</th><th>Objects</th></tr>\n");
    for (int i = 0; i < REHEARSE_OUTCOMES; i++)
        if (summary->counts[i])
            buf_printf(out, "<tr class=\"o%d\"><td>%s</td><td>%zu</td></tr>\n", i,
                       rehearse_outcome_name((enum rehearse_outcome)i), summary->counts[i]);
    buf_puts(out, "</table>\n");
    if (summary->group_count)
        buf_puts(out,
                 "<h2>Not restored as it is</h2>\n<table><tr><th>Objects</th><th>Cause</th><th>Exclude</th></tr>\n");
    for (size_t i = 0; i < summary->group_count; i++) {
        buf_printf(out, "<tr><td>%zu</td><td>", summary->groups[i].count);
        xml_write_text(out, summary->groups[i].cause);
        buf_puts(out, "</td><td>");
        xml_write_text(out, summary->groups[i].cure);
        buf_puts(out, "</td></tr>\n");
    }
    buf_puts(out, summary->group_count ? "</table>\n" : "");
    buf_puts(out, "<h2>Objects, in the order of the restore</h2>\n<table><tr><th>Outcome</th><th>Resource</th>"
                  "<th>Namespace</th><th>Name</th><th>Reason</th></tr>\n");
    each_item(rehearsal, out, html_row);
    buf_puts(out, "</table>\n</body></html>\n");
}
