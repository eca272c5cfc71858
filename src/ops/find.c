/* See find.h. */
#include "ops/find.h"

#include <stdatomic.h>
#include <math.h>

/* Seconds that a context may measure in all, and that a candidate runs in a round. */
static const double QUICK = 10, ROUND = 0.02;

/* The winner has to be this much faster than what is taken without measuring. */
static const double LEAD = 0.9;

/* Less arithmetic takes no longer than starting a kernel, whatever the implementation. */
static const double LEAST_FLOPS = 1e6;

enum { ROUNDS = 3 };

lcl_finder lcl__finder(lcl_find mode) {
  return (lcl_finder) { .mode = mode, .left = mode == LCL_FIND_FULL ? 1e30 : QUICK };
}

bool lcl__find_mode(const char *word, lcl_find *mode) {
  static const char *const words[] = {
    [LCL_FIND_OFF] = "off", [LCL_FIND_QUICK] = "quick", [LCL_FIND_FULL] = "full"
  };
  for (int i = 0; i < (int)LCL_COUNT(words); i++)
    if (strcmp(word, words[i]) == 0) return *mode = (lcl_find)i, true;
  return false;
}

/* ---- one problem ---- */

typedef struct search {
  lcl_trial trial;
  float *want; /* the usual choice's result */
  double end;
  lcl_record best;
  double other; /* of the fastest other implementation; best.runner_up is its name */
} search;

/* Whether the result is the usual choice's; both are NaN where nothing is written. */
static bool agrees(const search *s, const lcl_choice *c) {
  const size_t n = s->trial.p->bytes[2] / sizeof(float);
  const double bound = lcl__trial_bound(&s->trial, c) +
                       lcl__trial_bound(&s->trial, &s->trial.p->usual);
  for (size_t i = 0; i < n; i++) {
    const double got = s->trial.c[i], want = s->want[i];
    if (!(fabs(got - want) <= bound) && !(isnan(got) && isnan(want))) return false;
  }
  return true;
}

/* Seconds of a candidate, or 1e30 where it fails or differs. */
static double try_candidate(search *s, const lcl_choice *c) {
  double seconds = 1e30;
  lcl_status st = lcl__trial_compute(&s->trial, c);
  if (st == LCL_OK && !agrees(s, c))
    st = lcl__fail(LCL_ERR_NUMERIC, "its result differs from %s's",
                   s->trial.p->usual.implementation->name);
  if (st == LCL_OK) st = lcl__trial_time(&s->trial, ROUND, s->best.seconds, &seconds);
  if (st == LCL_OK) return seconds;
  lcl__logf(st == LCL_ERR_NUMERIC ? LCL_LOG_WARN : LCL_LOG_INFO, "%s: %s is not used: %s",
            s->trial.p->key, c->implementation->name, lcl_error_message());
  return 1e30;
}

static void take(search *s, const lcl_choice *c, double seconds) {
  lcl_record *best = &s->best;
  const bool wins = seconds < best->seconds;
  const double second = wins ? best->seconds : seconds;
  const char *name = (wins ? &best->choice : c)->implementation->name;
  if (second < best->other_seconds) {
    best->other_seconds = second;
    snprintf(best->runner_up, sizeof best->runner_up, "%s", name);
  }
  if (wins) best->choice = *c, best->seconds = seconds;
}

/* On a machine that does other things too, the best of many is also the luckiest: it has to win
 * again, in turn with the usual choice. */
static void confirm(search *s) {
  const lcl_choice *usual = &s->trial.p->usual, winner = s->best.choice;
  double seconds[2] = { 1e30, 1e30 };
  if (lcl__choice_equal(&winner, usual)) return;
  for (int round = 0; round < ROUNDS; round++)
    for (int i = 0; i < 2; i++)
      seconds[i] = LCL_MIN(seconds[i], try_candidate(s, i ? &winner : usual));
  const bool wins = seconds[1] < LEAD * seconds[0];
  s->best.choice = wins ? winner : *usual;
  s->best.seconds = seconds[wins];
  s->best.other_seconds = seconds[!wins];
  snprintf(s->best.runner_up, sizeof s->best.runner_up, "%s",
           (wins ? usual : &winner)->implementation->name);
}

/* The usual choice first: its result is what others' must be. */
static lcl_status measure_usual(search *s) {
  const lcl_trial_problem *p = s->trial.p;
  LCL_TRY(lcl__trial_compute(&s->trial, &p->usual));
  s->want = lcl__alloc(LCL_MAX(p->bytes[2], 4));
  if (!s->want) return LCL_ERR_HOST_MEMORY;
  memcpy(s->want, s->trial.c, p->bytes[2]);
  s->best = (lcl_record) {
    .choice = p->usual, .source = LCL_RECORD_FIND, .seconds = 1e30, .other_seconds = 1e30
  };
  return lcl__trial_time(&s->trial, ROUND, 1e30, &s->best.seconds);
}

static lcl_status search_all(lcl_context *ctx, search *s) {
  const lcl_trial_problem *p = s->trial.p;
  const lcl_caps *caps = lcl__context_caps(ctx);
  LCL_TRY(measure_usual(s));
  for (const lcl_implementation *const *im = p->kind->list; *im && lcl__now() < s->end; im++) {
    if (*im == p->usual.implementation || !p->kind->supported(*im, caps, &p->as)) continue;
    const lcl_choice c = lcl__kind_start(p->kind, *im, caps, &p->as);
    take(s, &c, try_candidate(s, &c));
  }
  confirm(s);
  if (s->best.other_seconds == 1e30) s->best.other_seconds = 0;
  return LCL_OK;
}

