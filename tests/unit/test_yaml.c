/* YAML in: documents, limits, lines, messages. Scalars and keys have a table of
 * their own (test_yaml_table.c). */
#include <stdlib.h>

#include "backstop/json.h"
#include "suite.h"

enum { ARENA = 256 * 1024 * 1024 };

/* All documents as JSON, one a line after its line number; or the error. */
static struct str loaded(struct arena *arena, struct str text, const struct yaml_options *options)
{
    struct error error = {0};
    struct yaml_document *document;
    if (!yaml_load(arena, text, options, &document, &error))
        return arena_printf(arena, "%d line %lld: %s", error.code, (long long)error.position, error.message);
    BUF_SCOPED buf;
    buf_init(&buf, 1 << 20);
    for (; document; document = document->next) {
        buf_printf(&buf, "%s%u ", buf.len ? "\n" : "", document->line);
        json_write_tree(&buf, document->tree);
    }
    return arena_copy(arena, buf_str(&buf));
}

struct expectation {
    struct str text;
    const char *loaded;
};

static void expect(const struct expectation *cases, size_t count, const struct yaml_options *options)
{
    for (size_t i = 0; i < count; i++) {
        ARENA_SCOPED arena = arena_new(ARENA);
        ASSERT_TEXT(loaded(arena, cases[i].text, options), cases[i].loaded);
    }
}

static void test_documents(void)
{
    static const struct expectation cases[] = {
        {STR_INIT(""), ""},
        {STR_INIT("\n# nothing\n"), ""},
        {STR_INIT("---\n"), "1 null"},
        {STR_INIT("a: 1\n---\nb: 2\n"), "1 {\"a\":1}\n3 {\"b\":2}"},
        {STR_INIT("# head\n\na: 1\n---\n# empty\n---\n\nb: 2\n...\n"), "3 {\"a\":1}\n4 null\n8 {\"b\":2}"},
        {STR_INIT("%YAML 1.1\n---\n- x\n"), "3 [\"x\"]"},
        {STR_INIT("--- |\n text\n--- \"b\"\n"), "1 \"text\\n\"\n3 \"b\""},
        {STR_INIT("\xef\xbb\xbf"
                  "a: 1\n"),
         "1 {\"a\":1}"},
        {STR_INIT("\xff\xfe"
                  "a\0:\0 \0\xe9\0\n\0"),
         "1 {\"a\":\"\xc3\xa9\"}"},
        {STR_INIT("\xfe\xff\0a\0:\0 \0b\0\n"), "1 {\"a\":\"b\"}"},
        {STR_INIT("a: 1\r\nb: |\r\n  x\r\n"), "1 {\"a\":1,\"b\":\"x\\n\"}"},
    };
    expect(cases, LENGTH_OF(cases), NULL);
}

/* JSON that libyaml alone refuses, and that kubectl reads. */
static void test_json(void)
{
    BUF_SCOPED key, text, expected;
    buf_init(&key, 4000);
    buf_init(&text, 4000);
    buf_init(&expected, 4000);
    for (int i = 0; i < 2000; i++)
        buf_putc(&key, 'k');
    buf_printf(&text, "{\"%s\":1}", key.data);
    buf_printf(&expected, "1 {\"%s\":1}", key.data);
    const struct expectation cases[] = {
        {STR_INIT("{\"a\":\"\\ud83d\\ude00\\/\\ud800\"}"), "1 {\"a\":\"\xf0\x9f\x98\x80/\xef\xbf\xbd\"}"},
        {STR_INIT("{\"a\"\n:\t1}"), "1 {\"a\":1}"},
        {STR_INIT("\xef\xbb\xbf{\n\t\"a\":1\n}\n{\"b\":2}\n\n[3]"), "1 {\"a\":1}\n4 {\"b\":2}\n6 [3]"},
        {STR_INIT("{\"a\":1}\n---\n{\"b\":2}\n---\n"), "1 {\"a\":1}\n3 {\"b\":2}"},
        {STR_INIT("{\"a\":[1.0,1e3,-0,true,null,\"yes\",100000000000000000000]}"),
         "1 {\"a\":[1,1000,0,true,null,\"yes\",100000000000000000000]}"},
        {STR_INIT("{\"a\":\"\\u0000\"}"), "1 {\"a\":\"\\u0000\"}"},
        {STR_INIT("{\"<<\":{\"a\":1}}"), "1 {\"<<\":{\"a\":1}}"},
        {STR_INIT("{a: 1, b: [yes]} # YAML after all"), "1 {\"a\":1,\"b\":[true]}"},
        {STR_INIT("{\"a\":1} x"),
         "400 line 1: column 9: did not find expected <document start>: separate documents with a --- line"},
        {STR_INIT("{\"a\\u0000\":1}"),
         "400 line 1: a string with a NUL character cannot be a key: expected a string, a number, true or false"},
        {buf_str(&text), expected.data},
    };
    expect(cases, LENGTH_OF(cases), NULL);
}

