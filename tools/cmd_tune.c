/* latentcl tune: finds the fastest algorithm and kernel parameters for the GEMMs of a workload
 * on this device.
 *
 * Candidates run in a child process (the same command with --worker), because a driver's compiler
 * may crash or hang: the parent gives each one a time limit, and starts a new child when the old
 * one died. Parent and child talk in lines: child:  "problem KEY v0 ... v9" for each, then "ready"
 * parent: "try INDEX v0 ... v9" child: "ok SECONDS", "wrong MESSAGE" or "failed MESSAGE" */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/text.h"
#include "bench/tune.h"
#include "cli.h"

enum { VALUES = LCL_TUNING_VALUES, NEIGHBOURS = 48, KEY = 160 };

/* ---- child ---- */

static bool read_values(const char *text, int v[VALUES]) {
  for (int i = 0; i < VALUES; i++) {
    char *end;
    v[i] = (int)strtol(text, &end, 10);
    if (end == text) return false;
    text = end;
  }
  return true;
}

static void print_values(FILE *f, const int v[VALUES]) {
  for (int i = 0; i < VALUES; i++) fprintf(f, " %d", v[i]);
  fputc('\n', f);
}

static int worker(const char *name, const char *device) {
  lcl_context *ctx;
  lcl_tune_problem *problems;
  size_t n;
  char line[512];
  if (lcl_context_create(&(lcl_context_desc) { .device = device }, &ctx) != LCL_OK ||
      lcl_tune_collect(ctx, name, &problems, &n) != LCL_OK) {
    printf("error %s\n", lcl_error_message());
    return CLI_FAILED;
  }
  for (size_t i = 0; i < n; i++) {
    printf("problem %s |", problems[i].key);
    print_values(stdout, problems[i].standard);
  }
  printf("ready\n");
  fflush(stdout);
  while (fgets(line, sizeof line, stdin)) {
    int values[VALUES];
    char *rest;
    size_t i = strtoul(line + 4, &rest, 10);
    double seconds = 0;
    if (strncmp(line, "try ", 4) != 0 || i >= n || !read_values(rest, values)) break;
    lcl_status st = lcl_tune_measure(ctx, &problems[i], values, &seconds);
    if (st == LCL_OK)
      printf("ok %.9g\n", seconds);
    else
      printf("%s %s\n", st == LCL_ERR_NUMERIC ? "wrong" : "failed", lcl_error_message());
    fflush(stdout);
  }
  lcl_free(problems);
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

static bool child_start(child *c, const char *name, const char *device) {
  int down[2], up[2];
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
    execl("/proc/self/exe", "latentcl", "tune", "--worker", name, "--device", device ? device : "",
          (char *)NULL);
    _exit(127);
  }
  close(down[0]);
  close(up[1]);
  *c = (child) { .pid = pid, .to = down[1], .from = up[0] };
  return true;
}

