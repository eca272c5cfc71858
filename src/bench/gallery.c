/* A page of many people's results files: what each ran, and a table of devices by workload for
 * each suite. The files may come from anywhere: what is read, kept and shown of them is bounded. */
#include <dirent.h>
#include <errno.h>

#include "base/page.h"
#include "base/text.h"
#include "bench/compare.h"

enum {
  MAX_DEVICES = 200,
  MAX_WORKLOADS = 256, /* columns in all: those of this version, then what else there is */
  MAX_BYTES = 2 << 20, /* of a file */
  MAX_REASONS = 50     /* that are told one by one */
};

/* ---- the files ---- */

static bool leave_out(lcl_gallery *g, const char *why) {
  char *copy = lcl__strdup(why);
  if (copy && LCL_PUSH(&g->left_out, copy)) return true;
  lcl__free(copy);
  return false;
}

/* Devices from `keep` on are forgotten. */
static void cut(lcl_result_files *files, size_t keep) {
  while (files->n > keep) lcl__free(files->data[--files->n].rows);
}

/* One file, as a whole or not at all. False: out of memory. */
static bool add_file(lcl_gallery *g, const char *folder, const char *name) {
  const size_t before = g->files.n;
  char why[512];
  void *data = NULL;
  size_t n;
  lcl_str path = { 0 };
  lcl__str_add(&path, "%s/%s", folder, name);
  lcl_status st = lcl__str_ok(&path) ? lcl__file_read(path.data, MAX_BYTES, &data, &n)
                                     : LCL_ERR_HOST_MEMORY;
  if (st == LCL_OK) st = lcl__results_parse(data, name, &g->files);
  lcl__free(data);
  lcl__str_free(&path);
  if (st == LCL_OK && g->files.n > MAX_DEVICES) {
    cut(&g->files, before);
    snprintf(why, sizeof why, "%.200s: a gallery has at most %d devices", name, MAX_DEVICES);
    return leave_out(g, why);
  }
  if (st == LCL_OK) return true;
  cut(&g->files, before);
  snprintf(why, sizeof why, "%s", lcl_error_message());
  return st != LCL_ERR_HOST_MEMORY && leave_out(g, why);
}

static int is_results(const struct dirent *e) {
  const size_t n = strlen(e->d_name);
  return e->d_name[0] != '.' && n > 5 && strcmp(e->d_name + n - 5, ".json") == 0;
}

static int by_name(const struct dirent **a, const struct dirent **b) {
  return strcmp((*a)->d_name, (*b)->d_name);
}

lcl_status lcl__gallery_read(const char *folder, lcl_gallery *g) {
  struct dirent **names = NULL;
  const int n = scandir(folder, &names, is_results, by_name);
  bool ok = true;
  if (n < 0) return lcl__fail(LCL_ERR_IO, "cannot read the folder %s: %s", folder, strerror(errno));
  for (int i = 0; i < n; i++) {
    ok = ok && add_file(g, folder, names[i]->d_name);
    free(names[i]);
  }
  free(names);
  if (!ok) return LCL_ERR_HOST_MEMORY;
  if (g->files.n) return LCL_OK;
  if (g->left_out.n)
    return lcl__fail(LCL_ERR_FORMAT, "%s has no results that can be shown; the first: %s", folder,
                     g->left_out.data[0]);
  return lcl__fail(LCL_ERR_FORMAT, "%s has no files of `latentcl bench --json` (NAME.json)",
                   folder);
}

void lcl__gallery_free(lcl_gallery *g) {
  lcl__results_free(&g->files);
  for (size_t i = 0; i < g->left_out.n; i++) lcl__free(g->left_out.data[i]);
  lcl__free(g->left_out.data);
  *g = (lcl_gallery) { 0 };
}

/* ---- columns ---- */

typedef struct column {
  const char *name, *suite;
  bool used;
} column;
typedef struct columns {
  column data[MAX_WORKLOADS];
  size_t n, more; /* more: results of further workloads, which are not shown */
} columns;

static column *find_column(columns *c, const char *name) {
  for (size_t i = 0; i < c->n; i++)
    if (strcmp(c->data[i].name, name) == 0) return &c->data[i];
  return NULL;
}

