#include <stdlib.h>

#include "cron/zone/zone.h"

/* The names of all zones, from the text form of tzdata that distributions
 * install beside the binary files. Only a misspelt zone needs them, so they are
 * read then, once; without that file there is no suggestion. */
static const char names_file[] = "/usr/share/zoneinfo/tzdata.zi";
enum { NAMES_FILE_MAX = 1 << 20, NAMES_MAX = 2000 };

static struct arena *memory; /* of the names, for the life of the process */
static struct str *names;
static size_t name_count;

/* "Z Europe/Berlin 0:53:28 - LMT ..." is a zone, "L Europe/Berlin Europe/Oslo" another name for one. */
static bool line_name(struct str line, struct str *name)
{
    struct str word, rest = line;
    if (!str_cut(&rest, ' ', &word) || (!str_is(word, "Z") && !str_is(word, "L")))
        return false;
    if (str_is(word, "L"))
        str_cut(&rest, ' ', name);
    return str_cut(&rest, ' ', name) && name->len > 0;
}

static void read_names(void)
{
    struct error ignored;
    struct str text, line, name;
    memory = arena_new(4 * NAMES_FILE_MAX);
    if (!memory || !file_read(memory, names_file, NAMES_FILE_MAX, &text, &ignored))
        return;
    names = arena_array(memory, NAMES_MAX, sizeof *names);
    while (names && name_count < NAMES_MAX && str_cut(&text, '\n', &line))
        if (line_name(line, &name))
            names[name_count++] = name;
}

/* "berlin" for Europe/Berlin, "America/New" for America/New_York, "PST" for PST8PDT. */
static bool is_part(struct str name, struct str part)
{
    if (part.len < 3 || part.len >= name.len)
        return false;
    bool tail = name.ptr[name.len - part.len - 1] == '/',
         head = !str_contains(str_slice(name, part.len - 1, name.len), STR("/"));
    return (head && str_eq_nocase(str_slice(name, 0, part.len), part)) ||
           (tail && str_eq_nocase(str_slice(name, name.len - part.len, name.len), part));
}

/* "IST" is nearer to "EST" than to any zone that is meant, "UTC+2" nearer to "UTC". */
static bool has_no_likeness(struct str wrong)
{
    enum { ABBREVIATION_MAX = 4 };
    bool letters = true;
    for (size_t i = 0; i < wrong.len; i++) {
        if (wrong.ptr[i] >= '0' && wrong.ptr[i] <= '9')
            return true;
        letters &= (wrong.ptr[i] | 0x20) >= 'a' && (wrong.ptr[i] | 0x20) <= 'z';
    }
    return letters && wrong.len <= ABBREVIATION_MAX;
}

struct str zone_suggest(struct str wrong)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, read_names);
    if (!memory)
        return (struct str){NULL, 0};
    for (size_t i = 0; i < name_count; i++)
        if (str_eq_nocase(names[i], wrong))
            return names[i];
    for (size_t i = 0; i < name_count; i++)
        if (is_part(names[i], wrong))
            return names[i];
    return has_no_likeness(wrong) ? (struct str){NULL, 0} : str_nearest(wrong, names, name_count);
}
