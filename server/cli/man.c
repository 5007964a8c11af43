/* Manual pages from the command table, in the man(7) macros that every man reads.
 *
 * The texts are those of --help. A paragraph of `details` that begins with "Exit status: " or
 * "Examples:" becomes a section, and lines that begin with spaces are commands or tables, which
 * must not be filled. */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "backstop/cli.h"

enum { PAGE_LIMIT = 256 * 1024, PATH_SIZE = 4096 };

struct man_options {
    const char *into;
};

static const struct option options[] = {
    {"into", 0, OPTION_TEXT, "DIR", "write all pages into this directory", offsetof(struct man_options, into)},
};

/* ---- roff ---------------------------------------------------------------------------- */

/* What roff would take for its own, or set as typographers like it: a hyphen in a command
 * must stay the byte that a shell reads. */
static void man_put_text(struct buf *out, struct str text)
{
    static const struct {
        char c;
        const char *roff;
    } special[] = {{'\\', "\\e"}, {'-', "\\-"}, {'\'', "\\(aq"}, {'`', "\\(ga"}, {'^', "\\(ha"}, {'~', "\\(ti"}};
    for (size_t i = 0; i < text.len; i++) {
        const char *roff = NULL;
        for (size_t s = 0; s < LENGTH_OF(special); s++)
            if (text.ptr[i] == special[s].c)
                roff = special[s].roff;
        if (roff)
            buf_puts(out, roff);
        else
            buf_putc(out, text.ptr[i]);
    }
}

/* A line that begins with a dot would be a request to roff; \& before it has no width.
 * man_put_text escapes the apostrophe, the other such character. */
static void put_line(struct buf *out, struct str text)
{
    buf_puts(out, text.len && text.ptr[0] == '.' ? "\\&" : "");
    man_put_text(out, text);
    buf_putc(out, '\n');
}

static void put_bold(struct buf *out, const char *before, const char *text)
{
    buf_printf(out, "%s\\fB", before);
    man_put_text(out, str_from(text));
    buf_puts(out, "\\fR");
}

static void put_head(struct buf *out, const char *page, const char *summary)
{
    buf_puts(out, ".TH ");
    for (const char *c = page; *c; c++)
        buf_putc(out, (char)toupper((unsigned char)*c));
    buf_printf(out, " 1 \"\" \"backstop %s\" \"backstop\"\n.SH NAME\n", BACKSTOP_VERSION);
    man_put_text(out, str_from(page));
    buf_puts(out, " \\- ");
    put_line(out, str_from(summary));
}

/* ---- what a command says of itself ---------------------------------------------------- */

/* Lines that begin with a space stay as they are, the others flow. */
static void put_lines(struct buf *out, struct str text)
{
    struct str line;
    bool kept = false;
    for (bool first = true; str_cut(&text, '\n', &line); first = false) {
        bool keep = line.len && line.ptr[0] == ' ';
        if (keep && !kept)
            buf_puts(out, first ? ".nf\n.RS 4\n" : ".PP\n.nf\n.RS 4\n");
        else if (!keep && kept)
            buf_puts(out, ".RE\n.fi\n");
        kept = keep;
        put_line(out, keep ? str_slice(line, 2, line.len) : line);
    }
    buf_puts(out, kept ? ".RE\n.fi\n" : "");
}

/* The next paragraph of the details; false at the end. */
static bool next_paragraph(struct str *details, struct str *paragraph)
{
    for (size_t i = 0; i + 1 < details->len; i++)
        if (details->ptr[i] == '\n' && details->ptr[i + 1] == '\n') {
            *paragraph = str_slice(*details, 0, i);
            *details = str_slice(*details, i + 2, details->len);
            return true;
        }
    *paragraph = *details;
    *details = (struct str){NULL, 0};
    return paragraph->len > 0;
}

/* The heading of a paragraph that is a section of its own, which is cut off; else NULL. */
static const char *section_of(struct str *paragraph)
{
    static const struct {
        struct str begins;
        const char *section;
    } sections[] = {{STR_INIT("Exit status: "), "EXIT STATUS"}, {STR_INIT("Examples:\n"), "EXAMPLES"}};
    for (size_t i = 0; i < LENGTH_OF(sections); i++)
        if (str_starts(*paragraph, sections[i].begins)) {
            *paragraph = str_slice(*paragraph, sections[i].begins.len, paragraph->len);
            return sections[i].section;
        }
    return NULL;
}

/* The paragraphs of the description, or the sections that follow it and the options. */
static void put_paragraphs(struct buf *out, const char *details, bool description)
{
    struct str rest = str_from(details), paragraph;
    bool first = true;
    while (next_paragraph(&rest, &paragraph)) {
        const char *section = section_of(&paragraph);
        if ((section == NULL) != description)
            continue;
        if (section)
            buf_printf(out, ".SH %s\n", section);
        else
            buf_puts(out, first ? ".SH DESCRIPTION\n" : ".PP\n");
        first = false;
        put_lines(out, paragraph);
    }
}

static void put_options(struct buf *out, const struct command *command)
{
    struct option option;
    bool own = false, shared = false;
    for (size_t next = 0; command_option(command, &next, &option);) {
        if (option_shared(command, &option) && !shared)
            buf_puts(out, ".SS Cluster options (as in kubectl)\n");
        else if (!own && !option_shared(command, &option))
            buf_puts(
                out,
                ".SH OPTIONS\nEach has an environment variable, such as BACKSTOP_OUTPUT for \\fB\\-\\-output\\fR.\n");
        own = true;
        shared = option_shared(command, &option);
        char letter[3] = {'-', option.letter, '\0'}, name[80];
        snprintf(name, sizeof name, "--%s", option.name);
        buf_puts(out, ".TP\n");
        if (option.letter)
            put_bold(out, "", letter);
        put_bold(out, option.letter ? ", " : "", name);
        if (option.argument) {
            buf_puts(out, " \\fI");
            man_put_text(out, str_from(option.argument));
            buf_puts(out, "\\fR");
        }
        buf_putc(out, '\n');
        put_line(out, str_from(option.help));
    }
}

