#include "suite.h"

#include "backstop/policy.h"

/* A request over two texts (either may be NULL), indexed as the shell does it. */
struct fixture {
    struct arena *arena;
    struct object object, old;
    struct request request;
};

static void setup(struct fixture *f, enum operation operation, const char *object, const char *old)
{
    struct error error;
    f->arena = arena_new(1 << 24);
    request_init(&f->request, f->arena);
    f->request.operation = operation;
    f->object.root = object ? json_index(f->arena, str_from(object), 2, &error) : NULL;
    f->old.root = old ? json_index(f->arena, str_from(old), 2, &error) : NULL;
    CU_ASSERT(!object || f->object.root);
    CU_ASSERT(!old || f->old.root);
    f->request.object = object ? &f->object : NULL;
    f->request.old_object = old ? &f->old : NULL;
}

static bool changes(const char *object, const char *old, const char *path)
{
    struct fixture f;
    setup(&f, OPERATION_UPDATE, object, old);
    bool changed = request_changes(&f.request, path);
    CU_ASSERT(!arena_failed(f.arena));
    arena_free(f.arena);
    return changed;
}

static const char sample[] = "{\"kind\":\"X\",\"metadata\":{\"name\":\"a\\u0062c\",\"labels\":{\"a.b/"
                             "c\":\"v\",\"n\":1},\"annotations\":{\"k\":\"w\"}},"
                             "\"spec\":{\"schedule\":\"@daily\",\"flag\":true,\"off\":false,\"none\":null,\"number\":5,"
                             "\"deep\":{\"list\":[1,{\"x\":\"y\"}],\"text\":\"t\",\"flag\":true}}}";

static void test_readers(void)
{
    struct fixture f;
    setup(&f, OPERATION_CREATE, sample, NULL);
    const struct request *r = &f.request;
    const struct object *o = r->object;
    ASSERT_TEXT(object_text(r, o, "metadata.name"), "abc");
    ASSERT_TEXT(object_text(r, o, "kind"), "X");
    ASSERT_TEXT(object_text(r, o, "spec.schedule"), "@daily");
    ASSERT_TEXT(object_text(r, o, "spec.deep.text"), "t");
    CU_ASSERT_PTR_NULL(object_text(r, o, "spec.number").ptr);
    CU_ASSERT_PTR_NULL(object_text(r, o, "spec.missing").ptr);
    CU_ASSERT_PTR_NULL(object_text(r, o, "status.phase").ptr);
    CU_ASSERT_PTR_NULL(object_text(r, o, "spec.schedule.text").ptr);
    CU_ASSERT_PTR_NULL(object_text(r, NULL, "metadata.name").ptr);
    CU_ASSERT(object_true(r, o, "spec.flag"));
    CU_ASSERT(object_true(r, o, "spec.deep.flag"));
    CU_ASSERT_FALSE(object_true(r, o, "spec.off"));
    CU_ASSERT_FALSE(object_true(r, o, "spec.schedule"));
    CU_ASSERT_FALSE(object_true(r, o, "spec.deep.text"));
    CU_ASSERT(object_has(o, "spec.off"));
    CU_ASSERT_FALSE(object_has(o, "spec.none"));
    CU_ASSERT_FALSE(object_has(o, "spec.absent"));
    CU_ASSERT_FALSE(object_has(NULL, "spec"));
    CU_ASSERT_EQUAL(json_len(object_tree(r, o, "spec.deep.list")), 2);
    CU_ASSERT_PTR_NULL(object_tree(r, o, "spec.none"));
    CU_ASSERT_PTR_NULL(object_tree(r, NULL, "spec"));
    arena_free(f.arena);
}

static void test_trees_are_built_once(void)
{
    struct fixture f;
    setup(&f, OPERATION_CREATE, sample, NULL);
    struct json_object *first = object_tree(&f.request, f.request.object, "spec.deep");
    size_t used = arena_used(f.arena);
    CU_ASSERT_PTR_EQUAL(object_tree(&f.request, f.request.object, "spec.deep"), first);
    ASSERT_TEXT(object_text(&f.request, f.request.object, "spec.deep.text"), "t");
    CU_ASSERT_EQUAL(arena_used(f.arena), used);
    f.request.parts = NULL; /* a request that nobody initialised still reads */
    ASSERT_TEXT(object_text(&f.request, f.request.object, "spec.deep.text"), "t");
    arena_free(f.arena);
}

