/* latentcl train: trains a model and leaves a run folder. */
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "cli.h"
#include "cli_ranks.h"
#include "cli_run.h"
#include "commit.h"
#include "ops/find.h"

static const char usage[] = "train MODEL [--data DIR] [--out RUN] [OPTIONS]";
static const char about[] = "Trains a model and writes a run folder: config.json, log.jsonl, "
                            "profile.json, last.safetensors, best.safetensors, "
                            "report.html.\n"
                            "`latentcl models` lists the models, `latentcl train MODEL --help` "
                            "also the model's own options. Without "
                            "--data the\n"
                            "built-in synthetic digits are used. Ctrl-C finishes the step and "
                            "saves; --resume goes on, bit for bit.";

static void add_metrics(cJSON *parent, const char *name, const lcl_metrics *m) {
  cJSON *o = cJSON_AddObjectToObject(parent, name);
  for (int i = 0; i < m->n; i++) cJSON_AddNumberToObject(o, m->item[i].name, m->item[i].value);
}

/* page: NULL: not written yet. */
static int report_json(const lcl_train_result *r, const char *page) {
  cJSON *o = cJSON_CreateObject();
  cJSON_AddStringToObject(o, "out", r->out);
  cJSON_AddItemToObject(o, "report", page ? cJSON_CreateString(page) : cJSON_CreateNull());
  cJSON_AddNumberToObject(o, "epochs", r->epochs);
  cJSON_AddNumberToObject(o, "best_epoch", r->best_epoch);
  cJSON_AddNumberToObject(o, "steps", (double)r->steps);
  cJSON_AddNumberToObject(o, "seconds", r->seconds);
  cJSON_AddNumberToObject(o, "examples_per_second", r->examples_per_second);
  cJSON_AddBoolToObject(o, "stopped_early", r->stopped_early);
  add_metrics(o, "validation", &r->validation);
  add_metrics(o, "test", &r->test);
  return cli_print_json(o);
}

/* quiet: only the name of a folder that nobody gave. */
static int report(const lcl_train_result *r, lcl_status s, bool json, bool quiet, bool named) {
  if (s != LCL_OK) cli_error();
  if (s == LCL_ERR_INTERRUPTED) return cli_stop_code();
  if (s != LCL_OK) return CLI_FAILED;
  if (!cli_speaks()) return CLI_OK;
  if (quiet && !json) {
    if (!named) cli_print("%s\n", r->out);
    return CLI_OK;
  }
  char page[sizeof r->out + 16];
  snprintf(page, sizeof page, "%s/report.html", r->out);
  if (json) return report_json(r, r->reported ? page : NULL);
  const double *error = lcl_metrics_get(&r->test, "error_percent");
  if (error)
    printf("test error %.2f %% (best epoch %d of %d%s)\n", *error, r->best_epoch, r->epochs,
           r->stopped_early ? ", stopped early" : "");
  if (r->reported)
    cli_print("run folder %s, report %s\n", r->out, page);
  else
    cli_print("run folder %s; --resume --out %s goes on\n", r->out, r->out);
  return CLI_OK;
}

static int find_rate(lcl_context *ctx, const lcl_train_desc *d) {
  lcl_rate_result r;
  const lcl_status s = lcl_find_rate(ctx, d, &r);
  if (s != LCL_OK) cli_error();
  if (s == LCL_ERR_INTERRUPTED) return cli_stop_code();
  if (s != LCL_OK) return CLI_FAILED;
  if (d->quiet && d->out) return CLI_OK;
  if (d->quiet)
    cli_print("%s\n", r.out);
  else if (r.rate > 0)
    cli_print("the loss falls fastest at --lr %.2g; %s/find-lr.html\n", r.rate, r.out);
  else
    cli_print("the loss fell at no rate, so none is suggested; %s/find-lr.html\n", r.out);
  return CLI_OK;
}

