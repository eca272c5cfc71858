/* latentcl check: proves every op on the user's device against double-precision references. */
#include <stdio.h>

#include "base/json.h"
#include "base/status_line.h"
#include "cli.h"
#include "reference/check.h"

typedef struct progress {
  uint64_t failures;
  cJSON *json; /* NULL: text; else the messages of failures */
} progress;

/* One line that is written over; on a file only failures are printed. */
static bool seen(void *user, const lcl_spec *spec, uint64_t done, uint64_t total,
                 const char *failure) {
  enum { WIDTH = 30 };
  progress *p = user;
  if (failure) {
    p->failures++;
    if (p->json)
      cJSON_AddItemToArray(p->json, cJSON_CreateString(failure));
    else
      cli_print("FAILED  %s\n", failure);
    fflush(stdout);
  }
  const int filled = (int)(done * WIDTH / total);
  lcl__status_line("[%.*s%*s] %3d%%  %s", filled, "##############################", WIDTH - filled,
                   "", (int)(done * 100 / total), spec->name);
  return p->failures < 20; /* enough to see what is wrong */
}

static int print_report(const lcl_check_desc *desc, const lcl_check_report *report, double seconds,
                        progress *p) {
  if (!p->json) {
    cli_print("%zu ops, %llu random cases on %s in %.1f s%s: %llu failed", report->ops,
              (unsigned long long)report->cases, lcl_context_device_name(desc->ctx), seconds,
              report->complete ? "" : " (stopped early)", (unsigned long long)report->failures);
    if (report->skipped)
      cli_print(", %llu skipped, which the algorithm asked for cannot compute",
                (unsigned long long)report->skipped);
    cli_print("\n");
    return CLI_OK;
  }
  cJSON *o = cJSON_CreateObject();
  cJSON_AddStringToObject(o, "device", lcl_context_device_name(desc->ctx));
  cJSON_AddNumberToObject(o, "ops", (double)report->ops);
  cJSON_AddNumberToObject(o, "cases", (double)report->cases);
  cJSON_AddNumberToObject(o, "failed", (double)report->failures);
  cJSON_AddNumberToObject(o, "skipped", (double)report->skipped);
  cJSON_AddBoolToObject(o, "complete", report->complete);
  cJSON_AddNumberToObject(o, "seconds", seconds);
  cJSON_AddItemToObject(o, "failures", p->json);
  p->json = NULL;
  return cli_print_json(o);
}

static int run_checks(const lcl_check_desc *desc, progress *p) {
  lcl_check_report report;
  const double start = lcl__now();
  const lcl_status status = lcl__check_run(desc, &report);
  lcl__status_line_end();
  if (status != LCL_OK) return cli_error();
  if (report.cases == 0)
    return cli_fail(report.skipped
                        ? "no case was run: the algorithm asked for computes none of them"
                        : "no case was run");
  if (print_report(desc, &report, lcl__now() - start, p) != CLI_OK) return CLI_FAILED;
  if (report.failures == 0) return CLI_OK;
  return cli_fail("%llu of %llu cases differ from the reference",
                  (unsigned long long)report.failures, (unsigned long long)report.cases);
}

static int run(int argc, char **argv) {
  const char *device = NULL, *op = NULL, *precision = "f32";
  int64_t seed = 1, number = -1, cases = 40;
  double seconds = 45;
  bool small = false, json = false;
  const cli_option options[] = {
    CLI_DEVICE(&device),
    { "op", CLI_STRING, &op, "NAME", "this op only; `latentcl op --list` tells the names" },
    { "seed", CLI_INT, &seed, NULL, "another seed gives other cases", "[0,inf)" },
    { "case", CLI_INT, &number, NULL, "this case only, with --op (a failure tells its number)",
      "[0,inf)" },
    { "cases", CLI_INT, &cases, NULL, "cases an op", "[1,inf)" },
    { "seconds", CLI_FLOAT, &seconds, NULL,
      "start no new case after this time once every op had one; 0: no limit" },
    { "precision", CLI_STRING, &precision, "f32|f16",
      "f16: products of operands in half precision, of values that it holds", "f32|f16" },
    { "small", CLI_FLAG, &small, NULL, "small shapes, for simulators" },
    { "json", CLI_FLAG, &json, NULL, "one JSON object instead of text" },
    CLI_CHOICES,
    { 0 },
  };
  const int code = cli_parse(
      argc, argv, options, "check [--device SEL] [--op NAME] [--seed N] [--case N]",
      "Runs every op, forward and gradient, on random shapes and compares with double-precision "
      "references: exactly\n"
      "where sums of small integers are exact, else within the rounding error that the sum's "
      "length allows. Bytes\n"
      "around every buffer must stay untouched, and a second run must give the same bits.",
      NULL);
  if (code >= 0) return code;
  if (number >= 0 && !op) return cli_usage("check: --case needs --op");
  const bool half = strcmp(precision, "f16") == 0;
  const lcl_spec *spec = op ? lcl__spec_find(op) : NULL;
  if (op && !spec) return cli_usage("check: %s", lcl_error_message());
  lcl_context *ctx;
  if (lcl_context_create(&(lcl_context_desc) { .device = device }, &ctx) != LCL_OK)
    return cli_error();
  progress p = { .json = json ? cJSON_CreateArray() : NULL };
  const lcl_check_desc desc = { .ctx = ctx,
                                .spec = spec,
                                .seed = (uint64_t)seed,
                                .small = small,
                                .half = half,
                                .seconds = seconds,
                                .first = number >= 0 ? (uint64_t)number : 0,
                                .cases = number >= 0 ? 1 : (uint64_t)cases,
                                .seen = seen,
                                .user = &p };
  const int result = run_checks(&desc, &p);
  cJSON_Delete(p.json);
  lcl_context_destroy(ctx);
  return result;
}

const struct lcl_command cmd_check = {
  "check", "prove the ops on this device against double-precision references", run
};
