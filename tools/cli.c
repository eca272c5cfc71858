#include "cli.h"

#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/base.h"
#include "base/json.h"
#include "base/status_line.h"
#include "base/text.h"
#include "device/device.h"
#include "latentcl/plugin.h"
#include "ops/find.h"

void cli_begin_message(void) {
  lcl__status_line_end();
  fflush(stdout);
}

static bool muted;

static int complain(int code, const char *fmt, va_list args) {
  if (muted) return code;
  lcl_str s = { 0 };
  cli_begin_message();
  lcl__str_vvisible(&s, fmt, args);
  fprintf(stderr, "latentcl: %s\n", lcl__str_ok(&s) ? s.data : "out of memory");
  lcl__str_free(&s);
  return code;
}

void cli_print(const char *fmt, ...) {
  lcl_str s = { 0 };
  lcl__status_line_end();
  va_list args;
  va_start(args, fmt);
  lcl__str_vvisible(&s, fmt, args);
  va_end(args);
  if (lcl__str_ok(&s) && s.data) fputs(s.data, stdout);
  lcl__str_free(&s);
}

int cli_print_json(cJSON *json) {
  char *text = json ? lcl__json_print(json, true) : NULL;
  cJSON_Delete(json);
  if (!text) return cli_fail("out of memory");
  puts(text);
  cJSON_free(text);
  return CLI_OK;
}

int cli_fail(const char *fmt, ...) {
  va_list args;
  va_start(args, fmt);
  complain(CLI_FAILED, fmt, args);
  va_end(args);
  return CLI_FAILED;
}

int cli_usage(const char *fmt, ...) {
  va_list args;
  va_start(args, fmt);
  complain(CLI_USAGE, fmt, args);
  va_end(args);
  return CLI_USAGE;
}

void cli_mute(void) {
  muted = true;
}

int cli_error(void) {
  if (muted) return CLI_FAILED;
  cli_begin_message();
  fprintf(stderr, "latentcl: %s\n",
          lcl_error_message()); /* visible already; a build log has lines */
  return CLI_FAILED;
}

bool cli_is_stdout(const char *path) {
  return path && lcl__is_standard_output(path);
}

/* ---- options ---- */

static const char *metavar_of(const cli_option *o) {
  static const char *const names[] = {
    "", "N", "X", "TEXT", "TEXT", "TEXT", "TEXT", "TEXT", "TEXT"
  };
  return o->metavar ? o->metavar : names[o->kind];
}

static const char *range_of(const cli_option *o) {
  return o->range ? o->range : o->kind == CLI_INT ? "[0,2147483647]" : "[0,1e9]";
}

/* A number that nobody can ask for stands for one that the help tells. */
static void print_default(const cli_option *o) {
  if ((o->kind == CLI_INT && !lcl__inside(range_of(o), (double)*(const int64_t *)o->value)) ||
      (o->kind == CLI_FLOAT && !lcl__inside(range_of(o), *(const double *)o->value)))
    return;
  if (o->kind == CLI_INT)
    printf(" (%lld)", (long long)*(const int64_t *)o->value);
  else if (o->kind == CLI_FLOAT)
    printf(" (%g)", *(const double *)o->value);
  else if (o->kind == CLI_STRING && *(const char *const *)o->value)
    printf(" (%s)", *(const char *const *)o->value);
  else if (o->kind == CLI_FLAG && *(const bool *)o->value)
    printf(" (on; --no-%s)", o->name);
}

static void print_help(const cli_option *options, const char *usage, const char *about) {
  printf("Usage: latentcl %s\n\n%s\n", usage, about);
  if (options->name) printf("\nOptions (default in brackets):\n");
  for (const cli_option *o = options; o->name; o++) {
    char left[64];
    snprintf(left, sizeof left, "--%s%s%s", o->name, o->kind == CLI_FLAG ? "" : " ", metavar_of(o));
    printf("  %-26s%s%s", left, strlen(left) > 25 ? "\n                            " : "", o->help);
    print_default(o);
    printf("\n");
  }
  printf("  %-26sthis text\n", "--help");
}

int cli_set_algorithm(const char *text) {
  if (lcl_algorithm_force(NULL, text) != LCL_OK) return cli_usage("--%s", lcl_error_message());
  return setenv("LATENTCL_ALGORITHM", text, 1) ? cli_fail("out of memory") : -1;
}

