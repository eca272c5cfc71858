/* report.html: what a run did, in one self-contained page. */
#include <math.h>

#include "base/page.h"
#include "train/report.h"

/* ---- head ---- */

static void fact(lcl_str *o, const char *cls, const char *term, const char *fmt, double v,
                 const char *unit) {
  if (isnan(v)) return;
  lcl__str_html(o, "<div%s><dt>%s</dt><dd>", cls, term);
  char buf[64];
  lcl__snprintf(buf, sizeof buf, fmt, v); /* fmt is one of ours */
  lcl__str_html(o, "%s <small>%s</small></dd></div>", buf, unit);
}

/* "272 555", with thin spaces. */
static void big_number(lcl_str *o, const char *term, double v) {
  if (isnan(v)) return;
  lcl__str_html(o, "<div><dt>%s</dt><dd>", term);
  if (v >= 1e7) {
    lcl__str_html(o, "%.1f <small>million</small></dd></div>", v / 1e6);
    return;
  }
  char digits[32];
  int n = snprintf(digits, sizeof digits, "%.0f", v);
  for (int i = 0; i < n; i++)
    lcl__str_html(o, "%s%c", i > 0 && (n - i) % 3 == 0 ? "\u202F" : "", digits[i]);
  lcl__str_html(o, "</dd></div>");
}

static void metric_fact(lcl_str *o, const char *prefix, const cJSON *m) {
  char term[96];
  bool error = strcmp(m->string, "error_percent") == 0,
       percent = strstr(m->string, "_percent") != NULL;
  if (error)
    snprintf(term, sizeof term, "%s error", prefix);
  else
    snprintf(term, sizeof term, "%s %.40s", prefix, m->string);
  char *cut = strstr(term, "_percent");
  if (cut) *cut = '\0';
  fact(o, error ? " class=main" : "", term, percent ? "%.2f" : "%.4g", m->valuedouble,
       percent ? "%" : "");
}

/* The error first, where there is one. */
static void metric_facts(lcl_str *o, const char *prefix, const cJSON *metrics) {
  const cJSON *m, *error = lcl__json_child(metrics, "error_percent");
  if (cJSON_IsNumber(error)) metric_fact(o, prefix, error);
  cJSON_ArrayForEach(m, metrics) {
    if (cJSON_IsNumber(m) && m != error && strcmp(m->string, "n") != 0) metric_fact(o, prefix, m);
  }
}

static void head(lcl_str *o, const cJSON *config, const lcl_history *h) {
  const cJSON *last = h->epochs.n ? h->epochs.data[h->epochs.n - 1] : NULL;
  const char *variant = lcl__json_word(lcl__json_child(config, "options"), "variant");
  lcl__str_html(o, "<header><p>LatentCL run");
  lcl__str_html(o, "</p><h1>");
  lcl__str_html(o, "%s", lcl__json_word(config, "model"));
  if (*variant) lcl__str_html(o, ", "), lcl__str_html(o, "%s", variant);
  lcl__str_html(o, "</h1><p>");
  lcl__str_html(o, "%s", lcl__json_word(config, "reference"));
  lcl__str_html(o, "</p><dl class=facts>");
  if (h->test) {
    char split[32];
    snprintf(split, sizeof split, "%.24s", lcl__json_word(h->test, "split"));
    lcl__capitalise(split);
    metric_facts(o, split, lcl__json_child(h->test, "metrics"));
    fact(o, "", "Best epoch", "%.0f", lcl__json_number(h->test, "best_epoch"), "");
  } else if (last) {
    metric_facts(o, "Validation", lcl__json_child(last, "validation"));
  }
  if (last) fact(o, "", "Epochs", "%.0f", lcl__json_number(last, "epoch"), "");
  big_number(o, "Parameters", lcl__json_number(config, "parameters"));
  big_number(o, "Training examples", lcl__json_number(lcl__json_child(config, "data"), "train"));
  if (last)
    fact(o, "", "Throughput", "%.0f", lcl__json_number(last, "images_per_second"), "examples/s");
  lcl__str_html(o, "</dl>");
  if (h->stop)
    lcl__str_html(o,
                  "<p>Stopped early after epoch %.0f: validation %s was not better than %.4g of "
                  "epoch %.0f for %.0f epoch%s (patience).</p>",
                  lcl__json_number(h->stop, "epoch"), lcl__json_word(h->stop, "metric"),
                  lcl__json_number(h->stop, "best"), lcl__json_number(h->stop, "best_epoch"),
                  lcl__json_number(h->stop, "patience"),
                  lcl__json_number(h->stop, "patience") == 1 ? "" : "s");
  lcl__str_html(o, "</header>");
}

