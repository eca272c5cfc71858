/* latentcl bench: measures named workloads, and puts results side by side. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/folder.h"
#include "base/text.h"
#include "bench/bench.h"
#include "bench/compare.h"
#include "bench_text.h"
#include "base/status_line.h"
#include "cli_onnx.h"
#include "commit.h"
#include "device/device.h"

/* Suites, and the larger one that a suite is part of. */
static const struct {
  const char *name, *within;
} suites[] = {
  { "device", "" },        { "launch", "device" }, { "gemm", "" },    { "conv", "" },
  { "deepbench", "conv" }, { "recurrent", "" },    { "perturb", "" }, { "fft", "" },
  { "half", "" },          { "steps", "" },        { "epoch", "" },   { "pixelrnn", "" },
  { "sample", "" },
};

typedef struct options {
  const char *device, *json, *csv, *compare, *gallery, *html, *threshold_text;
  double seconds, threshold;
  bool verify, list, describe, quick, compile_times;
  cli_list dims;
} options;

/* ---- which workloads ---- */

typedef struct picked {
  size_t *index, n;
} picked;

static bool in_suite(const char *of_workload, const char *wanted, bool *known) {
  bool in = false;
  for (size_t i = 0; i < LCL_COUNT(suites); i++) {
    *known |= strcmp(suites[i].name, wanted) == 0;
    if (strcmp(suites[i].name, of_workload) == 0)
      in = strcmp(of_workload, wanted) == 0 || strcmp(suites[i].within, wanted) == 0;
  }
  return in;
}

/* Arguments to workload indices, each once, in the order of the table within an argument. */
static int pick(int argc, char *const *argv, picked *p) {
  const size_t count = lcl_bench_count();
  bool *taken = calloc(count, sizeof *taken);
  p->index = calloc(count, sizeof *p->index);
  int code = p->index && taken ? CLI_OK : cli_fail("out of memory");
  for (int a = 0; code == CLI_OK && a < argc; a++) {
    bool known = strcmp(argv[a], "all") == 0, all = known;
    size_t one = count;
    in_suite("", argv[a], &known);
    if (!known && lcl_bench_find(argv[a], &one) != LCL_OK) {
      fprintf(stderr, "latentcl: %s; suites: all", lcl_error_message());
      for (size_t i = 0; i < LCL_COUNT(suites); i++) fprintf(stderr, ", %s", suites[i].name);
      fprintf(stderr, "\n");
      code = CLI_USAGE;
    }
    for (size_t i = 0; code == CLI_OK && i < count; i++) {
      const lcl_bench_info w = lcl_bench_at(i);
      /* How steps of PixelRNN grow: the two named steps belong to that too. */
      const bool grows = strcmp(argv[a], "pixelrnn") == 0 && strcmp(w.suite, "steps") == 0 &&
                         strncmp(w.name, "pixelrnn-", 9) == 0;
      if (!taken[i] && (all || i == one || grows || in_suite(w.suite, argv[a], &known)))
        taken[p->index[p->n++] = i] = true;
    }
  }
  free(taken);
  return code;
}

/* The workloads of a results file that this version has. */
static int pick_from(const lcl_result_file *f, picked *p) {
  p->index = calloc(f->n + 1, sizeof *p->index);
  if (!p->index) return cli_fail("out of memory");
  for (size_t i = 0; i < f->n; i++)
    if (lcl_bench_find(f->rows[i].name, &p->index[p->n]) == LCL_OK) p->n++;
  return CLI_OK;
}

/* Of a results file only what is measured: the rest is not missed. */
static void keep_picked(lcl_result_file *f, const picked *p) {
  size_t kept = 0;
  for (size_t i = 0; i < f->n; i++)
    for (size_t k = 0; k < p->n; k++)
      if (strcmp(f->rows[i].name, lcl_bench_at(p->index[k]).name) == 0) {
        f->rows[kept++] = f->rows[i];
        break;
      }
  f->n = kept;
}

