/* mutate STRIDE: each value of each recorded review, document, API answer and Secret becomes each JSON type, is
 * left out or stands there twice (every STRIDEth of these changes), and goes through what reads it: all the
 * reviewing, `review`, `status`, `audit`, managed certificates. None may end the process, under the
 * sanitizers none may do what is undefined, and what is answered must hold what check_review.h says. */
#include <fcntl.h>
#include <glob.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../fuzz/check_review.h"
#include "mutate.h"

enum { MEMORY = 256 * 1024 * 1024, TEXT_MAX = 16 * 1024 * 1024, BATCH = 40, ARGUMENTS_MAX = 16 };

static size_t stride = 1, turn, inputs;
static int report = STDERR_FILENO; /* where there is somebody to read */
static char under_way[512];
static struct str under_way_text;

/* ---- naming what was under way -------------------------------------------------------- */

static void name_input(void)
{
    static const char before[] = "while at ";
    const char *path = "build/mutate-finding";
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
    if (fd < 0 || write(fd, under_way_text.ptr, under_way_text.len) < 0 ||
        write(report, before, sizeof before - 1) < 0 || write(report, under_way, strlen(under_way)) < 0 ||
        write(report, "; see build/mutate-finding\n", 27) < 0)
        return;
}

static void on_signal(int number)
{
    name_input();
    signal(number, SIG_DFL);
    raise(number);
}

__attribute__((weak)) void __sanitizer_set_death_callback(void (*callback)(void));

void mutate_fail(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vdprintf(report, format, args);
    va_end(args);
    dprintf(report, "\n");
    name_input();
    _exit(1);
}

/* ---- files and commands ------------------------------------------------------------------- */

struct text_file text_file_new(void)
{
    struct text_file file = {.fd = memfd_create("mutated", MFD_CLOEXEC)};
    if (file.fd < 0)
        mutate_fail("no memfd");
    snprintf(file.path, sizeof file.path, "/proc/self/fd/%d", file.fd);
    return file;
}

void text_file_set(struct text_file *file, struct str text)
{
    if (ftruncate(file->fd, 0) != 0 || pwrite(file->fd, text.ptr, text.len, 0) != (ssize_t)text.len)
        mutate_fail("a file cannot be written");
}

void mutate_command(const struct command *command, ...)
{
    char *argv[ARGUMENTS_MAX] = {text_for_reader(command->name)};
    int argc = 1;
    va_list args;
    va_start(args, command);
    for (char *one; argc < ARGUMENTS_MAX - 1 && (one = va_arg(args, char *)); argc++)
        argv[argc] = one;
    va_end(args);
    int code = command_run(command, argc, argv);
    if (code < 0 || code > EXIT_WAIT)
        mutate_fail("%s: exit code %d", command->name, code);
}

struct yaml_document *mutate_documents(struct arena *arena, const char *path)
{
    struct error error = {0};
    struct str text;
    struct yaml_document *documents = NULL;
    if (!file_read(arena, path, TEXT_MAX, &text, &error))
        mutate_fail("%s (run in the source tree)", error.message);
    /* Cases of texts that cannot be read have nothing to change. */
    return yaml_load(arena, text, NULL, &documents, &error) ? documents : NULL;
}

void mutate_each(const char *name, struct json_object *tree, void (*run)(void *context, struct str text), void *context)
{
    const size_t changes = mutation_nodes(tree) * MUTATIONS;
    for (size_t n = 0; n < changes; n++) {
        if (turn++ % stride)
            continue;
        BUF_SCOPED text;
        buf_init(&text, TEXT_MAX);
        mutation_write(&text, tree, n);
        if (text.failed)
            mutate_fail("%s: change %zu does not fit", name, n);
        snprintf(under_way, sizeof under_way, "%s, change %zu", name, n);
        under_way_text = buf_str(&text);
        if (ftruncate(STDERR_FILENO, 0) != 0) /* what the last input was told */
            mutate_fail("the log cannot be emptied");
        run(context, buf_str(&text));
        under_way_text = STR("");
        inputs++;
    }
}