/* The workloads of this version in their order, then those of other versions as they come. */
static void find_columns(const lcl_result_files *files, columns *c) {
  for (size_t i = 0; i < lcl_bench_count() && c->n < MAX_WORKLOADS; i++) {
    const lcl_bench_info w = lcl_bench_at(i);
    c->data[c->n++] = (column) { w.name, w.suite, false };
  }
  for (size_t f = 0; f < files->n; f++)
    for (size_t i = 0; i < files->data[f].n; i++) {
      const char *name = files->data[f].rows[i].name;
      column *found = find_column(c, name);
      if (!found && c->n < MAX_WORKLOADS) {
        found = &c->data[c->n++];
        *found = (column) { name, "of other versions", false };
      }
      if (found)
        found->used = true;
      else
        c->more++;
    }
}

/* ---- the page ---- */

static void header_cell(lcl_str *o, const char *text) {
  lcl__str_html(o, "<th><button>%s</button></th>", text);
}

static void peak(lcl_str *o, double v) {
  if (v > 0)
    lcl__str_html(o, "<td data-v=%.6g>%.4g</td>", v, v);
  else
    lcl__str_html(o, "<td>–</td>");
}

static void machines(const lcl_result_files *files, lcl_str *o) {
  static const char *const heads[] = { "device", "driver",  "version", "commit",
                                       "date",   "GFLOP/s", "GB/s",    "file" };
  lcl__str_html(o, "<h2>What was run</h2><p>GFLOP/s and GB/s: the device's peaks, measured in the "
                   "same run.</p><div class=\"panel scroll\"><table class=\"wide figures sort\">"
                   "<thead><tr>");
  for (size_t i = 0; i < LCL_COUNT(heads); i++) header_cell(o, heads[i]);
  lcl__str_html(o, "</tr></thead><tbody>\n");
  for (size_t f = 0; f < files->n; f++) {
    const lcl_result_file *d = &files->data[f];
    const char *const texts[] = { d->driver, d->version, d->commit, d->date };
    lcl__str_html(o, "<tr><td class=head><bdi>%s</bdi></td>", d->device);
    for (size_t i = 0; i < LCL_COUNT(texts); i++)
      lcl__str_html(o, "<td><bdi>%s</bdi></td>", *texts[i] ? texts[i] : "–");
    peak(o, d->peak_gflops);
    peak(o, d->peak_gbps);
    lcl__str_html(o, "<td><bdi>%s</bdi></td></tr>\n", d->path);
  }
  lcl__str_html(o, "</tbody></table></div>\n");
}

static double figure_of(const lcl_result *r) {
  return !r ? -1 : r->unit[0] ? r->value : r->seconds;
}

/* The best result of a workload: where all that have one did the same work in the same unit. Wrong
 * ones do not count. NULL: there is none, or nothing to compare it with. */
static const lcl_result *best_of(const lcl_result_files *files, const char *name) {
  const lcl_result *best = NULL;
  int n = 0;
  for (size_t f = 0; f < files->n; f++) {
    const lcl_result *r = lcl__result_find(&files->data[f], name);
    if (figure_of(r) <= 0 || r->verified < 0) continue;
    const double times = best ? lcl__result_speedup(best, r) : 2;
    if (times < 0) return NULL;
    if (times > 1) best = r;
    n++;
  }
  return n > 1 ? best : NULL;
}

static void cell(const lcl_result *r, bool best, lcl_str *o) {
  char text[32];
  if (figure_of(r) < 0) {
    lcl__str_html(o, "<td>–</td>");
    return;
  }
  lcl__str_html(o, "<td data-v=%.9g%s>", figure_of(r), best ? " class=best" : "");
  if (r->unit[0])
    lcl__str_html(o, "%.4g %s", r->value, r->unit);
  else
    lcl__str_html(o, "%s", lcl__result_time(r->seconds, text));
  lcl__str_html(o, r->verified > 0   ? " &#10003;</td>"
                   : r->verified < 0 ? " <b>WRONG</b></td>"
                                     : "</td>");
}

static bool has_any(const lcl_result_file *f, const columns *c, const char *suite) {
  for (size_t i = 0; i < c->n; i++)
    if (strcmp(c->data[i].suite, suite) == 0 && lcl__result_find(f, c->data[i].name)) return true;
  return false;
}

/* Of several of one name, with the file that tells them apart. */
static void device_cell(const lcl_result_files *files, size_t f, lcl_str *o) {
  size_t same = 0;
  for (size_t i = 0; i < files->n; i++)
    same += strcmp(files->data[i].device, files->data[f].device) == 0;
  lcl__str_html(o, "<tr><td class=head><bdi>%s</bdi>", files->data[f].device);
  if (same > 1) lcl__str_html(o, "<br><small><bdi>%s</bdi></small>", files->data[f].path);
  lcl__str_html(o, "</td>");
}

