/* A mutator that keeps JSON whole, for targets whose input is mostly refused when
 * single bytes change: values are replaced, removed, copied from elsewhere. Half
 * of the time libFuzzer's own mutations run instead. */
#ifndef BACKSTOP_TESTS_FUZZ_MUTATE_JSON_H
#define BACKSTOP_TESTS_FUZZ_MUTATE_JSON_H

#include <string.h>

#include "backstop/json.h"
#include "fuzz.h"

/* libFuzzer's; absent in replays, where nothing mutates. */
__attribute__((weak)) size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max_size);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed);

/* Every place of a tree that can be changed: a member or an item of its parent. */
struct place {
    struct json_object *parent;
    const char *key; /* of a member */
    size_t index;    /* of an item */
};
struct places {
    struct place *items;
    size_t len, cap;
};

static inline void collect(struct places *places, struct json_object *tree)
{
    if (json_object_is_type(tree, json_type_object)) {
        json_foreach(tree, key, value)
        {
            if (places->len < places->cap)
                places->items[places->len++] = (struct place){.parent = tree, .key = key};
            collect(places, value);
        }
    }
    for (size_t i = 0; i < json_len(tree); i++) {
        if (places->len < places->cap)
            places->items[places->len++] = (struct place){.parent = tree, .index = i};
        collect(places, json_item(tree, i));
    }
}

static inline struct json_object *value_at(const struct place *place)
{
    return place->key ? json_get(place->parent, place->key) : json_item(place->parent, place->index);
}

static inline void put_at(const struct place *place, struct json_object *value)
{
    if (place->key)
        json_object_object_add(place->parent, place->key, value);
    else
        json_object_array_put_idx(place->parent, place->index, value);
}

static inline void remove_at(const struct place *place)
{
    if (place->key)
        json_object_object_del(place->parent, place->key);
    else
        json_object_array_del_idx(place->parent, place->index, 1);
}

static inline struct json_object *copy_of(struct json_object *value)
{
    struct json_object *copy = NULL;
    return json_object_deep_copy(value, &copy, NULL) == 0 ? copy : NULL;
}

/* Text changes that libFuzzer makes to the string at a place. */
static inline struct json_object *mutated_text(struct json_object *value)
{
    char text[256];
    struct str old = str_slice(json_str(value), 0, 128);
    memcpy(text, old.ptr ? old.ptr : "", old.len);
    size_t length = LLVMFuzzerMutate((uint8_t *)text, old.len, sizeof(text));
    return json_object_new_string_len(text, (int)length);
}

static inline struct json_object *simple_value(uint32_t chance)
{
    switch (chance % 7) {
    case 0:
        return NULL;
    case 1:
        return json_object_new_boolean(chance & 8);
    case 2:
        return json_object_new_int64((int64_t)(chance % 100) - 50);
    case 3:
        return json_object_new_string("");
    case 4:
        return json_object_new_array();
    case 5:
        return json_object_new_object();
    default:
        return json_object_new_double(1.5);
    }
}

static inline void mutate_place(const struct places *places, uint32_t chance)
{
    const struct place *place = &places->items[chance % places->len];
    const struct place *other = &places->items[(chance >> 7) % places->len];
    struct json_object *value = value_at(place);
    switch (chance % 5) {
    case 0:
        remove_at(place);
        return;
    case 1:
        put_at(place, simple_value(chance >> 3));
        return;
    case 2:
        put_at(place, copy_of(value_at(other)));
        return;
    case 3:
        if (json_object_is_type(other->parent, json_type_array))
            json_object_array_add(other->parent, copy_of(value));
        else
            json_object_object_add(other->parent, other->key, copy_of(value));
        return;
    default:
        put_at(place, mutated_text(value));
    }
}

static inline uint32_t next_chance(uint32_t *state)
{
    *state = *state * UINT32_C(1664525) + UINT32_C(1013904223);
    return *state >> 4;
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed)
{
    ARENA_SCOPED arena = arena_new(64 * 1024 * 1024);
    struct error error = {0};
    uint32_t state = seed;
    struct json_object *tree = seed % 2 ? json_build(arena, (struct str){(const char *)data, size}, &error) : NULL;
    if (!tree)
        return LLVMFuzzerMutate(data, size, max_size);
    for (uint32_t rounds = 1 + next_chance(&state) % 4; rounds > 0; rounds--) {
        struct place items[2000];
        struct places places = {.items = items, .cap = LENGTH_OF(items)};
        collect(&places, tree);
        if (places.len > 0)
            mutate_place(&places, next_chance(&state));
    }
    BUF_SCOPED text;
    buf_init(&text, max_size);
    json_write_tree(&text, tree);
    if (text.failed || text.len == 0)
        return LLVMFuzzerMutate(data, size, max_size);
    memcpy(data, text.data, text.len);
    return text.len;
}

#endif