static void test_labels(void)
{
    struct fixture f;
    setup(&f, OPERATION_CREATE, sample, NULL);
    ASSERT_TEXT(object_label(&f.request, f.request.object, "a.b/c"), "v");
    CU_ASSERT_PTR_NULL(object_label(&f.request, f.request.object, "n").ptr);
    CU_ASSERT_PTR_NULL(object_label(&f.request, f.request.object, "k").ptr);
    CU_ASSERT_PTR_NULL(object_label(&f.request, NULL, "k").ptr);
    ASSERT_TEXT(object_annotation(&f.request, f.request.object, "k"), "w");
    size_t used = arena_used(f.arena);
    ASSERT_TEXT(object_annotation(&f.request, f.request.object, "k"), "w");
    CU_ASSERT_EQUAL(arena_used(f.arena), used);
    arena_free(f.arena);
    /* Written with an escape it is the same label; as a value it is none. */
    setup(&f, OPERATION_CREATE,
          "{\"metadata\":{\"labels\":{\"x\":\"a.b/d\",\"a\\u002eb\\/c\":\"v\\u0021\",\"y\":\"\"}}}", NULL);
    ASSERT_TEXT(object_label(&f.request, f.request.object, "a.b/c"), "v!");
    CU_ASSERT_PTR_NULL(object_label(&f.request, f.request.object, "a.b/d").ptr);
    arena_free(f.arena);
    setup(&f, OPERATION_CREATE, "{\"metadata\":{\"labels\":[\"a\"],\"annotations\":\"k\"}}", NULL);
    CU_ASSERT_PTR_NULL(object_label(&f.request, f.request.object, "a").ptr);
    CU_ASSERT_PTR_NULL(object_annotation(&f.request, f.request.object, "k").ptr);
    arena_free(f.arena);
}

/* What could not be read looks as if it were absent, and that must be known. */
static void test_unreadable_parts(void)
{
    struct fixture f;
    setup(&f, OPERATION_CREATE, "{\"spec\":{\"good\":{\"a\":1},\"bad\":{\"a\\u0000\":1}}}", NULL);
    CU_ASSERT_PTR_NOT_NULL(object_tree(&f.request, f.request.object, "spec.good"));
    CU_ASSERT_PTR_NULL(object_tree(&f.request, f.request.object, "spec.none"));
    CU_ASSERT_PTR_NULL(request_problem(&f.request).ptr);
    CU_ASSERT_PTR_NULL(object_tree(&f.request, f.request.object, "spec.bad"));
    CU_ASSERT(str_contains(request_problem(&f.request), STR("NUL")));
    arena_free(f.arena);
}

static void test_update_changes(void)
{
    CU_ASSERT(changes("{\"spec\":{\"a\":\"x\"}}", "{\"spec\":{\"a\":\"y\"}}", "spec.a"));
    CU_ASSERT(changes("{\"spec\":{\"a\":\"x\"}}", "{\"spec\":{}}", "spec.a"));
    CU_ASSERT(changes("{\"spec\":{}}", "{\"spec\":{\"a\":\"x\"}}", "spec.a"));
    CU_ASSERT(changes("{}", "{\"spec\":{\"a\":\"x\"}}", "spec.a"));
    CU_ASSERT(changes("{\"spec\":{\"a\":\"x\"}}", "{}", "spec.a"));
    CU_ASSERT(changes("{\"spec\":{\"a\":\"x\"}}", "{\"spec\":null}", "spec.a"));
    CU_ASSERT(changes("{\"spec\":{\"a\":{\"b\":1}}}", "{}", "spec.a.b"));
    CU_ASSERT(changes("{\"spec\":{\"a\":1}}", "{\"spec\":{\"a\":\"1\"}}", "spec.a"));
    CU_ASSERT(changes("{\"spec\":{\"a\":[1,2]}}", "{\"spec\":{\"a\":[2,1]}}", "spec.a"));
    CU_ASSERT(changes("{\"spec\":{\"a\":{\"b\":1}}}", "{\"spec\":{\"a\":{\"b\":2}}}", "spec.a.b"));
    CU_ASSERT(changes("{\"spec\":{\"a\":1}}", "{\"spec\":{\"a\":2}}", "spec"));
}

static void test_same_is_no_change(void)
{
    CU_ASSERT_FALSE(changes("{\"spec\":{\"a\":\"x\"}}", "{\"spec\":{\"a\":\"x\",\"b\":1}}", "spec.a"));
    CU_ASSERT_FALSE(changes("{\"spec\":{\"a\":\"x\"}}", "{\"spec\":{\"a\":\"\\u0078\"}}", "spec.a"));
    CU_ASSERT_FALSE(
        changes("{\"spec\":{\"a\":{\"b\":1,\"c\":2}}}", "{\"spec\":{\"a\":{ \"c\":2, \"b\":1 }}}", "spec.a"));
    CU_ASSERT_FALSE(changes("{\"spec\":{\"a\":null}}", "{\"spec\":{}}", "spec.a"));
    CU_ASSERT_FALSE(changes("{\"spec\":{}}", "{}", "spec.a"));
    CU_ASSERT_FALSE(changes("{\"spec\":null}", "{}", "spec"));
    CU_ASSERT_FALSE(changes("{\"spec\":{\"a\":{\"b\":1,\"c\":2}}}", "{\"spec\":{\"a\":{\"b\":1}}}", "spec.a.b"));
    CU_ASSERT_FALSE(changes("{\"spec\":{\"a\":5}}", "{\"spec\":{\"a\":6}}", "spec.a.b"));
}

