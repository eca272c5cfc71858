/* Learning-rate range test: L. N. Smith, "Cyclical Learning Rates for Training Neural Networks"
 * (2017), section 3.3. The rate grows from step to step by a factor; where the loss falls fastest
 * is a good rate to begin with, where it rises is beyond the largest. */
#include <math.h>

#include "base/page.h"
#include "latentcl/version.h"
#include "train/report.h"
#include "train/trainer.h"

enum { STEPS = 120, REACH = 6 };                   /* steps in all; smoothed over 2 REACH + 1 */
static const double lowest = 1e-7, highest = 10.0; /* rates */

typedef struct range {
  int n;
  double rate[STEPS], loss[STEPS], smooth[STEPS];
  const char *ended; /* why before the highest rate, or NULL */
  int best;          /* step whose rate is suggested; -1: none */
} range;

/* Weights fall off to both sides, so that the curve is not late. */
static void smooth(range *r) {
  for (int i = 0; i < r->n; i++) {
    double sum = 0, weights = 0;
    for (int k = LCL_MAX(i - REACH, 0); k <= LCL_MIN(i + REACH, r->n - 1); k++) {
      const double w = REACH + 1 - abs(k - i);
      sum += w * r->loss[k];
      weights += w;
    }
    r->smooth[i] = sum / weights;
  }
}

/* The rate at which the smoothed loss falls fastest, before its lowest point. What falls by less
 * than the steps differ anyway is no fall. */
static void suggest(range *r) {
  int low = 0;
  double steepest = 0, noise = 0;
  smooth(r);
  for (int i = 0; i < r->n; i++)
    if (r->smooth[i] < r->smooth[low]) low = i;
  for (int i = 0; i <= low; i++) noise += fabs(r->loss[i] - r->smooth[i]) / (low + 1);
  r->best = -1;
  if (r->smooth[0] - r->smooth[low] <= 2 * noise) return;
  for (int i = 1; i < low; i++) {
    const double slope = r->smooth[i + 1] - r->smooth[i - 1];
    if (slope < steepest) steepest = slope, r->best = i;
  }
}

/* Far above where it began, by what it fell or by its size. */
static bool diverged(const range *r) {
  double lo = r->loss[0], first = 0;
  const int early = LCL_MIN(r->n, 5);
  for (int i = 0; i < early; i++) first += r->loss[i] / early;
  for (int i = 0; i < r->n; i++) lo = LCL_MIN(lo, r->loss[i]);
  return r->n > early && r->loss[r->n - 1] > first + 3 * LCL_MAX(first - lo, fabs(first) / 3);
}

static lcl_status sweep(lcl_trainer *t, range *r) {
  double mean[LCL_TRAIN_VALUES];
  for (int i = 0; i < STEPS; i++) {
    t->given_lr = lowest * pow(highest / lowest, i / (STEPS - 1.0));
    LCL_TRY(lcl__trainer_step(t));
    const lcl_status s = lcl__trainer_flush(t, mean);
    if (s != LCL_OK && s != LCL_ERR_NUMERIC) return s;
    if (s == LCL_ERR_NUMERIC || !isfinite(mean[0])) {
      r->ended = "the loss was not finite";
      break;
    }
    r->rate[r->n] = t->given_lr;
    r->loss[r->n++] = mean[0];
    char text[96];
    lcl__snprintf(text, sizeof text, "rate %.3g  loss %.4g", t->given_lr, mean[0]);
    lcl__progress_bar(&t->progress, (i + 1.0) / STEPS, text);
    if (t->d->interrupted && t->d->interrupted())
      return lcl__fail(LCL_ERR_INTERRUPTED, "stopped after step %d; nothing is written", i + 1);
    if (diverged(r)) {
      r->ended = "the loss diverged";
      break;
    }
    if (t->at.epoch_step == t->steps_per_epoch) t->at.epoch_step = 0;
  }
  if (r->n < 2 * REACH)
    return lcl__fail(LCL_ERR_NUMERIC, "after %d steps, at a rate of %.3g, %s: too few to tell",
                     r->n, t->given_lr, r->ended);
  suggest(r);
  return LCL_OK;
}

/* ---- files ---- */

