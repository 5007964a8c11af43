#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backstop/facts.h"
#include "suite.h"

#define NS STR("kcm-system")
#define CONFIG_MAP(name) "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: " name "}\n"

struct place {
    char folder[64], a[128], b[128], other[128];
    char problem[512]; /* the last one, as "file:line: reason" */
    atomic_uint problems;
    atomic_uint reloads;
};

static void on_problem(void *context, const char *path, int64_t line, const char *reason)
{
    struct place *place = context;
    const char *name = strrchr(path, '/');
    atomic_fetch_add(&place->problems, 1);
    snprintf(place->problem, sizeof place->problem, "%s:%lld: %s", name ? name + 1 : path, (long long)line, reason);
}

static void on_reload(void *context, const struct inventory *inventory)
{
    CU_ASSERT(inventory != NULL);
    atomic_fetch_add(&((struct place *)context)->reloads, 1);
}

/* Renamed into place, so that no reader sees half of it. */
static void put(const char *path, struct str text)
{
    char fresh[200];
    snprintf(fresh, sizeof fresh, "%s.new", path);
    FILE *file = fopen(fresh, "w");
    CU_ASSERT_FATAL(file != NULL);
    CU_ASSERT(fwrite(text.ptr, 1, text.len, file) == text.len);
    fclose(file);
    CU_ASSERT(rename(fresh, path) == 0);
}

static void make_place(struct place *place)
{
    *place = (struct place){.folder = "/tmp/backstop-inventory-XXXXXX"};
    CU_ASSERT_FATAL(mkdtemp(place->folder) != NULL);
    snprintf(place->a, sizeof place->a, "%s/a.yaml", place->folder);
    snprintf(place->b, sizeof place->b, "%s/b.json", place->folder);
    snprintf(place->other, sizeof place->other, "%s/notes.txt", place->folder);
}

static void remove_place(const struct place *place)
{
    unlink(place->a);
    unlink(place->b);
    unlink(place->other);
    CU_ASSERT(rmdir(place->folder) == 0);
}

static struct inventory_files *open_files(struct place *place, const char *path, bool watch)
{
    const char *const paths[] = {path};
    const struct inventory_files_options options = {
        .paths = paths,
        .path_count = 1,
        .watch = watch,
        .system_namespace = STR("kcm-system"),
        .simulate_seconds = -1,
        .problem = on_problem,
        .reloaded = on_reload,
        .context = place,
    };
    struct error error = {0};
    struct inventory_files *files = inventory_files_open(&options, &error);
    CU_ASSERT_FATAL(files != NULL);
    return files;
}

static bool has(struct inventory_files *files, const char *name)
{
    const struct inventory *inventory = inventory_files_get(files, 0);
    CU_ASSERT_FATAL(inventory != NULL);
    bool found = inventory_config_map(inventory, NS, str_from(name)) != NULL;
    snapshot_release(inventory);
    return found;
}

static bool wait_for_reload(struct place *place, unsigned wanted)
{
    for (int i = 0; i < 300 && atomic_load(&place->reloads) < wanted; i++)
        usleep(10000);
    return atomic_load(&place->reloads) >= wanted;
}

static void test_folder(void)
{
    struct place place;
    make_place(&place);
    put(place.a, STR("# comment\n---\n" CONFIG_MAP("one") "---\n\n---\n" CONFIG_MAP("two") "...\n"));
    put(place.b,
        STR("{\"apiVersion\":\"velero.io/v1\",\"kind\":\"BackupList\",\"items\":[]}\n"
            "{\"apiVersion\":\"v1\",\"kind\":\"List\",\"items\":[{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\","
            "\"metadata\":{\"name\":\"three\",\"namespace\":\"other\"}}]}"));
    put(place.other, STR("not a manifest: ["));
    struct inventory_files *files = open_files(&place, place.folder, false);
    const struct inventory *inventory = inventory_files_get(files, 0);
    CU_ASSERT(place.problems == 0 && inventory_files_problems(files) == 0);
    CU_ASSERT(inventory->count[FACT_CONFIG_MAPS] == 3);
    CU_ASSERT(inventory_config_map(inventory, NS, STR("one")) != NULL); /* the default namespace */
    CU_ASSERT(inventory_config_map(inventory, STR("other"), STR("three")) != NULL);
    CU_ASSERT(inventory->known[FACT_BACKUPS] && inventory->known[FACT_CONFIG_MAPS]);
    CU_ASSERT(!inventory->known[FACT_SCHEDULES]); /* not mentioned: unknown, not none */
    CU_ASSERT(!inventory->known[FACT_RELEASES] && !inventory->known[FACT_SECRETS] && !inventory->known[FACT_VELERO]);
    inventory_files_close(files); /* the snapshot outlives it */
    CU_ASSERT(inventory_config_map(inventory, NS, STR("two")) != NULL);
    snapshot_release(inventory);
    remove_place(&place);
}

