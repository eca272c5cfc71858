/* See tune_show.h. */
#include "tune_show.h"

#include <stdio.h>
#include <string.h>

#include "ops/choose.h"

/* Less is noise. */
static const double WORSE = 1.1;

static bool is_known(const tune_table *t, const char *key) {
  for (size_t i = 0; i < t->problems.n; i++)
    if (strcmp(t->problems.data[i].key, key) == 0) return true;
  return false;
}

lcl_status tune_table_add(tune_table *t, const char *name) {
  lcl_trial_problem *more;
  size_t n;
  lcl_status st = lcl__tune_collect(t->ctx, name, &more, &n);
  if (st != LCL_OK) return st;
  for (size_t i = 0; st == LCL_OK && i < n; i++)
    if (!is_known(t, more[i].key) && !LCL_PUSH(&t->problems, more[i]))
      st = lcl__fail(LCL_ERR_HOST_MEMORY, "out of memory");
  lcl__free(more);
  return st;
}

void tune_table_free(tune_table *t) {
  lcl__free(t->problems.data);
}

/* ---- a problem's row ---- */

typedef struct row {
  lcl_record record;
  const char *origin, *before; /* of the choice, and of what is taken without a record */
  double expected;             /* seconds by the cost model; 0: there is none */
} row;

static row row_of(const tune_table *t, const lcl_trial_problem *p) {
  const lcl_caps *caps = lcl__context_caps(t->ctx);
  const lcl_record without = { .choice = p->usual, .source = LCL_RECORD_DEFAULT };
  row r;
  lcl__choice_recorded(t->ctx, p->kind, p->key, &p->as, &r.record);
  if (r.record.source == LCL_RECORD_SHIPPED) /* measured on another device */
    r.record.seconds = r.record.usual_seconds = 0;
  r.origin = lcl__choice_origin(p->kind, caps, &p->as, &r.record);
  r.before = lcl__choice_origin(p->kind, caps, &p->as, &without);
  r.expected = p->kind->expected(caps, &p->as, &r.record.choice);
  return r;
}

static void print_microseconds(double seconds) {
  if (seconds > 0)
    printf(" %10.1f", seconds * 1e6);
  else
    printf(" %10s", "-");
}

static void print_row(const char *key, const row *r) {
  lcl_kernel_params params = r->record.choice.params;
  const lcl_implementation *im = r->record.choice.implementation;
  printf("%-84s %-8s", key, r->origin);
  print_microseconds(r->expected);
  print_microseconds(r->record.seconds);
  print_microseconds(r->record.usual_seconds);
  printf("  %s", im->name);
  for (int i = 0; i < im->n_params; i++)
    printf(" %s=%d", im->params[i].name, *lcl__kernel_param_in(&params, &im->params[i]));
  printf("\n");
}

/* How much slower the choice without a record was than the measured one; 0: not measured. */
static double behind(const row *r) {
  return r->record.seconds > 0 ? r->record.usual_seconds / r->record.seconds : 0;
}

void tune_table_print(const tune_table *t) {
  size_t measured = 0, worse = 0;
  printf("%-84s %-8s %10s %10s %10s  %s\n", "times in us", "origin", "model", "measured", "before",
         "choice");
  for (size_t i = 0; i < t->problems.n; i++) {
    const row r = row_of(t, &t->problems.data[i]);
    print_row(t->problems.data[i].key, &r);
    measured += behind(&r) > 0;
    worse += behind(&r) > WORSE;
  }
  if (!measured) return;
  printf("\n%zu of %zu measured: the choice without a record was more than 10 %% slower for %zu\n",
         measured, t->problems.n, worse);
  for (size_t i = 0; i < t->problems.n; i++) {
    const row r = row_of(t, &t->problems.data[i]);
    if (behind(&r) > WORSE)
      printf("  %-82s %5.2fx by the %s\n", t->problems.data[i].key, behind(&r), r.before);
  }
}

static void add_seconds(cJSON *o, const char *name, double seconds) {
  cJSON_AddItemToObject(o, name, seconds > 0 ? cJSON_CreateNumber(seconds) : cJSON_CreateNull());
}

cJSON *tune_table_json(const tune_table *t) {
  cJSON *list = cJSON_CreateArray();
  for (size_t i = 0; i < t->problems.n; i++) {
    const row r = row_of(t, &t->problems.data[i]);
    cJSON *o = cJSON_CreateObject();
    cJSON_AddItemToArray(list, o);
    cJSON_AddStringToObject(o, "problem", t->problems.data[i].key);
    cJSON_AddStringToObject(o, "origin", r.origin);
    cJSON_AddItemToObject(o, "choice", lcl__choice_to_json(&r.record.choice));
    add_seconds(o, "expected_seconds", r.expected);
    add_seconds(o, "seconds", r.record.seconds);
    add_seconds(o, "usual_seconds", r.record.usual_seconds);
  }
  return list;
}
