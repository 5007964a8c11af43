/* Where manifests come from: files, folders, URLs, and what kustomize prints; each read as kubectl reads what -f and -k
 * name. kustomize itself is in kustomize.c. */
#include <curl/curl.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "backstop/base.h"
#include "backstop/kube.h"
#include "commands/manifest/manifest.h"

/* ---- URLs ----------------------------------------------------------------------- */

/* Less than what came tells curl to give up. */
static size_t fetch_take(char *bytes, size_t size, size_t count, void *context)
{
    struct buf *body = context;
    buf_add(body, (struct str){bytes, size * count});
    return body->failed ? 0 : size * count;
}

static void fetch_cleanup(CURL **curl)
{
    curl_easy_cleanup(*curl);
}

/* Redirects to anything but HTTP are refused: a URL that somebody was given must not lead to a
 * file of this machine. */
static bool fetch_once(CURL *curl, const char *url, struct buf *body, long *status, struct error *error)
{
    char reason[CURL_ERROR_SIZE] = "";
    buf_clear(body);
    curl_easy_setopt(curl, CURLOPT_URL, url);
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(curl, CURLOPT_REDIR_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 1L);
    curl_easy_setopt(curl, CURLOPT_MAXREDIRS, 10L);
    curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, 10L);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT, 60L);
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_USERAGENT, "backstop/" BACKSTOP_VERSION);
    curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, reason);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, fetch_take);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, body);
    CURLcode code = curl_easy_perform(curl);
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, status);
    if (body->failed)
        return error_set(error, 413, "larger than %zu bytes", body->limit);
    return code == CURLE_OK || error_set(error, 0, "%s", reason[0] ? reason : curl_easy_strerror(code));
}

/* What stands at a URL, as `kubectl apply -f URL` reads it: redirects are followed, a server's
 * error (5xx) is tried three times. The text is the arena's. */
static bool manifest_fetch_url(struct arena *arena, const char *url, size_t limit, struct str *text,
                               struct error *error)
{
    enum { TRIES = 3 };
    if (!kube_load_curl(error))
        return false;
    CLEANUP(fetch_cleanup) CURL *curl = curl_easy_init();
    BUF_SCOPED body;
    long status = 0;
    bool got = false;
    buf_init(&body, limit);
    if (!curl)
        return error_set(error, 500, "out of memory");
    for (int i = 0; i < TRIES && (!got || status >= 500); i++) {
        if (i)
            time_sleep_ms(1000);
        got = fetch_once(curl, url, &body, &status, error);
    }
    if (!got)
        return false;
    if (status != 200)
        return error_set(error, 0, "the server answered %ld", status);
    *text = arena_copy(arena, buf_str(&body));
    return text->ptr || error_set(error, 500, "out of memory");
}

enum { SOURCE_LIMIT = 256 * 1024 * 1024, DEPTH_LIMIT = 64 };

/* Said of a source as a whole; -1 is no line. */
static void files_refuse(const struct manifest_files *files, const char *path, const char *reason)
{
    files->sink.problem(files->sink.context, path, -1, reason);
}

/* Problems of a file's text are kept until it is known what sort of file it is. */
struct held_problem {
    int64_t line;
    struct str reason;
    struct held_problem *next;
};
struct held {
    const struct manifest_files *files;
    struct arena *arena;
    struct held_problem *first, **last;
};

struct text_visit {
    const struct manifest_sink *sink;
    struct held held;
};

static bool text_visit_object(void *context, struct manifest *manifest)
{
    const struct text_visit *visit = context;
    return visit->sink->visit(visit->sink->context, manifest);
}

static void text_visit_problem(void *context, const char *source, int64_t line, const char *reason)
{
    struct text_visit *visit = context;
    struct held *held = &visit->held;
    struct held_problem *problem = arena_alloc(held->arena, sizeof *problem);
    if (!problem) {
        files_refuse(held->files, source, "out of memory");
        return;
    }
    *problem = (struct held_problem){.line = line, .reason = arena_copy(held->arena, str_from(reason))};
    *held->last = problem;
    held->last = &problem->next;
}

/* "{{" and then "}}": what Helm's and Go's templates have in common. */
static bool is_template(struct str text)
{
    const char *at = memmem(text.ptr, text.len, "{{", 2);
    return at && memmem(at, text.len - (size_t)(at - text.ptr), "}}", 2);
}

/* Helm's templates are the files of "templates" beside a Chart.yaml; many of them parse as YAML, with every value in
 * quotes, but none is a manifest. */
static bool is_chart_template(const char *path, struct str text)
{
    static const char folder[] = "templates/";
    for (const char *at = path; is_template(text) && (at = strstr(at, folder)); at += strlen(folder)) {
        char *chart = NULL;
        bool whole = at == path || at[-1] == '/';
        bool found =
            whole && asprintf(&chart, "%.*sChart.yaml", (int)(at - path), path) > 0 && access(chart, R_OK) == 0;
        free(chart);
        if (found)
            return true;
    }
    return false;
}

