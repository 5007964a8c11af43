#include "settings/settings.h"

enum { WIDTH = 88 };

static const char head[] =
    "# Every setting of backstop with its default (printed by `backstop settings`). All are optional: keep the\n# "
    "lines you change. `backstop serve --settings FILE` reloads the file when it changes. A mistake is logged\n# with "
    "its line, and the last good settings stay in effect.\n#\n# Verdicts are allow (silently), warn (admit with a "
    "warning) or deny.\n# Durations are written as in Go: 90s, 15m, 1h30m. There is no d for "
    "days.\napiVersion: " SETTINGS_API_VERSION "\n"
    "kind: " SETTINGS_KIND "\n";

/* Keys that are no single value show how they are written. */
static const char provider_exclusions_example[] = "  # For example:\n"
                                                  "  #   - provider: infrastructure-example\n"
                                                  "  #     component: cluster-api-provider-example\n"
                                                  "  #     excludedResources: [networks.example.com]\n";
static const char evidence_example[] =
    "  # allOf: each must be good as well; anyOf: a good one replaces the\n  # ManagementBackups (docs/upgrade.md, "
    "\"Other backup engines\"). For example:\n  #   allOf:\n  #   - preset: k3s-etcd\n  #   anyOf:\n  #   - preset: "
    "kasten\n  #     selector: k10.kasten.io/policyName=kcm\n  #     maximumAge: 2h\n";

/* The text as comment lines that are not wider than WIDTH. */
static void write_comment(struct buf *out, const char *indent, struct str text)
{
    size_t column = 0;
    struct str word;
    while (str_cut(&text, ' ', &word)) {
        if (column && column + 1 + word.len > WIDTH) {
            buf_putc(out, '\n');
            column = 0;
        }
        buf_printf(out, "%s%s%.*s", column ? "" : indent, column ? " " : "# ", STR_ARG(word));
        column += 1 + word.len;
    }
    buf_putc(out, '\n');
}

static void sample_write_value(struct buf *out, const struct settings_key *key)
{
    struct str rest = str_from(key->fallback), item;
    const char *before = "[";
    if (key->type == KEY_EVIDENCE) {
        buf_puts(out, "{}");
    } else if (key->type == KEY_TEXTS || key->type == KEY_PROVIDER_EXCLUSIONS) {
        for (; rest.len && str_cut(&rest, ',', &item); before = ", ")
            buf_printf(out, "%s%.*s", before, STR_ARG(item));
        buf_puts(out, key->fallback[0] ? "]" : "[]");
    } else {
        buf_puts(out, key->fallback[0] ? key->fallback : "\"\"");
    }
}

static void sample_write_key(struct buf *out, const char *indent, struct str name, const struct settings_key *key)
{
    write_comment(out, indent, str_from(key->help));
    if (key->type == KEY_PROVIDER_EXCLUSIONS)
        buf_puts(out, provider_exclusions_example);
    if (key->type == KEY_EVIDENCE)
        buf_puts(out, evidence_example);
    buf_printf(out, "%s%.*s: ", indent, STR_ARG(name));
    sample_write_value(out, key);
    buf_putc(out, '\n');
}

void settings_write_sample(struct buf *out)
{
    size_t count;
    const struct settings_key *keys = settings_keys(&count);
    struct str before = {0};
    buf_puts(out, head);
    for (size_t i = 0; i < count; i++) {
        struct str rest = str_from(keys[i].path), section;
        str_cut(&rest, '.', &section);
        if (!str_eq(section, before))
            buf_putc(out, '\n');
        if (rest.ptr && !str_eq(section, before))
            buf_printf(out, "%.*s:\n", STR_ARG(section));
        sample_write_key(out, rest.ptr ? "  " : "", rest.ptr ? rest : section, &keys[i]);
        before = section;
    }
}