/* ---- curves ---- */

enum { MAX_SERIES = 12 };

typedef struct curves {
  const lcl_history *h;
  double *points; /* MAX_SERIES x 2 x epochs: x, y */
  lcl_series series[MAX_SERIES];
  int n;
} curves;

static const char *const styles[] = { "s1", "s2", "s3", "s4", "s5", "s6" };

/* See lcl__history_values(); left out when the value is nowhere. */
static void add_series(curves *c, const char *part, const char *name, const char *label) {
  const size_t epochs = c->h->epochs.n;
  if (c->n == MAX_SERIES) return;
  double *x = c->points + 2 * (size_t)c->n * epochs, *y = x + epochs;
  const int n = lcl__history_values(c->h, part, name, 1, x, y);
  if (n == 0) return;
  c->series[c->n] = (lcl_series) { label, styles[c->n % LCL_COUNT(styles)], x, y, n };
  c->n++;
}

static void draw(lcl_str *o, curves *c, const char *title, double best) {
  if (c->n)
    lcl__chart_svg(o, &(lcl_chart) { .title = title,
                                     .x_label = "epoch",
                                     .series = c->series,
                                     .n = c->n,
                                     .mark = best,
                                     .mark_label = "best" });
  c->n = 0;
}

static void draw_terms(lcl_str *o, curves *c, double best) {
  const cJSON *term;
  cJSON_ArrayForEach(term, lcl__json_child(c->h->epochs.data[0], "train")) {
    if (strcmp(term->string, "loss") == 0 || strcmp(term->string, "error_percent") == 0) continue;
    add_series(c, "train", term->string, term->string);
  }
  draw(o, c, "Terms of the training loss", best);
}

static void draw_other_metrics(lcl_str *o, curves *c, const char *split, double best) {
  const cJSON *m;
  cJSON_ArrayForEach(m, lcl__json_child(c->h->epochs.data[0], split)) {
    if (strcmp(m->string, "loss") == 0 || strcmp(m->string, "error_percent") == 0 ||
        strcmp(m->string, "n") == 0)
      continue;
    add_series(c, split, m->string, split);
    draw(o, c, m->string, best);
  }
}

static lcl_status curves_section(lcl_str *o, const lcl_history *h) {
  if (h->epochs.n == 0) return LCL_OK;
  curves c = { .h = h, .points = lcl__alloc(MAX_SERIES * 2 * h->epochs.n * sizeof(double)) };
  if (!c.points) return LCL_ERR_HOST_MEMORY;
  double best = h->test ? lcl__json_number(h->test, "best_epoch") : 0;
  lcl__str_html(o, "<h2>Curves</h2><div class=charts>");
  add_series(&c, "train", "error_percent", "training");
  add_series(&c, "validation", "error_percent", "validation");
  add_series(&c, "all", "error_percent", "all examples");
  draw(o, &c, "Error, %", best);
  add_series(&c, "train", "loss", "training (all terms)");
  add_series(&c, "validation", "loss", "validation (clean)");
  add_series(&c, "all", "loss", "all examples");
  draw(o, &c, "Loss", best);
  draw_terms(o, &c, best);
  draw_other_metrics(o, &c, "validation", best);
  draw_other_metrics(o, &c, "all", best);
  add_series(&c, NULL, "lr", "rate");
  draw(o, &c, "Learning rate", best);
  lcl__str_html(o, "</div>");
  lcl__free(c.points);
  return LCL_OK;
}

/* ---- confusion ---- */

static void class_name(lcl_str *o, const lcl_session *s, int k) {
  const lcl_dataset *ds = s->splits.train;
  if (ds->class_names && k < ds->classes)
    lcl__str_html(o, "%s", ds->class_names[k]);
  else
    lcl__str_html(o, "%d", k);
}

