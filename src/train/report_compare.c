/* Several runs side by side, in one self-contained page. */
#include <math.h>

#include "base/page.h"
#include "train/report.h"

enum { MAX_RUNS = 6 }; /* as many as the page has colours */

typedef struct run {
  const char *folder;
  char name[64]; /* the folder's own name; the whole path where two have the same */
  lcl_run_config config;
  lcl_history log;
} run;

typedef struct page {
  lcl_str *o;
  const run *runs;
  int n;
  char metric[64]; /* that chooses the best epoch */
} page;

static const char *const styles[MAX_RUNS][2] = { { "s1", "s1 dashed" }, { "s2", "s2 dashed" },
                                                 { "s3", "s3 dashed" }, { "s4", "s4 dashed" },
                                                 { "s5", "s5 dashed" }, { "s6", "s6 dashed" } };

/* "error, %" for error_percent; underscores become spaces. */
static const char *spoken(const char *metric, char text[64]) {
  const char *cut = strstr(metric, "_percent");
  snprintf(text, 64, "%.*s%s", cut ? (int)(cut - metric) : 48, metric, cut ? ", %" : "");
  for (char *c = text; *c; c++)
    if (*c == '_') *c = ' ';
  return text;
}

/* ---- what can be compared ---- */

static bool same_text(const cJSON *a, const cJSON *b, const char *name) {
  const cJSON *x = lcl__json_child(a, name), *y = lcl__json_child(b, name);
  return x && y ? cJSON_Compare(x, y, true) : !x == !y;
}

static bool is_common(const char *name) {
  size_t n;
  const lcl_option *common = lcl_common_options(&n);
  for (size_t i = 0; i < n; i++)
    if (strcmp(common[i].name, name) == 0) return true;
  return false;
}

/* The model's own options are the same: those of every model change no loss's meaning. */
static bool same_objective(const run *a, const run *b) {
  const cJSON *x = lcl__json_child(a->config.json, "options"),
              *y = lcl__json_child(b->config.json, "options"), *o;
  if (strcmp(a->config.model, b->config.model) != 0) return false;
  cJSON_ArrayForEach(o, x) {
    if (!is_common(o->string) && !same_text(x, y, o->string)) return false;
  }
  cJSON_ArrayForEach(o, y) {
    if (!lcl__json_child(x, o->string) && !is_common(o->string)) return false;
  }
  return true;
}

/* The examples of the part ("train", "validation", "test") are the same, as far as the files tell.
 */
static bool same_examples(const run *a, const run *b, const char *part) {
  static const char *const names[] = { "path", "format", "classes", "shape" };
  const cJSON *x = lcl__json_child(a->config.json, "data"),
              *y = lcl__json_child(b->config.json, "data");
  const cJSON *o = lcl__json_child(a->config.json, "options"),
              *p = lcl__json_child(b->config.json, "options");
  bool same = same_text(x, y, part) && same_text(o, p, "data_seed") &&
              same_text(o, p, "only_classes");
  if (strcmp(part, "validation") == 0) same = same && same_text(o, p, "validation_random");
  for (size_t i = 0; i < LCL_COUNT(names); i++) same = same && same_text(x, y, names[i]);
  return same;
}

/* Shares of examples mean the same whatever the model; a loss or a term of it, its model's alone.
 */
static bool same_meaning(const run *a, const run *b, const char *metric) {
  static const char *const shares[] = { "error_percent", "accuracy_percent", "map_percent",
                                        "precision_500_percent", "precision_r2_percent" };
  for (size_t i = 0; i < LCL_COUNT(shares); i++)
    if (strcmp(metric, shares[i]) == 0) return true;
  return same_objective(a, b) && same_examples(a, b, "classes");
}

/* ---- curves ---- */

typedef struct curves {
  double *memory;
  size_t used;
  lcl_series series[2 * MAX_RUNS];
  char name[2 * MAX_RUNS][96];
  int n;
} curves;

static size_t all_epochs(const page *p) {
  size_t n = 0;
  for (int i = 0; i < p->n; i++) n += p->runs[i].log.epochs.n;
  return n;
}

static int last_epoch(const page *p) {
  double last = 0;
  for (int i = 0; i < p->n; i++) {
    const lcl_history *h = &p->runs[i].log;
    if (h->epochs.n)
      last = LCL_MAX(last, lcl__json_number(h->epochs.data[h->epochs.n - 1], "epoch"));
  }
  return (int)last;
}