static void test_reload(void)
{
    struct place place;
    make_place(&place);
    put(place.a, STR(CONFIG_MAP("one")));
    struct inventory_files *files = open_files(&place, place.folder, true);
    const struct inventory *before = inventory_files_get(files, 0);
    put(place.a, STR(CONFIG_MAP("two")));
    CU_ASSERT(wait_for_reload(&place, 1));
    CU_ASSERT(has(files, "two") && !has(files, "one"));
    CU_ASSERT(inventory_config_map(before, NS, STR("one")) != NULL);
    snapshot_release(before);
    put(place.b, STR(CONFIG_MAP("three")));
    CU_ASSERT(wait_for_reload(&place, 2));
    CU_ASSERT(has(files, "two") && has(files, "three"));
    unlink(place.b);
    CU_ASSERT(wait_for_reload(&place, 3));
    CU_ASSERT(!has(files, "three"));
    inventory_files_close(files);
    remove_place(&place);
}

static void test_bad_file_keeps_its_last_content(void)
{
    struct place place;
    make_place(&place);
    put(place.a, STR(CONFIG_MAP("one")));
    put(place.b, STR("{\"apiVersion\": \"v1\""));
    struct inventory_files *files = open_files(&place, place.folder, true);
    CU_ASSERT(place.problems == 1 && inventory_files_problems(files) == 1);
    CU_ASSERT(has(files, "one"));
    put(place.a, STR(CONFIG_MAP("two") "---\n" CONFIG_MAP("three") "---\napiVersion: v1\nkind: Secret\n"));
    for (int i = 0; i < 300 && inventory_files_problems(files) < 2; i++)
        usleep(10000);
    CU_ASSERT(inventory_files_problems(files) == 2);
    CU_ASSERT(has(files, "one") && !has(files, "two"));
    put(place.b, STR(CONFIG_MAP("four")));
    CU_ASSERT(wait_for_reload(&place, 1));
    CU_ASSERT(has(files, "one") && has(files, "four") && inventory_files_problems(files) == 1);
    inventory_files_close(files);
    CU_ASSERT(place.problems == 2); /* each once, not at every reload */
    ASSERT_TEXT(str_from(place.problem), "a.yaml:9: metadata.name: missing");
    remove_place(&place);
}

static void test_named_file(void)
{
    struct place place;
    make_place(&place);
    const char *const paths[] = {place.a};
    struct inventory_files_options options = {
        .paths = paths, .path_count = 1, .system_namespace = STR("kcm-system"), .simulate_seconds = -1};
    struct error error = {0};
    CU_ASSERT(inventory_files_open(&options, &error) == NULL);
    char expected[200];
    snprintf(expected, sizeof expected, "%s: No such file or directory", place.a);
    ASSERT_TEXT(str_from(error.message), expected);
    put(place.a, STR(CONFIG_MAP("one")));
    struct inventory_files *files = open_files(&place, place.a, true);
    unlink(place.a);
    for (int i = 0; i < 300 && inventory_files_problems(files) < 1; i++)
        usleep(10000);
    CU_ASSERT(inventory_files_problems(files) == 1);
    CU_ASSERT(has(files, "one"));
    inventory_files_close(files);
    ASSERT_TEXT(str_from(place.problem), "a.yaml:-1: No such file or directory");
    remove_place(&place);
}

static void test_mistakes_have_lines(void)
{
    static const struct {
        struct str text;
        const char *problem;
    } rows[] = {
        {STR_INIT(CONFIG_MAP("a") "---\nhello: world\n"),
         "a.yaml:5: apiVersion: missing; a Kubernetes object has apiVersion, kind and metadata"},
        {STR_INIT("# x\n\n" CONFIG_MAP("a") "---\n# y\nkind: List\napiVersion: v1\nitems:\n- kind: ConfigMap\n"
                                            "  apiVersion: v1\n  metadata: {}\n"),
         "a.yaml:13: items[0].metadata.name: missing"},
        {STR_INIT("- a\n- b\n"),
         "a.yaml:1: apiVersion: missing; a Kubernetes object has apiVersion, kind and metadata"},
        {STR_INIT("apiVersion: v1\nclusters: []\ncontexts: []\nkind: Config\n"),
         "a.yaml:4: kind: this is a kubeconfig, not objects: pass it with --kubeconfig"},
        {STR_INIT("\x1f\x8b\x08"), "a.yaml:-1: is compressed: unpack it first"},
    };
    for (size_t i = 0; i < LENGTH_OF(rows); i++) {
        struct place place;
        make_place(&place);
        put(place.a, rows[i].text);
        struct inventory_files *files = open_files(&place, place.a, false);
        ASSERT_TEXT(str_from(place.problem), rows[i].problem);
        CU_ASSERT(!has(files, "a"));
        inventory_files_close(files);
        remove_place(&place);
    }
}