/* Share of each class that was taken for another. */
static void class_errors(lcl_str *o, const lcl_session *s, const cJSON *rows) {
  const cJSON *row, *cell;
  double most = 0, share[40] = { 0 };
  int r = 0;
  cJSON_ArrayForEach(row, rows) {
    double all = 0, right = 0;
    int c = 0;
    cJSON_ArrayForEach(cell, row) {
      all += cell->valuedouble;
      if (c++ == r) right = cell->valuedouble;
    }
    share[r] = all > 0 ? 100 * (all - right) / all : 0;
    most = LCL_MAX(most, share[r]);
    r++;
  }
  lcl__str_html(
      o,
      "<div class=panel><table class=wide><tr><th>Class</th><th class=n>Error</th><th></th></tr>");
  for (int i = 0; i < r; i++) {
    lcl__str_html(o, "<tr><td>");
    class_name(o, s, i);
    lcl__str_html(o,
                  "</td><td class=n>%.2f %%</td><td class=rest><span class=bar "
                  "style=\"width:%.1f%%\"></span></td></tr>",
                  share[i], most > 0 ? 100 * share[i] / most : 0);
  }
  lcl__str_html(o, "</table></div>");
}

static void confusion_section(lcl_str *o, const lcl_session *s, const lcl_history *h) {
  const cJSON *rows = lcl__json_child(h->test, "confusion");
  int n = cJSON_GetArraySize(rows), r = 0;
  if (n < 2 || n > 40) return;
  double worst = 1;
  const cJSON *row, *cell;
  cJSON_ArrayForEach(row, rows) {
    int c = 0;
    cJSON_ArrayForEach(cell, row) {
      if (c++ != r) worst = LCL_MAX(worst, cell->valuedouble);
    }
    r++;
  }
  lcl__str_html(o, "<h2>Confusion</h2><p>True class down, predicted class across, on the %s split.",
                lcl__json_word(h->test, "split"));
  if (n > 6) lcl__str_html(o, "<span class=narrow> Swipe sideways for all %d classes.</span>", n);
  lcl__str_html(o, "</p><div class=two><div class=\"panel scroll\"><table class=confusion><tr>"
                   "<th></th>");
  for (int k = 0; k < n; k++)
    lcl__str_html(o, "<th>"), class_name(o, s, k), lcl__str_html(o, "</th>");
  lcl__str_html(o, "</tr>");
  r = 0;
  cJSON_ArrayForEach(row, rows) {
    lcl__str_html(o, "<tr><th>"), class_name(o, s, r), lcl__str_html(o, "</th>");
    int c = 0;
    cJSON_ArrayForEach(cell, row) {
      double v = cell->valuedouble;
      if (c == r)
        lcl__str_html(o, "<td class=good>%.0f</td>", v);
      else if (v == 0)
        lcl__str_html(o, "<td class=zero>0</td>");
      else
        lcl__str_html(o, "<td style=\"background:rgba(217,99,11,%.2f)\">%.0f</td>",
                      0.12 + 0.55 * v / worst, v);
      c++;
    }
    lcl__str_html(o, "</tr>");
    r++;
  }
  lcl__str_html(o, "</table></div>");
  class_errors(o, s, rows);
  lcl__str_html(o, "</div>");
}

/* ---- images ---- */

/* Row r of the images, its caption before it unless the row above has the same. */
static lcl_status embed_row(lcl_str *o, const lcl_image_rows *p, int r) {
  const bool same = r > 0 && strcmp(p->caption[r], p->caption[r - 1]) == 0;
  lcl_image image = { 0 };
  char *uri = NULL;
  lcl_status s = lcl__image_row(p, r, &image);
  if (s == LCL_OK) s = lcl__png_data_uri(&image, &uri);
  if (s == LCL_OK)
    lcl__str_html(o, "<span>%s</span><img alt=\"%s\" style=\"min-width:%dpx\" src=\"%s\">",
                  same ? "" : p->caption[r], p->caption[r], LCL_MIN(32 * p->columns, 640), uri);
  lcl__free(uri);
  lcl__image_free(&image);
  return s;
}

