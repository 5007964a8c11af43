/* libyaml's complaints in words that say what to do. */
#ifndef BACKSTOP_JSON_YAML_PROBLEM_H
#define BACKSTOP_JSON_YAML_PROBLEM_H

#include <yaml.h>

#include "backstop/base.h"

/* Fills the error from a parser that failed on this text. Always false. */
bool yaml_problem(const yaml_parser_t *parser, struct str text, size_t lines_before, struct error *error);

#endif
