/* Patterns, expressions and names as Velero reads them. The verdicts were taken from
 * Go's regexp and gobwas/glob v0.2.3 themselves. */
#include "backstop/grammar.h"
#include "suite.h"

static void test_expressions(void)
{
    static const char *const good[] = {
        "",
        "^kcm-.*$",
        "a|b|",
        "(?i)abc",
        "(?P<n>a)(?<m>b)",
        "[a-z0-9-]+",
        "[]a]",
        "[^]a]",
        "[[:^alpha:]]",
        "\\d\\D\\w",
        "\\pL\\p{Greek}\\P{^Lu}",
        "a{2,3}?",
        "a{,3}",
        "a{x",
        "\\x41\\x{10FFFF}",
        "\\07",
        "(?-s:a)",
        "\\Q*+\\E?",
        "\\Q(",
        "(a{10}){100}",
        "()*",
        "\\bx\\B\\z\\A",
        "\xc3\xa9+",
        "[[:a]",
        "^*",
        "a??",
    };
    static const char *const bad[] = {
        "*a",        "a**",     "a+*",     "(a",           "a)",          "[a",        "[z-a]",
        "a{3,2}",    "a{1001}", "(?=a)",   "(?!a)",        "(?<=a)",      "(?>a)",     "\\1",
        "\\8",       "\\Z",     "\\C",     "\\xg",         "\\x{110000}", "[[:foo:]]", "(?P<n>a)(?P<n>b)",
        "(?P<1 >a)", "\\",      "[\\",     "(a{100}){11}", "|*",          "(*)",       "(?z)",
        "\\pX",      "\\p{",    "[a-\\d]", "a(?i){1001}",
    };
    for (size_t i = 0; i < LENGTH_OF(good); i++) {
        const char *problem = regex_problem(str_from(good[i]));
        if (problem)
            fprintf(stderr, "\n    %s: %s\n", good[i], problem);
        CU_ASSERT(problem == NULL);
    }
    for (size_t i = 0; i < LENGTH_OF(bad); i++) {
        if (!regex_problem(str_from(bad[i])))
            fprintf(stderr, "\n    %s: accepted\n", bad[i]);
        CU_ASSERT(regex_problem(str_from(bad[i])) != NULL);
    }
}

static void test_deep_expressions(void)
{
    BUF_SCOPED text;
    buf_init(&text, 1U << 20);
    for (int i = 0; i < 100000; i++)
        buf_putc(&text, '(');
    CU_ASSERT(regex_problem(buf_str(&text)) != NULL);
    buf_clear(&text);
    for (int i = 0; i < 900; i++)
        buf_putc(&text, '(');
    for (int i = 0; i < 900; i++)
        buf_putc(&text, ')');
    CU_ASSERT(regex_problem(buf_str(&text)) == NULL);
}

static void test_globs(void)
{
    static const struct {
        const char *pattern, *text;
        bool matches;
    } cases[] = {
        {"*", "pods", true},
        {"*", "managements.k0rdent.mirantis.com", false},
        {"**", "managements.k0rdent.mirantis.com", true},
        {"*.apps", "deployments.apps", true},
        {"managements.*", "managements.k0rdent.mirantis.com", false},
        {"managements.**", "managements.k0rdent.mirantis.com", true},
        {"*.k0rdent.mirantis.com", "managements.k0rdent.mirantis.com", true},
        {"{a,managements}.k0rdent*", "managements.k0rdent", true},
        {"{a,{b,c}}d", "cd", true},
        {"[a-c]x", "bx", true},
        {"[!a-c]x", "bx", false},
        {"[abc]x", "cx", true},
        {"?ods", "pods", true},
        {"\\*", "*", true},
        {"\\*", "a", false},
        {"", "", true},
        {"a", "", false},
    };
    static const char *const bad[] = {"[a", "[]", "[!]", "[z-a]", "[a-]", "[a-cd]", "{a", "{{a}", "{[a}"};
    struct arena *arena = arena_new(1U << 20);
    for (size_t i = 0; i < LENGTH_OF(cases); i++)
        CU_ASSERT_EQUAL(glob_match(arena, str_from(cases[i].pattern), str_from(cases[i].text), '.'), cases[i].matches);
    for (size_t i = 0; i < LENGTH_OF(bad); i++) {
        CU_ASSERT(glob_problem(str_from(bad[i])) != NULL);
        CU_ASSERT_FALSE(glob_match(arena, str_from(bad[i]), STR("a"), '.'));
    }
    CU_ASSERT(glob_match(arena, STR("*azure*"), STR("natgateways.network.azure.com"), '\0'));
    /* Alternatives multiply: the work stays bounded. */
    CU_ASSERT_FALSE(glob_match(arena, STR("{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}*c"),
                               STR("zzzzzzzzzzzzzzzz"), '.'));
    CU_ASSERT_FALSE(arena_failed(arena));
    arena_free(arena);
}

static void test_names(void)
{
    static const struct {
        const char *a, *b;
        bool same;
    } cases[] = {
        {"managements.k0rdent.mirantis.com", "Management.k0rdent.mirantis.com", true},
        {"mgmt", "managements.k0rdent.mirantis.com", true},
        {"managements.k0rdent", "managements.k0rdent.mirantis.com", true},
        {"virtualnetworkssubnet.network.azure.com", "virtualnetworkssubnets.network.azure.com", true},
        {"virtualnetworks.network.azure.com", "virtualnetworkssubnets.network.azure.com", false},
        {"policies.example.com", "Policy.example.com", true},
        {"foxes.example.com", "fox.example.com", true},
        {"buses", "bus.example.com", true},
        {"clusters.cluster.x-k8s.io", "clusters.example.com", false},
        {"clusters.example.com", "cluster", true},
        {"pods", "pods", true},
        {"pods", "po", true},
        {"pods", "podsecuritypolicies", false},
        {"", "", true},
    };
    struct arena *arena = arena_new(1U << 20);
    for (size_t i = 0; i < LENGTH_OF(cases); i++) {
        CU_ASSERT_EQUAL(resource_name_same(str_from(cases[i].a), str_from(cases[i].b)), cases[i].same);
        CU_ASSERT_EQUAL(resource_name_same(str_from(cases[i].b), str_from(cases[i].a)), cases[i].same);
    }
    ASSERT_TEXT(resource_name_plural(STR("mutatingwebhookconfiguration.admissionregistration.k8s.io")),
                "mutatingwebhookconfigurations.admissionregistration.k8s.io");
    ASSERT_TEXT(resource_name_plural(STR("Pod")), "pods");
    ASSERT_TEXT(resource_name_plural(STR("foo.example.com")), "foo.example.com");
    arena_free(arena);
}

SUITE(modifier_patterns, {"expressions Go compiles", test_expressions}, {"deep nesting", test_deep_expressions},
      {"globs", test_globs}, {"names of resources", test_names})