/* ---- what waits ---- */

static bool has_rivals(const lcl_trial_problem *p, const lcl_caps *caps) {
  int n = 0;
  for (const lcl_implementation *const *im = p->kind->list; *im; im++)
    n += p->kind->supported(*im, caps, &p->as);
  return n > 1;
}

static bool settled(const lcl_finder *f, const lcl_record *known) {
  if (!known) return false;
  const bool measured = known->source == LCL_RECORD_TUNE || known->source == LCL_RECORD_FIND ||
                        known->source == LCL_RECORD_SET;
  return measured || f->mode != LCL_FIND_FULL;
}

/* Whether records of this device can be kept; if not, nothing is measured, at every start anew. The
 * first problem that waits asks for all. */
static bool can_keep(lcl_finder *f, lcl_context *ctx) {
  if (f->said || f->waiting.n) return true;
  lcl_str path = { 0 };
  const bool wanted = lcl__tuning_path(ctx, &path);
  lcl__str_free(&path);
  if (!wanted) return false;
  if (lcl__tuning_check(ctx) == LCL_OK) return true;
  lcl__logf(LCL_LOG_WARN,
            "%s; algorithms of new sizes are not measured (LATENTCL_TUNING names another folder)",
            lcl_error_message());
  f->mode = LCL_FIND_OFF;
  return false;
}

bool lcl__find_wait(lcl_finder *f, lcl_lower *lw, const lcl_problem *problem,
                    const lcl_record *known) {
  if (f->mode == LCL_FIND_OFF || f->running || settled(f, known) || problem->flops < LEAST_FLOPS)
    return false;
  for (size_t i = 0; i < f->waiting.n; i++)
    if (strcmp(f->waiting.data[i].p.key, problem->key) == 0)
      return f->waiting.data[i].flops += problem->flops, true;
  const lcl_unmeasured one = { lcl__trial_problem_of(lw, problem), problem->flops };
  return has_rivals(&one.p, lcl__lower_caps(lw)) && can_keep(f, lcl__lower_context(lw)) &&
         LCL_PUSH(&f->waiting, one);
}

/* ---- all of it ---- */

static atomic_bool quietly;

void lcl__find_quietly(void) {
  atomic_store(&quietly, true);
}

static void announce(lcl_context *ctx, lcl_finder *f) {
  lcl_str path = { 0 };
  if (!f->said && !atomic_load(&quietly) && lcl__tuning_path(ctx, &path))
    lcl__logf(LCL_LOG_WARN,
              "sizes that are new to this device: measuring their algorithms once%s, kept in %s "
              "(--find off or LATENTCL_FIND=off: not)",
              f->mode == LCL_FIND_QUICK ? ", some 10 s" : "", path.data);
  f->said = true;
  lcl__str_free(&path);
}

static lcl_status measure(lcl_context *ctx, const lcl_trial_problem *p, double budget,
                          lcl_record *found) {
  search s = { .end = lcl__now() + budget };
  lcl_status st = lcl__trial_open(ctx, p, &s.trial);
  if (st == LCL_OK) st = search_all(ctx, &s);
  if (st == LCL_OK) *found = s.best;
  lcl__trial_close(&s.trial);
  lcl__free(s.want);
  return st;
}

static void keep(lcl_context *ctx, const char *key, const lcl_record *r) {
  if (lcl__tuning_save(ctx, key, r) != LCL_OK) lcl__logf(LCL_LOG_INFO, "%s", lcl_error_message());
}

/* Where the time is over or nothing can be measured, what is taken now is kept: later processes
 * compute the same bits. It is kept before anything runs: where a driver ends the process, the next
 * start does without that search. */
static void settle(lcl_finder *f, lcl_context *ctx, const lcl_trial_problem *p) {
  lcl_record r = { .choice = p->usual, .source = LCL_RECORD_DEFAULT };
  keep(ctx, p->key, &r);
  if (f->left <= 0) return;
  if (measure(ctx, p, f->left, &r) == LCL_OK)
    keep(ctx, p->key, &r);
  else
    lcl__logf(LCL_LOG_INFO, "%s: nothing found: %s", p->key, lcl_error_message());
}

static int heavier(const void *a, const void *b) {
  const double x = ((const lcl_unmeasured *)a)->flops, y = ((const lcl_unmeasured *)b)->flops;
  return x != y ? (x < y) - (x > y)
                : strcmp(((const lcl_unmeasured *)a)->p.key, ((const lcl_unmeasured *)b)->p.key);
}

void lcl__find_all(lcl_finder *f, lcl_context *ctx) {
  if (!f->waiting.n) return;
  qsort(f->waiting.data, f->waiting.n, sizeof *f->waiting.data, heavier);
  if (f->left > 0) announce(ctx, f);
  lcl_profile *aside = lcl__profile_set_aside(ctx, NULL);
  f->running = true;
  for (size_t i = 0; i < f->waiting.n; i++) {
    const double start = lcl__now();
    settle(f, ctx, &f->waiting.data[i].p);
    f->left -= lcl__now() - start;
  }
  f->running = false;
  lcl__profile_set_aside(ctx, aside);
  f->waiting.n = 0;
}
