/* Several processes of the command that work together, started by mpirun or by --devices. */
#ifndef LCL_CLI_RANKS_H
#define LCL_CLI_RANKS_H

#include "cli.h"
#include "latentcl/ranks.h"
#include "lcl_config.h"

/* At the end of the help of options that start several processes. */
#if LCL_HAVE_MPI
#define CLI_WITHOUT_MPI ""
#else
#define CLI_WITHOUT_MPI "; not in this LatentCL, which was built without MPI"
#endif

#define CLI_DEVICES(value)                                                                         \
  {                                                                                                \
    "devices", CLI_STRING, value, "A,B",                                                           \
        "a process on each of these devices, which share every batch, as 0:0,0:1; with mpirun: "   \
        "those of each machine, one a rank" CLI_WITHOUT_MPI                                        \
  }

typedef struct cli_ranks {
  const char *devices; /* as given; NULL: not */
  lcl_ranks *ranks;    /* NULL: one process */
  char device[256];
} cli_ranks;

/* Joins the other ranks where a launcher started several, and makes the context: on desc->device
 * where one was given, else each rank of a machine on the next of its GPUs, or of --devices. With
 * --devices and without a launcher the command is started anew, once a device. Returns -1 to go
 * on, else an exit code, after all ranks have ended what they share. */
int cli_ranks_join(cli_ranks *r, int argc, char **argv, const lcl_context_desc *desc,
                   lcl_context **ctx);
void cli_ranks_leave(cli_ranks *r);

/* Before anything else: of several that a launcher started, rank 0 alone prints errors, which all
 * have. */
void cli_ranks_begin(void);
/* Whether this process prints results: alone, or rank 0. */
bool cli_speaks(void);

#endif
