/* The verbs' own room: the verb table's row, option parsing and what verbs share. */
#ifndef BACKSTOP_VERBS_H
#define BACKSTOP_VERBS_H

#include "backstop/base.h"

enum exit_code { EXIT_OK = 0, EXIT_DENIED = 1, EXIT_USAGE = 2, EXIT_WAIT = 3 };

enum option_type {
    OPTION_FLAG,     /* bool */
    OPTION_TEXT,     /* const char * */
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
 * `offset` of the verb's own options struct. The same rows make --help, the man page and
 * the completions: an argument such as text|json names the values there are, one with
 * FILE or DIR is a path. */
struct option {
    const char *name;
    char letter;
    enum option_type type;
    const char *argument, *help;
    size_t offset;
};
/* `details` are paragraphs; lines that begin with spaces stay as they are. One that begins
 * with "Exit status: " or "Examples:" becomes a section of the man page. */
struct verb {
    const char *name, *summary;
    const char *operands; /* "issue DIR | show FILE..."; words in lower case are to be written so */
    const char *details;
    const struct option *options;
    size_t option_count;
    bool asks_cluster; /* it takes connection_options, too (connection.h), at `connection` of its options struct */
    size_t connection;
    bool hidden; /* for programs: not in the list of verbs */
    bool logs;   /* its standard error is a log: errors are JSON lines there, too */
    int (*run)(const struct verb *verb, int argc, char **argv);
};

extern const struct verb verb_serve, verb_review, verb_explain, verb_version, verb_status, verb_audit, verb_probe,
    verb_certs, verb_rollback_plan, verb_rules, verb_settings_sample, verb_rbac, verb_uninstall, verb_completion,
    verb_man, verb_complete;
/* All of them, in the order of the help. */
const struct verb *const *verbs_all(size_t *count);
const struct verb *verb_named(struct str name); /* or NULL */

/* The verb's rows, its own first; those that its own stand in for are passed over. False
 * at the end. `option` gets a row whose offset counts from the verb's options struct. */
bool verb_option(const struct verb *verb, size_t *next, struct option *option);
/* The row of this name, or of this letter. */
bool verb_option_named(const struct verb *verb, struct str name, bool letter, struct option *option);
bool option_shared(const struct verb *verb, const struct option *option); /* one of connection_options */
/* BACKSTOP_NAME. Returns out. */
#define OPTION_VARIABLE_SIZE 80
const char *option_variable(const struct option *option, char out[OPTION_VARIABLE_SIZE]);

/* ---- the program's name (program.c) ------------------------------------------------ */

/* As kubectl's plugin (kubectl-backstop) it is "kubectl backstop" in all that it says. */
void program_called(const char *argv0);
bool program_is_plugin(void);
bool program_completes(const char *argv0); /* it is kubectl's completer: kubectl_complete-backstop */
/* The text with "backstop VERB" as the user has to type it. */
void program_say(struct buf *out, struct str text);
void program_usage(struct buf *out); /* the verbs there are */

enum options_result { OPTIONS_RUN, OPTIONS_HELP, OPTIONS_BAD };
/* Fills `values` from the environment, then from argv[1..]; argv is permuted so
 * that operands stand at *operands. Options may follow operands; "--" ends them;
 * a lone "-" is an operand. OPTIONS_HELP: help was printed. OPTIONS_BAD: the
 * mistake was printed with the way out. */
enum options_result options_parse(const struct verb *verb, int argc, char **argv, void *values, char ***operands,
                                  size_t *operand_count);
/* Whether this option, of whatever verb, has its value in the next argument. */
bool option_takes_next(const char *text);
void options_dispose(const struct verb *verb, void *values); /* frees the lists */
void options_help(const struct verb *verb, struct buf *out);
/* What a verb does once its options are read: the exit code. */
typedef int verb_body(const struct verb *verb, void *values, char **operands, size_t operand_count);
/* Options into `values`, which holds the defaults; then the body, unless help was asked
 * for or there was a mistake: operands given to a verb that names none are one. Returns
 * the exit code; the lists in `values` are freed. */
int verb_run(const struct verb *verb, int argc, char **argv, void *values, verb_body *body);
/* A time that no option gave (INT64_MIN) becomes the clock's. */
int64_t verb_now(int64_t given);
/* Says "backstop VERB: message" on standard error and returns EXIT_USAGE. */
int verb_fail(const struct verb *verb, const char *format, ...) PRINTF_LIKE(2, 3);
/* The same when the output cannot be written: errno says why. */
int verb_fail_output(const struct verb *verb);
/* Writes all of a buffer to a descriptor; errno when it cannot. */
bool write_all(int fd, struct str text);

#endif
