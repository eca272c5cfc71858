/* Files that the whole library has a part in, under libFuzzer. LATENTCL_FUZZ names the format;
 * whatever the bytes, a reader gives a status, and says in one line why it is none of success. */
#include <stdint.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/folder.h"
#include "base/json.h"
#include "bench/compare.h"
#include "latentcl/onnx.h"
#include "latentcl/train.h"
#include "train/results.h"

static lcl_context *ctx;
static char folder[32], run_folder[64], page[64], network[64];

/* Gives back whether it went well. */
static bool right(lcl_status status) {
  const char *message = lcl_error_message();
  if (status != LCL_OK && (!*message || strchr(message, '\n'))) {
    fprintf(stderr, "not one line: \"%s\"\n", message);
    abort();
  }
  return status == LCL_OK;
}

static void need(lcl_status status) {
  if (right(status)) return;
  fprintf(stderr, "%s\n", lcl_error_message());
  abort();
}

static void write_file(const char *path, const void *data, size_t n) {
  FILE *f = fopen(path, "wb");
  if (!f || fwrite(data, 1, n, f) != n || fclose(f) != 0) abort();
}

/* ---- ONNX: what loads can be saved, and then loads again with the same shapes ---- */

typedef struct loaded {
  lcl_store *store;
  lcl_graph *graph;
  lcl_onnx_model *model;
} loaded;

static loaded begin(void) {
  loaded l = { 0 };
  need(lcl_store_create(ctx, 1, &l.store));
  need(lcl_graph_create(l.store, "fuzz", &l.graph));
  return l;
}

static void end(loaded *l) {
  lcl_onnx_close(l->model);
  lcl_graph_destroy(l->graph);
  lcl_store_destroy(l->store);
}

static void save_and_load(const loaded *l) {
  enum { MOST = 16 };
  const lcl_onnx_model *m = l->model;
  lcl_onnx_name out[MOST];
  size_t n = 0;
  for (; n < lcl_onnx_output_count(m) && n < MOST; n++) {
    const lcl_onnx_value v = lcl_onnx_output(m, n);
    out[n] = (lcl_onnx_name) { v.tensor, v.name };
  }
  if (!right(lcl_onnx_save(network, &(lcl_onnx_save_desc) { .outputs = out, .n_outputs = n })))
    return;
  loaded again = begin();
  need(lcl_onnx_load(again.graph, network, NULL, &again.model));
  for (size_t i = 0; i < n; i++)
    if (!lcl_shape_equal(lcl_tensor_shape(out[i].tensor),
                         lcl_tensor_shape(lcl_onnx_output(again.model, i).tensor)))
      abort();
  end(&again);
}

static void fuzz_onnx(const uint8_t *data, size_t n) {
  loaded l = begin();
  if (right(lcl_onnx_parse(l.graph, data, n, NULL, &l.model)))
    save_and_load(&l);
  else if (l.model)
    abort();
  end(&l);
}

/* ---- a run folder: config.json, a line "--", log.jsonl ---- */

static void fuzz_run(const uint8_t *data, size_t n) {
  static const char mark[] = "\n--\n";
  const uint8_t *cut = n ? memmem(data, n, mark, sizeof mark - 1) : NULL;
  const size_t first = cut ? (size_t)(cut - data) : n, second = cut ? first + sizeof mark - 1 : n;
  const char *const runs[] = { run_folder, run_folder };
  char path[96];
  snprintf(path, sizeof path, "%s/config.json", run_folder);
  write_file(path, data, first);
  snprintf(path, sizeof path, "%s/log.jsonl", run_folder);
  write_file(path, data + second, n - second);
  right(lcl_report_compare(runs, 2, page));
  cJSON *files = cJSON_CreateArray();
  right(lcl__results_add(
      &(lcl_results_add_desc) {
          .runs = runs, .n_runs = 1, .out = folder, .name = "fuzz", .title = "fuzz" },
      files));
  cJSON_Delete(files);
  snprintf(path, sizeof path, "%s/fuzz.json", folder); /* else the next one joins it */
  remove(path);
}

/* ---- a results file of `latentcl bench` ---- */

static void fuzz_bench(const uint8_t *data, size_t n) {
  char *text = lcl__alloc(n + 1);
  lcl_result_files files = { 0 };
  lcl_str table = { 0 }, html = { 0 };
  size_t slower;
  if (!text) return;
  memcpy(text, data, n);
  if (right(lcl__results_parse(text, "fuzz", &files)) &&
      right(lcl__results_parse(text, "again", &files))) {
    right(lcl__results_table(&files, 0.05, &table, &slower));
    right(lcl__results_html(&files, &html));
  }
  lcl__str_free(&table);
  lcl__str_free(&html);
  lcl__results_free(&files);
  lcl__free(text);
}

static const struct {
  const char *name;
  void (*run)(const uint8_t *data, size_t n);
} formats[] = { { "onnx", fuzz_onnx }, { "run", fuzz_run }, { "bench", fuzz_bench } };
static size_t chosen = LCL_COUNT(formats);

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void clean_up(void) {
  lcl__folder_remove(folder);
}

int LLVMFuzzerInitialize(int *argc, char ***argv) {
  (void)argc, (void)argv;
  const char *name = getenv("LATENTCL_FUZZ");
  for (size_t i = 0; name && i < LCL_COUNT(formats); i++)
    if (strcmp(formats[i].name, name) == 0) chosen = i;
  if (chosen == LCL_COUNT(formats)) abort(); /* LATENTCL_FUZZ names no format */
  /* Files are written through to the disk, which takes long where there is one. */
  snprintf(folder, sizeof folder, "%s/lcl-fuzz-XXXXXX",
           access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
  if (!mkdtemp(folder)) abort();
  atexit(clean_up);
  snprintf(run_folder, sizeof run_folder, "%s/run", folder);
  snprintf(page, sizeof page, "%s/page.html", folder);
  snprintf(network, sizeof network, "%s/network.onnx", folder);
  if (mkdir(run_folder, 0700) != 0) abort();
  if (formats[chosen].run == fuzz_onnx) need(lcl_context_create(NULL, &ctx));
  return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
  formats[chosen].run(data, n);
  return 0;
}