/* ---- reviews, as the webhook gets them -------------------------------------------------- */

static void run_review(void *context, struct str body)
{
    (void)context;
    size_t count;
    const struct rule *rules = admission_rules(&count);
    struct review review = {0};
    struct error error = {0};
    struct str answer;
    ARENA_SCOPED arena = arena_new(MEMORY);
    if (!admission_read(arena, body, FUZZ_NOW, &review, &error)) {
        PROMISE(error.message[0] && error.code >= 400, "code %d", error.code);
        return;
    }
    /* Its own rules, and one that another's webhook configuration could have sent it to. */
    for (size_t i = 0; i < count; i++) {
        ARENA_SCOPED own = arena_new(MEMORY);
        if (str_is(review.request.kind, rules[i].kind) || i == inputs % count)
            check_rule(own, body, &rules[i], &answer);
    }
}

/* ---- documents, through the commands ------------------------------------------------------- */

struct batch {
    struct buf lines;
    size_t count, runs;
    struct text_file file;
    const char *old; /* --old, or NULL */
};

static void batch_review(struct batch *batch)
{
    static const char *const formats[] = {"text", "json", "yaml", "junit"};
    const char *format = formats[batch->runs++ % LENGTH_OF(formats)];
    if (!batch->count)
        return;
    text_file_set(&batch->file, buf_str(&batch->lines));
    mutate_command(&command_review, "--now", MUTATE_NOW, "--inventory", MUTATE_INVENTORY, "-o", format, "-f",
                   batch->file.path, batch->old ? "--old" : NULL, batch->old, NULL);
    buf_clear(&batch->lines);
    batch->count = 0;
}

static void batch_add(void *context, struct str text)
{
    struct batch *batch = context;
    buf_add(&batch->lines, text);
    buf_putc(&batch->lines, '\n');
    if (++batch->count == BATCH) {
        under_way_text = buf_str(&batch->lines);
        batch_review(batch);
    }
}

static void mutate_documents_of(struct batch *batch, const char *path)
{
    ARENA_SCOPED arena = arena_new(MEMORY);
    for (struct yaml_document *document = mutate_documents(arena, path); document; document = document->next)
        if (document->tree)
            mutate_each(path, document->tree, batch_add, batch);
    batch_review(batch);
}

/* The object before the change, with the change itself as it is in the case. */
static void run_old(void *context, struct str text)
{
    struct batch *batch = context;
    text_file_set(&batch->file, text);
    mutate_command(&command_review, "--now", MUTATE_NOW, "--inventory", MUTATE_INVENTORY, "-f", batch->old, "--old",
                   batch->file.path, NULL);
}

static void mutate_case(struct batch *batch, const char *input)
{
    ARENA_SCOPED arena = arena_new(MEMORY);
    struct str folder = str_slice(str_from(input), 0, strlen(input) - strlen(strrchr(input, '/')));
    struct str old = arena_printf(arena, "%.*s/old.yaml", STR_ARG(folder));
    batch->old = access(old.ptr, R_OK) == 0 ? old.ptr : NULL;
    mutate_documents_of(batch, input);
    if (batch->old) {
        struct batch before = {.file = batch->file, .old = input};
        for (struct yaml_document *document = mutate_documents(arena, old.ptr); document; document = document->next)
            if (document->tree)
                mutate_each(old.ptr, document->tree, run_old, &before);
    }
    batch->old = NULL;
}

/* ---- what is there already: inventories --------------------------------------------------- */

struct world {
    struct yaml_document *documents, *changed;
    struct text_file file;
    size_t runs;
};