static int list(const picked *p, bool describe) {
  for (size_t i = 0; i < p->n; i++) {
    lcl_bench_info b = lcl_bench_at(p->index[i]);
    printf("%-10s %-36s %s\n", b.suite, b.name, b.description);
  }
  if (describe) bench_print_readings();
  return CLI_OK;
}

/* ---- files ---- */

static bool is_stdout(const char *path) {
  return path && (strcmp(path, "-") == 0 || cli_is_stdout(path));
}

static int write_text(const char *path, const char *text) {
  if (is_stdout(path))
    return fputs(text, stdout) >= 0 && putchar('\n') != EOF ? CLI_OK : cli_fail("cannot write");
  return lcl__file_write_atomic(path, text, strlen(text)) == LCL_OK ? CLI_OK : cli_error();
}

/* Said before anything is measured: results may take the place of those they are compared with, a
 * table or a page may not. */
static int check_files(const options *o, char *const *read, int n_read) {
  const char *paths[] = { o->json, o->csv, o->html };
  for (size_t i = 0; i < 3; i++)
    if (is_stdout(paths[i])) paths[i] = "/dev/stdout";
  lcl_status st = lcl__check_outputs(paths, 3, NULL, 0);
  if (st == LCL_OK && o->compare) st = lcl__check_outputs(paths + 1, 2, &o->compare, 1);
  if (st == LCL_OK)
    st = lcl__check_outputs(paths + 1, 2, (const char *const *)read, (size_t)n_read);
  return st == LCL_OK ? CLI_OK : cli_error();
}

static int draw(const lcl_result_files *files, const char *path) {
  lcl_str page = { 0 };
  int code = lcl__results_html(files, &page) == LCL_OK ? write_text(path, page.data) : cli_error();
  lcl__str_free(&page);
  return code;
}

static bool wants_stdout(const options *o) {
  return is_stdout(o->json) || is_stdout(o->csv) || is_stdout(o->html);
}

/* That one of two devices is slower is no regression, unless a threshold is asked for. */
static double threshold_of(const lcl_result_files *files, const options *o) {
  const bool one = files->n && strcmp(files->data[0].device, files->data[files->n - 1].device) == 0;
  return o->threshold_text || one ? o->threshold : 0;
}

/* Prints results (and writes a page of them) next to each other; exit code 1 when the last ones are
 * slower than the threshold allows. */
static int compare(const lcl_result_files *files, const options *o) {
  lcl_str table = { 0 };
  size_t regressions = 0;
  int code = CLI_OK;
  if (lcl__results_table(files, threshold_of(files, o), &table, &regressions) != LCL_OK)
    code = cli_error();
  else
    fputs(table.data, wants_stdout(o) ? stderr : stdout);
  if (code == CLI_OK && o->html) code = draw(files, o->html);
  if (code == CLI_OK && regressions)
    code = cli_fail("%zu workload%s slower than the threshold allows, wrong or not measured",
                    regressions, regressions == 1 ? " is" : "s are");
  lcl__str_free(&table);
  return code;
}

/* "5%", "5 %" or "0.05". */
static int parse_threshold(options *o) {
  const char *text = o->threshold_text ? o->threshold_text : "5%";
  char *end;
  double v = lcl__strtod(text, &end);
  const char *rest = end + strspn(end, " ");
  if (*rest == '%') v /= 100, rest++;
  if (end == text || *rest || text[strspn(text, "+.0123456789eE %")] || !(v > 0 && v <= 1000))
    return cli_usage("--threshold takes a part such as 5%% or 0.05, not '%s'", text);
  if (o->threshold_text && !o->compare)
    return cli_usage("--threshold belongs to --compare FILE, which is not given");
  o->threshold = v;
  return CLI_OK;
}

/* ---- first start in a process of its own ---- */

