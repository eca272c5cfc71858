/* How many queues a list uses. Where the context leaves it open, the first runs of a list are timed
 * on one queue and on more, in turn, and the fastest is kept: in the context, and in the cache for
 * later processes. The results are the same bits on any number of queues. */
#include <math.h>

#include "base/text.h"
#include "device/cache.h"
#include "device/list.h"

/* Times of each placement; a first run, which may compile, does not count. Shorter lists have
 * nothing to spread. */
enum { ROUNDS = 7, LEAST_LAUNCHES = 8 };

/* More queues have to be this much faster. */
static const double LEAD = 0.98;

struct lcl_spread {
  char key[33];
  int runs;                               /* so far; SETTLED: measured */
  double seconds[LCL_PLACEMENTS][ROUNDS]; /* the first is the median once it is measured */
  int best;
};
enum { SETTLED = LCL_PLACEMENTS * (ROUNDS + 1) };

/* ---- what is known ---- */

static void choose(lcl_spread *s, int n) {
  s->best = 0;
  for (int k = 1; k < n; k++)
    if (s->seconds[k][0] < LEAD * s->seconds[0][0] && s->seconds[k][0] < s->seconds[s->best][0])
      s->best = k;
  s->runs = SETTLED;
}

/* The median seconds of n placements from an entry of the cache. */
static bool recall(lcl_spread *s, int n) {
  size_t bytes;
  char *data = lcl__cache_note(s->key, &bytes);
  if (!data) return false;
  const char *at = data;
  int got = 0;
  for (char *end; got < n; got++, at = end) {
    const double v = lcl__strtod(at, &end);
    if (end == at || !(v > 0 && v < 1e9)) break;
    s->seconds[got][0] = v;
  }
  lcl__free(data);
  if (got == n) choose(s, n);
  return got == n;
}

static void remember(const lcl_spread *s, int n) {
  lcl_str text = { 0 };
  for (int k = 0; k < n; k++) lcl__str_add(&text, "%.6g ", s->seconds[k][0]);
  if (lcl__str_ok(&text)) lcl__cache_put(s->key, LCL_CACHE_NOTE, text.data, text.n);
  lcl__str_free(&text);
}

/* What a list's times depend on: device, driver, launches, placements. */
static lcl_status make_key(const lcl_list *list, char key[33]) {
  lcl_str all = { 0 };
  lcl__str_add(&all, "queues\n%u\n", list->ctx->caps.compute_units);
  for (int k = 0; k < list->n_placements; k++)
    lcl__str_add(&all, "%d ", list->placement[k].n_queues);
  for (size_t i = 0; i < list->items.n; i++) {
    const lcl_launch *l = &list->items.data[i].launch;
    lcl__str_add(&all, "\n%s %s %zu %zu %zu", l->label, l->kernel ? l->kernel : "", l->global[0],
                 l->global[1], l->global[2]);
  }
  const bool ok = lcl__str_ok(&all) && lcl__driver_key(list->ctx, all.data, key);
  lcl__str_free(&all);
  return ok ? LCL_OK : LCL_ERR_HOST_MEMORY;
}

/* A list that is bound anew, or compiled again, goes on where its like was. */
static lcl_status find_spread(lcl_list *list) {
  lcl_spreads *all = &list->ctx->spreads;
  lcl_spread s = { 0 };
  LCL_TRY(make_key(list, s.key));
  for (list->spread = 0; list->spread < all->n; list->spread++)
    if (strcmp(all->data[list->spread].key, s.key) == 0) return LCL_OK;
  recall(&s, list->n_placements);
  return LCL_PUSH(all, s) ? LCL_OK : LCL_ERR_HOST_MEMORY;
}

/* ---- placements ---- */

static lcl_status place(lcl_list *list, int n_queues) {
  lcl_placement *p = &list->placement[list->n_placements++];
  p->n_queues = n_queues;
  LCL_TRY(lcl__list_place(list, p));
  return LCL_OK;
}

static lcl_status make_room(lcl_list *list) {
  size_t longest = LCL_MAX_QUEUES;
  for (int k = 0; k < list->n_placements; k++)
    for (size_t i = 0; i < list->items.n; i++)
      longest = LCL_MAX(longest, list->placement[k].place[i].n_wait);
  list->wait_events = lcl__alloc(longest * sizeof(cl_event));
  return list->wait_events ? LCL_OK : LCL_ERR_HOST_MEMORY;
}

