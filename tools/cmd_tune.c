/* latentcl tune: finds the fastest algorithm and kernel parameters for the GEMMs and convolutions
 * of a workload on this device.
 *
 * Candidates run in a child process (the same command with --worker), because a driver's compiler
 * may crash or hang: the parent gives each one a time limit, and starts a new child when the old
 * one died. Parent and child talk in lines, with choices as JSON:
 * child:  "problem KEY|CHOICE" and "start CHOICE"... for each, then "ready"
 * parent: "try INDEX CHOICE"
 * child:  "ok SECONDS", "wrong MESSAGE", "failed MESSAGE" or "none MESSAGE": there is no such
 * kernel */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/json.h"
#include "base/text.h"
#include "bench/tune.h"
#include "base/status_line.h"
#include "cli_onnx.h"
#include "latentcl/algorithm.h"
#include "latentcl/model.h"
#include "tune_show.h"

enum { NEIGHBOURS = 48, STARTS = 8, KEY = 160 };

static bool read_choice(const char *text, lcl_choice *c) {
  cJSON *record = lcl__json_parse(text, strlen(text));
  const bool ok = record && lcl__choice_from_json(
                                record, lcl__tune_kind(lcl__json_word(record, "algorithm")), c);
  cJSON_Delete(record);
  return ok;
}

/* free() it. */
static char *text_of(const lcl_choice *c) {
  cJSON *record = lcl__choice_to_json(c);
  char *text = lcl__json_print(record, false);
  cJSON_Delete(record);
  return text;
}

/* ---- child ---- */

static void print_choice(const char *before, const lcl_choice *c) {
  char *text = text_of(c);
  printf("%s%s\n", before, text ? text : "");
  free(text);
}

static int worker(const char *name, const char *device, const cli_list *dims) {
  lcl_context *ctx;
  lcl_trial_problem *problems;
  size_t n, added;
  char line[512];
  if (lcl_context_create(&(lcl_context_desc) { .device = device }, &ctx) != LCL_OK ||
      lcl_algorithm_force(ctx, NULL) != LCL_OK || lcl_algorithm_find(ctx, LCL_FIND_OFF) != LCL_OK ||
      (cli_is_onnx(name) && lcl_bench_add_onnx(name, dims->item, dims->n, &added) != LCL_OK) ||
      lcl__tune_collect(ctx, name, &problems, &n) != LCL_OK) {
    printf("error %s\n", lcl_error_message());
    return CLI_FAILED;
  }
  for (size_t i = 0; i < n; i++) {
    lcl_choice starts[STARTS];
    printf("problem %s|", problems[i].key);
    print_choice("", &problems[i].usual);
    const size_t k = lcl__tune_starts(lcl__context_caps(ctx), &problems[i], starts, STARTS);
    for (size_t s = 0; s < k; s++) print_choice("start ", &starts[s]);
  }
  printf("ready\n");
  fflush(stdout);
  while (fgets(line, sizeof line, stdin)) {
    lcl_choice c;
    char *rest;
    size_t i = strtoul(line + 4, &rest, 10);
    double seconds = 0;
    if (strncmp(line, "try ", 4) != 0 || i >= n || !read_choice(rest, &c)) break;
    lcl_status st = lcl__tune_measure(ctx, &problems[i], &c, &seconds);
    if (st == LCL_OK)
      printf("ok %.9g\n", seconds);
    else
      printf("%s %s\n",
             st == LCL_ERR_NUMERIC       ? "wrong"
             : st == LCL_ERR_UNSUPPORTED ? "none"
                                         : "failed",
             lcl_error_message());
    fflush(stdout);
  }
  lcl__free(problems);
  lcl_context_destroy(ctx);
  return CLI_OK;
}

/* ---- parent ---- */

typedef struct child {
  pid_t pid;
  int to, from;
  char buffer[4096];
  size_t n;
} child;

static void child_stop(child *c) {
  if (!c->pid) return;
  close(c->to);
  close(c->from);
  kill(c->pid, SIGKILL);
  waitpid(c->pid, NULL, 0);
  *c = (child) { 0 };
}