static void test_messages(void)
{
    static const struct expectation cases[] = {
        {STR_INIT("a:\n  b: 1\n c: 2\n"),
         "400 line 3: column 2: did not find expected key while parsing a block mapping that begins at "
         "line 1: check the indentation of this line and of the lines above it"},
        {STR_INIT("a:\n\tb: 1\n"),
         "400 line 2: column 1: found character that cannot start any token: indent with spaces, not "
         "with tabs, and quote a value that begins with @, ` or %"},
        {STR_INIT("a: b: c"), "400 line 1: column 5: mapping values are not allowed in this context: quote a value "
                              "that contains \": \", and check the indentation of this line"},
        {STR_INIT("a: *b\n"), "400 line 1: the alias *b has no anchor &b before it in this document"},
        {STR_INIT("a: &x 1\n---\nb: *x\n"), "400 line 3: the alias *x has no anchor &x before it in this document"},
        {STR_INIT("a: 1\nb: &x [1, *x]"), "400 line 2: this anchor's value contains an alias to itself"},
        {STR_INIT("a: 1\nb:\n  - .nan\n"), "400 line 3: .nan is not a JSON number"},
        {STR_INIT("a: 1\n? [b]\n: 2\n"),
         "400 line 2: a list cannot be a key: expected a string, a number, true or false"},
        {STR_INIT("~: 1"), "400 line 1: null cannot be a key: expected a string, a number, true or false"},
        {STR_INIT("a: !!int x"),
         "400 line 1: \"x\" is tagged as an integer but is not one: change the value or the tag"},
        {STR_INIT("a: !!binary '?'"), "400 line 1: this !!binary value is not base64"},
        {STR_INIT("a:\n  <<: [1]"),
         "400 line 2: << needs a mapping or a list of mappings, usually as an alias such as *base"},
        {STR_INIT("a: 1\nb: \"c\n"), "400 line 2: found unexpected end of stream: a quote is not closed"},
        {STR_INIT("a: 1\nb: x\0y\n"),
         "400 line 2: control characters are not allowed: the file contains binary data or control characters"},
        {STR_INIT("a: 1\nb: \xff\n"), "400 line 2: invalid leading UTF-8 octet: save the file as UTF-8"},
    };
    expect(cases, LENGTH_OF(cases), NULL);
}

static void test_duplicates(void)
{
    static const struct expectation lenient[] = {
        {STR_INIT("a: 1\nb: 2\na: 3"), "1 {\"a\":3,\"b\":2}"},
        {STR_INIT("{\"a\":1,\"a\":2}"), "1 {\"a\":2}"},
    };
    static const struct expectation strict[] = {
        {STR_INIT("a: 1\nb: 2\n\na: 3"), "400 line 4: duplicate key \"a\" in one mapping: remove one of the two"},
        {STR_INIT("{\"a\":1,\n\"a\":2}"), "400 line 2: duplicate key \"a\" in one mapping: remove one of the two"},
        {STR_INIT("- {1: a, b: c, \"1\": d}"), "400 line 1: duplicate key \"1\" in one mapping: remove one of the two"},
        {STR_INIT("a: {b: 1}\nb: {b: 1}"), "1 {\"a\":{\"b\":1},\"b\":{\"b\":1}}"},
    };
    expect(lenient, LENGTH_OF(lenient), NULL);
    expect(strict, LENGTH_OF(strict), &(struct yaml_options){.reject_duplicates = true});
}

/* Nine aliases to a list of nine aliases to ... */
static struct str laughs(struct buf *buf, const char *root, const char *open, const char *close)
{
    buf_printf(buf, "a0: &a0 %s\n", root);
    for (int i = 1; i < 20; i++) {
        buf_printf(buf, "a%d: &a%d %s", i, i, open);
        for (int k = 0; k < 9; k++)
            buf_printf(buf, "*a%d, ", i - 1);
        buf_printf(buf, "%s\n", close);
    }
    return buf_str(buf);
}