/* What such a process prints: seconds to compile and for the first run. */
static int print_compile_times(const picked *p, const options *o) {
  lcl_context *ctx;
  lcl_bench_desc desc = { .seconds = -1, .no_roofline = true };
  lcl_bench_row row;
  if (lcl_context_create(&(lcl_context_desc) { .device = o->device }, &ctx) != LCL_OK)
    return cli_error();
  int code = lcl_bench_run(ctx, p->index[0], &desc, &row) == LCL_OK ? CLI_OK : cli_error();
  if (code == CLI_OK) printf("%.9g\n", row.compile + row.first_run);
  lcl_context_destroy(ctx);
  return code;
}

static double start_once(const char *dir, const char *what, const char *device) {
  char command[4096], self[512], line[64] = "";
  ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
  if (n <= 0) return -1;
  self[n] = 0;
  snprintf(command, sizeof command,
           "LATENTCL_CACHE=%s/l XDG_CACHE_HOME=%s/x POCL_CACHE_DIR=%s/p CUDA_CACHE_PATH=%s/c "
           "NEO_CACHE_DIR=%s/n timeout 600 '%s' bench %s "
           "--device %s --compile-times 2>/dev/null",
           dir, dir, dir, dir, dir, self, what, device);
  FILE *f = popen(command, "r");
  if (!f) return -1;
  const bool got = fgets(line, sizeof line, f) != NULL;
  return pclose(f) == 0 && got ? lcl__strtod(line, NULL) : -1;
}

/* The workload, of a network its file, as the shell takes it; false: it cannot. */
static bool quoted(size_t index, const options *o, char *out, size_t size) {
  const lcl_workload *w = lcl__bench_workload(index);
  const char *name = w->path ? w->path : w->name;
  size_t n = (size_t)snprintf(out, size, "'%s'", name);
  bool plain = !strchr(name, '\'');
  for (size_t i = 0; i < o->dims.n && n < size && cli_is_onnx(name); i++) {
    plain &= !strchr(o->dims.item[i], '\'');
    n += (size_t)snprintf(out + n, size - n, " --dim '%s'", o->dims.item[i]);
  }
  return plain && n < size;
}

/* CPU drivers finish compiling when a kernel first runs, so that run is part of it. -1 where it
 * failed. */
static void measure_starts(lcl_bench_row *row, size_t index, const options *o, const char *device) {
  char dir[48], what[2048];
  if (!quoted(index, o, what, sizeof what)) return;
  if (!lcl__bench_folder(dir)) return;
  row->cold_compile = start_once(dir, what, device);
  if (row->cold_compile >= 0 && !cli_stopped()) row->cached_compile = start_once(dir, what, device);
  lcl__folder_remove(dir);
}

