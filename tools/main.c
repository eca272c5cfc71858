/* The latentcl command: picks the subcommand. */
#include <stdio.h>
#include <string.h>

#include "cli.h"
#include "lcl_config.h"

/* One line a subcommand, in the order of --help. */
extern const struct lcl_command cmd_devices;
extern const struct lcl_command cmd_doctor;
extern const struct lcl_command cmd_cache;
extern const struct lcl_command cmd_data;
extern const struct lcl_command cmd_check;
extern const struct lcl_command cmd_op;

static const struct lcl_command *const commands[] = {
  &cmd_devices,
  &cmd_doctor,
  &cmd_cache,
  &cmd_data,
  &cmd_check,
  &cmd_op,
};
enum { N_COMMANDS = sizeof commands / sizeof *commands };

static void print_help(void) {
  printf("Usage: latentcl COMMAND [OPTIONS]\n\n"
         "Trains, evaluates, samples and benchmarks latent-representation models on any OpenCL "
         "device.\n\nCommands:\n");
  for (int i = 0; i < N_COMMANDS; i++) printf("  %-12s %s\n", commands[i]->name, commands[i]->summary);
  printf("\n`latentcl COMMAND --help` tells the options of a command, `latentcl --version` the version.\n"
         "The device is chosen by --device or LATENTCL_DEVICE: an index (1:0), a kind (gpu, cpu) or part of "
         "a name.\n");
}

int main(int argc, char **argv) {
  if (argc < 2) {
    print_help();
    return CLI_USAGE;
  }
  if (strcmp(argv[1], "--version") == 0) {
    printf("latentcl %s\n", LCL_VERSION);
    return CLI_OK;
  }
  if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 || strcmp(argv[1], "help") == 0) {
    print_help();
    return CLI_OK;
  }
  for (int i = 0; i < N_COMMANDS; i++)
    if (strcmp(argv[1], commands[i]->name) == 0) return commands[i]->run(argc - 1, argv + 1);
  return cli_usage("unknown command '%s'; `latentcl --help` lists them", argv[1]);
}