/* See lcl__history_values(); left out when the value is nowhere. */
static void add_series(const page *p, curves *c, int index, const char *part, const char *metric,
                       const char *label, int from) {
  const lcl_history *h = &p->runs[index].log;
  double *x = c->memory + c->used, *y = x + h->epochs.n;
  const int n = lcl__history_values(h, part, metric, from, x, y);
  if (n == 0) return;
  c->used += 2 * h->epochs.n;
  snprintf(c->name[c->n], sizeof c->name[0], "%s, %s", p->runs[index].name, label);
  c->series[c->n] = (lcl_series) { c->name[c->n], styles[index][strcmp(part, "train") == 0], x, y,
                                   n };
  c->n++;
}

/* Models that report one number call it loss in training and by its own name, nll, elsewhere. */
static const char *training_name(const run *r, const char *metric) {
  const cJSON *first = r->log.epochs.n ? r->log.epochs.data[0] : NULL;
  const cJSON *train = lcl__json_child(first, "train"),
              *valid = lcl__json_child(first, "validation");
  if (lcl__json_child(train, metric)) return metric;
  return strcmp(metric, "nll") == 0 && !lcl__json_child(valid, "loss") ? "loss" : metric;
}

/* Whether training averages the same sum as validation: it does where both name the same terms. */
static bool same_sum(const run *r, const char *metric) {
  const cJSON *line = r->log.epochs.n ? r->log.epochs.data[0] : NULL, *term;
  if (strcmp(training_name(r, metric), "loss") != 0) return true;
  cJSON_ArrayForEach(term, lcl__json_child(line, "train")) {
    if (strcmp(term->string, "loss") != 0 && strcmp(term->string, "error_percent") != 0 &&
        !lcl__json_child(lcl__json_child(line, "validation"), term->string))
      return false;
  }
  return true;
}

/* A chart of those runs in which the metric means the same as in run `first`: of the training sums
 * that are none of the validation's, or of all else. */
static void draw_like(const page *p, curves *c, int first, const char *metric, const char *title,
                      int from, bool sums) {
  lcl_str text = { 0 };
  bool all = true;
  c->n = 0, c->used = 0;
  lcl__str_add(&text, "%s%s of ", title, sums ? " in training" : "");
  const size_t plain = text.n ? text.n - strlen(" of ") : 0;
  for (int i = 0; i < p->n; i++) {
    if (!same_meaning(&p->runs[first], &p->runs[i], metric)) {
      all = false;
      continue;
    }
    lcl__str_add(&text, "%s%s", text.n > plain + strlen(" of ") ? ", " : "", p->runs[i].name);
    if (!sums) add_series(p, c, i, "validation", metric, "validation", from);
    if (same_sum(&p->runs[i], metric) != sums)
      add_series(p, c, i, "train", training_name(&p->runs[i], metric), "training", from);
  }
  if (all && lcl__str_ok(&text)) text.data[plain] = '\0';
  if (c->n && lcl__str_ok(&text))
    lcl__chart_svg(
        p->o,
        &(lcl_chart) { .title = text.data, .x_label = "epoch", .series = c->series, .n = c->n });
  p->o->failed |= text.failed;
  lcl__str_free(&text);
}

/* One chart, or as many as the metric has meanings. */
static void draw(const page *p, curves *c, const char *metric, const char *title, int from) {
  for (int i = 0; i < p->n; i++) {
    bool drawn = false;
    for (int k = 0; k < i; k++) drawn = drawn || same_meaning(&p->runs[k], &p->runs[i], metric);
    for (int sums = 0; sums < 2 && !drawn; sums++) draw_like(p, c, i, metric, title, from, sums);
  }
}

/* Metrics of the validation part other than the main one, each once. */
static void draw_others(const page *p, curves *c) {
  char name[64];
  const cJSON *m;
  for (int i = 0; i < p->n; i++) {
    if (!p->runs[i].log.epochs.n) continue;
    cJSON_ArrayForEach(m, lcl__json_child(p->runs[i].log.epochs.data[0], "validation")) {
      bool seen = strcmp(m->string, "n") == 0 || strcmp(m->string, p->metric) == 0;
      for (int k = 0; k < i && !seen; k++) {
        const lcl_history *h = &p->runs[k].log;
        seen = h->epochs.n &&
               lcl__json_child(lcl__json_child(h->epochs.data[0], "validation"), m->string);
      }
      if (!seen) draw(p, c, m->string, spoken(m->string, name), 0);
    }
  }
}