int cli_set_find(const char *text) {
  lcl_find mode;
  if (!lcl__find_mode(text, &mode))
    return cli_usage("--find wants off, quick or full, not '%s'", text);
  return setenv("LATENTCL_FIND", text, 1) ? cli_fail("out of memory") : -1;
}

static int load_plugin(const char *path) {
  return lcl_plugin_load(path) == LCL_OK ? -1 : cli_error();
}

/* Those that the environment names, before the command line's. */
static int load_listed_plugins(const cli_option *options) {
  const char *list = getenv("LATENTCL_PLUGINS");
  int code = -1;
  while (options->name && options->kind != CLI_PLUGIN) options++;
  if (!options->name || !list) return -1;
  for (const char *p = list; *p && code < 0;) {
    char path[4096];
    size_t n = strcspn(p, ":");
    if (n >= sizeof path) return cli_fail("LATENTCL_PLUGINS has a name that is too long");
    snprintf(path, sizeof path, "%.*s", (int)n, p);
    if (n) code = load_plugin(path);
    p += n + (p[n] == ':');
  }
  return code;
}

int cli_set_queues(const char *text) {
  int queues;
  if (lcl__queues_parse(text, "--queues", &queues) != LCL_OK)
    return cli_usage("%s", lcl_error_message());
  return setenv("LATENTCL_QUEUES", text, 1) ? cli_fail("out of memory") : -1;
}

/* Whether a text is one of a range's words, or a list as its last one says. */
static bool fits(const char *range, const char *text) {
  for (const char *p = range; *p;) {
    const size_t n = strcspn(p, "|");
    if (*p == '[' && strcmp(p + n - LCL_MIN(n, 3), "...") == 0)
      return lcl__list_inside(p, ",", true, text);
    if (strlen(text) == n && strncmp(p, text, n) == 0) return true;
    p += n + (p[n] == '|');
  }
  return false;
}

/* "a, b or c" of "a|b|c", for a message. */
static int wrong_word(const cli_option *o, const char *text) {
  lcl_str all = { 0 };
  for (const char *p = o->range; *p;) {
    const size_t n = strcspn(p, "|"), rest = strcspn(p + n + (p[n] == '|'), "|");
    if (*p == '[')
      lcl__str_add(&all, "whole numbers in %.*s with commas between", (int)n - 3, p);
    else
      lcl__str_add(&all, "%.*s", (int)n, p);
    p += n + (p[n] == '|');
    if (*p) lcl__str_add(&all, "%s", p[rest] ? ", " : " or ");
  }
  const int code = cli_usage("--%s wants %s, not '%s'", o->name, all.data ? all.data : "", text);
  lcl__str_free(&all);
  return code;
}

/* "NAME=N" with a whole number of the range behind its first character. */
static bool is_pair(const char *range, const char *text) {
  const char *equals = strrchr(text, '=');
  int64_t n;
  return equals && equals > text && lcl__parse_whole(equals + 1, &n) &&
         lcl__inside(range + 1, (double)n);
}

static int set_value(const cli_option *o, const char *text) {
  if (!*text) return cli_usage("--%s wants a value, not an empty text", o->name);
  switch (o->kind) {
  case CLI_ALGORITHM: return cli_set_algorithm(text);
  case CLI_FIND: return cli_set_find(text);
  case CLI_QUEUES: return cli_set_queues(text);
  case CLI_PLUGIN: return load_plugin(text);
  case CLI_FLAG: break;
  case CLI_STRING:
    if (o->range && *o->range == '.' && lcl__check_ending(text, o->range) != LCL_OK)
      return cli_usage("--%s: %s", o->name, lcl_error_message());
    if (o->range && *o->range != '.' && !fits(o->range, text)) return wrong_word(o, text);
    *(const char **)o->value = text;
    break;
  case CLI_LIST: {
    cli_list *list = o->value;
    if (list->n == CLI_LIST_MAX)
      return cli_usage("--%s is given more than %d times", o->name, CLI_LIST_MAX);
    if (o->range && !is_pair(o->range, text))
      return cli_usage("--%s wants %s with a whole number in %s, not '%s'", o->name, o->metavar,
                       o->range + 1, text);
    list->item[list->n++] = text;
    break;
  }
  case CLI_INT:
    if (!lcl__parse_whole(text, o->value) ||
        !lcl__inside(range_of(o), (double)*(int64_t *)o->value))
      return cli_usage("--%s wants a whole number in %s, not '%s'", o->name, range_of(o), text);
    break;
  case CLI_FLOAT:
    if (!lcl__parse_number(text, o->value) || !lcl__inside(range_of(o), *(double *)o->value))
      return cli_usage("--%s wants a number in %s, not '%s'", o->name, range_of(o), text);
    break;
  }
  return -1;
}