/* Refused with some reason, whatever the bytes; never a crash. */
static void test_hostile_files(void)
{
    static const struct str rows[] = {
        STR_INIT("\xff\xfe\x00"),
        STR_INIT("a: \0"),
        STR_INIT("a: &x [*x]\n"),
        STR_INIT("---\n---\n- [{(\n"),
        STR_INIT("%YAML 9.9\n---\n"),
        STR_INIT("apiVersion: v1\nkind: 7\n"),
        STR_INIT("{\"a\":"),
        STR_INIT("\t\n"),
        STR_INIT("--- |\n  x\n--- >\n"),
    };
    for (size_t i = 0; i < LENGTH_OF(rows); i++) {
        struct place place;
        make_place(&place);
        put(place.a, rows[i]);
        struct inventory_files *files = open_files(&place, place.a, false);
        if (inventory_files_problems(files) != 1)
            fprintf(stderr, "\n    row %zu was accepted\n", i);
        CU_ASSERT(inventory_files_problems(files) == 1 && place.problem[0] != '\0');
        inventory_files_close(files);
        remove_place(&place);
    }
    static const struct str empty[] = {STR_INIT(""), STR_INIT("# only a comment\n"), STR_INIT("---\n---\n"),
                                       STR_INIT("\xef\xbb\xbf" CONFIG_MAP("bom")),
                                       STR_INIT("%YAML 1.1\n---\n" CONFIG_MAP("x"))};
    for (size_t i = 0; i < LENGTH_OF(empty); i++) {
        struct place place;
        make_place(&place);
        put(place.a, empty[i]);
        struct inventory_files *files = open_files(&place, place.a, false);
        CU_ASSERT(inventory_files_problems(files) == 0);
        inventory_files_close(files);
        remove_place(&place);
    }
}

/* kubectl's layout, large enough to be read item by item; then the same with a
 * line in between that only the whole document makes sense of. */
static void test_long_list(void)
{
    enum { ITEMS = 3000 };
    static const char *const between[] = {"", "# a comment\n", "\n"};
    for (size_t variant = 0; variant < LENGTH_OF(between); variant++) {
        struct place place;
        make_place(&place);
        BUF_SCOPED text;
        buf_init(&text, 8 << 20);
        buf_puts(&text, "apiVersion: v1\nitems:\n");
        for (int i = 0; i < ITEMS; i++) {
            buf_printf(&text,
                       "- apiVersion: v1\n  kind: ConfigMap\n  metadata:\n    name: m%d\n  data:\n    k: |\n"
                       "      - text\n\n      ---\n",
                       i);
            if (i == ITEMS / 2)
                buf_puts(&text, between[variant]);
        }
        buf_puts(&text, "kind: List\nmetadata:\n  resourceVersion: \"\"\n");
        put(place.a, buf_str(&text));
        struct inventory_files *files = open_files(&place, place.a, false);
        const struct inventory *inventory = inventory_files_get(files, 0);
        CU_ASSERT(inventory->count[FACT_CONFIG_MAPS] == ITEMS);
        CU_ASSERT_FATAL(inventory_config_map(inventory, NS, STR("m2999")) != NULL);
        ASSERT_TEXT(inventory_config_map(inventory, NS, STR("m7"))->text, "- text\n\n---\n");
        snapshot_release(inventory);
        inventory_files_close(files);
        remove_place(&place);
    }
}

