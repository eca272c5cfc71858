/* A run from a small folder of images, and what it left: for tests of whole runs. */
#ifndef TEST_RUN_FOLDER_H
#define TEST_RUN_FOLDER_H

#include "test.h"

#include <math.h>

#include "base/npy.h"
#include "data/tempdir.h"
#include "train/session.h"

enum { N = 100, SIDE = 28, CLASSES = 4 };

static lcl_context *ctx;
static char root[256], grey[300], colour[300];

/* Noise with a pattern of each class. */
static inline uint8_t *make_images(int n, size_t size) {
  uint8_t *x = malloc((size_t)n * size);
  uint32_t seed = 1;
  for (size_t i = 0; i < (size_t)n * size; i++) {
    seed = seed * 1664525u + 1013904223u;
    x[i] = (uint8_t)((seed >> 25) + (i % size % CLASSES == i / size % CLASSES ? 100 : 0));
  }
  return x;
}

/* A part of a folder like MNIST's. */
static inline void write_idx(const char *folder, const char *part, int n, int side) {
  char path[440];
  const uint32_t head[] = {
    0x803, (uint32_t)n, (uint32_t)side, (uint32_t)side, 0x801, (uint32_t)n
  };
  uint8_t bytes[6][4], *x = make_images(n, (size_t)(side * side));
  for (int i = 0; i < 6; i++)
    for (int k = 0; k < 4; k++) bytes[i][k] = (uint8_t)(head[i] >> (24 - 8 * k));
  snprintf(path, sizeof path, "%s/%s-images-idx3-ubyte", folder, part);
  FILE *f = fopen(path, "wb");
  fwrite(bytes, 4, 4, f);
  fwrite(x, (size_t)(side * side), (size_t)n, f);
  fclose(f);
  snprintf(path, sizeof path, "%s/%s-labels-idx1-ubyte", folder, part);
  f = fopen(path, "wb");
  fwrite(bytes[4], 4, 2, f);
  for (int i = 0; i < n; i++) fputc(i % CLASSES, f);
  fclose(f);
  free(x);
}

static inline void write_images(const char *folder, int n, int side) {
  mkdir(folder, 0700);
  write_idx(folder, "train", n, side);
  write_idx(folder, "t10k", n / 5, side);
}

static inline void write_colour(const char *folder, int n, int side) {
  char path[400];
  uint8_t *x = make_images(n, (size_t)(3 * side * side));
  mkdir(folder, 0700);
  snprintf(path, sizeof path, "%s/features.npy", folder);
  ASSERT_OK(lcl__npy_write(path, LCL_NPY_U8, 4, (int64_t[]) { n, 3, side, side }, x));
  int32_t *label = malloc((size_t)n * sizeof *label);
  for (int i = 0; i < n; i++) label[i] = i % CLASSES;
  snprintf(path, sizeof path, "%s/labels.npy", folder);
  ASSERT_OK(lcl__npy_write(path, LCL_NPY_I32, 1, (int64_t[]) { n }, label));
  free(label);
  free(x);
}

static inline int setup(void **state) {
  (void)state;
  if (lcl_context_create(NULL, &ctx) != LCL_OK) fail_msg("%s", lcl_error_message());
  temp_make(root);
  snprintf(grey, sizeof grey, "%s/grey", root);
  snprintf(colour, sizeof colour, "%s/colour", root);
  write_images(grey, N, SIDE);
  write_colour(colour, 40, 32);
  return 0;
}

static inline int teardown(void **state) {
  (void)state;
  lcl_context_destroy(ctx);
  temp_remove(root);
  return 0;
}

static inline void near(const char *what, double got, double want, double bound) {
  if (!(fabs(got - want) <= bound))
    fail_msg("%s: got %.9g, expected %.9g within %.3g", what, got, want, bound);
}

/* ---- a run, and what it left ---- */

typedef struct run_desc {
  const char *model, *set, *more; /* "a=1 b=2" */
  const char *data;               /* NULL: grey */
  const char *name;               /* of the folder */
  const char *start;              /* another run's folder */
  uint64_t seed;
  bool resume, test;
  int (*interrupted)(void);
} run_desc;

