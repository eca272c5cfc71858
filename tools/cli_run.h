/* What the commands about models and runs share. */
#ifndef LCL_CLI_RUN_H
#define LCL_CLI_RUN_H

#include "cli.h"
#include "latentcl/train.h"

/* MODEL, its data and its options, as train and explain take them. */
typedef struct cli_model_args {
  const char *model, *device, *data;
  int64_t seed;
  const char *const *set; /* "name=value" */
  size_t n_set;
} cli_model_args;

/* Parses the command's own options (table ending in a zero row) and those of models; a wrong model,
 * option or value is wrong usage. Returns as cli_parse. --help with a model lists its options too.
 */
int cli_model_parse(int argc, char **argv, const cli_option *own, const char *usage,
                    const char *about, cli_model_args *out);

/* The run folder given as the only positional argument. A command that has the option split takes
 * --on too, whose default of split is "all". With several (set before), more than one may be given.
 */
typedef struct cli_run_args {
  bool several;
  const char *device, *data, *on, *folder;
  char **folders;
  int n_folders;
  lcl_context *ctx;
  lcl_run_folder *run;
} cli_run_args;
/* own as above. Returns as cli_parse. Nothing is opened yet: what else the command line shows to be
 * wrong is said before cli_run_open. */
int cli_run_parse(int argc, char **argv, const cli_option *own, const char *usage,
                  const char *about, cli_run_args *out);
/* Opens the folder on a device. Returns -1 to go on, after which cli_run_close closes it; else an
 * exit code. */
int cli_run_open(cli_run_args *a);
void cli_run_close(cli_run_args *a);

/* What an evaluation found, as a line for people or a JSON object. what: the split. Returns an exit
 * code. */
int cli_print_metrics(const char *what, const lcl_metrics *m, bool json);
/* As cli_print_metrics; the line for people is followed by one that says which files desc made,
 * called `name` in the run folder. */
int cli_print_assignment(const cli_run_args *a, const lcl_assignment_desc *desc, const char *name,
                         const lcl_metrics *m, bool json);

#endif