static bool child_start(child *c, const char *name, const char *device, const cli_list *dims) {
  const char *args[6 + 2 * CLI_LIST_MAX + 1] = { "latentcl", "tune", "--worker", name };
  int down[2], up[2], n = 4;
  if (device) args[n++] = "--device", args[n++] = device;
  for (size_t i = 0; cli_is_onnx(name) && i < dims->n; i++)
    args[n++] = "--dim", args[n++] = dims->item[i];
  *c = (child) { 0 };
  if (pipe(down) != 0 || pipe(up) != 0) return false;
  pid_t pid = fork();
  if (pid < 0) return false;
  if (pid == 0) {
    dup2(down[0], 0);
    dup2(up[1], 1);
    close(down[0]), close(down[1]), close(up[0]), close(up[1]);
    signal(SIGINT, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
    execv("/proc/self/exe", (char *const *)(uintptr_t)args);
    _exit(127);
  }
  close(down[0]);
  close(up[1]);
  *c = (child) { .pid = pid, .to = down[1], .from = up[0] };
  return true;
}

/* The next line of the child, without its end; false when it died, hung, or the user stopped us. */
static bool child_line(child *c, double limit, char *line, size_t size) {
  double end = lcl__now() + limit;
  for (;;) {
    char *nl = memchr(c->buffer, '\n', c->n);
    if (nl) {
      size_t n = (size_t)(nl - c->buffer);
      snprintf(line, size, "%.*s", (int)n, c->buffer);
      c->n -= n + 1;
      memmove(c->buffer, nl + 1, c->n);
      return true;
    }
    double left = end - lcl__now();
    struct pollfd p = { .fd = c->from, .events = POLLIN };
    if (cli_stopped() || left <= 0 || c->n == sizeof c->buffer) return false;
    if (poll(&p, 1, left > 0.2 ? 200 : (int)(left * 1000) + 1) <= 0) continue;
    ssize_t got = read(c->from, c->buffer + c->n, sizeof c->buffer - c->n);
    if (got <= 0) return false;
    c->n += (size_t)got;
  }
}

typedef struct problem {
  char key[KEY];
  lcl_choice usual, starts[STARTS];
  size_t n_starts;
} problem;

/* The fastest choice so far. */
typedef struct winner {
  lcl_choice choice;
  double seconds, usual_seconds; /* the latter of the usual choice; 0: it failed */
} winner;

/* The shortest time of every implementation that was tried for a problem. */
typedef struct times {
  const lcl_implementation *im[STARTS + 1];
  double seconds[STARTS + 1];
  int n;
} times;

static void take_time(times *t, const lcl_implementation *im, double seconds) {
  int i = 0;
  while (i < t->n && t->im[i] != im) i++;
  if (i == t->n) {
    if (t->n == STARTS + 1) return;
    t->im[t->n] = im;
    t->seconds[t->n++] = seconds;
  }
  if (seconds < t->seconds[i]) t->seconds[i] = seconds;
}

static lcl_record record_of(const winner *best, const times *t) {
  lcl_record r = { .choice = best->choice,
                   .source = LCL_RECORD_TUNE,
                   .seconds = best->seconds,
                   .usual_seconds = best->usual_seconds };
  for (int i = 0; i < t->n; i++)
    if (t->im[i] != best->choice.implementation &&
        (!*r.runner_up || t->seconds[i] < r.other_seconds)) {
      r.other_seconds = t->seconds[i];
      snprintf(r.runner_up, sizeof r.runner_up, "%s", t->im[i]->name);
    }
  return r;
}

typedef struct tuner {
  const char *name, *device;
  const cli_list *dims;
  child c;
  struct {
    problem *data;
    size_t n, cap;
  } problems;
  double limit; /* seconds a candidate may take */
  times times;  /* of the problem at hand */
  int tried, wrong, failed, died;
} tuner;

static int tuner_start(tuner *t) {
  char line[512];
  if (!child_start(&t->c, t->name, t->device, t->dims))
    return cli_fail("cannot start a child process: %s", strerror(errno));
  t->problems.n = 0;
  while (child_line(&t->c, 600, line, sizeof line)) {
    problem p = { .n_starts = 0 };
    char *bar = strchr(line, '|');
    if (strcmp(line, "ready") == 0) return CLI_OK;
    if (strncmp(line, "error ", 6) == 0) return cli_fail("%s", line + 6);
    if (strncmp(line, "start ", 6) == 0 && t->problems.n) {
      problem *last = &t->problems.data[t->problems.n - 1];
      if (last->n_starts < STARTS && read_choice(line + 6, &last->starts[last->n_starts]))
        last->n_starts++;
      continue;
    }
    if (strncmp(line, "problem ", 8) != 0 || !bar || !read_choice(bar + 1, &p.usual)) continue;
    snprintf(p.key, sizeof p.key, "%.*s", (int)(bar - line - 8), line + 8);
    if (!LCL_PUSH(&t->problems, p)) return cli_fail("out of memory");
  }
  return cli_stopped() ? CLI_FAILED
                       : cli_fail("the child process that compiles \"%s\" stopped", t->name);
}

/* ---- what is told ---- */

static cJSON *problems_told; /* NULL: text is */

static void say(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
static void say(const char *fmt, ...) {
  va_list args;
  va_start(args, fmt);
  if (!problems_told) vprintf(fmt, args);
  va_end(args);
}

static void add_seconds(cJSON *o, const char *name, double seconds) {
  const bool ran = seconds > 0 && seconds < 1e30;
  cJSON_AddItemToObject(o, name, ran ? cJSON_CreateNumber(seconds) : cJSON_CreateNull());
}

static void tell(const char *key, const winner *best) {
  if (!problems_told) return;
  cJSON *o = cJSON_CreateObject();
  cJSON_AddItemToArray(problems_told, o);
  cJSON_AddStringToObject(o, "problem", key);
  add_seconds(o, "usual_seconds", best->usual_seconds);
  add_seconds(o, "seconds", best->seconds);
  cJSON_AddStringToObject(o, "algorithm", best->choice.implementation->name);
}

/* Seconds of a candidate; < 0: none, wrong, refused, or it took the child down (which is replaced).
 */
static double attempt(tuner *t, size_t i, const lcl_choice *c) {
  char line[512], *text = text_of(c);
  lcl_str request = { 0 };
  lcl__str_add(&request, "try %zu %s\n", i, text ? text : "");
  t->tried++;
  double seconds = -1;
  bool answered = lcl__str_ok(&request) &&
                  write(t->c.to, request.data, request.n) == (ssize_t)request.n &&
                  child_line(&t->c, t->limit, line, sizeof line);
  if (answered && strncmp(line, "ok ", 3) == 0) {
    seconds = lcl__strtod(line + 3, NULL);
    take_time(&t->times, c->implementation, seconds);
  } else if (answered && strncmp(line, "wrong ", 6) == 0) {
    t->wrong++;
    say("%s: %s gives a wrong result (%s); it is not used\n", t->problems.data[i].key, text,
        line + 6);
  } else if (answered && strncmp(line, "none ", 5) == 0) {
    t->tried--;
  } else if (answered) {
    t->failed++;
  }
  free(text);
  lcl__str_free(&request);
  if (answered) return seconds;
  child_stop(&t->c);
  if (cli_stopped()) return -1;
  t->died++;
  return tuner_start(t) == CLI_OK ? -1 : -2;
}

/* On a machine that does other things too, the best of many is also the luckiest: it has to win
 * again, in turn with the usual choice. */
static int confirm(tuner *t, size_t i, winner *best) {
  const lcl_choice *usual = &t->problems.data[i].usual;
  if (lcl__choice_equal(usual, &best->choice) || !best->usual_seconds || cli_stopped())
    return CLI_OK;
  double a = 1e30, b = 1e30;
  for (int r = 0; r < 3 && !cli_stopped(); r++) {
    const double x = attempt(t, i, usual), y = attempt(t, i, &best->choice);
    if (x == -2 || y == -2) return CLI_FAILED;
    if (x > 0) a = x < a ? x : a;
    if (y > 0) b = y < b ? y : b;
  }
  *best = b < 0.97 * a ? (winner) { best->choice, b, a } : (winner) { *usual, a, a };
  return CLI_OK;
}

/* Coordinate descent: from the best so far, every neighbour; again from the new best until nothing
 * improves. */
static int tune_problem(tuner *t, size_t i, double end, winner *best) {
  lcl_choice list[NEIGHBOURS];
  const problem *p = &t->problems.data[i];
  double usual = attempt(t, i, &p->usual);
  if (usual == -2 || cli_stopped()) return CLI_FAILED;
  /* A choice that fails is better replaced by any that works. */
  *best = usual < 0 ? (winner) { p->usual, 1e30, 0 } : (winner) { p->usual, usual, usual };
  size_t n = p->n_starts;
  memcpy(list, p->starts, sizeof *list * n);
  for (int round = 0; round < 4; round++) {
    const lcl_choice from = best->choice;
    n += lcl__tune_neighbours(&from, list + n, NEIGHBOURS - n);
    for (size_t k = 0; k < n && !cli_stopped() && lcl__now() < end; k++) {
      double s = attempt(t, i, &list[k]);
      if (s == -2) return CLI_FAILED;
      if (s > 0 && s < 0.97 * best->seconds) /* less than that is noise */
        *best = (winner) { list[k], s, best->usual_seconds };
    }
    n = 0;
    if (lcl__choice_equal(&from, &best->choice) || cli_stopped() || lcl__now() >= end) break;
  }
  if (confirm(t, i, best) != CLI_OK) return CLI_FAILED;
  lcl__status_line_end();
  if (best->seconds == 1e30)
    say("%s: nothing works here\n", p->key);
  else
    say("%-70s %9.3f ms -> %9.3f ms  %5.2fx  %s\n", p->key, best->usual_seconds * 1e3,
        best->seconds * 1e3, best->usual_seconds / best->seconds,
        best->choice.implementation->name);
  fflush(stdout);
  tell(p->key, best);
  return CLI_OK;
}

/* What is done with each workload. */
typedef struct job {
  lcl_context *ctx;
  const char *device;
  const cli_list *dims; /* of ONNX files */
  double end;
  bool again;
  tune_table *show; /* NULL: they are tuned */
} job;

static int tune_name(const job *j, const char *name) {
  tuner t = { .name = name, .device = j->device, .dims = j->dims, .limit = 60 };
  int code = tuner_start(&t);
  say("%s: %zu GEMMs and convolutions\n", name, code == CLI_OK ? t.problems.n : 0);
  for (size_t i = 0; code == CLI_OK && i < t.problems.n && !cli_stopped() && lcl__now() < j->end;
       i++) {
    winner best = { .seconds = 1e30 };
    char key[KEY]; /* the list of problems is made anew when a child dies */
    snprintf(key, sizeof key, "%s", t.problems.data[i].key);
    if (!j->again && lcl__tuning_tuned(j->ctx, key)) continue;
    t.times.n = 0;
    lcl__status_line("%zu of %zu  %s ...", i + 1, t.problems.n, key);
    code = tune_problem(&t, i, j->end, &best);
    if (code != CLI_OK || cli_stopped() || best.seconds == 1e30) continue;
    const lcl_record record = record_of(&best, &t.times);
    if (lcl__tuning_save(j->ctx, key, &record) != LCL_OK) code = cli_error();
  }
  if (t.tried)
    say("%s: %d candidates, %d refused by the driver, %d wrong, %d crashed or hung\n", name,
        t.tried, t.failed, t.wrong, t.died);
  child_stop(&t.c);
  lcl__free(t.problems.data);
  return cli_stopped() ? CLI_FAILED : code;
}

static bool is_suite(const char *name) {
  for (size_t i = 0; i < lcl_bench_count(); i++)
    if (strcmp(lcl_bench_at(i).suite, name) == 0) return true;
  return false;
}

static int one_of(const job *j, const char *name) {
  if (!j->show) return tune_name(j, name);
  if (cli_stopped()) return CLI_FAILED;
  lcl__status_line("%s ...", name);
  const lcl_status st = tune_table_add(j->show, name);
  lcl__status_line_end();
  return st == LCL_OK ? CLI_OK : cli_error();
}

/* A suite of the benchmark, else a workload or a model. */
static int each_of(const job *j, const char *name) {
  int code = CLI_OK;
  if (!is_suite(name)) return one_of(j, name);
  for (size_t i = 0; code == CLI_OK && i < lcl_bench_count(); i++) {
    lcl_bench_info b = lcl_bench_at(i);
    if (strcmp(b.suite, name) == 0 && lcl__now() < j->end) code = one_of(j, b.name);
  }
  return code;
}

static bool is_all(const char *name) {
  return strcmp(name, "all") == 0;
}

static bool is_known(const char *name) {
  const lcl_model_class *model;
  size_t index;
  return is_all(name) || is_suite(name) || lcl_bench_find(name, &index) == LCL_OK ||
         lcl_model_find(name, &model) == LCL_OK;
}

static int print_json(lcl_context *ctx, const char *results, cJSON *problems) {
  cJSON *o = cJSON_CreateObject();
  cJSON_AddStringToObject(o, "device", lcl_context_device_name(ctx));
  if (results)
    cJSON_AddStringToObject(o, "results", results);
  else
    cJSON_AddNullToObject(o, "results");
  cJSON_AddItemToObject(o, "problems", problems);
  return cli_print_json(o);
}

static int each_name(const job *j, char **names, int n) {
  int code = CLI_OK;
  for (int i = 0; code == CLI_OK && i < n; i++) code = each_of(j, names[i]);
  if (!cli_stopped()) return code;
  fprintf(stderr, "latentcl tune: stopped; run the same command again to go on\n");
  return cli_stop_code();
}

static int tune_all(job *j, char **names, int n, bool json) {
  lcl_str path = { 0 };
  int code = CLI_OK;
  if (json) problems_told = cJSON_CreateArray();
  if (lcl__tuning_check(j->ctx) != LCL_OK || !lcl__tuning_path(j->ctx, &path))
    code = cli_error();
  else
    say("device: %s\nresults: %s\n", lcl_context_device_name(j->ctx), path.data);
  if (code == CLI_OK) code = each_name(j, names, n);
  if (json && code == CLI_OK)
    code = print_json(j->ctx, path.data, problems_told);
  else
    cJSON_Delete(problems_told);
  problems_told = NULL;
  lcl__str_free(&path);
  return code;
}

/* What is in use, whatever --algorithm asks for; nothing is measured. */
static int show_all(job *j, char **names, int n, bool json) {
  tune_table table = { .ctx = j->ctx };
  lcl_str path = { 0 };
  j->show = &table;
  j->end = 1e300;
  const char *results = lcl__tuning_path(j->ctx, &path) ? path.data : NULL;
  int code = lcl_algorithm_force(j->ctx, NULL) == LCL_OK &&
                     lcl_algorithm_find(j->ctx, LCL_FIND_OFF) == LCL_OK
                 ? each_name(j, names, n)
                 : cli_error();
  if (code == CLI_OK && json) {
    code = print_json(j->ctx, results, tune_table_json(&table));
  } else if (code == CLI_OK) {
    printf("device: %s\nresults: %s\n", lcl_context_device_name(j->ctx),
           results ? results : "none are kept");
    tune_table_print(&table);
  }
  tune_table_free(&table);
  lcl__str_free(&path);
  return code;
}

static int run(int argc, char **argv) {
  const char *device = NULL, *worker_of = NULL;
  cli_list dims = { 0 };
  double budget = -1; /* none was given */
  bool again = false, show = false, json = false;
  const cli_option table[] = {
    CLI_DEVICE(&device),
    { "budget", CLI_FLOAT, &budget, "MINUTES",
      "stop after this time (10); what was found so far is kept", "[0,1e6]" },
    { "again", CLI_FLAG, &again, NULL, "measure again what is in the database" },
    { "show", CLI_FLAG, &show, NULL,
      "measure nothing: print each choice, whether it was measured or comes from the cost model, "
      "and what the measured ones gained" },
    { "json", CLI_FLAG, &json, NULL, "one JSON object instead of text" },
    CLI_DIM(&dims, "size of a dimension that MODEL.onnx leaves open (1)"),
    { "worker", CLI_STRING, &worker_of, "NAME", "internal: run candidates for a parent process" },
    { NULL, CLI_FLAG, NULL, NULL, NULL },
  };
  int at, code = cli_parse(
              argc, argv, table, "tune [SUITE|WORKLOAD|MODEL|MODEL.onnx|all]...",
              "Finds the fastest algorithm and kernel parameters for the GEMMs and "
              "convolutions of a suite or workload of the benchmark, a model's "
              "training step, a network from an ONNX file, or all (gemm, conv, steps), checks "
              "every candidate's result, and keeps the best in a database that is used from then "
              "on. Interrupting loses nothing; run it again to go on." CLI_WITHOUT_ONNX,
              &at);
  if (code >= 0) return code;
  if (device && !*device) device = NULL;
  if (worker_of) return worker(worker_of, device, &dims);
  if (show && (again || budget >= 0))
    return cli_usage("tune: --show measures nothing; %s does not go with it",
                     again ? "--again" : "--budget");
  if ((code = cli_onnx_workloads(argc - at, argv + at, &dims)) != CLI_OK) return code;
  bool all = at == argc;
  for (int i = at; i < argc; i++) {
    if (!is_known(argv[i]))
      return cli_usage("tune: there is no suite, workload or model \"%s\"; `latentcl bench --list` "
                       "and `latentcl models` list them",
                       argv[i]);
    all |= is_all(argv[i]);
  }
  static char *const everything[] = { "gemm", "conv", "steps" };
  if (all) argv = (char **)everything, at = 0, argc = 3;
  job j = { .device = device,
            .dims = &dims,
            .end = lcl__now() + (budget < 0 ? 10 : budget) * 60,
            .again = again };
  if (lcl_context_create(&(lcl_context_desc) { .device = device }, &j.ctx) != LCL_OK)
    return cli_error();
  cli_catch_stop();
  signal(SIGPIPE, SIG_IGN);
  code = (show ? show_all : tune_all)(&j, argv + at, argc - at, json);
  lcl_context_destroy(j.ctx);
  return code;
}

const struct lcl_command cmd_tune = { "tune", "find the fastest kernel parameters on a device",
                                      run };
