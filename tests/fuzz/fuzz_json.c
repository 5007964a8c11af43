/* Any bytes as JSON: the index, the tree builder and json-c's own tokener agree on
 * what is JSON, and what is written is read back. */
#include <json-c/json.h>
#include <string.h>

#include "backstop/json.h"
#include "fuzz.h"

enum { ARENA = 64 * 1024 * 1024 };

static bool has(const struct error *error, const char *part)
{
    return strstr(error->message, part) != NULL;
}

static void check_error(const struct error *error, struct str text)
{
    PROMISE(error->code == 400 || error->code == 413, "code %d", error->code);
    PROMISE(error->message[0] != '\0' && !strchr(error->message, '\n'), "message");
    PROMISE(error->position >= 0 && error->position <= (int64_t)text.len, "position %lld", (long long)error->position);
    PROMISE(str_utf8_valid(str_from(error->message)), "message is not UTF-8");
}

/* json-c refuses integers above 64 bits and counts depth otherwise. What it takes
 * beyond the RFC (NaN, Infinity, control characters in strings) is not looked at. */
static void compare_with_json_c(struct str text, bool accepted)
{
    struct json_tokener *tokener = json_tokener_new_ex(JSON_DEPTH_LIMIT + 1);
    PROMISE(tokener, "memory");
    json_tokener_set_flags(tokener, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
    struct json_object *tree = json_tokener_parse_ex(tokener, text.ptr, (int)text.len);
    enum json_tokener_error verdict = json_tokener_get_error(tokener);
    if (verdict == json_tokener_continue) { /* a number at the very end waits for more */
        tree = json_tokener_parse_ex(tokener, " ", 1);
        verdict = json_tokener_get_error(tokener);
    }
    if (accepted)
        PROMISE(verdict == json_tokener_success || verdict == json_tokener_error_parse_number ||
                    verdict == json_tokener_error_depth,
                "json-c: %s", json_tokener_error_desc(verdict));
    json_object_put(tree);
    json_tokener_free(tokener);
}

/* Writing and reading again gives the same tree and the same text. */
static void check_round_trip(struct arena *arena, struct json_object *tree)
{
    BUF_SCOPED first, second;
    struct error error = {0};
    buf_init(&first, ARENA);
    buf_init(&second, ARENA);
    json_write_tree(&first, tree);
    PROMISE(!first.failed, "not written");
    PROMISE(json_index(arena, buf_str(&first), 4, &error), "%s", error.message);
    struct json_object *again = json_build(arena, buf_str(&first), &error);
    json_write_tree(&second, again);
    PROMISE(str_eq(buf_str(&first), buf_str(&second)), "%s and %s", first.data, second.data);
}

/* Everything in it, by walks; and then by reading. */
static void read_all(struct json_object *tree, unsigned depth)
{
    if (depth > 40)
        return;
    json_walk_each(tree, key, value)
    {
        (void)key;
        read_all(value, depth + 1);
    }
}

/* A tree that is opened is the one that is built: unread, half read, read, and kept. */
static void check_opened(struct arena *arena, struct str text, struct json_object *tree)
{
    BUF_SCOPED built, opened, read, kept;
    struct error error = {0};
    bool repeats = json_repeats_keys(text);
    struct json_object *unread = json_open(arena, text, &error);
    PROMISE(error.code == 0 && json_object_get_type(unread) == json_object_get_type(tree), "%s", error.message);
    buf_init(&built, ARENA);
    buf_init(&opened, ARENA);
    buf_init(&read, ARENA);
    buf_init(&kept, ARENA);
    json_write_tree(&built, tree);
    json_write_tree(&opened, unread);
    PROMISE(repeats || str_eq(buf_str(&built), buf_str(&opened)), "%s and %s", built.data, opened.data);
    read_all(unread, 0);
    struct json_object *keep = tree ? json_keep(arena, unread) : NULL;
    json_write_tree(&kept, keep);
    PROMISE(repeats || str_eq(buf_str(&built), buf_str(&kept)), "%s and %s", built.data, kept.data);
    struct json_object *copy = json_copy(unread); /* which reads it */
    json_write_tree(&read, copy);
    PROMISE(str_eq(buf_str(&built), buf_str(&read)), "%s and %s", built.data, read.data);
    PROMISE(json_equal(tree, unread), "not equal: %s", built.data);
    json_object_put(copy);
}

static void check_nodes(struct arena *arena, const struct json_node *node, struct str text)
{
    PROMISE(node->raw.ptr >= text.ptr && node->raw.ptr + node->raw.len <= text.ptr + text.len, "outside");
    struct str decoded = json_text(arena, node);
    PROMISE((node->kind == JSON_STRING) == (decoded.ptr != NULL), "text");
    PROMISE(decoded.len <= node->raw.len && str_utf8_valid(decoded), "decoded");
    for (const struct json_node *member = node->first; member; member = member->next) {
        PROMISE(json_member(node, member->key) == member, "found another member");
        check_nodes(arena, member, text);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    ARENA_SCOPED arena = arena_new(ARENA);
    struct str text = {(const char *)data, size};
    struct error deep_error = {0}, flat_error = {0}, tree_error = {0};
    const struct json_node *deep = json_index(arena, text, 600, &deep_error),
                           *flat = json_index(arena, text, 0, &flat_error);
    struct json_object *tree = json_build(arena, text, &tree_error);
    bool built = tree_error.code == 0;
    if (deep)
        check_nodes(arena, deep, text);
    else
        check_error(&deep_error, text);
    if (!flat)
        check_error(&flat_error, text);
    PROMISE(deep || !flat || has(&deep_error, "duplicate key"), "%s", deep_error.message);
    PROMISE(flat || !deep, "%s", flat_error.message);
    PROMISE(built || !flat || tree_error.code == 413 || has(&tree_error, "NUL character"), "%s", tree_error.message);
    PROMISE(flat || !built, "%s", flat_error.message);
    if (built)
        check_round_trip(arena, tree);
    if (built)
        check_opened(arena, text, tree);
    if (built && size < 1 << 20)
        compare_with_json_c(text, flat);
    return 0;
}