static void command_page(const struct command *command, struct buf *out)
{
    char page[80];
    snprintf(page, sizeof page, "backstop-%s", command->name);
    put_head(out, page, command->summary);
    buf_puts(out, ".SH SYNOPSIS\n");
    put_bold(out, "", "backstop ");
    put_bold(out, "", command->name);
    buf_puts(out, command->option_count ? " [\\fIoptions\\fR] " : " ");
    put_line(out, str_from(command->operands));
    put_paragraphs(out, command->details, true);
    put_options(out, command);
    put_paragraphs(out, command->details, false);
    buf_puts(out, ".SH SEE ALSO\n.BR backstop (1)\n");
}

static void main_page(struct buf *out)
{
    size_t count;
    const struct command *const *commands = program_commands(&count);
    put_head(out, "backstop", "keeps a k0rdent management cluster restorable");
    buf_puts(out, ".SH SYNOPSIS\n\\fBbackstop\\fR \\fIcommand\\fR [\\fIoptions\\fR]\n.br\n"
                  "\\fBkubectl backstop\\fR \\fIcommand\\fR [\\fIoptions\\fR]\n.SH DESCRIPTION\n"
                  "A Kubernetes admission webhook for the backups, restores and upgrades of a k0rdent\n"
                  "management cluster, and what an administrator asks about them. Each command has a page of its own.\n"
                  ".PP\n"
                  "Found on PATH as \\fBkubectl\\-backstop\\fR it is a plugin of kubectl; commands that ask a cluster\n"
                  "find it as kubectl does and take kubectl\\(aqs flags.\n.SH COMMANDS\n");
    for (size_t i = 0; i < count; i++)
        if (!commands[i]->hidden) {
            buf_puts(out, ".TP\n");
            put_bold(out, "", commands[i]->name);
            buf_putc(out, '\n');
            put_line(out, str_from(commands[i]->summary));
        }
    buf_puts(out, ".SH ENVIRONMENT\n"
                  "Each option of a command has a variable: BACKSTOP_OUTPUT stands for \\fB\\-\\-output\\fR. "
                  "The command line wins.\n"
                  ".TP\n\\fBKUBECONFIG\\fR\nfiles between colons, merged as kubectl merges them\n"
                  ".TP\n\\fBNO_COLOR\\fR\nset and not empty: no colour\n.SH SEE ALSO\n");
    const char *between = "";
    for (size_t i = 0; i < count; i++)
        if (!commands[i]->hidden) {
            buf_printf(out, "%s.BR backstop\\-", between);
            man_put_text(out, str_from(commands[i]->name));
            buf_puts(out, " (1)");
            between = ",\n";
        }
    buf_putc(out, '\n');
}

/* ---- files ---------------------------------------------------------------------------- */

static bool write_page(const struct command *command, const char *folder, const char *page, struct buf *text)
{
    char path[PATH_SIZE];
    int length = snprintf(path, sizeof path, "%s/%s.1", folder, page);
    int fd = length > 0 && length < PATH_SIZE ? open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644) : -1;
    bool good = fd >= 0 && !text->failed && fd_write(fd, buf_str(text));
    if (fd >= 0)
        good = close(fd) == 0 && good;
    if (!good)
        command_fail(command, "cannot write %s: %s", path, strerrorname_np(errno));
    buf_clear(text);
    return good;
}

/* kubectl-backstop.1 only refers to backstop.1 (.so). */
static int write_pages(const struct command *command, const char *folder)
{
    size_t count;
    const struct command *const *commands = program_commands(&count);
    BUF_SCOPED text;
    buf_init(&text, PAGE_LIMIT);
    main_page(&text);
    bool good = write_page(command, folder, "backstop", &text);
    buf_puts(&text, ".so man1/backstop.1\n");
    good = good && write_page(command, folder, "kubectl-backstop", &text);
    for (size_t i = 0; i < count && good; i++) {
        char page[80];
        if (commands[i]->hidden)
            continue;
        snprintf(page, sizeof page, "backstop-%s", commands[i]->name);
        command_page(commands[i], &text);
        good = write_page(command, folder, page, &text);
    }
    return good ? EXIT_OK : EXIT_USAGE;
}

static int man_execute(const struct command *command, void *context, char **operands, size_t count)
{
    const struct man_options *values = context;
    const struct command *about = count ? command_named(str_from(operands[0])) : NULL;
    BUF_SCOPED text;
    buf_init(&text, PAGE_LIMIT);
    if (count > 1 || (count && values->into))
        return command_fail(command, "expected one command, or --into DIR; see: backstop man --help");
    if (count && (!about || about->hidden))
        return command_fail(command, "unknown command \"%s\"; see: backstop --help", operands[0]);
    if (values->into)
        return write_pages(command, values->into);
    if (about)
        command_page(about, &text);
    else
        main_page(&text);
    return command_print(command, &text);
}

const struct command command_man = {
    .name = "man",
    .summary = "print a command's manual page",
    .operands = "[COMMAND]",
    .details =
        "Prints the manual page of a command, or of backstop itself. `make install` installs all pages\nwhere man "
        "looks for them.\n\nExamples:\n  backstop man status | man -l -",
    .options = options,
    .option_count = LENGTH_OF(options),
    .body = man_execute,
    COMMAND_DEFAULTS(struct man_options, 0),
};
