#include "versions/versions.h"

enum { TAG_MAX = 128 };

/* ---- image references ------------------------------------------------------- */

/* The last component of the path, without the digest: "velero:v1.18.2". A colon before
 * the last slash is a registry's port. */
static struct str image_last(struct str reference)
{
    struct str rest = reference, name = {NULL, 0}, last;
    str_cut(&rest, '@', &name);
    last = name;
    for (struct str part = {NULL, 0}; str_cut(&name, '/', &part);)
        last = part;
    return last;
}

struct str image_tag(struct str reference)
{
    struct str tag = image_last(reference), name = {NULL, 0};
    str_cut(&tag, ':', &name);
    return tag.len ? tag : (struct str){NULL, 0};
}

struct str image_name(struct str reference)
{
    struct str rest = image_last(reference), name = {NULL, 0};
    str_cut(&rest, ':', &name);
    return name;
}

/* ---- numbers ------------------------------------------------------------------ */

/* A version as it is written: how many of its numbers there are, and what follows them. */
struct version_text {
    struct release_number number;
    int numbers; /* 0 to 3 */
    struct str suffix;
};

static bool version_is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static struct version_text version_scan(struct str text)
{
    enum { DIGITS_MAX = 4 };
    struct version_text found = {.suffix = text};
    int *const numbers[] = {&found.number.major, &found.number.minor, &found.number.patch};
    struct str rest = text;
    while (found.numbers < (int)LENGTH_OF(numbers)) {
        size_t digits = 0;
        int value = 0;
        for (; digits < rest.len && version_is_digit(rest.ptr[digits]); digits++)
            value = digits < DIGITS_MAX ? value * 10 + (rest.ptr[digits] - '0') : value;
        if (digits == 0 || digits > DIGITS_MAX)
            return found;
        *numbers[found.numbers++] = value;
        rest = found.suffix = str_slice(rest, digits, rest.len);
        if (rest.len < 2 || rest.ptr[0] != '.' || !version_is_digit(rest.ptr[1]))
            return found;
        rest = str_slice(rest, 1, rest.len);
    }
    return found;
}

/* "-rc.1" comes before the release; "-debian-12-r3" and "+k0s" are somebody's build of it. */
static bool version_suffix_is_release(struct str suffix)
{
    static const char *const early[] = {"alpha", "beta", "rc", "pre", "dev", "snapshot", "nightly", "main"};
    if (suffix.len == 0)
        return true;
    if (suffix.ptr[0] != '-' && suffix.ptr[0] != '+' && suffix.ptr[0] != '_')
        return false; /* "1.18.2x", "1.18.x" */
    for (size_t i = 0; i < LENGTH_OF(early); i++) {
        struct str word = str_slice(suffix, 1, 1 + strlen(early[i]));
        if (str_eq_nocase(word, str_from(early[i])))
            return false;
    }
    return suffix.len > 1;
}

static int release_compare(const struct release_number *a, const struct release_number *b)
{
    const int left[] = {a->major, a->minor, a->patch}, right[] = {b->major, b->minor, b->patch};
    for (size_t i = 0; i < LENGTH_OF(left); i++)
        if (left[i] != right[i])
            return left[i] < right[i] ? -1 : 1;
    return 0;
}

/* "1.18" names each of its patch releases, and only a whole version can be none of them. */
static bool release_row_may_be(const struct release_row *row, const struct version_text *text)
{
    if (text->numbers == 2)
        return row->first.major == text->number.major && row->first.minor == text->number.minor;
    return text->numbers == 3 && release_compare(&row->first, &text->number) <= 0 &&
           release_compare(&text->number, &row->last) <= 0;
}

/* A tag as the distribution specification has it, so that it can stand in a message as it is. */
static bool version_is_tag(struct str text)
{
    if (text.len == 0 || text.len > TAG_MAX)
        return false;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        if (!version_is_digit(c) && !(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z') && c != '_' &&
            (i == 0 || (c != '.' && c != '-' && c != '+')))
            return false;
    }
    return true;
}

static struct str version_without_v(struct str text)
{
    bool led = text.len > 1 && (text.ptr[0] == 'v' || text.ptr[0] == 'V') && version_is_digit(text.ptr[1]);
    return led ? str_slice(text, 1, text.len) : text;
}

struct product_version product_version_unknown(enum product product)
{
    struct product_version version = {.product = product};
    size_t count;
    const struct release_row *rows = release_rows(&count);
    for (size_t i = 0; i < count; i++)
        if (rows[i].product == product)
            version.rows |= 1u << i;
    return version;
}

