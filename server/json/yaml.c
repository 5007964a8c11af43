/* yaml_load, and the nodes that its parts share. */
#include "json/yaml.h"

#include <string.h>

enum { NODE_LIMIT = 1000 * 1000, DEPTH_LIMIT = 100, DEPTH_MAX = JSON_DEPTH_LIMIT };

static bool looks_like_json(struct str text)
{
    if (str_starts(text, STR("\xef\xbb\xbf")))
        text = str_slice(text, 3, text.len);
    text = str_trim(text);
    return text.len > 0 && (*text.ptr == '{' || *text.ptr == '[');
}

static struct yaml_reader reader_new(struct arena *arena, const struct yaml_options *options,
                                     struct yaml_document **documents, struct error *error)
{
    struct yaml_reader reader = {.arena = arena, .error = error, .link = documents};
    if (options)
        reader.options = *options;
    if (reader.options.node_limit == 0)
        reader.options.node_limit = NODE_LIMIT;
    if (reader.options.depth_limit == 0)
        reader.options.depth_limit = DEPTH_LIMIT;
    if (reader.options.depth_limit > DEPTH_MAX)
        reader.options.depth_limit = DEPTH_MAX;
    *documents = NULL;
    return reader;
}

/* Most of JSON is YAML, but not all: \ud83d\ude00, long keys, a stream of objects
 * without "---". kubectl reads those through a JSON parser, and so does this. What
 * only begins like JSON gets libyaml's verdict, and its message. */
static bool read_nodes(struct yaml_reader *reader, struct str text)
{
    struct yaml_document **documents = reader->link;
    struct error *error = reader->error, ignored = {0};
    if (looks_like_json(text)) {
        reader->error = &ignored;
        bool good = yaml_parse_json(reader, text);
        reader->error = error;
        if (good)
            return true;
        *documents = NULL;
        reader->link = documents;
    }
    return yaml_parse(reader, text);
}

bool yaml_load(struct arena *arena, struct str text, const struct yaml_options *options,
               struct yaml_document **documents, struct error *error)
{
    struct yaml_reader reader = reader_new(arena, options, documents, error);
    bool good = read_nodes(&reader, text);
    for (struct yaml_document *document = *documents; good && document; document = document->next)
        good = yaml_decode(&reader, document);
    if (!good && error->code >= 500)
        arena_fail(arena);
    if (!good)
        *documents = NULL;
    return good;
}
