/* Label selectors in the words of `kubectl get -l` (apimachinery labels.Parse): "a=b", "a==b",
 * "a!=b", "a in (x,y)", "a notin (x,y)", "a", "!a", joined by commas.
 *
 * The selector is kept as text, which the API server gets as it is, and taken apart as well: an
 * inventory of files has no API server to apply it. And what an entry of upgrade.evidence needs
 * to make sense. */
#include "backstop/api.h"
#include "backstop/grammar.h"
#include "settings/settings.h"

enum { REQUIREMENTS_MAX = 16, VALUES_MAX = 32 };

struct parsing {
    struct arena *arena;
    struct error *error;
    struct str rest;
    struct label_requirement requirement;
};

static bool selector_fail(const struct parsing *parsing, const char *what, struct str text)
{
    return error_set(parsing->error, 422,
                     "%.*s %s; write the selector as for kubectl -l, such as \"app=etcd,tier in (a,b),!draft\"",
                     STR_ARG(arena_quote(parsing->arena, text)), what);
}

/* The next requirement: up to a comma that stands outside of parentheses. */
static struct str cut_term(struct str *rest)
{
    size_t at = 0;
    bool inside = false;
    for (; at < rest->len && (inside || rest->ptr[at] != ','); at++)
        inside = rest->ptr[at] == '(' || (inside && rest->ptr[at] != ')');
    struct str term = str_slice(*rest, 0, at);
    *rest = at < rest->len ? str_slice(*rest, at + 1, rest->len) : (struct str){NULL, 0};
    return str_trim(term);
}

static bool selector_add_value(struct parsing *parsing, struct str value)
{
    if (!label_value_is_valid(value) || parsing->requirement.values.len == VALUES_MAX)
        return selector_fail(parsing, "is not a label value", value);
    strlist_add(parsing->arena, &parsing->requirement.values, value);
    return true;
}

static bool read_set(struct parsing *parsing, struct str set)
{
    struct str value;
    if (set.len < 2 || set.ptr[0] != '(' || set.ptr[set.len - 1] != ')')
        return selector_fail(parsing, "is not a set in parentheses", set);
    set = str_slice(set, 1, set.len - 1);
    while (str_cut(&set, ',', &value))
        if (!selector_add_value(parsing, str_trim(value)))
            return false;
    return true;
}

static bool read_term(struct parsing *parsing, struct str term)
{
    size_t at = 0;
    bool negated = str_starts(term, STR("!"));
    if (negated)
        term = str_trim(str_slice(term, 1, term.len));
    while (at < term.len && !strchr(" \t=!(", term.ptr[at]))
        at++;
    parsing->requirement =
        (struct label_requirement){.key = str_slice(term, 0, at), .operator= negated ? LABEL_ABSENT : LABEL_EXISTS };
    if (!label_key_is_valid(parsing->requirement.key))
        return selector_fail(parsing, "is not a label key", parsing->requirement.key);
    struct str rest = str_trim(str_slice(term, at, term.len));
    if (negated && rest.len)
        return selector_fail(parsing, "cannot follow !KEY", rest);
    /* What follows the key: an operator and its values. */
    static const struct {
        struct str word;
        enum label_operator operator;
        bool set;
    } operators[] = {
        {STR_INIT("=="), LABEL_IN, false},        {STR_INIT("="), LABEL_IN, false},
        {STR_INIT("!="), LABEL_NOT_IN, false},    {STR_INIT("in "), LABEL_IN, true},
        {STR_INIT("in("), LABEL_IN, true},        {STR_INIT("notin "), LABEL_NOT_IN, true},
        {STR_INIT("notin("), LABEL_NOT_IN, true},
    };
    if (!rest.len)
        return true; /* LABEL_EXISTS */
    for (size_t i = 0; i < LENGTH_OF(operators); i++) {
        struct str word = operators[i].word;
        if (!str_starts(rest, word))
            continue;
        size_t used = str_ends(word, STR("(")) ? word.len - 1 : word.len;
        struct str value = str_trim(str_slice(rest, used, rest.len));
        parsing->requirement.operator= operators[i].operator;
        return operators[i].set ? read_set(parsing, value) : selector_add_value(parsing, value);
    }
    return selector_fail(parsing, "is not an operator (=, !=, in, notin)", rest);
}