/* Devices by workload, of one suite. */
static void suite_table(const lcl_result_files *files, const columns *c, const char *suite,
                        lcl_str *o) {
  const lcl_result *best[MAX_WORKLOADS] = { 0 };
  lcl__str_html(o,
                "<h2>%s</h2><div class=\"panel scroll\"><table class=\"wide figures sort\"><thead>"
                "<tr>",
                suite);
  header_cell(o, "device");
  for (size_t i = 0; i < c->n; i++) {
    if (!c->data[i].used || strcmp(c->data[i].suite, suite) != 0) continue;
    header_cell(o, c->data[i].name);
    best[i] = best_of(files, c->data[i].name);
  }
  lcl__str_html(o, "</tr></thead><tbody>\n");
  for (size_t f = 0; f < files->n; f++) {
    if (!has_any(&files->data[f], c, suite)) continue;
    device_cell(files, f, o);
    for (size_t i = 0; i < c->n; i++) {
      if (!c->data[i].used || strcmp(c->data[i].suite, suite) != 0) continue;
      const lcl_result *r = lcl__result_find(&files->data[f], c->data[i].name);
      cell(r, r && r == best[i], o);
    }
    lcl__str_html(o, "</tr>\n");
  }
  lcl__str_html(o, "</tbody></table></div>\n");
}

static void suites(const lcl_result_files *files, const columns *c, lcl_str *o) {
  for (size_t i = 0; i < c->n; i++) {
    bool told = !c->data[i].used;
    for (size_t k = 0; k < i; k++)
      told = told || (c->data[k].used && strcmp(c->data[k].suite, c->data[i].suite) == 0);
    if (!told) suite_table(files, c, c->data[i].suite, o);
  }
}

static void not_shown(const lcl_gallery *g, const columns *c, lcl_str *o) {
  if (!g->left_out.n && !c->more) return;
  lcl__str_html(o, "<h2>Not shown</h2><ul>");
  for (size_t i = 0; i < LCL_MIN(g->left_out.n, (size_t)MAX_REASONS); i++)
    lcl__str_html(o, "<li><bdi>%s</bdi></li>\n", g->left_out.data[i]);
  if (g->left_out.n > MAX_REASONS)
    lcl__str_html(o, "<li>%zu further files</li>\n", g->left_out.n - MAX_REASONS);
  if (c->more) lcl__str_html(o, "<li>%zu results of further workloads</li>\n", c->more);
  lcl__str_html(o, "</ul>");
}

/* A click on a heading sorts by its column: numbers first, the smallest on top; again: turned. */
static const char script[] =
    "<script>document.querySelectorAll('.sort').forEach(t=>{const b=t.tBodies[0];"
    "t.querySelectorAll('th').forEach((h,i)=>h.firstChild.onclick=()=>{"
    "const up=h.getAttribute('aria-sort')!='ascending';"
    "t.querySelectorAll('th').forEach(x=>x.removeAttribute('aria-sort'));"
    "h.setAttribute('aria-sort',up?'ascending':'descending');"
    "const key=r=>{const c=r.cells[i];return c.dataset.v!==undefined?+c.dataset.v:c.textContent};"
    "const order=(x,y)=>{const a=key(x),c=key(y),n=typeof a=='number',m=typeof c=='number';"
    "if(n!=m)return n?-1:1;return(n?a-c:a.localeCompare(c))*(up?1:-1)};"
    "[...b.rows].sort(order).forEach(r=>b.append(r))})})</script>";

lcl_status lcl__gallery_html(const lcl_gallery *g, lcl_str *o) {
  columns *c = lcl__alloc(sizeof *c);
  if (!c) return LCL_ERR_HOST_MEMORY;
  find_columns(&g->files, c);
  lcl__page_begin(o, "LatentCL benchmarks");
  lcl__str_html(o,
                "<header><p>LatentCL benchmarks</p><h1>%zu %s</h1><p>Times of one run: median of "
                "the steady state, shorter is better. &#10003;: checked against the reference. "
                "Bold: the best, where all did the same work. A heading sorts its table.</p>"
                "</header>\n",
                g->files.n, g->files.n == 1 ? "device" : "devices");
  machines(&g->files, o);
  suites(&g->files, c, o);
  not_shown(g, c, o);
  lcl__str_append(o, script, strlen(script));
  lcl__page_end(o);
  lcl__free(c);
  return lcl__str_ok(o) ? LCL_OK : LCL_ERR_HOST_MEMORY;
}