static lcl_status curves_section(const page *p) {
  const int last = last_epoch(p);
  char title[96], name[64];
  curves c = { .memory = lcl__alloc((4 * all_epochs(p) + 1) * sizeof(double)) };
  if (!c.memory) return LCL_ERR_HOST_MEMORY;
  if (last > 0) {
    lcl__str_html(
        p->o,
        "<h2>Curves</h2><p>Solid: validation. Dashed: training, as an average over the epoch while "
        "the parameters change. Losses of another model, of other options of it or of other data "
        "mean something else and have axes of their own, and so do sums in training of more terms "
        "than validation's.</p><div class=charts>");
    draw(p, &c, p->metric, spoken(p->metric, name), 0);
    if (last >= 6) {
      snprintf(title, sizeof title, "%s, from epoch %d on", spoken(p->metric, name), last / 2);
      draw(p, &c, p->metric, title, last / 2);
    }
    draw_others(p, &c);
    lcl__str_html(p->o, "</div>");
  }
  lcl__free(c.memory);
  return LCL_OK;
}

/* ---- final figures ---- */

static const cJSON *last_line(const run *r) {
  return r->log.epochs.n ? r->log.epochs.data[r->log.epochs.n - 1] : NULL;
}

static bool more_is_better(const char *metric) {
  return strstr(metric, "accuracy") || strstr(metric, "map_percent") || strstr(metric, "precision");
}

/* The epoch whose validation metric is best; NULL: none has it. */
static const cJSON *best_line(const run *r, const char *metric) {
  const cJSON *best = NULL;
  double value = NAN;
  for (size_t i = 0; i < r->log.epochs.n; i++) {
    const double v = lcl__json_number(lcl__json_child(r->log.epochs.data[i], "validation"), metric);
    if (isnan(v) || (best && (more_is_better(metric) ? v <= value : v >= value))) continue;
    best = r->log.epochs.data[i], value = v;
  }
  return best;
}

static void begin_table(const page *p, const char *first) {
  lcl__str_html(p->o, "<div class=\"panel scroll\"><table class=wide><tr><th>%s</th>", first);
  for (int i = 0; i < p->n; i++) {
    lcl__str_html(p->o, "<th><span class=\"key %s\">", styles[i][0]);
    lcl__str_html(p->o, "%s", p->runs[i].name);
    lcl__str_html(p->o, "</span></th>");
  }
  lcl__str_html(p->o, "</tr>");
}

/* judge: -1 the smallest is the best, 1 the largest, 0 neither. */
static void figure_row(const page *p, const char *title, const char *format, const double *v,
                       int judge) {
  double best = NAN;
  bool any = false, differ = false;
  for (int i = 0; i < p->n; i++) {
    if (isnan(v[i])) continue;
    differ = differ || (any && v[i] != best);
    if (!any || (judge < 0 ? v[i] < best : v[i] > best)) best = v[i];
    any = true;
  }
  if (!any) return;
  lcl__str_html(p->o, "<tr><td class=head>");
  lcl__str_html(p->o, "%s", title);
  lcl__str_html(p->o, "</td>");
  for (int i = 0; i < p->n; i++) {
    char text[32] = "–";
    if (!isnan(v[i])) lcl__snprintf(text, sizeof text, format, v[i]); /* one of ours */
    lcl__str_html(p->o, "<td%s>%s</td>", judge && differ && v[i] == best ? " class=best" : "",
                  text);
  }
  lcl__str_html(p->o, "</tr>");
}

/* A row of a metric on a part. The best is marked where all that have it were scored in the same
 * way on the same examples; else the title says that they were not. */
static void metric_row(const page *p, const char *title, const char *metric, const char *part,
                       const double *v) {
  int first = -1;
  bool same = true;
  for (int i = 0; i < p->n; i++) {
    if (isnan(v[i])) continue;
    if (first < 0) first = i;
    same = same && same_meaning(&p->runs[first], &p->runs[i], metric) &&
           same_examples(&p->runs[first], &p->runs[i], part);
  }
  char text[128];
  snprintf(text, sizeof text, "%s%s", title, same ? "" : " (not comparable)");
  figure_row(p, text, "%.6g", v, !same ? 0 : more_is_better(metric) ? 1 : -1);
}

/* The metrics at the end of a run if they are of this split; else NULL. */
static const cJSON *metrics_on(const run *r, const char *split) {
  return strcmp(lcl__json_word(r->log.test, "split"), split) == 0
             ? lcl__json_child(r->log.test, "metrics")
             : NULL;
}

