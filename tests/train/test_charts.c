/* What people read of a run. Charts of reports: text is escaped, curves have the points they
 * should, ticks are round. Lines and times while it goes on. */
#include "test.h"

#include <math.h>
#include <unistd.h>

#include "train/report.h"
#include "train/session.h"

static size_t count(const char *text, const char *what) {
  size_t n = 0;
  for (const char *p = text; (p = strstr(p, what)) != NULL; p += strlen(what)) n++;
  return n;
}

static char *draw(const lcl_chart *c) {
  lcl_str s = { 0 };
  lcl__chart_svg(&s, c);
  assert_true(lcl__str_ok(&s));
  return s.data;
}

static void escaping(void **state) {
  (void)state;
  static const double x[] = { 1, 2 }, y[] = { 3, 4 };
  const lcl_series series = { "<s>&\"", "s1", x, y, 2 };
  char *text = draw(&(lcl_chart) { .title = "<t>&\"",
                                   .x_label = "<x>&\"",
                                   .series = &series,
                                   .n = 1,
                                   .mark = 1.5,
                                   .mark_label = "<m>&\"" });
  static const char *const raw[] = { "<s>", "<t>", "<x>", "<m>", "&\"" };
  for (size_t i = 0; i < LCL_COUNT(raw); i++)
    if (strstr(text, raw[i])) fail_msg("%s is not escaped", raw[i]);
  assert_int_equal(count(text, "&lt;t&gt;&amp;&quot;"), 2); /* title and label of the chart */
  assert_int_equal(count(text, "&lt;s&gt;&amp;&quot;"), 3); /* legend, two points */
  assert_int_equal(count(text, "&lt;x&gt;&amp;&quot;"), 1);
  assert_int_equal(count(text, "&lt;m&gt;&amp;&quot;"), 1);
  lcl__free(text);
}

/* A value that is not finite lifts the pen and has no point. */
static void gaps(void **state) {
  (void)state;
  const double x[] = { 1, 2, 3, 4, 5 }, y[] = { 1, 2, NAN, 3, 4 };
  const lcl_series series = { "s", "s1", x, y, 5 };
  char *text = draw(&(lcl_chart) { .title = "t", .x_label = "x", .series = &series, .n = 1 });
  const char *path = strstr(text, " d=\"");
  assert_non_null(path);
  char d[300];
  snprintf(d, sizeof d, "%.*s", (int)strcspn(path + 4, "\""), path + 4);
  assert_int_equal(count(d, "M"), 2);
  assert_int_equal(count(d, "L"), 2);
  assert_int_equal(count(text, "<circle"), 4);
  assert_null(strstr(text, "nan"));
  lcl__free(text);
}

/* Of very many points some are left out, but never the last. */
static void many_points(void **state) {
  (void)state;
  enum { N = 1000 };
  double x[N], y[N];
  for (int i = 0; i < N; i++) x[i] = y[i] = i;
  y[N - 1] = 1e4;
  const lcl_series series = { "s", "s1", x, y, N };
  char *text = draw(&(lcl_chart) { .title = "t", .x_label = "x", .series = &series, .n = 1 });
  assert_non_null(strstr(text, "L546.0 14.0\"")); /* in the corner */
  assert_int_equal(count(strstr(text, " d=\""), "L"), 500);
  lcl__free(text);
}

/* The labels of the vertical axis. */
static int ticks_of(const char *text, double out[32]) {
  int n = 0;
  for (const char *p = text; (p = strstr(p, "text-anchor=end>")) != NULL && n < 32;) {
    char *end;
    p += strlen("text-anchor=end>");
    const double v = strtod(p, &end);
    if (end != p) out[n++] = v;
  }
  return n;
}

static void ticks(void **state) {
  (void)state;
  static const struct {
    double lo, hi, first, step;
    int n;
  } cases[] = {
    { 0, 1, 0, 0.2, 6 },    { 0, 5, 0, 1, 6 },
    { 0, 10, 0, 2, 6 },     { 0, 25, 0, 5, 6 },
    { 0, 35, 0, 10, 5 },    { -3, 4, -4, 2, 5 },
    { 90, 100, 90, 2, 6 },  { 0.005, 0.005, 0, 0.001, 6 },
    { -2, -2, -2, 0.5, 5 }, { 1000, 1000.5, 1000, 0.1, 6 },
  };
  for (size_t i = 0; i < LCL_COUNT(cases); i++) {
    const double x[] = { 1, 2 }, y[] = { cases[i].lo, cases[i].hi };
    const lcl_series series = { "s", "s1", x, y, 2 };
    double got[32];
    char *text = draw(&(lcl_chart) { .title = "t", .x_label = "x", .series = &series, .n = 1 });
    const int n = ticks_of(text, got);
    for (int k = 0; k < n; k++)
      if (n != cases[i].n || !(fabs(got[k] - cases[i].first - k * cases[i].step) <= 1e-6))
        fail_msg("%g to %g: tick %d of %d is %g", cases[i].lo, cases[i].hi, k, n, got[k]);
    assert_int_equal(n, cases[i].n);
    lcl__free(text);
  }
}

/* Values over more than a decade: 1, 2 and 5 times powers of ten, evenly spread. */
static void logarithmic(void **state) {
  (void)state;
  const double x[] = { 1, 2, 3 }, y[] = { 1, 10, 100 };
  const lcl_series series = { "s", "s1", x, y, 3 };
  double got[32], at[3];
  char *text = draw(&(lcl_chart) { .title = "t", .x_label = "x", .series = &series, .n = 1 });
  const double want[] = { 1, 2, 5, 10, 20, 50, 100 };
  assert_int_equal(ticks_of(text, got), LCL_COUNT(want));
  for (size_t i = 0; i < LCL_COUNT(want); i++) assert_true(got[i] == want[i]);
  const char *p = text;
  for (int i = 0; i < 3; i++) {
    p = strstr(p, " cy=") + 4;
    at[i] = strtod(p, NULL);
  }
  assert_true(fabs(at[0] - 2 * at[1] + at[2]) < 0.21 && at[0] > at[1] + 50);
  lcl__free(text);
}