bool settings_read_selector(struct arena *arena, struct json_object *value, struct evidence_source *source,
                            struct error *error)
{
    struct parsing parsing = {.arena = arena, .error = error};
    if (!settings_read_text(arena, &rule_selector, value, &source->selector, error))
        return false;
    source->requirements = arena_array(arena, REQUIREMENTS_MAX, sizeof *source->requirements);
    if (!source->requirements)
        return error_set(error, 500, "out of memory");
    for (parsing.rest = source->selector; parsing.rest.ptr;) {
        struct str term = cut_term(&parsing.rest);
        if (source->requirement_count == REQUIREMENTS_MAX)
            return error_set(error, 422, "too many requirements: the maximum is %d", REQUIREMENTS_MAX);
        if (!read_term(&parsing, term))
            return false;
        source->requirements[source->requirement_count++] = parsing.requirement;
    }
    return true;
}

/* What an entry of upgrade.evidence needs, and what contradicts itself. */

/* "*" is any text that is there: a field that is absent proves nothing. */
static bool evidence_matches(struct str pattern, struct str value)
{
    int64_t bound, number;
    if (str_starts(pattern, STR(">=")))
        return str_to_int64(str_slice(pattern, 2, pattern.len), &bound) && str_to_int64(value, &number) &&
               number >= bound;
    return str_eq(pattern, value) || (str_is(pattern, "*") && value.len > 0);
}

bool evidence_value_matches(const struct strlist *values, struct str value)
{
    for (size_t i = 0; i < values->len; i++)
        if (evidence_matches(values->items[i], value))
            return true;
    return false;
}

static bool check_needed(const struct evidence_source *source, struct error *error)
{
    const struct {
        struct str value;
        const char *key, *example;
    } needed[] = {
        {source->name, "name", "etcd"},
        {source->version, "apiVersion", "batch/v1"},
        {source->kind, "kind", "Job"},
        {source->done_path, "donePath", "status.succeeded"},
        {source->done_values.len ? STR("some") : STR(""), "doneValues", "[\">=1\"]"},
    };
    for (size_t i = 0; i < LENGTH_OF(needed); i++)
        if (!needed[i].value.len)
            return error_set(error, 422, "has no %s; add one (%s: %s), or use a preset", needed[i].key, needed[i].key,
                             needed[i].example);
    return true;
}

/* Without these, any Velero Backup would prove Cohesity's, and any Job an etcd snapshot. */
static bool check_narrow(const struct evidence_source *source, const struct evidence_preset *preset,
                         struct error *error)
{
    bool job = str_is(source->kind, "Job") && str_is(source->group, "batch");
    bool velero = str_is(source->kind, "Backup") && str_is(source->group, GROUP_VELERO);
    if (((preset && preset->needs_selector) || job) && !source->selector.len)
        return error_set(error, 422,
                         "has no selector, so any Job would count as a backup; add the label of the snapshot Jobs "
                         "(selector: app=etcd-backup)");
    if (((preset && preset->needs_namespace) || velero) && !source->ns.len)
        return error_set(error, 422,
                         "has no namespace, so any Velero Backup would count, including k0rdent's own; add the "
                         "namespace of the engine's Velero (namespace: cohesity)");
    return true;
}

/* In both directions: ">=1" among the one overlaps with "3" among the other, whichever side it
 * is on. */
static bool check_values(struct arena *arena, const struct evidence_source *source, struct error *error)
{
    if (!str_eq(source->done_path, source->failed_path))
        return true;
    for (size_t i = 0; i < source->failed_values.len; i++) {
        struct str value = source->failed_values.items[i];
        bool overlaps = evidence_value_matches(&source->done_values, value);
        for (size_t d = 0; d < source->done_values.len && !overlaps; d++)
            overlaps = evidence_matches(value, source->done_values.items[d]);
        if (!overlaps)
            continue;
        error_set(error, 422,
                  "%.*s is also in doneValues, so it would mean both done and failed; remove it from one of the two",
                  STR_ARG(arena_quote(arena, value)));
        return settings_fail_in(error, ".failedValues[%zu]", i);
    }
    return true;
}

bool settings_check_evidence(struct arena *arena, const struct evidence_source *source,
                             const struct evidence_preset *preset, struct error *error)
{
    return check_needed(source, error) && check_narrow(source, preset, error) && check_values(arena, source, error);
}