/* The folders of this user's benchmarks that were killed. */
static void remove_left_behind(void) {
  DIR *tmp = opendir("/tmp");
  for (struct dirent *e = tmp ? readdir(tmp) : NULL; e; e = readdir(tmp)) {
    char dir[48];
    long pid;
    int end = 0;
    struct stat st;
    if (sscanf(e->d_name, LCL_BENCH_FOLDER "%ld-%*6[A-Za-z0-9]%n", &pid, &end) != 1 || !end ||
        e->d_name[end] || pid <= 0 || kill((pid_t)pid, 0) == 0 || errno != ESRCH ||
        fstatat(dirfd(tmp), e->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0 || !S_ISDIR(st.st_mode) ||
        st.st_uid != geteuid() || end > 40)
      continue;
    snprintf(dir, sizeof dir, "/tmp/%.40s", e->d_name);
    lcl__folder_remove(dir);
  }
  if (tmp) closedir(tmp);
}

/* ---- measuring ---- */

typedef struct tally {
  struct {
    char **data;
    size_t n, cap;
  } texts; /* JSON, one a device */
  lcl_str csv;
  size_t rows, wrong, failed;
} tally;

static int measure_rows(lcl_context *ctx, const picked *p, const options *o, bool quiet,
                        lcl_bench_row *rows, tally *t) {
  lcl_bench_desc desc = {
    .seconds = o->seconds, .verify = o->verify, .device_time = !o->quick, .commit = LATENTCL_COMMIT
  };
  const lcl_caps *caps = lcl__context_caps(ctx);
  char device[24], *text;
  size_t done = 0;
  remove_left_behind();
  lcl__caps_selector(caps, device);
  for (size_t i = 0; i < p->n && !cli_stopped(); i++) {
    lcl_bench_row *row = &rows[done];
    lcl__status_line("%zu of %zu  %s ...", i + 1, p->n, lcl_bench_at(p->index[i]).name);
    const bool ok = lcl_bench_run(ctx, p->index[i], &desc, row) == LCL_OK;
    if (ok && !o->quick && row->compile >= 0) measure_starts(row, p->index[i], o, device);
    lcl__status_line_end();
    if (!ok) {
      cli_error();
      t->failed++;
      continue;
    }
    t->wrong += row->verified < 0;
    if (!quiet) bench_print_row(row, !o->quick);
    done++;
  }
  t->rows += done;
  bench_csv(&t->csv, caps->name, rows, done);
  if (lcl_bench_json(ctx, &desc, rows, done, &text) != LCL_OK) return cli_error();
  return LCL_PUSH(&t->texts, text) ? CLI_OK : cli_fail("out of memory");
}

static int measure_device(const char *device, const picked *p, const options *o, tally *t) {
  const bool quiet = wants_stdout(o);
  lcl_context *ctx;
  if (lcl_context_create(&(lcl_context_desc) { .device = device }, &ctx) != LCL_OK)
    return cli_error();
  const lcl_caps *caps = lcl__context_caps(ctx);
  lcl_bench_row *rows = calloc(p->n + 1, sizeof *rows);
  if (!quiet) {
    cli_print("device: %s\ndriver: %s %s, %s\nclock:  %s\n", caps->name, caps->platform,
              caps->driver, caps->version, LCL_BENCH_CLOCK);
    bench_print_head();
  }
  int code = rows ? measure_rows(ctx, p, o, quiet, rows, t) : cli_fail("out of memory");
  free(rows);
  lcl_context_destroy(ctx);
  return code;
}

/* --device all: each in turn; one that fails is named, and the others go on. */
static int measure_devices(const picked *p, const options *o, tally *t) {
  lcl_device_info *rows;
  size_t n;
  int code = CLI_OK;
  if (!o->device || strcmp(o->device, "all") != 0) return measure_device(o->device, p, o, t);
  if (lcl__devices(&rows, &n) != LCL_OK) return cli_error();
  for (size_t i = 0; i < n && !cli_stopped(); i++) {
    char selector[24];
    if (!rows[i].device) continue;
    if (measure_device(lcl__caps_selector(&rows[i].caps, selector), p, o, t) != CLI_OK)
      code = CLI_FAILED;
  }
  lcl__free(rows);
  return t->texts.n ? code : cli_fail("no device could be measured");
}

/* One device: its own object; several: a set. */
static int write_json(const tally *t, const options *o, bool several) {
  char *set;
  if (!several) return write_text(o->json, t->texts.data[0]);
  if (lcl__results_join(t->texts.data, t->texts.n, &set) != LCL_OK) return cli_error();
  int code = write_text(o->json, set);
  free(set);
  return code;
}

/* What the measurements say: files, comparison, the exit code. */
static int report(const tally *t, const options *o, lcl_result_files *files, int code) {
  const bool several = o->device && strcmp(o->device, "all") == 0;
  for (size_t i = 0; i < t->texts.n && (o->compare || o->html); i++)
    if (lcl__results_parse(t->texts.data[i], "this run", files) != LCL_OK) code = cli_error();
  if (t->texts.n && o->json && write_json(t, o, several) != CLI_OK) code = CLI_FAILED;
  if (t->texts.n && o->csv && write_text(o->csv, t->csv.data) != CLI_OK) code = CLI_FAILED;
  if (t->texts.n && o->compare && compare(files, o) != CLI_OK)
    code = CLI_FAILED;
  else if (t->texts.n && o->html && !o->compare && draw(files, o->html) != CLI_OK)
    code = CLI_FAILED;
  if (t->wrong)
    code = cli_fail("%zu result%s from the reference", t->wrong,
                    t->wrong == 1 ? " differs" : "s differ");
  if (t->failed && code == CLI_OK) code = CLI_FAILED;
  return code;
}

/* Stopped: what was measured is written to files that were not there. */
static void keep_some(const tally *t, const options *o, lcl_result_files *files) {
  options some = { .device = o->device };
  if (t->rows && o->json && !lcl__file_exists(o->json)) some.json = o->json;
  if (t->rows && o->csv && !lcl__file_exists(o->csv)) some.csv = o->csv;
  report(t, &some, files, CLI_OK);
  fprintf(stderr, "latentcl bench: stopped; %s%s%s%s\n",
          some.json || some.csv ? "what was measured is in " : "no results are written",
          some.json ? some.json : "", some.json && some.csv ? " and " : "",
          some.csv ? some.csv : "");
}

static int measure(const picked *p, const options *o, lcl_result_files *files) {
  tally t = { 0 };
  cli_catch_stop();
  int code = measure_devices(p, o, &t);
  if (cli_stopped()) {
    keep_some(&t, o, files);
    code = cli_stop_code();
  } else {
    code = report(&t, o, files, code);
  }
  for (size_t i = 0; i < t.texts.n; i++) free(t.texts.data[i]);
  lcl__free(t.texts.data);
  lcl__str_free(&t.csv);
  return code;
}

/* ---- the command ---- */

static bool is_file(const char *name) {
  const size_t n = strlen(name);
  return n > 5 && strcmp(name + n - 5, ".json") == 0;
}

static int run_options(int argc, char **argv, const options *o) {
  static char *const by_default[] = { "gemm", "conv", "steps" }, *const everything[] = { "all" };
  lcl_result_files files = { 0 };
  picked p = { 0 };
  int code = CLI_OK, n_files = 0;
  while (o->compare && n_files < argc && is_file(argv[n_files])) n_files++;
  if (n_files && n_files < argc)
    return cli_usage("--compare takes results files or workloads after its FILE, not both");
  if ((o->list || o->describe) && (o->json || o->csv || o->html))
    return cli_usage("--json, --csv and --html write what is measured; a list measures nothing");
  if (check_files(o, argv, n_files) != CLI_OK) return CLI_FAILED;
  if (o->compare && lcl__results_load(o->compare, &files) != LCL_OK) code = cli_error();
  for (int i = 0; code == CLI_OK && i < n_files; i++)
    if (lcl__results_load(argv[i], &files) != LCL_OK) code = cli_error();
  if (code == CLI_OK && !n_files) code = cli_onnx_workloads(argc, argv, &o->dims);
  const bool only_files = n_files || (o->compare && argc == 0 && files.n > 1);
  if (code == CLI_OK && only_files && (o->json || o->csv || o->list || o->describe || o->verify)) {
    code = cli_usage("--json, --csv, --verify and lists are of what is measured; files are only "
                     "compared");
  } else if (code == CLI_OK && only_files) {
    code = compare(&files, o);
  } else if (code == CLI_OK) {
    if (argc)
      code = pick(argc, argv, &p);
    else if (o->list || o->describe)
      code = pick(1, everything, &p);
    else if (files.n)
      code = pick_from(&files.data[0], &p);
    else
      code = pick(3, by_default, &p);
    for (size_t i = 0; code == CLI_OK && argc && i < files.n; i++) keep_picked(&files.data[i], &p);
    if (code == CLI_OK)
      code = o->list || o->describe ? list(&p, o->describe)
             : o->compile_times     ? print_compile_times(&p, o)
                                    : measure(&p, o, &files);
  }
  lcl__results_free(&files);
  free(p.index);
  return code;
}

/* The page of a folder of results files. Files that cannot be shown are named, and the others are.
 */
static int gallery(const options *o) {
  lcl_gallery g = { 0 };
  lcl_str page = { 0 };
  lcl_str own = { 0 };
  lcl__str_add(&own, "%s/index.html", o->gallery);
  const char *path = o->html ? o->html : own.data;
  int code = path && lcl__check_output(is_stdout(path) ? NULL : path) == LCL_OK &&
                     lcl__gallery_read(o->gallery, &g) == LCL_OK &&
                     lcl__gallery_html(&g, &page) == LCL_OK
                 ? write_text(path, page.data)
                 : cli_error();
  if (code == CLI_OK)
    for (size_t i = 0; i < g.left_out.n; i++) cli_fail("left out: %s", g.left_out.data[i]);
  if (code == CLI_OK && !is_stdout(path)) cli_print("%s\n", path);
  lcl__str_free(&page);
  lcl__gallery_free(&g);
  lcl__str_free(&own);
  return code;
}

static int run(int argc, char **argv) {
  options o = { .seconds = 1 };
  const cli_option table[] = {
    { "device", CLI_STRING, &o.device, "SEL",
      "OpenCL device: 1:0, gpu, cpu or part of a name; all: each in turn" },
    { "seconds", CLI_FLOAT, &o.seconds, "S", "time for the steady state of each workload",
      "(0,1e9]" },
    { "quick", CLI_FLAG, &o.quick, NULL,
      "leave out what takes runs of its own: start with empty and full caches, device time" },
    { "verify", CLI_FLAG, &o.verify, NULL,
      "check each result against the double-precision reference" },
    CLI_CHOICES,
    { "json", CLI_STRING, &o.json, "FILE",
      "write results as JSON (- for standard output); of several devices as a set", ".json" },
    { "csv", CLI_STRING, &o.csv, "FILE", "write results as CSV", ".csv" },
    { "compare", CLI_STRING, &o.compare, "FILE",
      "compare with a --json FILE: with the FILEs that follow, else measure and compare with "
      "that" },
    { "threshold", CLI_STRING, &o.threshold_text, "PART",
      "with --compare: exit 1 when a workload is slower by more than this (5%; between two devices "
      "no limit)" },
    { "html", CLI_STRING, &o.html, "FILE", "times and rooflines as a web page", ".html .htm" },
    { "gallery", CLI_STRING, &o.gallery, "DIR",
      "measure nothing; make one page of all --json files in DIR: DIR/index.html, or --html FILE" },
    { "list", CLI_FLAG, &o.list, NULL, "list workloads" },
    { "describe", CLI_FLAG, &o.describe, NULL,
      "list workloads and explain every reading in words" },
    CLI_DIM(&o.dims, "size of a dimension that MODEL.onnx leaves open (1)"),
    { "compile-times", CLI_FLAG, &o.compile_times, NULL,
      "internal: compile and run once for a parent process" },
    { NULL, CLI_FLAG, NULL, NULL, NULL },
  };
  int at,
      code = cli_parse(
          argc, argv, table,
          "bench [SUITE|WORKLOAD|MODEL.onnx]... | bench --compare FILE [FILE]... | bench "
          "--gallery DIR",
          "Measures named workloads. Suites: all, device (with launch), gemm, conv (with "
          "deepbench), recurrent, perturb, fft, half, "
          "steps, epoch, pixelrnn, sample. A network from an ONNX file is a workload of its own. "
          "Without arguments: gemm, conv and steps; with --compare "
          "FILE alone, what FILE has." CLI_WITHOUT_ONNX,
          &at);
  if (code >= 0) return code;
  if (parse_threshold(&o) != CLI_OK) return CLI_USAGE;
  if (o.gallery && (at < argc || o.compare || o.json || o.csv || o.list || o.describe || o.verify))
    return cli_usage("--gallery DIR shows results files and measures nothing: of the other options "
                     "only --html FILE goes with it");
  if (o.gallery) return gallery(&o);
  return run_options(argc - at, argv + at, &o);
}

const struct lcl_command cmd_bench = { "bench", "measure named workloads on a device", run };