static void files_count_template(struct manifest_files *files, const char *source, bool listed)
{
    files->templates++;
    if (!listed)
        files->sink.problem(files->sink.context, source, -1,
                            "a template ({{ ... }}); render it first, for example: helm template");
}

/* Text that cannot be parsed holds no object if it has not even the names of the fields that every object has. */
static bool names_no_object(struct str text)
{
    static const char *const utf16[] = {"\xff\xfe", "\xfe\xff"};
    return !str_contains(text, STR("apiVersion")) && !str_contains(text, STR("kind")) &&
           !str_starts(text, str_from(utf16[0])) && !str_starts(text, str_from(utf16[1]));
}

/* What stands in a folder besides manifests (values.yaml, Chart.yaml, templates) is only
 * counted. A file that the user named is told of in any case; one that was found in a folder
 * only if it looks like a manifest. */
static void files_count(struct manifest_files *files, const char *source, struct str text, bool listed,
                        const struct manifest_found *found, const struct text_visit *visit)
{
    const struct manifest_sink *sink = &files->sink;
    files->files++;
    files->objects += found->objects;
    files->lists += found->lists;
    bool nothing = found->objects + found->lists == 0;
    if (nothing && found->problems && is_template(text)) {
        files_count_template(files, source, listed);
        return;
    }
    if (nothing && found->problems && listed && names_no_object(text)) { /* tsconfig.json */
        files->others++;
        return;
    }
    for (const struct held_problem *problem = visit->held.first; problem; problem = problem->next)
        sink->problem(sink->context, source, problem->line, problem->reason.ptr);
    if (nothing && !found->problems && (listed || files->quiet_others))
        files->others++;
    else if (found->others && !files->quiet_others)
        sink->problem(sink->context, source, found->other_line, "this document has no apiVersion or no kind");
    else if (nothing && !found->problems && !files->quiet_others)
        sink->problem(sink->context, source, -1, "no Kubernetes object in it");
}

/* What people pass by mistake, by its first bytes or its fields; NULL for anything else. */
static const char *files_mistaken_for_manifest(struct str text)
{
    const char *packed = text_packed(text);
    if (packed)
        return packed;
    if (str_contains(str_slice(text, 0, 65536), STR("kind: Config\n")) && str_contains(text, STR("contexts:")) &&
        str_contains(text, STR("clusters:")) && !str_contains(text, STR("\nmetadata:")))
        return "is a kubeconfig, not a manifest: pass it with --kubeconfig";
    return NULL;
}

/* `listed`: found in a folder, not named by the user. */
static bool files_read_text(struct manifest_files *files, const char *source, struct str text, bool listed)
{
    enum { HELD_LIMIT = 64 * 1024 * 1024 };
    ARENA_SCOPED arena = arena_new(HELD_LIMIT);
    struct text_visit visit = {.sink = &files->sink, .held = {.files = files, .arena = arena}};
    const struct manifest_sink sink = {text_visit_object, text_visit_problem, &visit, files->sink.keep};
    struct manifest_found found;
    visit.held.last = &visit.held.first;
    if (!arena) {
        files_refuse(files, source, "out of memory");
        return true;
    }
    const char *mistaken = listed ? NULL : files_mistaken_for_manifest(text);
    if (mistaken) {
        files->files++;
        files_refuse(files, source, mistaken);
        return true;
    }
    bool more = manifests_read_text(&sink, source, text, &found);
    files_count(files, source, text, listed, &found, &visit);
    return more;
}

/* `containing` leaves out whole files before they are parsed, for a caller that looks for one
 * kind. */
static bool files_read_file(struct manifest_files *files, const char *path, bool listed)
{
    struct error error;
    struct str text = STR("");
    ARENA_SCOPED own = files->sink.keep ? NULL : arena_new(SOURCE_LIMIT + 4096);
    struct arena *arena = files->sink.keep ? files->sink.keep : own;
    const char *name = arena ? arena_copy(arena, str_from(path)).ptr : NULL;
    if (!name) {
        files_refuse(files, path, "out of memory");
        return true;
    }
    if (!file_read(arena, path, SOURCE_LIMIT, &text, &error)) {
        files->sink.problem(files->sink.context, NULL, -1, error.message); /* it begins with the path */
        return true;
    }
    if (files->containing && !str_contains(text, str_from(files->containing)))
        return true;
    if (is_chart_template(path, text)) {
        files->files++;
        files_count_template(files, name, listed);
        return true;
    }
    return files_read_text(files, name, text, listed);
}

/* ---- folders ------------------------------------------------------------------ */

static bool is_manifest_name(const char *name)
{
    struct str text = str_from(name);
    return str_ends(text, STR(".yaml")) || str_ends(text, STR(".yml")) || str_ends(text, STR(".json"));
}

/* Hidden files are read, as kubectl does; git's own folder is not worth the walk. */
static int folder_keep_entry(const struct dirent *entry)
{
    return strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0 && strcmp(entry->d_name, ".git") != 0;
}

