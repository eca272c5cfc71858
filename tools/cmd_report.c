/* latentcl report: writes the report of a run again. */
#include <stdio.h>

#include "cli_run.h"

static int run(int argc, char **argv) {
  cli_run_args a = { 0 };
  const cli_option own[] = { { 0 } };
  int code = cli_run_open(argc, argv, own, "report RUN",
                          "Writes RUN/report.html again from the files of the run.", &a);
  if (code >= 0) return code;
  if (lcl_run_report(a.run) != LCL_OK)
    code = cli_error();
  else
    printf("%s/report.html\n", a.folder);
  cli_run_close(&a);
  return code < 0 ? CLI_OK : code;
}

const struct lcl_command cmd_report = { "report", "write the report of a run again", run };