static void test_bombs(void)
{
    static const char *const shapes[][3] = {{"x", "[", "]"}, {"{k: v}", "{<<: [", "]}"}, {"{}", "{<<: [", "]}"}};
    for (size_t i = 0; i < LENGTH_OF(shapes); i++) {
        ARENA_SCOPED arena = arena_new(ARENA);
        BUF_SCOPED buf;
        buf_init(&buf, 1 << 20);
        struct str got = loaded(arena, laughs(&buf, shapes[i][0], shapes[i][1], shapes[i][2]), NULL);
        CU_ASSERT(str_starts(got, STR("413 ")) &&
                  str_contains(got, STR("expanding its aliases makes the document larger than")));
    }
}

static void test_heavy_aliases(void)
{
    ARENA_SCOPED arena = arena_new(ARENA);
    BUF_SCOPED buf;
    buf_init(&buf, 1 << 20);
    /* one long text, many times: few values, many bytes */
    buf_puts(&buf, "t: &t \"");
    for (int i = 0; i < 100000; i++)
        buf_putc(&buf, 'x');
    buf_puts(&buf, "\"\nl: [");
    for (int i = 0; i < 9000; i++)
        buf_puts(&buf, "*t, ");
    buf_puts(&buf, "]\n");
    CU_ASSERT(str_starts(loaded(arena, buf_str(&buf), NULL), STR("413 ")));
}

static void test_limits(void)
{
    static const struct expectation nodes[] = {
        {STR_INIT("[1, 2, 3]"), "1 [1,2,3]"},
        {STR_INIT("- 1\n- 2\n- 3\n- 4"), "413 line 4: the document has more than 4 values: split it"},
        {STR_INIT("[&a 1, *a]\n---\n[1, 2]"), "1 [1,1]\n3 [1,2]"},
    };
    static const struct expectation depth[] = {
        {STR_INIT("[[[1]]]"), "1 [[[1]]]"},
        {STR_INIT("a:\n  b:\n    c: {}\n"), "400 line 3: lists and mappings are nested deeper than 3 levels"},
        {STR_INIT("a: &a [[1]]\nb: [*a]\n"),
         "400 line 1: lists and mappings are nested deeper than 3 levels once aliases are expanded"},
    };
    expect(nodes, LENGTH_OF(nodes), &(struct yaml_options){.node_limit = 4});
    expect(depth, LENGTH_OF(depth), &(struct yaml_options){.depth_limit = 3});
    BUF_SCOPED buf;
    buf_init(&buf, 8 << 20);
    for (int i = 0; i < 1000000; i++)
        buf_puts(&buf, "[");
    ARENA_SCOPED arena = arena_new(ARENA);
    ASSERT_TEXT(loaded(arena, buf_str(&buf), NULL), "400 line 1: lists and mappings are nested deeper than 100 levels");
    for (size_t limit = 64; limit < 1 << 18; limit *= 2) { /* a full arena is an error, never a crash */
        ARENA_SCOPED small = arena_new(limit);
        struct error error = {0};
        struct yaml_document *documents;
        if (small &&
            !yaml_load(small, STR("a: &x {b: [1, 2.5, \"c\\n\", !!binary aGk=, 1_000]}\nd: {<<: [*x], 1.5: y}\n"), NULL,
                       &documents, &error))
            CU_ASSERT_EQUAL(error.code, 500);
    }
}

