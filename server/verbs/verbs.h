/* The verbs' own room: the verb table's row, option parsing and what verbs share. */
#ifndef BACKSTOP_VERBS_H
#define BACKSTOP_VERBS_H

#include "backstop/base.h"

enum exit_code { EXIT_OK = 0, EXIT_DENIED = 1, EXIT_USAGE = 2 };

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
 * `offset` of the verb's own options struct. The same rows make --help and the man page. */
struct option {
    const char *name;
    char letter;
    enum option_type type;
    const char *argument, *help;
    size_t offset;
};
struct verb {
    const char *name, *summary, *operands, *details;
    const struct option *options;
    size_t option_count;
    int (*run)(const struct verb *verb, int argc, char **argv);
};

extern const struct verb verb_serve, verb_review, verb_explain, verb_version, verb_status, verb_audit, verb_probe,
    verb_certs, verb_rollback_plan, verb_rules;

enum options_result { OPTIONS_RUN, OPTIONS_HELP, OPTIONS_BAD };
/* Fills `values` from the environment, then from argv[1..]; argv is permuted so
 * that operands stand at *operands. Options may follow operands; "--" ends them;
 * a lone "-" is an operand. OPTIONS_HELP: help was printed. OPTIONS_BAD: the
 * mistake was printed with the way out. */
enum options_result options_parse(const struct verb *verb, int argc, char **argv, void *values, char ***operands,
                                  size_t *operand_count);
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
/* Writes all of a buffer to a descriptor. */
bool write_all(int fd, struct str text);

#endif
