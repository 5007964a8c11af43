/* The entry: finds the command that the arguments name, and runs it. struct command in cli.h
 * says what a command is, commands/commands.c which there are. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "backstop/base.h"
#include "commands/commands.h"

enum { TEXT_LIMIT = 64 * 1024, COMMANDS_MAX = 32 };

static int main_usage(int fd, int code)
{
    BUF_SCOPED text;
    buf_init(&text, TEXT_LIMIT);
    program_usage(&text);
    if (fd_write(fd, buf_str(&text)))
        return code;
    if (errno != EPIPE)
        perror("backstop: cannot write the output");
    return EXIT_USAGE;
}

static bool is_any(const char *word, const char *a, const char *b, const char *c)
{
    return strcmp(word, a) == 0 || strcmp(word, b) == 0 || strcmp(word, c) == 0;
}

static int main_unknown(const char *name)
{
    struct str names[COMMANDS_MAX];
    size_t count, known = 0;
    const struct command *const *commands = commands_all(&count);
    BUF_SCOPED text;
    buf_init(&text, TEXT_LIMIT);
    for (size_t i = 0; i < count && known + 1 < COMMANDS_MAX; i++)
        if (!commands[i]->hidden)
            names[known++] = str_from(commands[i]->name);
    names[known++] = STR("help");
    struct str near = str_nearest(str_from(name), names, known);
    for (size_t i = 0; strlen(name) > 2 && !near.len && i < known; i++) /* rollback, complete */
        near = str_starts(names[i], str_from(name)) ? names[i] : near;
    const char *program = program_is_plugin() ? "kubectl backstop" : "backstop";
    program_say(&text, STR("see: backstop --help"));
    if (near.len)
        fprintf(stderr, "%s: unknown command \"%s\"; did you mean %.*s?\n", program, name, STR_ARG(near));
    else
        fprintf(stderr, "%s: unknown command \"%s\"; %.*s\n", program, name, STR_ARG(buf_str(&text)));
    return EXIT_USAGE;
}

/* A descriptor below 3 that is closed at the start would be given to the next file or socket, and what
 * is meant for standard output would be written into that. Opened the wrong way round, so that whoever
 * needs the input or the output is told that there is none. */
static bool open_standard_descriptors(void)
{
    static const int modes[] = {O_WRONLY, O_RDONLY, O_RDWR};
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        if (fcntl(fd, F_GETFD) == -1 && open("/dev/null", modes[fd]) != fd)
            return false;
    return true;
}

/* "backstop help status" is "backstop status --help". */
static int help_for(char *program, char *name)
{
    char help[] = "--help";
    char *argv[] = {program, name, help, NULL};
    const struct command *command = command_named(str_from(name));
    return command ? command_run(command, 2, argv + 1) : main_unknown(name);
}

/* The first argument that is neither an option nor an option's value; 1 where there is none. */
static int command_position(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        if (argv[i][0] != '-')
            return i;
        i += option_takes_next(argv[i]);
    }
    return 1;
}

/* Options may stand before the command ("backstop --output json status", as with kubectl); they
 * are moved behind it and parsed as its own. SIGPIPE is ignored so that a closed pipe or
 * connection is an error of write, with a message, instead of the end of the process. */
int main(int argc, char **argv)
{
    char version[] = "version";
    if (!open_standard_descriptors())
        return EXIT_USAGE;
    signal(SIGPIPE, SIG_IGN);
    size_t count;
    const struct command *const *commands = commands_all(&count);
    program_init(argc ? argv[0] : NULL, commands, count);
    if (argc && program_completes(argv[0]))
        return command_complete.run(&command_complete, argc, argv);
    if (argc < 2)
        return main_usage(STDERR_FILENO, EXIT_USAGE);
    if (is_any(argv[1], "help", "--help", "-h"))
        return argc > 2 && strcmp(argv[1], "help") == 0 ? help_for(argv[0], argv[2])
                                                        : main_usage(STDOUT_FILENO, EXIT_OK);
    if (is_any(argv[1], "--version", "-v", "-V"))
        argv[1] = version;
    int at = command_position(argc, argv);
    const struct command *command = command_named(str_from(argv[at]));
    if (!command)
        return main_unknown(argv[at][0] == '-' ? argv[1] : argv[at]);
    char *name = argv[at];
    memmove(argv + 2, argv + 1, (size_t)(at - 1) * sizeof *argv); /* options before the command are its own */
    argv[1] = name;
    return command_run(command, argc - 1, argv + 1);
}
