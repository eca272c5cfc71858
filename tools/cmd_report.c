/* latentcl report: writes the report of a run again, or puts several runs side by side. */
#include <stdio.h>

#include "base/json.h"
#include "cli_run.h"

/* Where the page is. */
static int print_page(const char *folder, const char *page, bool json) {
  lcl_str path = { 0 };
  lcl__str_add(&path, "%s%s", folder, page);
  if (!lcl__str_ok(&path)) return cli_fail("out of memory");
  int code = CLI_OK;
  if (json) {
    cJSON *o = cJSON_CreateObject();
    cJSON_AddStringToObject(o, "report", path.data);
    code = cli_print_json(o);
  } else {
    cli_print("%s\n", path.data);
  }
  lcl__str_free(&path);
  return code;
}

static int compare(const cli_run_args *a, const char *out, bool json) {
  const char *folders[CLI_LIST_MAX];
  if (a->n_folders > CLI_LIST_MAX) return cli_usage("report: too many runs");
  for (int i = 0; i < a->n_folders; i++) folders[i] = a->folders[i];
  if (lcl_report_compare(folders, a->n_folders, out) != LCL_OK) return cli_error();
  return cli_is_stdout(out) ? CLI_OK : print_page("", out, json);
}

static int run(int argc, char **argv) {
  cli_run_args a = { .several = true };
  const char *out = NULL;
  bool json = false;
  const cli_option own[] = {
    { "out", CLI_STRING, &out, "FILE", "the page for several runs (side-by-side.html)",
      ".html .htm" },
    { "json", CLI_FLAG, &json, NULL, "one JSON object: report" },
    { 0 },
  };
  int code = cli_run_parse(
      argc, argv, own, "report RUN [RUN...]",
      "Writes RUN/report.html again from the files of the run. With several runs it writes one\n"
      "page instead: their curves in the same axes, final figures and differing options, read\n"
      "from their logs (also while they train). For example:\n\n"
      "  latentcl report runs/plain runs/batch-norm --out batch-norm.html",
      &a);
  if (code >= 0) return code;
  if (a.n_folders > 1 && (a.data || a.device))
    return cli_usage("report: --%s is for the report of one run; of several only logs are read",
                     a.data ? "data" : "device");
  if (a.n_folders > 1) return compare(&a, out ? out : "side-by-side.html", json);
  if (out)
    return cli_usage("report: --out is for several runs; the report of one is RUN/report.html");
  if ((code = cli_run_open(&a)) >= 0) return code;
  code = lcl_run_report(a.run) == LCL_OK ? print_page(a.folder, "/report.html", json) : cli_error();
  cli_run_close(&a);
  return code;
}

const struct lcl_command cmd_report = { "report",
                                        "write the report of a run again, or put runs side by side",
                                        run };