static inline lcl_status start_run(const run_desc *r, lcl_train_result *result) {
  char copy[512], out[400], *rest = copy;
  const char *set[32];
  size_t n = 0;
  snprintf(copy, sizeof copy, "%s %s", r->set, r->more ? r->more : "");
  for (char *one = strtok_r(copy, " ", &rest); one; one = strtok_r(NULL, " ", &rest)) {
    assert_true(n < LCL_COUNT(set));
    set[n++] = one;
  }
  snprintf(out, sizeof out, "%s/%s", root, r->name);
  if (!r->resume) temp_remove(out);
  return lcl_train(ctx,
                   &(lcl_train_desc) { .model = r->model,
                                       .set = set,
                                       .n_set = n,
                                       .data = r->data ? r->data : grey,
                                       .out = out,
                                       .start = r->start,
                                       .seed = r->seed ? r->seed : 3,
                                       .quiet = true,
                                       .test = r->test,
                                       .resume = r->resume,
                                       .interrupted = r->interrupted },
                   result);
}

static inline lcl_train_result run(const run_desc *r) {
  lcl_train_result result;
  if (start_run(r, &result) != LCL_OK)
    fail_msg("%s %s %s: %s", r->model, r->set, r->more ? r->more : "", lcl_error_message());
  return result;
}

static inline lcl_tensor_file *checkpoint_of(const char *name) {
  char path[400];
  lcl_tensor_file *f;
  snprintf(path, sizeof path, "%s/%s/last.safetensors", root, name);
  ASSERT_OK(lcl_tensor_file_read(path, &f));
  return f;
}

/* The log without what depends on the clock. */
static inline char *log_of(const char *name) {
  char path[400], *text;
  void *data;
  size_t n;
  snprintf(path, sizeof path, "%s/%s/log.jsonl", root, name);
  ASSERT_OK(lcl__file_read(path, 1 << 24, &data, &n));
  text = strdup(data);
  lcl__free(data);
  static const char *const timed[] = { "\"seconds\":", "\"evaluation_seconds\":",
                                       "\"images_per_second\":", "\"time\":" };
  for (size_t i = 0; i < LCL_COUNT(timed); i++)
    for (char *p = text; (p = strstr(p, timed[i])) != NULL;) {
      char *end = p + strcspn(p, ",}");
      memmove(p, end, strlen(end) + 1);
    }
  return text;
}

/* What the log says under this name at each event of a kind. */
static inline int lines_of(const char *run_name, const char *event, const char *key,
                           double values[32]) {
  char *text = log_of(run_name), *rest = text, pattern[40], kind[40];
  int n = 0;
  snprintf(pattern, sizeof pattern, "\"%s\":", key);
  snprintf(kind, sizeof kind, "\"event\":\"%s\"", event);
  for (char *line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
    if (!strstr(line, kind)) continue;
    const char *at = strstr(line, pattern);
    assert_non_null(at);
    assert_true(n < 32);
    values[n++] = strtod(at + strlen(pattern), NULL);
  }
  free(text);
  return n;
}

/* The name of the first difference of two runs, or NULL. */
static inline const char *difference(const char *a, const char *b) {
  static const char *const meta[] = { "epoch",      "step",    "labelled.step", "unlabelled.step",
                                      "plateaus",   "stalled", "waited",        "best_epoch",
                                      "best_value", "best",    "totals" };
  static char name[100];
  lcl_tensor_file *x = checkpoint_of(a), *y = checkpoint_of(b);
  char *log_a = log_of(a), *log_b = log_of(b);
  name[0] = 0;
  if (lcl_tensor_file_count(x) != lcl_tensor_file_count(y)) snprintf(name, sizeof name, "count");
  for (size_t i = 0; i < lcl_tensor_file_count(x) && !name[0]; i++) {
    const lcl_tensor_entry *e = lcl_tensor_file_at(x, i), *f = lcl_tensor_file_find(y, e->name);
    if (!f || e->bytes != f->bytes || memcmp(e->data, f->data, e->bytes) != 0)
      snprintf(name, sizeof name, "%s", e->name);
  }
  for (size_t i = 0; i < LCL_COUNT(meta) && !name[0]; i++)
    if (strcmp(lcl_tensor_file_meta(x, meta[i]), lcl_tensor_file_meta(y, meta[i])) != 0)
      snprintf(name, sizeof name, "%s", meta[i]);
  if (!name[0] && strcmp(log_a, log_b) != 0) snprintf(name, sizeof name, "log.jsonl");
  free(log_a);
  free(log_b);
  lcl_tensor_file_destroy(x);
  lcl_tensor_file_destroy(y);
  return name[0] ? name : NULL;
}

#endif
