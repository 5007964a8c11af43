#include <curl/curl.h>
#include <gnutls/gnutls.h>
#include <json-c/json.h>
#include <microhttpd.h>
#include <openssl/crypto.h>
#include <unistd.h>
#include <yaml.h>

#include "backstop/cli.h"
#include "commands/commands.h"

/* The Makefile says both (hack/source-info.sh); other builds need not know them. */
#ifndef BACKSTOP_REVISION
#define BACKSTOP_REVISION "unknown"
#endif
#ifndef BACKSTOP_SOURCE_DATE
#define BACKSTOP_SOURCE_DATE 0
#endif

enum { VERSION_TEXT, VERSION_JSON };

struct version_options {
    int output;
};

static const struct option options[] = {
    {"output", 'o', OPTION_CHOICE, "text|json", "how to print it (text)", offsetof(struct version_options, output)},
};

static int version_execute(const struct command *command, void *context, char **operands, size_t count)
{
    const struct version_options *values = context;
    (void)operands, (void)count;
    BUF_SCOPED text;
    buf_init(&text, 4096);
    /* The libraries' versions are those found at run time; libcurl, which is only loaded to ask a cluster or a URL,
     * has the one of its headers. The date is the sources', so that the same sources give the same binary. */
    bool json = values->output == VERSION_JSON;
    char date[TIME_TEXT_SIZE];
    const struct {
        const char *name, *value;
    } rows[] = {
        {"version", BACKSTOP_VERSION},
        {"revision", BACKSTOP_REVISION},
        {"date", time_format(BACKSTOP_SOURCE_DATE, 0, date)},
        {"compiler", __VERSION__},
        {"libmicrohttpd", MHD_get_version()},
        {"gnutls", gnutls_check_version(NULL)},
        {"openssl", OpenSSL_version(OPENSSL_VERSION_STRING)},
        {"libcurl", LIBCURL_VERSION},
        {"json-c", json_c_version()},
        {"libyaml", yaml_get_version_string()},
    };
    for (size_t i = 0; i < LENGTH_OF(rows); i++)
        if (json)
            buf_printf(&text, "%s\"%s\":\"%s\"", i ? "," : "{", rows[i].name, rows[i].value);
        else
            buf_printf(&text, "%-14s %s\n", rows[i].name, rows[i].value);
    if (json)
        buf_puts(&text, "}\n");
    return command_print(command, &text);
}

const struct command command_version = {
    .name = "version",
    .summary = "version, build and linked libraries",
    .options = options,
    .option_count = LENGTH_OF(options),
    .body = version_execute,
    COMMAND_DEFAULTS(struct version_options, 0),
};