struct product_version product_version_parse(enum product product, struct str text)
{
    struct product_version version = product_version_unknown(product);
    unsigned rows_found = 0;
    size_t count;
    const struct release_row *rows = release_rows(&count);
    if (!version_is_tag(text))
        return version;
    version.text = version_without_v(text);
    struct version_text scanned = version_scan(version.text);
    if (!version_suffix_is_release(scanned.suffix))
        return version;
    for (size_t i = 0; i < count; i++)
        if (rows[i].product == product && release_row_may_be(&rows[i], &scanned))
            rows_found |= 1u << i;
    version.listed = rows_found != 0;
    if (version.listed)
        version.rows = rows_found;
    return version;
}

/* ---- questions ------------------------------------------------------------------ */

enum version_answer product_version_has(const struct product_version *version, enum feature feature)
{
    size_t count, with = 0, without = 0;
    const struct release_row *rows = release_rows(&count);
    for (size_t i = 0; i < count; i++)
        if (version->rows & (1u << i))
            *(rows[i].features & (1u << feature) ? &with : &without) += 1;
    return with && without ? ANSWER_DEPENDS : with ? ANSWER_YES : ANSWER_NO;
}

struct product_version product_version_having(struct product_version version, enum feature feature)
{
    size_t count;
    unsigned having = 0;
    const struct release_row *rows = release_rows(&count);
    for (size_t i = 0; i < count; i++)
        if (version.rows & (1u << i) && rows[i].features & (1u << feature))
            having |= 1u << i;
    version.rows = having ? having : version.rows;
    return version;
}

enum version_answer product_version_before(const struct product_version *version, int major, int minor)
{
    struct version_text scanned = version_scan(version->text);
    if (scanned.numbers < 2)
        return ANSWER_DEPENDS;
    const struct release_number limit = {.major = major, .minor = minor};
    return release_compare(&scanned.number, &limit) < 0 ? ANSWER_YES : ANSWER_NO;
}

int product_version_compare(const struct product_version *a, const struct product_version *b)
{
    struct version_text left = version_scan(a->text), right = version_scan(b->text);
    return left.numbers < 2 || right.numbers < 2 ? 0 : release_compare(&left.number, &right.number);
}

unsigned product_version_cron(const struct product_version *version)
{
    unsigned dialects = 0;
    size_t count;
    const struct release_row *rows = release_rows(&count);
    for (size_t i = 0; i < count; i++)
        if (version->rows & (1u << i))
            dialects |= 1u << rows[i].cron;
    return dialects;
}

struct str product_version_name(struct arena *arena, const struct product_version *version)
{
    const char *product = product_words(version->product);
    return version->text.len ? arena_printf(arena, "%s %.*s", product, STR_ARG(version->text)) : str_from(product);
}

static struct str version_release_name(struct arena *arena, const struct release_row *row)
{
    const struct release_number *first = &row->first;
    const char *product = product_words(row->product);
    return first->patch ? arena_printf(arena, "%s %d.%d.%d", product, first->major, first->minor, first->patch)
                        : arena_printf(arena, "%s %d.%d", product, first->major, first->minor);
}

struct str product_version_readers(struct arena *arena, const struct product_version *version,
                                   enum cron_dialect dialect)
{
    size_t count, first = 0;
    const struct release_row *rows = release_rows(&count);
    if (product_version_cron(version) == 1u << dialect)
        return product_version_name(arena, version);
    while (first < count && (rows[first].product != version->product || rows[first].cron != CRON_GO_CRON))
        first++;
    if (first == count)
        return str_from(product_words(version->product));
    struct str name = version_release_name(arena, &rows[first]), number = name;
    if (dialect == CRON_GO_CRON)
        return arena_printf(arena, "%.*s and later", STR_ARG(name));
    str_cut(&number, ' ', &name);
    return arena_printf(arena, "%.*s before %.*s", STR_ARG(name), STR_ARG(number));
}

struct str product_version_doubt(struct arena *arena, const struct product_version *version)
{
    const char *setting = version->product == PRODUCT_VELERO ? "velero.version" : "kcm.version";
    if (!version->text.len)
        return arena_printf(arena, "the running %s is unknown (settings: %s)", product_words(version->product),
                            setting);
    return arena_printf(arena, "%.*s %s (settings: %s)", STR_ARG(product_version_name(arena, version)),
                        version->listed ? "may be an older one" : "is not a release that backstop knows", setting);
}

struct str feature_since(struct arena *arena, enum feature feature)
{
    size_t count;
    const struct release_row *rows = release_rows(&count);
    for (size_t i = 0; i < count; i++)
        if (rows[i].product == feature_product(feature) && (rows[i].features & (1u << feature)))
            return version_release_name(arena, &rows[i]);
    return str_from(product_words(feature_product(feature)));
}