static void test_lines(void)
{
    static const char text[] = "# head\n"
                               "metadata:\n"
                               "  labels:\n"
                               "    a.b/c: x\n"
                               "    plain: &p y\n"
                               "spec: &spec\n"
                               "  schedule: >-\n"
                               "    0 0 * * *\n"
                               "  hooks:\n"
                               "    resources:\n"
                               "    - name: one\n"
                               "    - name: two\n"
                               "      list: [1,\n"
                               "        2]\n"
                               "  empty:\n"
                               "copy:\n"
                               "  <<: *spec\n"
                               "  own: 1\n"
                               "alias: *p\n";
    static const struct {
        const char *field;
        unsigned line;
    } cases[] = {
        {"", 2},
        {"metadata", 2},
        {"metadata.labels", 3},
        {"metadata.labels[a.b/c]", 4},
        {"metadata.labels[missing]", 3},
        {"metadata.labels.plain", 5},
        {"spec.schedule", 7},
        {"spec.schedule.below", 7},
        {"spec.hooks.resources", 10},
        {"spec.hooks.resources[0]", 11},
        {"spec.hooks.resources[1].name", 12},
        {"spec.hooks.resources[1].list[1]", 14},
        {"spec.hooks.resources[2].name", 10},
        {"spec.hooks.resources[x]", 10},
        {"spec.empty", 15},
        {"spec.missing.deeper", 6},
        {"copy.schedule", 7},
        {"copy.own", 18},
        {"alias", 19},
        {"nothing", 2},
        {"[", 2},
        {"spec[schedule", 7},
        {"..", 2},
    };
    ARENA_SCOPED arena = arena_new(ARENA);
    struct yaml_document *document;
    struct error error;
    CU_ASSERT_FATAL(yaml_load(arena, STR(text), NULL, &document, &error));
    for (size_t i = 0; i < LENGTH_OF(cases); i++) {
        unsigned line = yaml_line(document, str_from(cases[i].field));
        if (line != cases[i].line)
            fprintf(stderr, "\n    %s: line %u, expected %u\n", cases[i].field, line, cases[i].line);
        CU_ASSERT_EQUAL(line, cases[i].line);
    }
    CU_ASSERT_FATAL(
        yaml_load(arena, STR("{\n \"a\": 1,\n \"b\":\n  [1,\n   {\"c\":\n2}]}\n---\n"), NULL, &document, &error));
    CU_ASSERT_EQUAL(yaml_line(document, STR("a")), 2);
    CU_ASSERT_EQUAL(yaml_line(document, STR("b")), 3);
    CU_ASSERT_EQUAL(yaml_line(document, STR("b[1].c")), 6);
    CU_ASSERT_FATAL(
        yaml_load(arena, STR("a:\n  b:\n    c:\n\n# d\n  ? e\n\nf:\n  -\n  -\n? g"), NULL, &document, &error));
    CU_ASSERT_EQUAL(yaml_line(document, STR("a.b.c")), 3);
    CU_ASSERT_EQUAL(yaml_line(document, STR("a.e")), 6);
    CU_ASSERT_EQUAL(yaml_line(document, STR("f[1]")), 10);
    CU_ASSERT_EQUAL(yaml_line(document, STR("g")), 11);
    CU_ASSERT_FATAL(yaml_load(arena, STR("\n\n---\n"), NULL, &document, &error));
    CU_ASSERT_EQUAL(yaml_line(document, STR("a")), 3);
}

static void test_lines_without_nodes(void)
{
    static const char *const texts[] = {
        "# c\na:\n  b:\n    c:\n\n# d\n  ? e\n\nf:\n  -\n  -\n  - [1,\n   {x: 2}]\n? g\n",
        "a: 1\nb:\n- c: |\n    text\n  d:\n    a.b/c: 1\n\"a\":\n  b: 2\n",
        "{\n \"a\": 1,\n \"b\":\n  [1,\n   {\"c\":\n2, \"a.b/c\" : {}}],\n \"\\u0061\": {\n\"b\": []}}",
        "[]",
        "a: {}\n",
        "- a: 1\n- b:\n    c: 2\n"};
    static const char *const fields[] = {
        "",        "a",           "a.b",  "a.b.c", "a.e",     "b",         "b[0].c", "b[0].d[a.b/c]",
        "b[1].c",  "b[1][a.b/c]", "f",    "f[1]",  "f[2][0]", "f[2][1].x", "f[3]",   "g",
        "nothing", "a.nothing",   "b[x]", "[0].a", "[1].b.c", "[1].c",     "[2]"};
    ARENA_SCOPED arena = arena_new(ARENA);
    const struct yaml_options options = {.lines_before = 7};
    for (size_t t = 0; t < LENGTH_OF(texts); t++) {
        struct yaml_document *document;
        struct error error;
        const struct yaml_lines *lines = yaml_read_lines(arena, str_from(texts[t]), options.lines_before);
        CU_ASSERT_FATAL(lines && yaml_load(arena, str_from(texts[t]), &options, &document, &error));
        for (size_t i = 0; i < LENGTH_OF(fields); i++) {
            unsigned line = yaml_lines_find(lines, str_from(fields[i])),
                     expected = yaml_line(document, str_from(fields[i]));
            if (line != expected)
                fprintf(stderr, "\n    text %zu, %s: line %u, expected %u\n", t, fields[i], line, expected);
            CU_ASSERT_EQUAL(line, expected);
        }
    }
    CU_ASSERT_PTR_NULL(yaml_read_lines(arena, STR("a: &x 1\nb: *x\n"), 0));
    CU_ASSERT_PTR_NULL(yaml_read_lines(arena, STR("{\"a\": }"), 0));
}

SUITE(yaml, {"documents of a text", test_documents}, {"JSON is read as JSON", test_json},
      {"messages say what to do", test_messages}, {"repeated keys", test_duplicates}, {"alias bombs", test_bombs},
      {"aliases of a long text", test_heavy_aliases}, {"limits", test_limits}, {"lines of fields", test_lines},
      {"lines without nodes", test_lines_without_nodes})