static lcl_status embed(lcl_str *o, lcl_image_rows *p, const char *title, const char *about) {
  lcl_status s = LCL_OK;
  lcl__str_html(o, "<h2>%s</h2><p>%s</p><div class=\"panel scroll\"><div class=images>", title,
                about);
  for (int r = 0; r < p->rows && s == LCL_OK; r++) s = embed_row(o, p, r);
  lcl__str_html(o, "</div></div>");
  lcl__image_rows_free(p);
  return s;
}

/* A section for each kind of samples that the model has. */
static lcl_status sample_sections(lcl_str *o, lcl_session *s, const lcl_tensor_file *weights) {
  char kind[LCL_BUILD_MAX][48];
  int n = 1;
  for (int i = 0; i < n; i++) {
    lcl_image_rows p;
    const lcl_sample_request request = { .kind = i ? kind[i] : NULL, .count = 50, .seed = 1 };
    lcl_status st = lcl__session_sample(s, weights, &request, &p);
    if (st == LCL_ERR_UNSUPPORTED) return LCL_OK;
    LCL_TRY(st);
    n = LCL_MAX(p.n_kinds, 1);
    memcpy(kind, p.kind, sizeof kind);
    if (!kind[0][0]) snprintf(kind[0], sizeof kind[0], "samples");
    lcl__capitalise(kind[i]);
    LCL_TRY(embed(o, &p, kind[i], "Sampled from the model."));
  }
  return LCL_OK;
}

static lcl_status image_sections(lcl_str *o, lcl_session *s, const lcl_tensor_file *weights) {
  lcl_image_rows p;
  const lcl_dataset *ds = s->splits.test ? s->splits.test : s->splits.train;
  lcl_status st = LCL_OK;
  if (s->cls->can & LCL_CAN_RECONSTRUCT) {
    st = lcl__session_reconstruct(s, weights, ds, 20, 1, &p);
    if (st == LCL_OK)
      st = embed(o, &p, "Reconstructions",
                 s->splits.test
                     ? "Examples that were not trained on, and what the decoder makes of them."
                     : "Examples of the training, and what the decoder makes of them.");
    if (st == LCL_ERR_UNSUPPORTED) st = LCL_OK;
  }
  return st == LCL_OK && (s->cls->can & LCL_CAN_SAMPLE) ? sample_sections(o, s, weights) : st;
}

/* ---- profile and options ---- */

typedef struct op_time {
  char name[96];
  double calls, seconds, flops, bytes;
} op_time;
enum { MAX_OPS = 64 };

static void profile_row(lcl_str *o, const op_time *t, double all, double most) {
  lcl__str_html(o,
                "<tr><td><code>%s</code></td><td class=n>%.0f</td><td class=n>%.2f s</td><td "
                "class=n>%.1f %%</td>",
                t->name, t->calls, t->seconds, 100 * t->seconds / all);
  lcl__str_html(
      o,
      "<td class=rest><span class=bar style=\"width:%.1f%%\"></span></td><td class=n>%.1f</td><td "
      "class=n>%.1f</td></tr>",
      100 * t->seconds / most, t->flops / t->seconds / 1e9, t->bytes / t->seconds / 1e9);
}

static op_time read_row(const cJSON *row) {
  op_time t = { .calls = lcl__json_number(row, "calls"),
                .seconds = lcl__json_number(row, "seconds"),
                .flops = lcl__json_number(row, "flops"),
                .bytes = lcl__json_number(row, "bytes") };
  snprintf(t.name, sizeof t.name, "%s", lcl__json_word(row, "label"));
  return t;
}

/* Sums the launches by their first word. */
static int group_rows(const cJSON *rows, op_time *ops) {
  int n = 0;
  const cJSON *row;
  cJSON_ArrayForEach(row, rows) {
    op_time t = read_row(row);
    t.name[strcspn(t.name, " ")] = '\0';
    int i = 0;
    while (i < n && strcmp(ops[i].name, t.name) != 0) i++;
    if (i == MAX_OPS) continue;
    if (i == n) {
      ops[n] = (op_time) { 0 };
      snprintf(ops[n].name, sizeof ops[n].name, "%s", t.name);
      n++;
    }
    ops[i].calls += t.calls;
    ops[i].seconds += t.seconds;
    ops[i].flops += t.flops;
    ops[i].bytes += t.bytes;
  }
  return n;
}

