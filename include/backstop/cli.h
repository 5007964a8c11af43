/* cli: what the commands share: the table's row, options, help, manual pages, completions, and what is
 * printed on a terminal. Knows no command. */
#ifndef BACKSTOP_CLI_H
#define BACKSTOP_CLI_H

#include "backstop/base.h"
#include "backstop/kube.h"

/* ---- commands and options ---------------------------------------------------------- */

enum exit_code { EXIT_OK = 0, EXIT_DENIED = 1, EXIT_USAGE = 2, EXIT_WAIT = 3, EXIT_AT_RISK = 3 };

enum option_type {
    OPTION_FLAG,     /* bool */
    OPTION_TEXT,     /* const char * */
    OPTION_CHOICE,   /* int: which of the words of `argument`, "text|json": 0 for the first */
    OPTION_INTEGER,  /* int64_t, not negative */
    OPTION_DURATION, /* int64_t seconds; Go syntax: 90s, 1h30m */
    OPTION_TIME,     /* int64_t Unix seconds; RFC 3339 */
    OPTION_LIST      /* struct option_list, may be repeated; the variable's value is split at commas */
};
struct option_list {
    char **items; /* owned; options_dispose frees them */
    size_t len;
};
/* A row: --name (-letter) ARGUMENT, environment variable BACKSTOP_NAME, stored at
 * `offset` of the command's own options struct. The same rows make --help, the man page and
 * the completions: an argument such as text|json names the values there are, one with
 * FILE or DIR is a path. */
struct option {
    const char *name;
    char letter;
    enum option_type type;
    const char *argument, *help;
    size_t offset;
};
struct command;
/* What a command does once its options are read: the exit code. */
typedef int command_body(const struct command *command, void *values, char **operands, size_t operand_count);
/* `details` are paragraphs; lines that begin with spaces stay as they are. One that begins
 * with "Exit status: " or "Examples:" becomes a section of the man page. */
struct command {
    const char *name, *summary;
    const char *operands; /* "issue DIR | show FILE..."; words in lower case are to be written so */
    const char *details;
    const struct option *options;
    size_t option_count;
    bool asks_cluster; /* it takes the options that name a cluster, too, at `connection` of its options struct */
    size_t connection;
    bool hidden; /* for programs: not in the list of commands */
    bool logs;   /* its standard error is a log: errors are JSON lines there, too */
    command_body *body;
    const void *defaults; /* of its options struct, which has `size` bytes: COMMAND_DEFAULTS */
    size_t size;
    /* In place of body: takes its words as they are. */
    int (*run)(const struct command *command, int argc, char **argv);
};
#define COMMAND_DEFAULTS(type, ...) .defaults = &(const type){__VA_ARGS__}, .size = sizeof(type)

/* Those that need nothing but the table: completions, manual pages, and what completions ask. */
extern const struct command command_completion, command_man, command_complete;
/* Those that program_init was given. */
const struct command *const *program_commands(size_t *count);
const struct command *command_named(struct str name); /* or NULL */

/* The command's rows, its own first; those that its own stand in for are passed over. False
 * at the end. `option` gets a row whose offset counts from the command's options struct. */
bool command_option(const struct command *command, size_t *next, struct option *option);
/* The row of this name, or of this letter. */
bool command_option_named(const struct command *command, struct str name, bool letter, struct option *option);
bool option_shared(const struct command *command, const struct option *option); /* one of those that name a cluster */
#define OPTION_VARIABLE_SIZE 80

/* ---- the program's name (program.c) ------------------------------------------------ */

/* Before anything else: which commands there are, in the order of the help (static, kept), and what the program was
 * called as. As kubectl's plugin (kubectl-backstop) it is "kubectl backstop" in all that it prints. */
void program_init(const char *argv0, const struct command *const *commands, size_t count);
/* Called as kubectl-backstop: then messages name "kubectl backstop", and commands are about the cluster unless told
 * otherwise. */
bool program_is_plugin(void);
bool program_completes(const char *argv0); /* it is kubectl's completer: kubectl_complete-backstop */
/* The text with "backstop COMMAND" as the user has to type it. */
void program_say(struct buf *out, struct str text);
void program_usage(struct buf *out); /* the commands there are */

enum options_result { OPTIONS_RUN, OPTIONS_HELP, OPTIONS_BAD };
/* Whether this option, of whatever command, has its value in the next argument. */
bool option_takes_next(const char *text);
/* Runs a command: its options from the environment and argv[1..] over its defaults, then its body, unless help was asked
 * for or there was a mistake; operands given to a command that names none are one. Returns the exit code. */
int command_run(const struct command *command, int argc, char **argv);
/* A time that no option gave (INT64_MIN) becomes the clock's. */
int64_t command_now(int64_t given);
/* Says "backstop COMMAND: message" on standard error and returns EXIT_USAGE. */
int command_fail(const struct command *command, const char *format, ...) PRINTF_LIKE(2, 3);
/* The same when the output cannot be written: errno says why. */
int command_fail_output(const struct command *command);
/* Prints all of it. Returns the exit code, after a message where it ran out of memory or cannot be written. */
int command_print(const struct command *command, const struct buf *out);