/* A row for each metric of each split that a run was scored on at its end. */
static void test_rows(const page *p) {
  const cJSON *m;
  for (int i = 0; i < p->n; i++) {
    const char *split = lcl__json_word(p->runs[i].log.test, "split");
    cJSON_ArrayForEach(m, metrics_on(&p->runs[i], split)) {
      double v[MAX_RUNS];
      bool seen = !cJSON_IsNumber(m) || strcmp(m->string, "n") == 0;
      for (int k = 0; k < i; k++)
        seen = seen || lcl__json_child(metrics_on(&p->runs[k], split), m->string);
      if (seen) continue;
      for (int k = 0; k < p->n; k++)
        v[k] = lcl__json_number(metrics_on(&p->runs[k], split), m->string);
      char title[96], name[64];
      snprintf(title, sizeof title, "%.24s %s", split, spoken(m->string, name));
      lcl__capitalise(title);
      metric_row(p, title, m->string, strcmp(split, "all") == 0 ? "train" : split, v);
    }
  }
}

static void figures_section(const page *p) {
  double valid[MAX_RUNS], train[MAX_RUNS], epoch[MAX_RUNS], epochs[MAX_RUNS], rate[MAX_RUNS],
      step[MAX_RUNS], parameters[MAX_RUNS];
  char title[96], name[64];
  spoken(p->metric, name);
  for (int i = 0; i < p->n; i++) {
    const run *r = &p->runs[i];
    const cJSON *best = best_line(r, p->metric), *last = last_line(r);
    valid[i] = lcl__json_number(lcl__json_child(best, "validation"), p->metric);
    train[i] = lcl__json_number(lcl__json_child(last, "train"), training_name(r, p->metric));
    epoch[i] = lcl__json_number(best, "epoch");
    epochs[i] = lcl__json_number(last, "epoch");
    rate[i] = lcl__json_number(last, "images_per_second");
    step[i] = 1e3 * lcl__json_number(last, "seconds") / lcl__json_number(last, "step");
    parameters[i] = lcl__json_number(r->config.json, "parameters");
  }
  lcl__str_html(p->o, "<h2>Figures</h2>");
  begin_table(p, "");
  test_rows(p);
  snprintf(title, sizeof title, "Best validation %s", name);
  metric_row(p, title, p->metric, "validation", valid);
  figure_row(p, "… at epoch", "%.0f", epoch, 0);
  snprintf(title, sizeof title, "Training %s, last epoch", name);
  figure_row(p, title, "%.6g", train, 0); /* the lowest need not be the best */
  figure_row(p, "Epochs", "%.0f", epochs, 0);
  figure_row(p, "Parameters", "%.0f", parameters, 0);
  figure_row(p, "Images a second, last epoch", "%.0f", rate, 0);
  figure_row(p, "Milliseconds a step, with evaluation", "%.2f", step, 0);
  lcl__str_html(p->o, "</table></div>");
}

/* ---- options ---- */

static void text_of(const cJSON *j, char *text, size_t size) {
  if (cJSON_IsNumber(j))
    lcl__snprintf(text, size, "%.10g", j->valuedouble);
  else
    snprintf(text, size, "%s", cJSON_IsString(j) ? j->valuestring : "");
}

/* A row with what a part of config.json (NULL: the whole) says in each run, if they differ; or
 * else, once, if they do not. */
static void option_row(const page *p, const char *part, const char *name, bool differing) {
  char text[MAX_RUNS][256];
  bool differ = false;
  for (int i = 0; i < p->n; i++) {
    const cJSON *config = p->runs[i].config.json;
    text_of(lcl__json_child(part ? lcl__json_child(config, part) : config, name), text[i],
            sizeof text[i]);
    differ = differ || strcmp(text[i], text[0]) != 0;
  }
  if (differ != differing) return;
  lcl__str_html(p->o, "<tr><td class=head>%s%s", part && strcmp(part, "data") == 0 ? "data " : "",
                name);
  for (int i = 0; i < (differing ? p->n : 1); i++) {
    lcl__str_html(p->o, "</td><td>");
    lcl__str_html(p->o, "%s", *text[i] ? text[i] : "–");
  }
  lcl__str_html(p->o, "</td></tr>");
}