/* What getopt_long says of an option: more than a letter. */
enum { MAX_OPTIONS = 96, GIVEN = 256, HELP = 1000, NEGATED = 2000 };

/* The table for getopt_long; "--no-NAME" of each flag goes into names. */
static size_t make_table(const cli_option *options, struct option *table, char (*names)[48]) {
  size_t n = 0, used = 0;
  table[n++] = (struct option) { "help", no_argument, NULL, HELP };
  for (int i = 0; options[i].name && n < MAX_OPTIONS - 2; i++) {
    table[n++] = (struct option) { options[i].name,
                                   options[i].kind == CLI_FLAG ? no_argument : required_argument,
                                   NULL, GIVEN + i };
    if (options[i].kind != CLI_FLAG) continue;
    snprintf(names[used], sizeof names[used], "no-%s", options[i].name);
    table[n++] = (struct option) { names[used++], no_argument, NULL, NEGATED + i };
  }
  table[n] = (struct option) { 0 };
  return n;
}

static int unknown_option(const char *command, const char *given, const struct option *table) {
  char name[48], hint[96];
  snprintf(name, sizeof name, "%.*s", (int)strcspn(given + strspn(given, "-"), "="),
           given + strspn(given, "-"));
  lcl_nearest nearest = { .typed = name };
  for (; table->name; table++) lcl__nearest_try(&nearest, table->name);
  return cli_usage("%s: unknown option '%s'%s; see `latentcl %s --help`", command, given,
                   lcl__nearest_hint(&nearest, "--", hint), command);
}

int cli_parse(int argc, char **argv, const cli_option *options, const char *usage,
              const char *about, int *argi) {
  static const cli_option none[] = { { 0 } };
  if (!options) options = none;
  struct option table[MAX_OPTIONS];
  char names[MAX_OPTIONS][48];
  make_table(options, table, names);
  optind = 0; /* start anew: a process may parse more than once */
  opterr = 0;
  int loaded = load_listed_plugins(options);
  if (loaded >= 0) return loaded;
  for (int c; (c = getopt_long(argc, argv, ":h", table, NULL)) != -1;) {
    const char *given = argv[optind > 0 ? optind - 1 : 0];
    if (c == HELP || c == 'h') return print_help(options, usage, about), CLI_OK;
    if (c == ':')
      return cli_usage("%s: %s needs a value; see `latentcl %s --help`", argv[0], given, argv[0]);
    if (c == '?' && optopt >= GIVEN)
      return cli_usage("%s: '%s': this option takes no value; see `latentcl %s --help`", argv[0],
                       given, argv[0]);
    const char letter[] = { '-', (char)optopt, 0 };
    if (c == '?') return unknown_option(argv[0], optopt ? letter : given, table);
    if (c >= NEGATED)
      *(bool *)options[c - NEGATED].value = false;
    else if (options[c - GIVEN].kind == CLI_FLAG)
      *(bool *)options[c - GIVEN].value = true;
    else {
      int code = set_value(&options[c - GIVEN], optarg);
      if (code >= 0) return code;
    }
  }
  for (int i = optind; i < argc; i++)
    if (!*argv[i])
      return cli_usage("%s: an argument is an empty text; see `latentcl %s --help`", argv[0],
                       argv[0]);
  if (argi)
    *argi = optind;
  else if (optind < argc)
    return cli_usage("%s: unexpected argument '%s'; see `latentcl %s --help`", argv[0],
                     argv[optind], argv[0]);
  return -1;
}

/* ---- output ---- */

const char *cli_bytes(double bytes, char buf[32]) {
  static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB" };
  int u = 0;
  while (bytes >= 1024 && u < 4) bytes /= 1024, u++;
  snprintf(buf, 32, bytes < 10 && u ? "%.1f %s" : "%.0f %s", bytes, units[u]);
  return buf;
}