/* The next line of the child, without its end; false when it died, hung, or the user stopped us. */
static bool child_line(child *c, double limit, char *line, size_t size) {
  double end = lcl_now() + limit;
  for (;;) {
    char *nl = memchr(c->buffer, '\n', c->n);
    if (nl) {
      size_t n = (size_t)(nl - c->buffer);
      snprintf(line, size, "%.*s", (int)n, c->buffer);
      c->n -= n + 1;
      memmove(c->buffer, nl + 1, c->n);
      return true;
    }
    double left = end - lcl_now();
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
  int standard[VALUES];
} problem;

typedef struct tuner {
  const char *name, *device;
  child c;
  struct {
    problem *data;
    size_t n, cap;
  } problems;
  double limit; /* seconds a candidate may take */
  int tried, wrong, failed, died;
} tuner;

static int tuner_start(tuner *t) {
  char line[512];
  if (!child_start(&t->c, t->name, t->device))
    return cli_fail("cannot start a child process: %s", strerror(errno));
  t->problems.n = 0;
  while (child_line(&t->c, 600, line, sizeof line)) {
    problem p;
    char *bar = strchr(line, '|');
    if (strcmp(line, "ready") == 0) return CLI_OK;
    if (strncmp(line, "error ", 6) == 0) return cli_fail("%s", line + 6);
    if (strncmp(line, "problem ", 8) != 0 || !bar || !read_values(bar + 1, p.standard)) continue;
    snprintf(p.key, sizeof p.key, "%.*s", (int)(bar - line - 9), line + 8);
    if (!LCL_PUSH(&t->problems, p)) return cli_fail("out of memory");
  }
  return cli_stopped() ? CLI_FAILED
                       : cli_fail("the child process that compiles \"%s\" stopped", t->name);
}

/* Seconds of a candidate; < 0: wrong, refused, or it took the child down (which is replaced). */
static double attempt(tuner *t, size_t i, const int v[VALUES]) {
  char text[256], line[512];
  int n = snprintf(text, sizeof text, "try %zu", i);
  for (int k = 0; k < VALUES; k++) n += snprintf(text + n, sizeof text - (size_t)n, " %d", v[k]);
  text[n++] = '\n';
  t->tried++;
  if (write(t->c.to, text, (size_t)n) == n && child_line(&t->c, t->limit, line, sizeof line)) {
    if (strncmp(line, "ok ", 3) == 0) return lcl_strtod(line + 3, NULL);
    if (strncmp(line, "wrong ", 6) == 0) {
      t->wrong++;
      printf("%s: values", t->problems.data[i].key);
      for (int k = 0; k < VALUES; k++) printf(" %d", v[k]);
      printf(" give a wrong result (%s); they are not used\n", line + 6);
    } else {
      t->failed++;
    }
    return -1;
  }
  child_stop(&t->c);
  if (cli_stopped()) return -1;
  t->died++;
  return tuner_start(t) == CLI_OK ? -1 : -2;
}

/* On a machine that does other things too, the best of many is also the luckiest: it has to win
 * again, in turn with the standard choice. */
static int confirm(tuner *t, size_t i, double *standard, lcl_tuning_entry *best) {
  const int *usual = t->problems.data[i].standard;
  if (memcmp(usual, best->values, sizeof best->values) == 0 || *standard < 0 || cli_stopped())
    return CLI_OK;
  double a = 1e30, b = 1e30;
  for (int r = 0; r < 3 && !cli_stopped(); r++) {
    const double x = attempt(t, i, usual), y = attempt(t, i, best->values);
    if (x == -2 || y == -2) return CLI_FAILED;
    if (x > 0) a = x < a ? x : a;
    if (y > 0) b = y < b ? y : b;
  }
  *standard = a;
  best->seconds = b;
  if (b < 0.97 * a) return CLI_OK;
  memcpy(best->values, usual, sizeof best->values);
  best->seconds = a;
  return CLI_OK;
}

/* Coordinate descent: from the best so far, every neighbour; again from the new best until nothing
 * improves. */
static int tune_problem(tuner *t, const lcl_caps *caps, const lcl_tune_problem *shape, size_t i,
                        double end, lcl_tuning_entry *best) {
  int list[NEIGHBOURS][VALUES];
  const problem *p = &t->problems.data[i];
  double standard = attempt(t, i, p->standard);
  if (standard == -2 || cli_stopped()) return CLI_FAILED;
  memcpy(best->values, p->standard, sizeof best->values);
  best->seconds = standard < 0
                      ? 1e30
                      : standard; /* a choice that fails is better replaced by any that works */
  size_t n = lcl_tune_starts(caps, shape, list, NEIGHBOURS);
  for (int round = 0; round < 4; round++) {
    int from[VALUES];
    memcpy(from, best->values, sizeof from);
    n += lcl_tune_neighbours(shape, from, list + n, NEIGHBOURS - n);
    for (size_t k = 0; k < n && !cli_stopped() && lcl_now() < end; k++) {
      double s = attempt(t, i, list[k]);
      if (s == -2) return CLI_FAILED;
      if (s > 0 && s < 0.97 * best->seconds) { /* less than that is noise */
        best->seconds = s;
        memcpy(best->values, list[k], sizeof best->values);
      }
    }
    n = 0;
    if (memcmp(from, best->values, sizeof from) == 0 || cli_stopped() || lcl_now() >= end) break;
  }
  if (confirm(t, i, &standard, best) != CLI_OK) return CLI_FAILED;
  if (isatty(2)) fprintf(stderr, "\r\033[K");
  if (best->seconds == 1e30)
    printf("%s: nothing works here\n", p->key);
  else
    printf("%-70s %9.3f ms -> %9.3f ms  %5.2fx\n", p->key, standard * 1e3, best->seconds * 1e3,
           standard / best->seconds);
  fflush(stdout);
  return CLI_OK;
}

static int tune_name(lcl_context *ctx, const char *name, const char *device, double end,
                     bool again) {
  tuner t = { .name = name, .device = device, .limit = 60 };
  const lcl_caps *caps = lcl_context_caps(ctx);
  int code = tuner_start(&t);
  printf("%s: %zu GEMMs and convolutions\n", name, code == CLI_OK ? t.problems.n : 0);
  for (size_t i = 0; code == CLI_OK && i < t.problems.n && !cli_stopped() && lcl_now() < end; i++) {
    lcl_tuning_entry best = { 0 };
    lcl_tune_problem shape;
    snprintf(best.key, sizeof best.key, "%s", t.problems.data[i].key);
    if (!again && lcl_tuning_measured(ctx, best.key)) continue;
    if (isatty(2)) fprintf(stderr, "\r\033[K%zu of %zu  %s ...", i + 1, t.problems.n, best.key);
    if (lcl_tune_shape(best.key, t.problems.data[i].standard, &shape) != LCL_OK)
      code = cli_error();
    else
      code = tune_problem(&t, caps, &shape, i, end, &best);
    if (code == CLI_OK && !cli_stopped() && best.seconds < 1e30 &&
        lcl_tuning_save(ctx, &best, 1) != LCL_OK)
      code = cli_error();
  }
  if (t.tried)
    printf("%s: %d candidates, %d refused by the driver, %d wrong, %d crashed or hung\n", name,
           t.tried, t.failed, t.wrong, t.died);
  child_stop(&t.c);
  lcl_free(t.problems.data);
  return cli_stopped() ? CLI_FAILED : code;
}

/* A suite of the benchmark, else a workload or a model. */
static int tune_argument(lcl_context *ctx, const char *name, const char *device, double end,
                         bool again) {
  int code = CLI_OK;
  bool suite = false;
  for (size_t i = 0; code == CLI_OK && i < lcl_bench_count(); i++) {
    lcl_bench_info b = lcl_bench_at(i);
    if (strcmp(b.suite, name) != 0) continue;
    suite = true;
    if (lcl_now() < end) code = tune_name(ctx, b.name, device, end, again);
  }
  return suite ? code : tune_name(ctx, name, device, end, again);
}

static int run(int argc, char **argv) {
  const char *device = NULL, *worker_of = NULL;
  double budget = 10;
  bool again = false;
  const cli_option table[] = {
    { "device", CLI_STRING, &device, "SEL", "which device" },
    { "budget", CLI_FLOAT, &budget, "MINUTES",
      "stop after this time (10); what was found so far is kept", "[0,1e6]" },
    { "again", CLI_FLAG, &again, NULL, "measure GEMMs again that are in the database" },
    { "worker", CLI_STRING, &worker_of, "NAME", "internal: run candidates for a parent process" },
    { NULL, CLI_FLAG, NULL, NULL, NULL },
  };
  int at, code = cli_parse(
              argc, argv, table, "tune [SUITE|WORKLOAD|MODEL|all]...",
              "Finds the fastest algorithm and kernel parameters for the GEMMs and "
              "convolutions of a suite or workload of the benchmark, a model's "
              "training step, or all (gemm, conv, steps), checks every candidate's result, and "
              "keeps the best in a database that is used "
              "from then on. Interrupting loses nothing; run it again to go on.",
              &at);
  if (code >= 0) return code;
  if (device && !*device) device = NULL;
  if (worker_of) return worker(worker_of, device);
  lcl_context *ctx;
  if (lcl_context_create(&(lcl_context_desc) { .device = device }, &ctx) != LCL_OK)
    return cli_error();
  lcl_str path = { 0 };
  if (!lcl_tuning_path(ctx, &path))
    code = cli_fail("there is no folder for the results: set LATENTCL_TUNING");
  else
    printf("device: %s\nresults: %s\n", lcl_context_device_name(ctx), path.data);
  cli_catch_stop();
  signal(SIGPIPE, SIG_IGN);
  double end = lcl_now() + budget * 60;
  bool all = at == argc || strcmp(argv[at], "all") == 0;
  code = code > 0 ? code : CLI_OK;
  static char *const everything[] = { "gemm", "conv", "steps" };
  if (all) argv = (char **)everything, at = 0, argc = 3;
  for (int i = at; code == CLI_OK && i < argc; i++)
    code = tune_argument(ctx, argv[i], device, end, again);
  if (cli_stopped()) {
    fprintf(stderr, "latentcl tune: stopped; run the same command again to go on\n");
    code = cli_stop_code();
  }
  lcl_str_free(&path);
  lcl_context_destroy(ctx);
  return code;
}

const struct lcl_command cmd_tune = { "tune", "find the fastest kernel parameters on a device",
                                      run };