/* The same in JSON, with brackets and quotes where they only look like structure. */
static void test_long_json_list(void)
{
    enum { ITEMS = 2000 };
    struct place place;
    make_place(&place);
    BUF_SCOPED text;
    buf_init(&text, 8 << 20);
    for (int round = 0; round < 4; round++) {
        bool bad = round & 1, streamed = round < 2; /* white space in front: read whole */
        buf_clear(&text);
        buf_puts(&text, streamed ? "{\n \"apiVersion\": \"v1\",\n \"items\": ["
                                 : "\n{\n \"apiVersion\": \"v1\",\n \"items\": [");
        for (int i = 0; i < ITEMS; i++)
            buf_printf(&text,
                       "%s\n{\"apiVersion\": \"v1\", \"kind\": \"ConfigMap\", \"metadata\": {\"%s\": \"m%d\"},"
                       " \"data\": {\"k\": \"],}{[\\\"\\\\\"}, \"l\": {\"l\": \",\"}}",
                       i ? "," : "", bad && i == 1000 ? "nom" : "name", i);
        buf_puts(&text, "],\n \"kind\": \"List\"}\n");
        put(place.b, buf_str(&text));
        struct inventory_files *files = open_files(&place, place.b, false);
        const struct inventory *inventory = inventory_files_get(files, 0);
        CU_ASSERT(inventory->count[FACT_CONFIG_MAPS] == (bad ? 0 : ITEMS));
        const struct config_map *map = inventory_config_map(inventory, NS, STR("m1999"));
        CU_ASSERT(bad || map);
        if (map)
            ASSERT_TEXT(map->text, "],}{[\"\\");
        snapshot_release(inventory);
        inventory_files_close(files);
    }
    ASSERT_TEXT(str_from(place.problem), "b.json:1005: items[1000].metadata.name: missing");
    remove_place(&place);
}

/* Lists in JSON that are none, or end early, or hold something else, at every size. */
static void test_odd_json_lists(void)
{
    static const struct {
        const char *before, *after;
        size_t maps;
        bool told;
    } cases[] = {
        {"{\"kind\":\"List\",\"apiVersion\":\"v1\",\"items\":[", "]}", 1, false},
        {"{\"kind\":\"List\",\"apiVersion\":\"v1\",\"items\" : [ ", " ] }\n", 1, false},
        {"{\"apiVersion\":\"v1\",\"items\":[", "],\"kind\":\"List\",\"metadata\":{\"resourceVersion\":\"\"}}", 1,
         false},
        {"{\"apiVersion\":\"v1\",\"metadata\":{\"resourceVersion\":\"1\"},\"items\":[", "],\"kind\":\"List\"}", 1,
         false},
        {"{\"apiVersion\":\"v1\",\"items\":[",
         "],\"kind\":\"List\"}\n{\"apiVersion\":\"v1\",\"kind\":\"List\",\"items\":[]}", 1, false},
        {"{\"apiVersion\":\"v1\",\"items\":[", "],\"kind\":\"List\"", 0, true},
        {"{\"apiVersion\":\"v1\",\"items\":[", ",\"kind\":\"List\"}", 0, true},
        {"{\"apiVersion\":\"v1\",\"items\":[", "", 0, true},
        {"{\"apiVersion\":\"v1\",\"items\":[", "}],\"kind\":\"List\"}", 0, true},
        {"{\"apiVersion\":\"v1\",\"items\":[", "],\"kind\":\"List\"} x", 0, true},
        {"{\"apiVersion\":\"v1\",\"items\":[", "],\"kind\":\"List\",\"items\":[]}", 0, false},
        {"{\"kind\":\"List\",\"apiVersion\":\"v1\",\"items\":[{\"kind\":\"ConfigMapList\",\"apiVersion\":\"v1\","
         "\"items\":[",
         "]}]}", 1, false},
        {"{\"kind\":\"ConfigMapList\",\"apiVersion\":\"v1\",\"metadata\":{\"resourceVersion\":\"1\"},"
         "\"items\":[{\"metadata\":{\"name\":\"n\"}},",
         "]}", 2, false},
    };
    struct place place;
    make_place(&place);
    BUF_SCOPED text;
    buf_init(&text, 1 << 20);
    for (size_t i = 0; i < LENGTH_OF(cases); i++)
        for (int filler = 0; filler <= 200000; filler += 100000) {
            buf_clear(&text);
            buf_printf(&text,
                       "%s{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{\"name\":\"m\"},\"data\":{\"k\":"
                       "\"%*s\"}}%s",
                       cases[i].before, filler, "", cases[i].after);
            put(place.b, buf_str(&text));
            struct inventory_files *files = open_files(&place, place.b, false);
            const struct inventory *inventory = inventory_files_get(files, 0);
            CU_ASSERT_EQUAL(inventory->count[FACT_CONFIG_MAPS], cases[i].maps);
            CU_ASSERT_EQUAL(place.problem[0] != '\0', cases[i].told);
            place.problem[0] = '\0';
            snapshot_release(inventory);
            inventory_files_close(files);
        }
    remove_place(&place);
}