static lcl_status write_file(const char *folder, const char *name, const char *text, size_t n) {
  char *path = lcl__path_join(folder, name);
  const lcl_status s = path ? lcl__file_write_atomic(path, text, n) : LCL_ERR_HOST_MEMORY;
  lcl__free(path);
  return s;
}

static lcl_status write_json(const lcl_trainer *t, const range *r) {
  cJSON *j = cJSON_CreateObject();
  char seed[24];
  snprintf(seed, sizeof seed, "%llu", (unsigned long long)t->s->seed);
  cJSON_AddStringToObject(j, "latentcl", LCL_VERSION_STRING);
  cJSON_AddStringToObject(j, "model", t->s->cls->name);
  cJSON_AddStringToObject(j, "seed", seed);
  if (r->best >= 0)
    cJSON_AddNumberToObject(j, "suggestion", r->rate[r->best]);
  else
    cJSON_AddNullToObject(j, "suggestion");
  if (r->ended) cJSON_AddStringToObject(j, "ended", r->ended);
  cJSON_AddItemToObject(j, "rates", cJSON_CreateDoubleArray(r->rate, r->n));
  cJSON_AddItemToObject(j, "losses", cJSON_CreateDoubleArray(r->loss, r->n));
  cJSON_AddItemToObject(j, "smoothed", cJSON_CreateDoubleArray(r->smooth, r->n));
  char *text = lcl__json_print(j, true);
  cJSON_Delete(j);
  const lcl_status s = text ? write_file(t->folder, "find-lr.json", text, strlen(text))
                            : LCL_ERR_HOST_MEMORY;
  free(text);
  return s;
}

static lcl_status write_page(const lcl_trainer *t, const range *r) {
  lcl_str o = { 0 };
  const lcl_series series[] = { { "each step", "s2 dashed", r->rate, r->loss, r->n },
                                { "smoothed", "s1", r->rate, r->smooth, r->n } };
  lcl__page_begin(&o, "LatentCL learning rates");
  lcl__str_html(&o, "<header><p>LatentCL learning-rate range test</p><h1>%s</h1>", t->s->cls->name);
  if (r->best >= 0)
    lcl__str_html(&o, "<p>The loss falls fastest at a rate of %.2g.</p></header>",
                  r->rate[r->best]);
  else
    lcl__str_html(&o, "<p>The loss fell at no rate.</p></header>");
  lcl__str_html(&o, "<h2>Loss of %d steps, each at a higher rate</h2>", r->n);
  if (r->ended) lcl__str_html(&o, "<p>Ended because %s.</p>", r->ended);
  lcl__str_html(&o, "<div class=charts>");
  lcl__chart_svg(&o, &(lcl_chart) { .title = "Training loss",
                                    .x_label = "learning rate",
                                    .log_x = true,
                                    .series = series,
                                    .n = 2,
                                    .mark = r->best >= 0 ? r->rate[r->best] : 0,
                                    .mark_label = "suggestion" });
  lcl__str_html(&o, "</div>");
  lcl__page_end(&o);
  const lcl_status s = lcl__str_ok(&o) ? write_file(t->folder, "find-lr.html", o.data, o.n)
                                       : LCL_ERR_HOST_MEMORY;
  lcl__str_free(&o);
  return s;
}

lcl_status lcl_find_rate(lcl_context *ctx, const lcl_train_desc *desc, lcl_rate_result *result) {
  LCL_NEED(ctx, desc, result);
  lcl_trainer t;
  range r = { .best = -1 };
  memset(result, 0, sizeof *result);
  if (!desc->model) return lcl__fail(LCL_ERR_ARGUMENT, "no model was named");
  if (desc->resume || desc->trace || desc->max_steps || desc->check_numerics)
    return lcl__fail(LCL_ERR_ARGUMENT, "rates are found without resume, trace, max_steps and "
                                       "check_numerics: no run is made");
  lcl_status s = lcl__trainer_open_bare(&t, ctx, desc);
  if (s == LCL_OK) s = sweep(&t, &r);
  if (s == LCL_OK) s = write_json(&t, &r);
  if (s == LCL_OK) s = write_page(&t, &r);
  lcl__snprintf(result->out, sizeof result->out, "%s", t.folder);
  result->rate = r.best >= 0 ? r.rate[r.best] : 0;
  result->steps = r.n;
  lcl__trainer_close(&t);
  return s;
}