static int run(int argc, char **argv) {
  cli_model_args m = { 0 };
  bool find_lr = false, sync_bn = true;
  cli_ranks ranks = { 0 };
  bool resume = false, profile = true, check = false, quiet = false, test = true, json = false;
  const char *out = NULL, *trace = NULL, *start = NULL, *tensorboard = NULL;
  int64_t max_steps = 0;
  const cli_option own[] = {
    { "out", CLI_STRING, &out, "RUN", "run folder (runs/MODEL-DATE-N)" },
    { "start", CLI_STRING, &start, "RUN", "begin with that run's weights, where the names agree" },
    { "resume", CLI_FLAG, &resume, NULL, "continue the run in --out" },
    { "test", CLI_FLAG, &test, NULL, "evaluate the test split at the end" },
    { "profile", CLI_FLAG, &profile, NULL, "device times by kernel in the report" },
    { "trace", CLI_STRING, &trace, "FILE", "Chrome/Perfetto trace of every launch", ".json" },
    { "tensorboard", CLI_STRING, &tensorboard, "DIR",
      "event files for TensorBoard: losses, metrics, rates, histograms, images" },
    { "check-numerics", CLI_FLAG, &check, NULL, "check every tensor for NaN and Inf (slow)" },
    { "find-lr", CLI_FLAG, &find_lr, NULL,
      "do not train: try rates from 1e-7 to 10 in at most 120 steps and suggest one; --out: folder "
      "of find-lr.html and find-lr.json (runs/find-lr-MODEL-DATE-N)" },
    CLI_DEVICES(&ranks.devices),
    { "sync-bn", CLI_FLAG, &sync_bn, NULL,
      "several ranks: batch norm takes the statistics of the whole batch, as one process does" },
    { "max-steps", CLI_INT, &max_steps, NULL, "stop after so many steps in all; 0: no limit" },
    { "quiet", CLI_FLAG, &quiet, NULL,
      "print nothing but errors and warnings, and the run folder if --out is not given" },
    { "json", CLI_FLAG, &json, NULL, "the outcome as one JSON object" },
    { 0 },
  };
  cli_ranks_begin();
  int code = cli_model_parse(argc, argv, own, usage, about, &m);
  if (code >= 0) return code;
  if (quiet) lcl__find_quietly();
  if (!m.model && !resume) return cli_usage("train: which model? `latentcl models` lists them");
  if (find_lr && (resume || trace || check || max_steps || tensorboard || json))
    return cli_usage("train: --find-lr makes no run: no --resume, --trace, --check-numerics, "
                     "--max-steps, --tensorboard or --json");
  if (resume && !out) return cli_usage("train: to resume, say which run (--out RUN)");
  if (resume && start)
    return cli_usage("train: a run that goes on has its own weights: no --start with --resume");
  lcl_context *ctx;
  lcl_context_desc cd = { .device = m.device, .profile = (profile || trace) && !find_lr };
  code = cli_ranks_join(&ranks, argc, argv, &cd, &ctx);
  if (code >= 0) return code;
  cli_catch_stop();
  lcl_train_desc d = { .model = m.model,
                       .commit = LATENTCL_COMMIT,
                       .set = m.set,
                       .n_set = m.n_set,
                       .data = m.data,
                       .out = out,
                       .start = start,
                       .seed = (uint64_t)m.seed,
                       .resume = resume,
                       .profile = profile,
                       .trace = trace,
                       .tensorboard = tensorboard,
                       .check_numerics = check,
                       .quiet = quiet,
                       .test = test,
                       .max_steps = (int)max_steps,
                       .interrupted = cli_stopped,
                       .ranks = ranks.ranks,
                       .local_norm = !sync_bn };
  lcl_train_result r;
  if (find_lr)
    code = find_rate(ctx, &d);
  else
    code = report(&r, lcl_train(ctx, &d, &r), json, quiet, out != NULL);
  lcl_context_destroy(ctx);
  cli_ranks_leave(&ranks);
  return code;
}

const struct lcl_command cmd_train = { "train", "train a model", run };