static int by_seconds(const void *a, const void *b) {
  double x = ((const op_time *)a)->seconds, y = ((const op_time *)b)->seconds;
  return (x < y) - (x > y);
}

static void profile_table(lcl_str *o, const op_time *rows, int n, int most, double all,
                          const char *what) {
  lcl__str_html(o,
                "<div class=scroll><table class=wide><tr><th>%s</th><th class=n>Calls</th><th "
                "class=n>Time</th>"
                "<th class=n>Share</th><th></th><th class=n>GFLOP/s</th><th class=n>GB/s</th></tr>",
                what);
  for (int i = 0; i < n && i < most; i++)
    if (rows[i].seconds > 0) profile_row(o, &rows[i], all, rows[0].seconds);
  lcl__str_html(o, "</table></div>");
}

/* steps: of the whole run. */
static void profile_tables(lcl_str *o, const cJSON *root, double steps) {
  static const int most_launches = 30;
  const cJSON *rows = lcl__json_child(root, "rows"), *row;
  op_time ops[MAX_OPS], launches[MAX_OPS];
  int n = group_rows(rows, ops), m = 0;
  double all = lcl__json_number(root, "other_seconds");
  cJSON_ArrayForEach(row, rows) {
    op_time t = read_row(row);
    all += t.seconds;
    if (m < MAX_OPS) launches[m++] = t;
  }
  if (!(all > 0)) return;
  qsort(ops, (size_t)n, sizeof *ops, by_seconds);
  qsort(launches, (size_t)m, sizeof *launches, by_seconds);
  lcl__str_html(o, "<h2>Time by operation</h2><p>Device time of the ");
  const double timed = lcl__json_number(root, "steps");
  if (timed < steps) /* those before it was resumed were not kept */
    lcl__str_html(o, "last %.0f of %.0f steps", timed, steps);
  else
    lcl__str_html(o, "run");
  lcl__str_html(o,
                ", %.1f s in all; GFLOP/s count a useful FMA as two, GB/s the bytes that must "
                "move.</p><div class=panel>",
                all);
  profile_table(o, ops, n, 14, all, "Operation");
  lcl__str_html(o, "<details><summary>By launch and shape</summary>");
  profile_table(o, launches, m, most_launches, all, "Launch");
  lcl__str_html(o, "</details></div>");
}

static lcl_status profile_section(lcl_str *o, const char *folder, const lcl_history *h) {
  static const lcl_json_field fields[] = { { "rows", LCL_JSON_ROWS, true },
                                           { "other_seconds", LCL_JSON_NUMBER, true, 0, 1e12 },
                                           { "steps", LCL_JSON_WHOLE, false, 0, 1e15 } };
  static const lcl_json_field row_fields[] = { { "label", LCL_JSON_TEXT, true },
                                               { "calls", LCL_JSON_WHOLE, true, 0, 1e15 },
                                               { "seconds", LCL_JSON_NUMBER, true, 0, 1e12 },
                                               { "flops", LCL_JSON_NUMBER, true, 0, 1e30 },
                                               { "bytes", LCL_JSON_NUMBER, true, 0, 1e30 } };
  char *path = lcl__path_join(folder, "profile.json");
  if (!path) return LCL_ERR_HOST_MEMORY;
  cJSON *root;
  const cJSON *row, *last = h->epochs.n ? h->epochs.data[h->epochs.n - 1] : NULL;
  lcl_status s = lcl__json_file(path, 1 << 24, fields, LCL_COUNT(fields), &root);
  cJSON_ArrayForEach(row, lcl__json_items(root, "rows")) {
    if (s == LCL_OK) s = lcl__json_check(row, path, row_fields, LCL_COUNT(row_fields));
  }
  if (root && s == LCL_OK) profile_tables(o, root, lcl__json_number(last, "step"));
  cJSON_Delete(root);
  lcl__free(path);
  return s;
}

