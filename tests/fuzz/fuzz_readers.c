/* Readers of files under libFuzzer. LATENTCL_FUZZ names the format; whatever the bytes, a reader
 * gives a status. */
#include <stdint.h>

#include "base/npy.h"
#include "data/data_internal.h"
#include "data/image.h"
#include "graph/store.h"
#include "latentcl/train.h"

static void fuzz_idx(const uint8_t *data, size_t n) {
  lcl_idx idx;
  if (lcl__idx_parse(data, n, &idx) == LCL_OK) lcl__idx_free(&idx);
}

static void fuzz_cifar(const uint8_t *data, size_t n) {
  for (int labels = 1; labels <= 2; labels++) {
    lcl_raw raw = { 0 };
    /* Twice, as two files of one part. */
    if (lcl__cifar_parse(data, n, labels, 10, &raw) == LCL_OK)
      lcl__cifar_parse(data, n, labels, 10, &raw);
    lcl_dataset *ds;
    if (raw.count && lcl__raw_to_dataset(&raw, "fuzz", &ds) == LCL_OK) lcl_dataset_close(ds);
    lcl__raw_free(&raw);
  }
}

static void fuzz_image(const uint8_t *data, size_t n) {
  lcl_image image;
  uint8_t square[3 * 8 * 8];
  if (lcl__image_decode(data, n, 8, &image) != LCL_OK) return;
  if (image.width < 512 && image.height < 512) lcl__image_square(&image, 8, false, square);
  lcl__image_free(&image);
}

static void fuzz_wav(const uint8_t *data, size_t n) {
  lcl_wav wav;
  if (lcl__wav_parse(data, n, &wav) == LCL_OK) lcl__free(wav.samples);
}

static void fuzz_prep(const uint8_t *data, size_t n) {
  static const float mean[12] = { 0 };
  const lcl_prep_array arrays[] = { { "prep.mean", mean, 3, { 3, 2, 2 } } };
  char *text = lcl__alloc(n + 1);
  lcl_prep *prep;
  if (!text) return;
  memcpy(text, data, n);
  if (lcl_prep_from_json(text, arrays, 1, &prep) == LCL_OK) lcl_prep_destroy(prep);
  lcl__free(text);
}

static void fuzz_npy(const uint8_t *data, size_t n) {
  lcl_npy array;
  if (lcl__npy_parse(data, n, "fuzz", &array) == LCL_OK) lcl__npy_free(&array);
}

/* The file of shapes and types also makes variables, which no reader does; this stands in for the
 * graph's stores. */
lcl_status lcl__store_var(lcl_store *store, const char *name, lcl_dtype dtype, lcl_shape shape,
                          bool trainable, lcl_init init, lcl_var **out) {
  (void)store, (void)name, (void)dtype, (void)shape, (void)trainable, (void)init, (void)out;
  abort();
}

static void fuzz_safetensors(const uint8_t *data, size_t n) {
  lcl_tensor_file *file;
  if (lcl_tensor_file_parse(data, n, "fuzz", &file) != LCL_OK) return;
  volatile uint8_t touched = 0; /* every byte that is promised must be there */
  for (size_t i = 0; i < lcl_tensor_file_count(file); i++) {
    const lcl_tensor_entry *e = lcl_tensor_file_at(file, i);
    for (size_t k = 0; k < e->bytes; k++) touched ^= ((const uint8_t *)e->data)[k];
  }
  lcl_tensor_file_destroy(file);
}

static const struct {
  const char *name;
  void (*run)(const uint8_t *data, size_t n);
} formats[] = {
  { "idx", fuzz_idx },
  { "cifar", fuzz_cifar },
  { "image", fuzz_image },
  { "wav", fuzz_wav },
  { "prep", fuzz_prep },
  { "npy", fuzz_npy },
  { "safetensors", fuzz_safetensors },
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
  static size_t chosen = LCL_COUNT(formats);
  const char *name = getenv("LATENTCL_FUZZ");
  for (size_t i = 0; chosen == LCL_COUNT(formats) && name && i < LCL_COUNT(formats); i++)
    if (strcmp(formats[i].name, name) == 0) chosen = i;
  if (chosen == LCL_COUNT(formats)) abort(); /* LATENTCL_FUZZ names no format */
  formats[chosen].run(data, n);
  return 0;
}