static void option_rows(const page *p, bool differing) {
  static const char *const parts[] = { "options", "settings", "data" };
  static const char *const alone[] = { "model", "seed", "device", "latentcl" };
  const cJSON *item;
  for (size_t i = 0; i < LCL_COUNT(alone); i++) option_row(p, NULL, alone[i], differing);
  for (size_t k = 0; k < LCL_COUNT(parts); k++)
    for (int i = 0; i < p->n; i++)
      cJSON_ArrayForEach(item, lcl__json_child(p->runs[i].config.json, parts[k])) {
        bool seen = cJSON_IsArray(item) || cJSON_IsNull(item);
        /* What options say of themselves comes again, resolved, in the settings. */
        seen = seen ||
               (k == 0 &&
                lcl__json_child(lcl__json_child(p->runs[i].config.json, "settings"), item->string));
        for (int e = 0; e < i; e++)
          seen = seen ||
                 lcl__json_child(lcl__json_child(p->runs[e].config.json, parts[k]), item->string);
        if (!seen) option_row(p, parts[k], item->string, differing);
      }
}

static void options_section(const page *p) {
  lcl__str_html(p->o, "<h2>What differs</h2>");
  begin_table(p, "Option");
  option_rows(p, true);
  lcl__str_html(p->o, "</table><details><summary>The same in all</summary><table>");
  option_rows(p, false);
  lcl__str_html(p->o, "</table></details></div>");
}

/* ---- the page ---- */

static lcl_status compose(const page *p) {
  const char *model = p->runs[0].config.model;
  char title[64];
  snprintf(title, sizeof title, "%d runs: LatentCL report", p->n);
  lcl__page_begin(p->o, title);
  for (int i = 0; i < p->n; i++)
    if (strcmp(p->runs[i].config.model, model) != 0) model = "Models";
  lcl__str_html(p->o, "<header><p>LatentCL, %d runs side by side</p><h1>", p->n);
  lcl__str_html(p->o, "%s", model);
  lcl__str_html(p->o, "</h1></header>");
  LCL_TRY(curves_section(p));
  figures_section(p);
  options_section(p);
  lcl__str_html(p->o, "<footer>Runs: ");
  for (int i = 0; i < p->n; i++) {
    if (i) lcl__str_html(p->o, ", ");
    lcl__str_html(p->o, "%s", p->runs[i].folder);
  }
  lcl__str_html(p->o, ".</footer>");
  lcl__page_end(p->o);
  return lcl__str_ok(p->o) ? LCL_OK : LCL_ERR_HOST_MEMORY;
}

/* The last part of the path. */
static void name_run(run *r, bool whole) {
  size_t n = strlen(r->folder);
  while (n > 1 && r->folder[n - 1] == '/') n--;
  size_t from = n;
  while (from > 0 && r->folder[from - 1] != '/') from--;
  if (whole) from = n > sizeof r->name - 1 ? n - sizeof r->name + 1 : 0;
  snprintf(r->name, sizeof r->name, "%.*s", (int)(n - from), r->folder + from);
}

static lcl_status read_runs(const char *const *folders, run *runs, int n) {
  for (int i = 0; i < n; i++) {
    runs[i].folder = folders[i];
    LCL_TRY(lcl__read_config(folders[i], &runs[i].config));
    LCL_TRY(lcl__history_read(folders[i], &runs[i].log));
    name_run(&runs[i], false);
    for (int k = 0; k < i; k++)
      if (strcmp(runs[k].name, runs[i].name) == 0)
        name_run(&runs[k], true), name_run(&runs[i], true);
  }
  return LCL_OK;
}

lcl_status lcl_report_compare(const char *const *folders, int n, const char *html) {
  LCL_NEED(folders, html);
  run runs[MAX_RUNS];
  lcl_str text = { 0 };
  memset(runs, 0, sizeof runs);
  if (n < 2 || n > MAX_RUNS)
    return lcl__fail(LCL_ERR_ARGUMENT, "2 to %d runs can be put side by side, got %d", MAX_RUNS, n);
  LCL_TRY(lcl__check_ending(html, ".html .htm"));
  lcl_status st = lcl__check_run_outputs(&html, 1, folders, (size_t)n, NULL);
  if (st == LCL_OK) st = read_runs(folders, runs, n);
  page p = { .o = &text, .runs = runs, .n = n };
  if (st == LCL_OK) {
    const char *metric = lcl__json_word(lcl__json_child(runs[0].config.json, "settings"), "select");
    snprintf(p.metric, sizeof p.metric, "%s", *metric ? metric : "loss");
    st = compose(&p);
  }
  if (st == LCL_OK) st = lcl__file_write_atomic(html, text.data, text.n);
  lcl__str_free(&text);
  for (int i = 0; i < n; i++) {
    lcl__history_free(&runs[i].log);
    lcl__run_config_free(&runs[i].config);
  }
  return st;
}