static void run_world(void *context, struct str text)
{
    struct world *world = context;
    BUF_SCOPED lines;
    buf_init(&lines, TEXT_MAX);
    for (struct yaml_document *document = world->documents; document; document = document->next) {
        if (document == world->changed)
            buf_add(&lines, text);
        else
            json_write_tree(&lines, document->tree);
        buf_putc(&lines, '\n');
    }
    text_file_set(&world->file, buf_str(&lines));
    const char *path = world->file.path;
    switch (world->runs++ % 6) {
    case 0:
        mutate_command(&command_status, "--now", MUTATE_NOW, "--inventory", path, NULL);
        break;
    case 1:
        mutate_command(&command_status, "--now", MUTATE_NOW, "--inventory", path, "-o", "json", NULL);
        break;
    case 2:
        mutate_command(&command_status, "--now", MUTATE_NOW, "--inventory", path, "-o", "html", NULL);
        break;
    case 3:
        mutate_command(&command_audit, "--now", MUTATE_NOW, "--inventory", path, NULL);
        break;
    case 4:
        mutate_command(&command_rollback_plan, "--inventory", path, NULL);
        break;
    default:
        mutate_command(&command_review, "--now", MUTATE_NOW, "--inventory", path, "-f", "manifests/samples", NULL);
    }
}

static void mutate_world(const char *path)
{
    ARENA_SCOPED arena = arena_new(MEMORY);
    struct world world = {.documents = mutate_documents(arena, path), .file = text_file_new()};
    for (world.changed = world.documents; world.changed; world.changed = world.changed->next)
        if (world.changed->tree)
            mutate_each(path, world.changed->tree, run_world, &world);
    close(world.file.fd);
}

/* ---- the run -------------------------------------------------------------------------------- */

static void each_file(const char *pattern, void (*run)(void *context, const char *path), void *context)
{
    glob_t found;
    if (glob(pattern, 0, NULL, &found) != 0)
        mutate_fail("%s: no files (run in the source tree)", pattern);
    for (size_t i = 0; i < found.gl_pathc; i++)
        run(context, found.gl_pathv[i]);
    globfree(&found);
}

static void file_of_review(void *context, const char *path)
{
    ARENA_SCOPED arena = arena_new(MEMORY);
    struct error error = {0};
    struct str text;
    struct json_object *tree = file_read(arena, path, TEXT_MAX, &text, &error) ? json_build(arena, text, &error) : NULL;
    (void)context;
    if (tree)
        mutate_each(path, tree, run_review, NULL);
}

static void file_of_documents(void *context, const char *path)
{
    mutate_documents_of(context, path);
}

static void file_of_case(void *context, const char *path)
{
    mutate_case(context, path);
}

static void file_of_world(void *context, const char *path)
{
    (void)context;
    mutate_world(path);
}

int main(int argc, char **argv)
{
    int64_t every = argc == 2 && str_to_int64(str_from(argv[1]), &every) ? every : 0;
    struct batch batch = {.file = text_file_new()};
    if (every < 1) {
        fprintf(stderr, "usage: mutate STRIDE\n");
        return 2;
    }
    stride = (size_t)every;
    report = dup(STDERR_FILENO);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGABRT, on_signal);
    if (__sanitizer_set_death_callback)
        __sanitizer_set_death_callback(name_input);
    else
        signal(SIGSEGV, on_signal);
    if (!freopen("/dev/null", "w", stdout) || !freopen("build/mutate.log", "a", stderr))
        return 2;
    buf_init(&batch.lines, (size_t)BATCH * TEXT_MAX);
    setvbuf(stderr, NULL, _IONBF, 0); /* a crash must not swallow its reason */
    size_t counts[5] = {0};
    each_file("tests/fuzz/corpus/review/*.json", file_of_review, NULL);
    counts[0] = inputs;
    each_file("tests/fuzz/corpus/review/*.json", file_of_documents, &batch);
    each_file("manifests/samples/*.yaml", file_of_documents, &batch);
    each_file("tests/golden/cases/*/*/input.*", file_of_case, &batch);
    counts[1] = inputs;
    each_file("tests/golden/inventories/*.yaml", file_of_world, NULL);
    each_file("manifests/samples/inventory/*.yaml", file_of_world, NULL);
    counts[2] = inputs;
    mutate_api();
    buf_dispose(&batch.lines);
    dprintf(report, "mutate: %zu inputs (%zu reviews, %zu documents, %zu facts, %zu API answers), 0 findings\n", inputs,
            counts[0], counts[1] - counts[0], counts[2] - counts[1], inputs - counts[2]);
    return 0;
}
