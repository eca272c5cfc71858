/* The latentcl command: picks the subcommand. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "base/status_line.h"
#include "base/text.h"
#include "cli.h"
#include "commit.h"
#include "latentcl/version.h"
#include "lcl_config.h"

/* commands.h, made by tools/meson.build, has a line COMMAND(cmd_<name>) for each subcommand. */
#define COMMAND(name) extern const struct lcl_command name;
#include "commands.h"
#undef COMMAND

static const struct lcl_command *const commands[] = {
#define COMMAND(name) &name,
#include "commands.h"
#undef COMMAND
};
enum { N_COMMANDS = sizeof commands / sizeof *commands };

static void print_help(void) {
  printf("Usage: latentcl COMMAND [OPTIONS]\n\n"
         "Trains, evaluates, samples and benchmarks latent-representation models on any OpenCL "
         "device.\n\nCommands:\n");
  for (int i = 0; i < N_COMMANDS; i++)
    printf("  %-12s %s\n", commands[i]->name, commands[i]->summary);
  printf("\n`latentcl help COMMAND` tells the options of a command, `latentcl version` the "
         "version.\n"
         "The device is chosen by --device or LATENTCL_DEVICE: an index (1:0), a kind (gpu, cpu) "
         "or part of "
         "a name.\n");
}

static bool is_one_of(const char *word, const char *a, const char *b, const char *c) {
  return strcmp(word, a) == 0 || strcmp(word, b) == 0 || strcmp(word, c) == 0;
}

static int run_command(int argc, char **argv) {
  lcl_nearest nearest = { .typed = argv[0] };
  char hint[96];
  for (int i = 0; i < N_COMMANDS; i++) {
    if (strcmp(argv[0], commands[i]->name) == 0) return commands[i]->run(argc, argv);
    lcl__nearest_try(&nearest, commands[i]->name);
  }
  return cli_usage("unknown command '%s'%s; `latentcl --help` lists them", argv[0],
                   lcl__nearest_hint(&nearest, "", hint));
}

static int print_version(bool json) {
  if (!json) {
    printf("latentcl %s\nbuilt from %s with CLBlast %s, clFFT %s, protobuf-c %s, MPI %s\n",
           LCL_VERSION_STRING, LATENTCL_COMMIT, LCL_CLBLAST_VERSION, LCL_CLFFT_VERSION,
           LCL_PROTOBUF_C_VERSION, LCL_MPI_VERSION);
    return CLI_OK;
  }
  cJSON *o = cJSON_CreateObject();
  cJSON_AddStringToObject(o, "version", LCL_VERSION_STRING);
  cJSON_AddStringToObject(o, "commit", LATENTCL_COMMIT);
  cJSON_AddStringToObject(o, "clblast", LCL_CLBLAST_VERSION);
  cJSON_AddStringToObject(o, "clfft", LCL_CLFFT_VERSION);
  cJSON_AddStringToObject(o, "protobuf_c", LCL_PROTOBUF_C_VERSION);
  cJSON_AddStringToObject(o, "mpi", LCL_MPI_VERSION);
  return cli_print_json(o);
}

static int run(int argc, char **argv) {
  if (argc < 2) {
    print_help();
    return CLI_USAGE;
  }
  if (is_one_of(argv[1], "--version", "-V", "version")) {
    const bool json = argc == 3 && strcmp(argv[2], "--json") == 0;
    if (argc > 2 && !json)
      return cli_usage("unexpected argument '%s'; it is version [--json]", argv[2 + (argc > 3)]);
    return print_version(json);
  }
  if (!is_one_of(argv[1], "--help", "-h", "help")) return run_command(argc - 1, argv + 1);
  if (argc == 2) {
    print_help();
    return CLI_OK;
  }
  argv[1] = "--help"; /* what follows the command may be a model */
  char *command[] = { argv[2], argc > 3 ? argv[3] : argv[1], argv[1], NULL };
  return run_command(argc > 3 ? 3 : 2, command);
}

/* A command that printed what nobody got has failed. */
int main(int argc, char **argv) {
  cli_put_right();
  const int code = run(argc, argv);
  lcl__status_line_end();
  errno = 0;
  if (fflush(stdout) == 0 && !ferror(stdout)) return code;
  const int failed = cli_fail("cannot write to standard output%s%s", errno ? ": " : "",
                              errno ? strerror(errno) : "");
  return code == CLI_OK ? failed : code;
}
