/* The compute test of `latentcl doctor`: a vector sum, a sum in local memory with barriers, and a
 * copy back and forth. */
#include "doctor.h"

#include <stdio.h>

enum { N = 1 << 16, GROUP = 16 };

static const char text[] =
    "__kernel void axpy(__global const float *x, __global float *y, float a, int n) {\n"
    "  int i = get_global_id(0);\n"
    "  if (i < n) y[i] = a * x[i] + y[i];\n"
    "}\n"
    "__kernel __attribute__((reqd_work_group_size(16, 1, 1))) void group_sum(__global const float "
    "*y, __global float *s) {\n"
    "  __local float part[16];\n"
    "  int i = get_local_id(0);\n"
    "  part[i] = y[get_global_id(0)];\n"
    "  barrier(CLK_LOCAL_MEM_FENCE);\n"
    "  for (int half_size = 8; half_size; half_size /= 2) {\n"
    "    if (i < half_size) part[i] += part[i + half_size];\n"
    "    barrier(CLK_LOCAL_MEM_FENCE);\n"
    "  }\n"
    "  if (i == 0) s[get_group_id(0)] = part[0];\n"
    "}\n";

typedef struct lab {
  lcl_context *ctx;
  lcl_buffer *x, *y, *s;
  lcl_list *list;
  float host[N];
} lab;

static lcl_status add(lab *l, const char *kernel, int n_args, const lcl_arg *args, size_t local) {
  return lcl__list_add(l->list, &(lcl_launch) { .label = kernel,
                                                .source = { .text = text },
                                                .kernel = kernel,
                                                .args = args,
                                                .n_args = n_args,
                                                .dims = 1,
                                                .global = { N },
                                                .local = { local } });
}

static lcl_status prepare(lab *l, const char *selector) {
  LCL_TRY(lcl_context_create(&(lcl_context_desc) { .device = selector }, &l->ctx));
  LCL_TRY(lcl_buffer_create(l->ctx, sizeof l->host, &l->x));
  LCL_TRY(lcl_buffer_create(l->ctx, sizeof l->host, &l->y));
  LCL_TRY(lcl_buffer_create(l->ctx, sizeof l->host / GROUP, &l->s));
  LCL_TRY(lcl__list_create(l->ctx, &l->list));
  const lcl_arg axpy[] = { lcl__memory(l->x, LCL_READ), lcl__memory(l->y, LCL_READ_WRITE),
                           lcl__f32(2), lcl__i32(N) };
  const lcl_arg sum[] = { lcl__memory(l->y, LCL_READ), lcl__memory(l->s, LCL_WRITE) };
  LCL_TRY(add(l, "axpy", LCL_COUNT(axpy), axpy, 0));
  LCL_TRY(add(l, "group_sum", LCL_COUNT(sum), sum, GROUP));
  return lcl__list_seal(l->list);
}

/* Small integers: every sum is exact, so any difference is an error of the device or its driver. */
static lcl_status compute(lab *l) {
  for (int i = 0; i < N; i++) l->host[i] = (float)(i % 64);
  LCL_TRY(lcl__upload(l->ctx, l->x, 0, l->host, sizeof l->host));
  LCL_TRY(lcl__upload(l->ctx, l->y, 0, l->host, sizeof l->host));
  LCL_TRY(lcl__list_run(l->list, NULL));
  LCL_TRY(lcl__download(l->ctx, l->s, 0, l->host, sizeof l->host / GROUP));
  for (int g = 0; g < N / GROUP; g++) {
    float expected = 0;
    for (int i = 0; i < GROUP; i++) expected += 3.0f * (float)((g * GROUP + i) % 64);
    if (l->host[g] != expected)
      return lcl__fail(LCL_ERR_NUMERIC, "sum %d is %g, not %g: the driver computes wrong results",
                       g, l->host[g], expected);
  }
  return LCL_OK;
}

bool doctor_compute(const lcl_device_info *row) {
  char selector[24];
  lcl__caps_selector(&row->caps, selector);
  lab *l = lcl__alloc(sizeof *l);
  double start = lcl__now(), prepared = start;
  lcl_status status = l ? prepare(l, selector) : LCL_ERR_HOST_MEMORY;
  if (status == LCL_OK) {
    prepared = lcl__now();
    status = compute(l);
  }
  if (status == LCL_OK)
    doctor_say("  compute test    passed (preparing %.2f s, running %.1f ms)\n", prepared - start,
               1e3 * (lcl__now() - prepared));
  else
    doctor_say("  ! compute test  FAILED: %s\n", lcl_error_message());
  if (l) {
    lcl__list_destroy(l->list);
    lcl_buffer_destroy(l->x);
    lcl_buffer_destroy(l->y);
    lcl_buffer_destroy(l->s);
    lcl_context_destroy(l->ctx);
  }
  lcl__free(l);
  return status == LCL_OK;
}
