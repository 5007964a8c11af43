#include "json/yaml_problem.h"

#include <stdio.h>
#include <string.h>

/* libyaml says what it looked for; people want to know what they did. */
static const struct {
    const char *problem, *hint;
} hints[] = {
    {"did not find expected key", "check the indentation of this line and of the lines above it"},
    {"did not find expected '-' indicator", "items of one list must have the same indentation"},
    {"did not find expected ',' or '}'", "a brace { is not closed, or a comma is missing"},
    {"did not find expected ',' or ']'", "a bracket [ is not closed, or a comma is missing"},
    {"did not find expected node content", "a value is missing here"},
    {"did not find expected <document start>", "separate documents with a --- line"},
    {"mapping values are not allowed in this context",
     "quote a value that contains \": \", and check the indentation of this line"},
    {"could not find expected ':'", "a key needs a colon and a space after it"},
    {"found character that cannot start any token",
     "indent with spaces, not with tabs, and quote a value that begins with @, ` or %"},
    {"found a tab character", "indent with spaces, not with tabs"},
    {"found a tab character that violates indentation", "indent with spaces, not with tabs"},
    {"found a tab character where an indentation space is expected", "indent with spaces, not with tabs"},
    {"found unexpected end of stream", "a quote is not closed"},
    {"found unexpected document indicator", "a quote is not closed before the --- line"},
    {"found unknown escape character", "write a backslash within double quotes as \\\\, or use single quotes"},
    {"did not find expected alphabetic or numeric character", "quote a value that begins with * or &"},
    {"block sequence entries are not allowed in this context", "put the first \"- \" of a list on its own line"},
    {"block mapping entries are not allowed in this context", "put the first key on its own line"},
    {"mapping keys are not allowed in this context", "quote a value that begins with \"? \""},
    {"found undefined tag handle", "quote a value that begins with an exclamation mark"},
    {"found duplicate %YAML directive", "keep one of the two"},
    {"control characters are not allowed", "the file contains binary data or control characters"},
    {"invalid leading UTF-8 octet", "save the file as UTF-8"},
    {"invalid trailing UTF-8 octet", "save the file as UTF-8"},
    {"incomplete UTF-8 octet sequence", "save the file as UTF-8"},
};

static const char *hint_for(const char *problem)
{
    for (size_t i = 0; i < LENGTH_OF(hints); i++)
        if (strcmp(hints[i].problem, problem) == 0)
            return hints[i].hint;
    return NULL;
}

static size_t line_at(struct str text, size_t offset)
{
    size_t line = 1;
    for (size_t i = 0; i < offset && i < text.len; i++)
        line += text.ptr[i] == '\n';
    return line;
}

/* The reader knows only a byte offset; past the last line the text simply ends. */
static size_t problem_line(const yaml_parser_t *parser, struct str text, size_t lines_before)
{
    if (parser->error == YAML_READER_ERROR)
        return lines_before + line_at(text, parser->problem_offset);
    size_t line = parser->problem_mark.line + 1, last = lines_before + line_at(text, text.len > 0 ? text.len - 1 : 0);
    return line < last ? line : last;
}

bool yaml_problem(const yaml_parser_t *parser, struct str text, size_t lines_before, struct error *error)
{
    if (parser->error == YAML_MEMORY_ERROR || !parser->problem)
        return error_at(error, 500, (int64_t)parser->mark.line + 1, "not enough memory for this document");
    const char *hint = hint_for(parser->problem);
    size_t line = problem_line(parser, text, lines_before),
           from = parser->context ? parser->context_mark.line + 1 : line;
    char context[160] = "", column[32] = "";
    if (from < line)
        snprintf(context, sizeof(context), " %s that begins at line %zu", parser->context, from);
    if (parser->error != YAML_READER_ERROR && line == parser->problem_mark.line + 1)
        snprintf(column, sizeof(column), "column %zu: ", parser->problem_mark.column + 1);
    return error_at(error, 400, (int64_t)line, "%s%s%s%s%s", column, parser->problem, context, hint ? ": " : "",
                    hint ? hint : "");
}