static void table_of(lcl_str *o, const char *title, const cJSON *object) {
  const cJSON *item;
  lcl__str_html(o, "<div><table><tr><th>%s</th><th></th></tr>", title);
  cJSON_ArrayForEach(item, object) {
    if (cJSON_IsArray(item) || cJSON_IsNull(item)) continue;
    lcl__str_html(o, "<tr><td>%s</td><td>", item->string);
    if (cJSON_IsString(item))
      lcl__str_html(o, "%s", item->valuestring);
    else
      lcl__str_html(o, "%.10g", item->valuedouble);
    lcl__str_html(o, "</td></tr>");
  }
  lcl__str_html(o, "</table></div>");
}

static void command_line(lcl_str *o, const cJSON *config) {
  const cJSON *item;
  lcl__str_html(o, "<pre>latentcl train ");
  lcl__str_html(o, "%s", lcl__json_word(config, "model"));
  const char *plugin = lcl__json_word(config, "plugin");
  if (*plugin) lcl__str_html(o, " --plugin "), lcl__str_html(o, "%s", plugin);
  const char *data = lcl__json_word(lcl__json_child(config, "data"), "path");
  if (*data) lcl__str_html(o, " --data "), lcl__str_html(o, "%s", data);
  const char *start = lcl__json_word(config, "start");
  if (*start) lcl__str_html(o, " --start "), lcl__str_html(o, "%s", start);
  lcl__str_html(o, " --seed %s", lcl__json_word(config, "seed"));
  cJSON_ArrayForEach(item, lcl__json_child(config, "set")) {
    lcl__str_html(o, " --set ");
    lcl__str_html(o, "%s", item->string);
    lcl__str_html(o, "=");
    lcl__str_html(o, "%s", cJSON_GetStringValue(item) ? item->valuestring : "");
  }
  lcl__str_html(o, "</pre>");
}

static void options_section(lcl_str *o, const cJSON *config, const lcl_history *h) {
  lcl__str_html(o, "<h2>Set-up</h2><p>On %s. ", lcl__json_word(config, "device"));
  double launches = lcl__json_number(h->start, "launches");
  if (!isnan(launches))
    lcl__str_html(
        o, "A step is %.0f launches and %.2f GFLOP; variables and intermediates take %.1f MB.",
        launches, lcl__json_number(h->start, "flops_per_step") / 1e9,
        lcl__json_number(h->start, "peak_bytes") / 1e6);
  lcl__str_html(o, "</p>");
  command_line(o, config);
  lcl__str_html(o, "<div class=two style=\"margin-top:18px\">");
  table_of(o, "Options", lcl__json_child(config, "options"));
  table_of(o, "Schedule", lcl__json_child(config, "settings"));
  table_of(o, "Data", lcl__json_child(config, "data"));
  lcl__str_html(o, "</div>");
}

static lcl_status compose(lcl_str *o, lcl_session *s, const lcl_tensor_file *weights,
                          const char *folder, const cJSON *config, const lcl_history *h) {
  char title[96];
  snprintf(title, sizeof title, "%.60s: LatentCL report", lcl__json_word(config, "model"));
  lcl__page_begin(o, title);
  head(o, config, h);
  LCL_TRY(curves_section(o, h));
  LCL_TRY(image_sections(o, s, weights));
  confusion_section(o, s, h);
  LCL_TRY(profile_section(o, folder, h));
  options_section(o, config, h);
  lcl__str_html(o, "<footer>Written by LatentCL %s, started %s, seed %s.</footer>",
                lcl__json_word(config, "latentcl"), lcl__json_word(config, "created"),
                lcl__json_word(config, "seed"));
  lcl__page_end(o);
  return lcl__str_ok(o) ? LCL_OK : LCL_ERR_HOST_MEMORY;
}

lcl_status lcl__report_write(lcl_session *s, const lcl_tensor_file *weights, const char *folder) {
  lcl_run_config config;
  lcl_history h = { 0 };
  lcl_str page = { 0 };
  LCL_TRY(lcl__read_config(folder, &config));
  lcl_status st = lcl__history_read(folder, &h);
  if (st == LCL_OK) st = compose(&page, s, weights, folder, config.json, &h);
  char *path = lcl__path_join(folder, "report.html");
  if (st == LCL_OK)
    st = path ? lcl__file_write_atomic(path, page.data, page.n) : LCL_ERR_HOST_MEMORY;
  lcl__free(path);
  lcl__str_free(&page);
  lcl__history_free(&h);
  lcl__run_config_free(&config);
  return st;
}