lcl_status lcl__list_spread(lcl_list *list) {
  const lcl_context *ctx = list->ctx;
  LCL_TRY(place(list, ctx->queues_open ? 1 : ctx->n_queues));
  for (int n = 2; ctx->queues_open && list->items.n >= LEAST_LAUNCHES && n <= ctx->n_queues;
       n *= 2) {
    LCL_TRY(place(list, n));
    lcl_placement *p = &list->placement[list->n_placements - 1];
    if (p->used[n - 1]) continue;
    lcl__placement_free(p); /* as good as on fewer */
    list->n_placements--;
  }
  if (list->n_placements > 1) LCL_TRY(find_spread(list));
  return make_room(list);
}

/* ---- runs ---- */

static lcl_spread *spread_of(const lcl_list *list) {
  return list->n_placements > 1 ? &list->ctx->spreads.data[list->spread] : NULL;
}

static const lcl_placement *best_of(const lcl_list *list) {
  const lcl_spread *s = spread_of(list);
  return &list->placement[s && s->runs == SETTLED ? s->best : 0];
}

static int smaller(const void *a, const void *b) {
  const double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

static void settle(lcl_spread *s, int n) {
  for (int k = 0; k < n; k++) {
    qsort(s->seconds[k], ROUNDS, sizeof(double), smaller);
    s->seconds[k][0] = s->seconds[k][ROUNDS / 2];
  }
  choose(s, n);
  remember(s, n);
}

static lcl_status run_measured(lcl_list *list, lcl_spread *s) {
  const int n = list->n_placements, k = s->runs % n, round = s->runs / n - 1;
  LCL_TRY(lcl_context_finish(list->ctx));
  const double start = lcl__now();
  LCL_TRY(lcl__list_run_placed(list, &list->placement[k]));
  LCL_TRY(lcl_context_finish(list->ctx));
  if (round >= 0) s->seconds[k][round] = lcl__now() - start;
  if (++s->runs == n * (ROUNDS + 1)) settle(s, n);
  return LCL_OK;
}

lcl_status lcl__list_run_spread(lcl_list *list, bool no_wait) {
  lcl_spread *s = spread_of(list);
  if (s && s->runs != SETTLED && !no_wait) return run_measured(list, s);
  return lcl__list_run_placed(list, best_of(list));
}

int lcl__list_unsettled(const lcl_list *list) {
  const lcl_spread *s = spread_of(list);
  return s && s->runs != SETTLED ? list->n_placements * (ROUNDS + 1) - s->runs : 0;
}

/* ---- for people ---- */

double lcl__list_seconds(const lcl_list *list, int placement) {
  const lcl_spread *s = spread_of(list);
  return s && s->runs == SETTLED && placement < list->n_placements ? s->seconds[placement][0] : 0;
}

int lcl__list_queue(const lcl_list *list, size_t launch) {
  return best_of(list)->place[launch].queue;
}

void lcl__list_describe(const lcl_list *list, lcl_str *out) {
  const lcl_spread *s = spread_of(list);
  const lcl_placement *best = best_of(list);
  size_t count[LCL_MAX_QUEUES] = { 0 };
  for (size_t i = 0; i < list->items.n; i++) count[best->place[i].queue]++;
  lcl__str_add(out, "%d queue%s (", best->n_queues, best->n_queues == 1 ? "" : "s");
  for (int q = 0; q < best->n_queues; q++) lcl__str_add(out, "%s%zu", q ? " + " : "", count[q]);
  lcl__str_add(out, " launch%s, %zu wait%s between them)", list->items.n == 1 ? "" : "es",
               best->waits.n, best->waits.n == 1 ? "" : "s");
  if (!s)
    lcl__str_add(out,
                 list->ctx->queues_open ? ": the launches depend on each other" : ": as asked for");
  else if (s->runs != SETTLED)
    lcl__str_add(out, ": the first runs will measure how many are fastest");
  double t;
  for (int k = 0; (t = lcl__list_seconds(list, k)) > 0; k++)
    lcl__str_add(out, k ? ", %d: %.3f ms (%.2f x)" : "; measured on %d: %.3f ms",
                 list->placement[k].n_queues, t * 1e3, lcl__list_seconds(list, 0) / t);
  lcl__str_add(out, "\n");
}