/* Of very many epochs every second is kept, or every fourth, and the last one always. */
static void many_epochs(void **state) {
  (void)state;
  static const struct {
    int epochs, step;
  } cases[] = { { 8192, 1 }, { 8194, 2 }, { 20000, 4 }, { 20001, 4 } };
  char folder[] = "/tmp/latentcl-log-XXXXXX", path[64];
  assert_non_null(mkdtemp(folder));
  snprintf(path, sizeof path, "%s/log.jsonl", folder);
  lcl_log_set_level(LCL_LOG_OFF);
  for (size_t i = 0; i < LCL_COUNT(cases); i++) {
    const int n = cases[i].epochs, step = cases[i].step;
    lcl_history h = { 0 };
    FILE *f = fopen(path, "w");
    for (int e = 1; e <= n; e++) fprintf(f, "{\"event\":\"epoch\",\"epoch\":%d}\n", e);
    fclose(f);
    ASSERT_OK(lcl__history_read(folder, &h));
    assert_int_equal(h.epochs.n, (n - 2) / step + 2);
    for (size_t k = 0; k < h.epochs.n; k++)
      assert_true(lcl__json_number(h.epochs.data[k], "epoch") ==
                  (double)LCL_MIN(1 + (int)k * step, n));
    lcl__history_free(&h);
  }
  lcl_log_set_level(LCL_LOG_WARN);
  unlink(path);
  rmdir(folder);
  assert_int_equal(lcl__test_alloc_live(), 0);
}

/* Those that were evaluated are kept for those that were not. */
static void many_epochs_seldom_evaluated(void **state) {
  (void)state;
  enum { N = 20002, EVERY = 8 };
  char folder[] = "/tmp/latentcl-log-XXXXXX", path[64];
  double *x = malloc(2 * N * sizeof *x), *y = x + N;
  lcl_history h = { 0 };
  assert_non_null(mkdtemp(folder));
  snprintf(path, sizeof path, "%s/log.jsonl", folder);
  FILE *f = fopen(path, "w");
  for (int e = 1; e <= N; e++)
    fprintf(f, "{\"event\":\"epoch\",\"epoch\":%d%s}\n", e,
            e % EVERY && e > 1 && e < N ? "" : ",\"validation\":{\"loss\":1}");
  fclose(f);
  lcl_log_set_level(LCL_LOG_OFF);
  ASSERT_OK(lcl__history_read(folder, &h));
  lcl_log_set_level(LCL_LOG_WARN);
  assert_int_equal(h.epochs.n, (N - 2) / 4 + 2);
  const int n = lcl__history_values(&h, "validation", "loss", 1, x, y);
  assert_int_equal(n, N / EVERY + 2);
  for (int i = 0; i < n; i++) assert_true(x[i] == (i == 0 ? 1 : i == n - 1 ? N : EVERY * i));
  lcl__history_free(&h);
  free(x);
  unlink(path);
  rmdir(folder);
  assert_int_equal(lcl__test_alloc_live(), 0);
}

static void durations(void **state) {
  (void)state;
  static const struct {
    double seconds;
    const char *text;
  } cases[] = {
    { 0, "0:00" },           { 0.4, "0:00" },     { 0.6, "0:01" },       { 59.4, "0:59" },
    { 59.6, "1:00" },        { 185, "3:05" },     { 3599, "59:59" },     { 3599.6, "1:00:00" },
    { 3723, "1:02:03" },     { 4521, "1:15:21" }, { 86399, "23:59:59" }, { 90061, "25:01:01" },
    { 360000, "100:00:00" }, { -5, "0:00" }, /* not known yet */
    { INFINITY, "0:00" },    { NAN, "0:00" },
  };
  for (size_t i = 0; i < LCL_COUNT(cases); i++) {
    char got[32];
    lcl__format_duration(cases[i].seconds, got);
    assert_string_equal(got, cases[i].text);
  }
}

static void keep_line(void *user, const char *line) {
  snprintf(user, 64, "%s|", line);
}

/* Lines go where they should, visible, and nowhere when it is to be quiet. */
static void lines(void **state) {
  (void)state;
  for (int quiet = 0; quiet < 2; quiet++) {
    lcl_progress p;
    char got[64] = "";
    lcl__progress_init(&p, quiet, keep_line, got);
    assert_false(p.bar);
    lcl__progress_bar(&p, 0.5, "half"); /* only on a terminal */
    assert_string_equal(got, "");
    lcl__progress_line(&p, "a\033[2Jb");
    if (quiet)
      assert_string_equal(got, "");
    else
      assert_true(got[0] == 'a' && !strchr(got, '\033') && strstr(got, "b|"));
  }
}

int main(void) {
  const struct CMUnitTest tests[] = { cmocka_unit_test(escaping),
                                      cmocka_unit_test(gaps),
                                      cmocka_unit_test(many_points),
                                      cmocka_unit_test(ticks),
                                      cmocka_unit_test(logarithmic),
                                      cmocka_unit_test(many_epochs),
                                      cmocka_unit_test(many_epochs_seldom_evaluated),
                                      cmocka_unit_test(durations),
                                      cmocka_unit_test(lines) };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