/* Which cluster a command asks, in kubectl's words. Part of a command's options struct; the command's `connection` says
 * where. Every command that asks a cluster shares the rows that fill it. */
struct connection {
    const char *kubeconfig, *context, *cluster, *user, *server, *tls_server_name, *certificate_authority, *token,
        *client_certificate, *client_key, *as, *as_uid;
    struct option_list as_groups;
    bool insecure;
    int64_t request_timeout; /* seconds; 0: the default */
};

/* A cluster was named, on the command line or in the environment of backstop itself. */
bool connection_given(const struct connection *connection);
/* What kube_open takes; borrows the texts. */
struct kube_options connection_access(const struct connection *connection);

/* ---- pages and columns (columns.c) --------------------------------------------- */

/* Pages for a terminal: words, paragraphs, aligned columns. */
enum tone { TONE_PLAIN, TONE_GOOD, TONE_BAD, TONE_DOUBTFUL, TONE_STRONG, TONE_FAINT };

/* How to print: on what. */
struct page {
    struct buf *out;
    size_t width; /* of the terminal; 0: lines may be as long as they are */
    bool colour, ascii;
};
struct cell {
    struct str text;
    enum tone tone;
};
enum { COLUMNS_MAX = 10 };
struct columns_row;
struct columns {
    struct arena *arena;
    size_t count; /* of columns */
    bool dispensable[COLUMNS_MAX];
    struct columns_row *rows;
    size_t len, cap;
};

/* The first row is the heading: "NEXT RUN|(UTC)" is brief before the bar; a column whose
 * heading begins with ? is one that a narrow page can do without. */
void columns_init(struct columns *columns, struct arena *arena, const char *const *headings, size_t count);
void columns_row(struct columns *columns, const struct cell *cells);
/* What stands in the last row instead, where the page is narrow. */
void columns_brief(struct columns *columns, size_t column, struct str text);
/* Two spaces before each row and between columns. Where rows do not fit the page they
 * become brief, then columns are left out, then each row becomes a block: its first cell, and below it the others after
 * their headings. Nothing is cut: a long first cell has a line of its own. */
void columns_print(struct columns *columns, const struct page *page);

/* All of these, and the columns, show what a terminal would act on as escapes: this is the
 * place where text from outside becomes text on a terminal. */
void page_toned(const struct page *page, enum tone tone, struct str text);
/* A line of its own after an empty one. */
void page_heading(const struct page *page, const char *text);
/* Our own characters, as they are. */
void page_mark(const struct page *page, enum tone tone, const char *mark);
/* A paragraph with this indent, broken between words where the page ends; a command at its end (str_command_at) is
 * broken so that a shell still takes what is copied, on lines of its own. */
void page_paragraph(const struct page *page, size_t indent, const char *first, struct str text);
/* A name at the beginning of a line, printable as it is, in `room` columns (0: as many as it takes); one that is longer
 * has a line of its own, with as many empty columns below it. */
void page_label(const struct page *page, size_t indent, enum tone tone, struct str text, size_t room);
/* One that begins with toned words. */
void page_sentence(const struct page *page, enum tone tone, struct str first, struct str text);

/* ---- terminals (terminal.c) ---------------------------------------------------- */

enum terminal_colours { COLOUR_AUTO, COLOUR_ALWAYS, COLOUR_NEVER };
/* What the terminal at the other end can show. */
/* Part of a command's options, as the member `terminal`; TERMINAL_OPTIONS are its rows. */
struct terminal_options {
    int color; /* enum terminal_colours */
    bool ascii;
    int64_t width; /* -1: the terminal's */
};
#define TERMINAL_OPTIONS(type)                                                                                         \
    {"color",                                                                                                          \
     0,                                                                                                                \
     OPTION_CHOICE,                                                                                                    \
     "auto|always|never",                                                                                              \
     "colour: auto, always or never (default: auto; NO_COLOR turns it off)",                                           \
     offsetof(type, terminal.color)},                                                                                  \
        {"ascii",                                                                                                      \
         0,                                                                                                            \
         OPTION_FLAG,                                                                                                  \
         NULL,                                                                                                         \
         "print ASCII only (default where the locale is not UTF-8)",                                                   \
         offsetof(type, terminal.ascii)},                                                                              \
    {                                                                                                                  \
        "width", 0, OPTION_INTEGER, "COLUMNS",                                                                         \
            "wrap text at this many columns (default: the terminal's; 0: no limit)", offsetof(type, terminal.width)    \
    }

/* Says what is wrong with the options; EXIT_OK when nothing is. */
int terminal_check(const struct command *command, const struct terminal_options *options);
/* How to print into `out` what goes to standard output. */
struct page terminal_page(const struct terminal_options *options, struct buf *out);
/* A terminal that does what escape sequences say, as far as TERM tells. */
bool terminal_obeys(int fd);
/* Whether standard output gets colour: COLOUR_AUTO heeds no-color.org. */
bool terminal_colour(enum terminal_colours choice);
/* Rows of the terminal at this descriptor; 0 when it is none, or does not say. */
size_t terminal_rows(int fd);
/* Its columns, likewise, however few. */
size_t terminal_columns(int fd);

#endif