/* Large enough for the window: many documents, a List among them; then with a
 * mistake at the end, whose line must still be the file's. */
static void test_many_documents(void)
{
    enum { DOCUMENTS = 2000 };
    static const char *const ends[] = {"", "---\nkind: 7\n",
                                       "---\napiVersion: example.com/v1\nkind: Pile\nitems:\n- a\n"};
    for (size_t e = 0; e < LENGTH_OF(ends); e++) {
        struct place place;
        make_place(&place);
        BUF_SCOPED text;
        buf_init(&text, 8 << 20);
        buf_puts(&text, "# top\n%YAML 1.1\n");
        for (int i = 0; i < DOCUMENTS; i++)
            buf_printf(&text, "---\napiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: d%d\n", i);
        buf_puts(&text, "--- # a List\napiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: ConfigMap\n"
                        "  metadata: {name: listed}\n");
        buf_puts(&text, ends[e]);
        put(place.a, buf_str(&text));
        struct inventory_files *files = open_files(&place, place.a, false);
        const struct inventory *inventory = inventory_files_get(files, 0);
        CU_ASSERT(inventory->count[FACT_CONFIG_MAPS] == (e == 1 ? 0 : DOCUMENTS + 1));
        CU_ASSERT(place.problems == (e == 1));
        snapshot_release(inventory);
        inventory_files_close(files);
        if (e == 1)
            ASSERT_TEXT(str_from(place.problem),
                        "a.yaml:10011: apiVersion: missing; a Kubernetes object has apiVersion, kind and metadata");
        remove_place(&place);
    }
}

/* Of a long List only what changed is read again: the facts of all else are the very same. */
static void test_reload_keeps(void)
{
    enum { ITEMS = 2000, CHANGED = 1234 };
    for (int json = 0; json < 2; json++) {
        struct place place;
        const struct inventory *seen[2];
        struct inventory_files *files = NULL;
        make_place(&place);
        const char *path = json ? place.b : place.a;
        for (int n = 0; n < 2; n++) {
            BUF_SCOPED text;
            buf_init(&text, 8 << 20);
            buf_puts(&text, json ? "{\"apiVersion\": \"v1\", \"kind\": \"ConfigMapList\", \"items\": [\n"
                                 : "apiVersion: v1\nkind: List\nitems:\n");
            for (int i = n; i < ITEMS; i++) /* the first goes, so that all others stand elsewhere */
                buf_printf(
                    &text,
                    json ? "{\"metadata\": {\"name\": \"c%d\", \"namespace\": \"a\"}, \"data\": {\"a\": \"%d\"}}%s\n"
                         : "- apiVersion: v1\n  kind: ConfigMap\n  metadata:\n    name: c%d\n    namespace: a\n"
                           "  data:\n    a: \"%d\"%s\n",
                    i, i == CHANGED ? n : 0, json && i + 1 < ITEMS ? "," : "");
            buf_puts(&text, json ? "]}\n" : "");
            put(path, buf_str(&text));
            if (n == 0)
                files = open_files(&place, path, false);
            else
                inventory_files_reload(files);
            seen[n] = inventory_files_get(files, 0);
            CU_ASSERT(seen[n]->count[FACT_CONFIG_MAPS] == (size_t)(ITEMS - n));
            CU_ASSERT(seen[n]->known[FACT_CONFIG_MAPS]);
        }
        for (int i = 1; i < ITEMS; i++) {
            char name[16];
            snprintf(name, sizeof name, "c%d", i);
            const void *before = inventory_find(seen[0], FACT_CONFIG_MAPS, STR("a"), str_from(name));
            const void *after = inventory_find(seen[1], FACT_CONFIG_MAPS, STR("a"), str_from(name));
            CU_ASSERT(after && (before == after) == (i != CHANGED));
        }
        snapshot_release(seen[0]);
        snapshot_release(seen[1]);
        inventory_files_close(files);
        remove_place(&place);
    }
}

SUITE(inventory_files, {"a reload keeps what did not change", test_reload_keeps},
      {"a folder of YAML and JSON", test_folder}, {"reloaded when something changes", test_reload},
      {"a bad file keeps its last good content", test_bad_file_keeps_its_last_content},
      {"a named file", test_named_file}, {"mistakes have lines", test_mistakes_have_lines},
      {"hostile files", test_hostile_files}, {"a long List", test_long_list}, {"many documents", test_many_documents},
      {"a long List in JSON", test_long_json_list}, {"odd Lists in JSON", test_odd_json_lists})
