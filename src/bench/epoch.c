/* An epoch as a user waits for it: a folder of image files is opened, decoded, trained on once with
 * random changes of its images, and evaluated; with all that lcl_train() does around that. */
#include <unistd.h>

#include "base/folder.h"
#include "bench/bench.h"
#include "data/array.h"
#include "latentcl/train.h"

typedef struct epoch {
  lcl_context *ctx;
  lcl_train_desc desc;
  char images[64], run[64];
} epoch;

bool lcl__bench_folder(char path[48]) {
  snprintf(path, 48, "/tmp/" LCL_BENCH_FOLDER "%ld-XXXXXX", (long)getpid());
  return mkdtemp(path) != NULL;
}

/* images: how many they are. */
static lcl_status write_images(const char *folder, double *images) {
  lcl_splits splits;
  LCL_TRY(lcl_data_open(&(lcl_data_desc) { .path = "synthetic:animals", .valid = -1 }, &splits));
  const lcl_status st = lcl__data_write_images(&splits, folder, NULL);
  *images = (double)(splits.train->count + splits.test->count);
  lcl_splits_close(&splits);
  return st;
}

static lcl_status train(void *user) {
  epoch *e = user;
  lcl__folder_remove(e->run);
  return lcl_train(e->ctx, &e->desc, NULL);
}

lcl_status lcl__bench_epoch(lcl_context *ctx, const lcl_workload *w, lcl_bench_desc *desc,
                            lcl_bench_row *row) {
  char folder[48], batch[24];
  if (!lcl__bench_folder(folder)) return lcl__fail(LCL_ERR_IO, "cannot make a folder in /tmp");
  snprintf(batch, sizeof batch, "batch=%d", w->batch);
  const char *const set[] = { "epochs=1",
                              "arch=stack",
                              "variant=baseline",
                              "prep=plain",
                              "ce_mode=categorical",
                              "augment=shift=4,mirror",
                              "validation=-1",
                              batch };
  epoch e = {
    .ctx = ctx,
    .desc = { .model = w->model, .set = set, .n_set = LCL_COUNT(set), .quiet = true, .test = true }
  };
  snprintf(e.images, sizeof e.images, "%s/images", folder);
  snprintf(e.run, sizeof e.run, "%s/run", folder);
  e.desc.data = e.images;
  e.desc.out = e.run;
  double images;
  lcl_status st = write_images(e.images, &images);
  if (st == LCL_OK) st = lcl__bench_time_fn(ctx, train, &e, desc, row);
  lcl__folder_remove(folder);
  if (st != LCL_OK || row->median <= 0) return st;
  snprintf(row->unit, sizeof row->unit, "images/s");
  row->value = images / row->median;
  return LCL_OK;
}