/* The order of kubectl's filepath.Walk: by bytes, whatever the locale. */
static int folder_order(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

static bool files_read_folder(struct manifest_files *files, const char *folder, unsigned depth);

/* Links to files are followed, links to folders are not: as kubectl does, and so no circle is walked. */
static bool folder_read_entry(struct manifest_files *files, const char *folder, const char *name, unsigned depth)
{
    struct stat info;
    char *path = NULL;
    bool slash = str_ends(str_from(folder), STR("/")), more = true;
    if (asprintf(&path, "%s%s%s", folder, slash ? "" : "/", name) < 0) {
        files_refuse(files, folder, "out of memory");
        return true;
    }
    bool link = lstat(path, &info) == 0 && S_ISLNK(info.st_mode);
    if (stat(path, &info) != 0) {
        if (is_manifest_name(name))
            files_refuse(files, path, link ? "this link leads nowhere" : "cannot be read");
    } else if (S_ISDIR(info.st_mode)) {
        if (files->recursive && !link)
            more = files_read_folder(files, path, depth + 1);
    } else if (is_manifest_name(name)) {
        if (S_ISREG(info.st_mode))
            more = files_read_file(files, path, true);
        else
            files->irregular++;
    }
    free(path);
    return more;
}

/* What kustomize makes of the folder's files is not what they hold: it is noted, once for each folder. */
static void files_note_kustomization(struct manifest_files *files, const char *folder)
{
    const char *field = files->notes ? kustomization_changes(folder) : NULL;
    if (!field)
        return;
    strlist_add(files->notes, &files->kustomized, arena_copy(files->notes, str_from(folder)));
    if (!files->kustomize_sets)
        files->kustomize_sets = field;
}

static bool files_read_folder(struct manifest_files *files, const char *folder, unsigned depth)
{
    struct dirent **entries = NULL;
    int count = depth > DEPTH_LIMIT ? -1 : scandir(folder, &entries, folder_keep_entry, folder_order);
    bool more = true;
    if (count < 0) {
        files_refuse(files, folder, depth > DEPTH_LIMIT ? "folders are nested too deep" : "cannot be read");
        return true;
    }
    files_note_kustomization(files, folder);
    for (int i = 0; i < count; i++) {
        more = more && folder_read_entry(files, folder, entries[i]->d_name, depth);
        free(entries[i]);
    }
    free(entries);
    return more;
}

/* ---- whatever the user named ---------------------------------------------------- */

/* One path for a URL and for kustomize's output: a text from elsewhere, with a name of its own. */
static bool files_read_fetched(struct manifest_files *files, const char *source,
                               bool (*fetch)(struct arena *, const char *, size_t, struct str *, struct error *))
{
    struct error error;
    struct str text = STR("");
    ARENA_SCOPED own = files->sink.keep ? NULL : arena_new(2 * (size_t)SOURCE_LIMIT);
    struct arena *arena = files->sink.keep ? files->sink.keep : own;
    if (!arena) {
        files_refuse(files, source, "out of memory");
        return true;
    }
    if (!fetch(arena, source, SOURCE_LIMIT, &text, &error)) {
        files_refuse(files, source, error.message);
        return true;
    }
    return files_read_text(files, source, text, false);
}

bool manifests_read(struct manifest_files *files, const char *path)
{
    struct stat info;
    if (str_starts(str_from(path), STR("https://")) || str_starts(str_from(path), STR("http://")))
        return files_read_fetched(files, path, manifest_fetch_url);
    if (strcmp(path, "-") != 0 && stat(path, &info) == 0 && S_ISDIR(info.st_mode))
        return files_read_folder(files, path, 0);
    return files_read_file(files, path, false);
}

bool manifests_kustomize(struct manifest_files *files, const char *folder)
{
    return files_read_fetched(files, folder, manifest_fetch_kustomization);
}

/* ---- all at once ------------------------------------------------------------------ */

bool manifests_append(struct arena *arena, struct manifests *manifests, const struct manifest *manifest)
{
    if (!ARENA_ROOM(arena, manifests))
        return false;
    manifests->items[manifests->len++] = *manifest;
    return true;
}

struct collection {
    struct arena *arena;
    struct manifests *manifests;
    manifest_problem_fn *problem;
    void *context;
    bool good;
};

static bool collection_add(void *context, struct manifest *manifest)
{
    struct collection *collection = context;
    return manifests_append(collection->arena, collection->manifests, manifest);
}

static void collection_problem(void *context, const char *source, int64_t line, const char *reason)
{
    struct collection *collection = context;
    collection->good = false;
    collection->problem(collection->context, source, line, reason);
}

bool manifests_load(struct arena *arena, const char *path, struct manifests *manifests, manifest_problem_fn *problem,
                    void *context)
{
    struct collection collection = {arena, manifests, problem, context, true};
    struct manifest_files files = {.sink = {collection_add, collection_problem, &collection, arena}};
    return manifests_read(&files, path) && collection.good;
}