static void test_create_and_delete_changes(void)
{
    struct fixture f;
    setup(&f, OPERATION_CREATE, sample, NULL);
    CU_ASSERT(request_changes(&f.request, "spec.schedule"));
    CU_ASSERT(request_changes(&f.request, "spec.deep.text"));
    CU_ASSERT_FALSE(request_changes(&f.request, "spec.none"));
    CU_ASSERT_FALSE(request_changes(&f.request, "spec.deep.nothing"));
    CU_ASSERT_PTR_EQUAL(request_subject(&f.request), &f.object);
    arena_free(f.arena);
    setup(&f, OPERATION_DELETE, NULL, "{\"metadata\":{\"deletionTimestamp\":\"2026-11-21T03:00:00Z\"}}");
    CU_ASSERT_FALSE(request_changes(&f.request, "metadata.deletionTimestamp"));
    CU_ASSERT_PTR_EQUAL(request_subject(&f.request), &f.old);
    CU_ASSERT(object_deleting(f.request.old_object));
    CU_ASSERT_FALSE(object_deleting(f.request.object));
    arena_free(f.arena);
}

static bool is_velero(const char *user, const char *listed)
{
    struct fixture f;
    setup(&f, OPERATION_CREATE, NULL, NULL);
    struct settings settings = {.system_namespace = STR("kcm-system")};
    strlist_add(f.arena, &settings.velero_service_accounts, STR("velero"));
    strlist_add(f.arena, &settings.velero_service_accounts, str_from(listed));
    f.request.user = str_from(user);
    bool velero = request_by_velero(&f.request, &settings);
    arena_free(f.arena);
    return velero;
}

static void test_velero_accounts(void)
{
    CU_ASSERT(is_velero("system:serviceaccount:kcm-system:velero", "velero-server"));
    CU_ASSERT(is_velero("system:serviceaccount:kcm-system:velero-server", "velero-server"));
    CU_ASSERT(is_velero("system:serviceaccount:other:mine", "other:mine"));
    CU_ASSERT_FALSE(is_velero("system:serviceaccount:kcm-system:mine", "other:mine"));
    CU_ASSERT_FALSE(is_velero("system:serviceaccount:default:velero", "velero-server"));
    CU_ASSERT_FALSE(is_velero("system:serviceaccount:kcm-system:velero-server-2", "velero-server"));
    CU_ASSERT_FALSE(is_velero("system:serviceaccount:kcm-system", "kcm-system"));
    CU_ASSERT_FALSE(is_velero("system:serviceaccount:kcm-system:", ""));
    CU_ASSERT_FALSE(is_velero("velero", "velero"));
    CU_ASSERT_FALSE(is_velero("", ""));
}

static void test_lists_of_strings(void)
{
    static const char lists[] =
        "{\"spec\":{\"two\":[ \"a\\u0062\" , \"\"],\"empty\":[],\"null\":null,\"mixed\":[\"a\",1,[\"b\"],"
        "{\"c\":\"d\"},null],\"text\":\"a\",\"map\":{\"a\":\"b\"}}}";
    static const struct {
        const char *path;
        bool list;
        size_t strings, items;
    } rows[] = {{"spec.two", true, 2, 2},     {"spec.empty", true, 0, 0}, {"spec.null", true, 0, 0},
                {"spec.missing", true, 0, 0}, {"other.two", true, 0, 0},  {"spec.mixed", false, 1, 5},
                {"spec.text", false, 0, 0},   {"spec.map", false, 0, 0}};
    struct fixture f;
    struct strlist list;
    size_t count;
    setup(&f, OPERATION_CREATE, lists, NULL);
    for (size_t i = 0; i < LENGTH_OF(rows); i++) {
        CU_ASSERT_EQUAL(object_strings(&f.request, &f.object, rows[i].path, 10, &list, &count), rows[i].list);
        CU_ASSERT_EQUAL(list.len, rows[i].strings);
        CU_ASSERT_EQUAL(count, rows[i].items);
    }
    CU_ASSERT(object_strings(&f.request, &f.object, "spec.two", 1, &list, &count)); /* counted, not kept */
    CU_ASSERT_EQUAL(list.len, 1);
    CU_ASSERT_EQUAL(count, 2);
    ASSERT_TEXT(list.items[0], "ab");
    CU_ASSERT(object_strings(&f.request, NULL, "spec.two", 1, &list, &count));
    arena_free(f.arena);
}

SUITE(policy_request, {"values are read by path", test_readers}, {"lists of strings", test_lists_of_strings},
      {"a tree is built once", test_trees_are_built_once}, {"labels and annotations", test_labels},
      {"parts that cannot be read", test_unreadable_parts}, {"what an update changes", test_update_changes},
      {"another spelling is no change", test_same_is_no_change},
      {"changes on create and delete", test_create_and_delete_changes},
      {"Velero's service accounts", test_velero_accounts})
