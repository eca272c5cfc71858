/* The latentcl command: picks the subcommand. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cli.h"
#include "latentcl/version.h"

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
  printf("\n`latentcl COMMAND --help` tells the options of a command, `latentcl --version` the "
         "version.\n"
         "The device is chosen by --device or LATENTCL_DEVICE: an index (1:0), a kind (gpu, cpu) "
         "or part of "
         "a name.\n");
}

static int run(int argc, char **argv) {
  if (argc < 2) {
    print_help();
    return CLI_USAGE;
  }
  if (strcmp(argv[1], "--version") == 0) {
    printf("latentcl %s\n", LCL_VERSION_STRING);
    return CLI_OK;
  }
  if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 ||
      strcmp(argv[1], "help") == 0) {
    print_help();
    return CLI_OK;
  }
  for (int i = 0; i < N_COMMANDS; i++)
    if (strcmp(argv[1], commands[i]->name) == 0) return commands[i]->run(argc - 1, argv + 1);
  return cli_usage("unknown command '%s'; `latentcl --help` lists them", argv[1]);
}

/* A command that printed what nobody got has failed. */
int main(int argc, char **argv) {
  cli_put_right();
  const int code = run(argc, argv);
  errno = 0;
  if (fflush(stdout) == 0 && !ferror(stdout)) return code;
  const int failed = cli_fail("cannot write to standard output%s%s", errno ? ": " : "",
                              errno ? strerror(errno) : "");
  return code == CLI_OK ? failed : code;
}
