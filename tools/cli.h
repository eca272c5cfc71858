/* What the subcommands share: their table, options, messages and tables on the screen. */
#ifndef LCL_CLI_H
#define LCL_CLI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "latentcl/context.h"
#include "latentcl/status.h"

/* Exit codes of the command. */
enum { CLI_OK = 0, CLI_FAILED = 1, CLI_USAGE = 2 };

/* A subcommand: run gets its own name as argv[0] and returns an exit code. Defined in cmd_<name>.c,
 * listed in main.c. */
struct lcl_command {
  const char *name, *summary;
  int (*run)(int argc, char **argv);
};

/* An option of a subcommand: "--name VALUE" or "--name=VALUE", a flag takes no value (and has
 * "--no-name"). */
typedef enum cli_kind {
  CLI_FLAG,
  CLI_INT,
  CLI_FLOAT,
  CLI_STRING,
  CLI_LIST,
  CLI_ALGORITHM, /* checked, then for every context of this process and its children */
  CLI_FIND,      /* the same */
  CLI_QUEUES,    /* the same */
  CLI_PLUGIN     /* loaded; those of LATENTCL_PLUGINS are too, by every command with this option */
} cli_kind;
/* What an option that may be given many times collects. */
enum { CLI_LIST_MAX = 128 };
typedef struct cli_list {
  const char *item[CLI_LIST_MAX];
  size_t n;
} cli_list;
typedef struct cli_option {
  const char *name; /* without the dashes; NULL ends a table */
  cli_kind kind;
  void *value;         /* bool, int64_t, double, const char* or cli_list: the default, then what was
                          given; NULL for the last four kinds */
  const char *metavar; /* "FILE"; NULL: from the kind */
  const char *help;
  const char *range; /* of a number, as "[1,1e6]"; NULL: what an int holds from 0 on; any finite
                        number that is not negative. Of a text: the words that it may be, as
                        "train|test", and as the last of them "[0,9]..." for whole numbers with
                        commas between; of a file that is written the endings that its name may
                        have, as ".html .htm"; NULL: any. Of a list "=[0,9]": NAME=N each; NULL: any
                      */
} cli_option;

/* Of every command that computes. */
#define CLI_CHOICES                                                                                \
  { "algorithm", CLI_ALGORITHM, NULL, "OP=NAME,...",                                               \
    "algorithms of conv2d and matmul, as conv2d=winograd/auto; a wrong name lists them" },         \
      { "find", CLI_FIND, NULL, "off|quick|full",                                                  \
        "measure the algorithms of sizes that are new to this device (quick: some 10 s)" },        \
  {                                                                                                \
    "queues", CLI_QUEUES, NULL, "auto|N",                                                          \
        "compute queues; auto: as many as the first runs show to be fastest"                       \
  }
enum { CLI_N_CHOICES = 3 };
/* Of every command that works on one device. */
#define CLI_DEVICE(value)                                                                          \
  { "device", CLI_STRING, value, "SEL", "OpenCL device: 1:0, gpu, cpu or part of a name" }
/* Parts of a run's data. */
#define CLI_SPLIT(value)                                                                           \
  {                                                                                                \
    "split", CLI_STRING, value, "NAME",                                                            \
        "train (the labelled examples in use), validation, test, or all that are trained on",      \
        "train|validation|test|all"                                                                \
  }
/* Sizes of dimensions that an ONNX file leaves open. */
#define CLI_DIM(value, help)                                                                       \
  { "dim", CLI_LIST, value, "NAME=N", help, "=[0,2147483647]" }
/* Of every command that makes or opens runs. */
#define CLI_PLUGINS                                                                                \
  {                                                                                                \
    "plugin", CLI_PLUGIN, NULL, "FILE",                                                            \
        "shared object with models of your own; may be repeated (LATENTCL_PLUGINS)"                \
  }
/* What --algorithm, --find and --queues do with their text; -1, or an exit code. */
int cli_set_algorithm(const char *text);
int cli_set_find(const char *text);
int cli_set_queues(const char *text);

/* Reads options until the first that is none of them; *argi becomes the number of the first other
 * argument (options may also follow). Returns -1 to go on; else the exit code: 0 after --help, 2
 * with a line on stderr after an error. usage: "devices [--json]"; about: a paragraph for --help.
 * Positional arguments are moved to the end of argv. */
int cli_parse(int argc, char **argv, const cli_option *options, const char *usage,
              const char *about, int *argi);

/* "latentcl: MESSAGE" on stderr, returns CLI_FAILED. cli_error: the message of the library's last
 * failure. */
int cli_fail(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
int cli_error(void);
/* The same for wrong usage: returns CLI_USAGE. */
int cli_usage(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* From now on this process prints no error: another one has it too, and does. */
void cli_mute(void);

/* Before anything is printed on stderr in another way: ends the status line and what stdout holds.
 */
void cli_begin_message(void);

/* Whether a file's name (NULL: none) means standard output: nothing else may be printed there. */
bool cli_is_stdout(const char *path);

/* Prints a result for programs, and deletes it: one JSON document, indented, numbers that JSON does
 * not have as null. Every command's --json comes here. NULL: out of memory. Returns an exit code.
 */
struct cJSON;
int cli_print_json(struct cJSON *json);

/* printf whose text arguments cannot command a terminal: for names from outside. */
void cli_print(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* Puts right what a parent may have left: closed standard streams, ignored or fatal signals. */
void cli_put_right(void);

/* Notes which signals the parent ignores, before a driver changes that. From cli_catch_stop on
 * SIGINT, SIGTERM and SIGHUP ask the command to stop, but for those (nohup); cli_stopped: the
 * signal that came, or 0; cli_stop_code: 128 + its number. */
void cli_note_ignored(void);
void cli_catch_stop(void);
int cli_stopped(void);
int cli_stop_code(void);

/* "12.3 GiB" into buf; returns buf. */
const char *cli_bytes(double bytes, char buf[32]);

#endif
