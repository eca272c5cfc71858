/* t-SNE's repulsive sums: upload, launches of cl/tsne.cl, download. */
#include "device/divide.h"
#include "nn/tsne.h"

#define GROUP 64
/* Points that a launch walks on GPUs: see cl/tsne.cl. */
#define WALK (1 << 13)
#define FAR  1e15f /* its square is still finite, and 1/(1 + its square) times itself is 0 */

struct lcl_repulsion {
  lcl_context *ctx;
  int64_t n, padded;
  lcl_buffer *x, *y, *out;
  lcl_list *list;
  float *host; /* 3 x padded */
};

/* The share of the points from begin to end - 1. */
static lcl_status add_launch(lcl_repulsion *r, int64_t begin, int64_t end) {
  const lcl_caps *caps = lcl__context_caps(r->ctx);
  char options[32];
  snprintf(options, sizeof options, "-DTSNE_VEC=%u",
           caps->preferred_float >= 16  ? 16
           : caps->preferred_float >= 8 ? 8
                                        : 4);
  size_t local = caps->packed ? 1 : GROUP, shares = (size_t)r->padded / GROUP;
  size_t groups = caps->packed ? LCL_MIN(shares, 16 * (size_t)lcl__units(caps))
                               : LCL_MIN(shares, 65535);
  size_t bytes = (size_t)r->padded * sizeof(float);
  double pairs = (double)r->padded * (double)(end - begin);
  return lcl__list_add(
      r->list, &(lcl_launch) { .label = "tsne repulsion",
                               .source = { .file = "tsne.cl", .options = options },
                               .kernel = "tsne_repulsion",
                               LCL_ARGS(lcl__memory(r->x, LCL_READ), lcl__memory(r->y, LCL_READ),
                                        lcl__memory(r->out, begin ? LCL_READ_WRITE : LCL_WRITE),
                                        lcl__i32(r->padded), lcl__i32(begin), lcl__i32(end)),
                               .dims = 1,
                               .global = { groups * local },
                               .local = { local },
                               .flops = 13 * pairs,
                               .bytes = 5 * (double)bytes });
}

static lcl_status add_launches(lcl_repulsion *r) {
  const int64_t walk = lcl__context_caps(r->ctx)->packed ? r->padded : WALK;
  for (int64_t begin = 0; begin < r->padded; begin += walk)
    LCL_TRY(add_launch(r, begin, LCL_MIN(begin + walk, r->padded)));
  return LCL_OK;
}

lcl_status lcl__repulsion_create(lcl_context *ctx, int64_t n, lcl_repulsion **out) {
  *out = NULL;
  if (n < 1 || n > 1 << 24)
    return lcl__fail(LCL_ERR_ARGUMENT, "t-SNE of %lld points: 1 to 2^24 can be placed",
                     (long long)n);
  lcl_repulsion *r = lcl__alloc(sizeof *r);
  if (!r) return LCL_ERR_HOST_MEMORY;
  r->ctx = ctx;
  r->n = n;
  r->padded = (n + GROUP - 1) / GROUP * GROUP;
  size_t bytes = (size_t)r->padded * sizeof(float);
  r->host = lcl__alloc(3 * bytes);
  lcl_status status = r->host ? lcl_buffer_create(ctx, bytes, &r->x) : LCL_ERR_HOST_MEMORY;
  if (status == LCL_OK) status = lcl_buffer_create(ctx, bytes, &r->y);
  if (status == LCL_OK) status = lcl_buffer_create(ctx, 3 * bytes, &r->out);
  if (status == LCL_OK) status = lcl__list_create(ctx, &r->list);
  if (status == LCL_OK) status = add_launches(r);
  if (status == LCL_OK) status = lcl__list_seal(r->list);
  if (status != LCL_OK) {
    lcl__repulsion_destroy(r);
    return status;
  }
  *out = r;
  return LCL_OK;
}

void lcl__repulsion_destroy(lcl_repulsion *r) {
  if (!r) return;
  lcl__list_destroy(r->list);
  lcl_buffer_destroy(r->x);
  lcl_buffer_destroy(r->y);
  lcl_buffer_destroy(r->out);
  lcl__free(r->host);
  lcl__free(r);
}

lcl_status lcl__repulsion_run(lcl_repulsion *r, const float *y, float *force, double *z) {
  size_t bytes = (size_t)r->padded * sizeof(float);
  for (int axis = 0; axis < 2; axis++) {
    for (int64_t i = 0; i < r->padded; i++) r->host[i] = i < r->n ? y[2 * i + axis] : FAR;
    LCL_TRY(lcl__upload(r->ctx, axis ? r->y : r->x, 0, r->host, bytes));
  }
  LCL_TRY(lcl__list_run(r->list, NULL));
  LCL_TRY(lcl__download(r->ctx, r->out, 0, r->host, 3 * bytes));
  *z = 0;
  for (int64_t i = 0; i < r->n; i++) {
    *z += (double)r->host[i] - 1; /* without the point itself */
    force[2 * i] = r->host[r->padded + i];
    force[2 * i + 1] = r->host[2 * r->padded + i];
  }
  return LCL_OK;
}
