/* A kernel with a planted error, to see that on_oclgrind.sh fails: planted race|bounds. Meson
 * expects this test to fail. */
#include "device/device.h"

static const char race[] =
    "__kernel void f(__global int *x) {\n"
    "  __local int shared_words[4];\n"
    "  int i = get_local_id(0);\n"
    "  shared_words[i] = i;\n"
    "  x[get_global_id(0)] = shared_words[3 - i];\n" /* a barrier is missing */
    "}\n";
static const char bounds[] = "__kernel void f(__global int *x) { x[get_global_id(0) + 1] = 1; }\n";
static const char fine[] = "__kernel void f(__global int *x) { x[get_global_id(0)] = 1; }\n";

static lcl_status run(lcl_context *ctx, const char *text) {
  cl_kernel k;
  lcl_buffer *b;
  int x[4];
  size_t items = 4;
  LCL_TRY(lcl__kernel_create(ctx, &(lcl_source) { .text = text }, "f", &k));
  LCL_TRY(lcl_buffer_create(ctx, sizeof x, &b));
  /* A buffer of exactly four words: those of lcl_buffer_create are rounded up. */
  cl_int err;
  cl_mem mem = clCreateBuffer(lcl_context_cl_context(ctx), CL_MEM_READ_WRITE, sizeof x, NULL, &err);
  if (err == CL_SUCCESS) err = clSetKernelArg(k, 0, sizeof mem, &mem);
  if (err == CL_SUCCESS)
    err = clEnqueueNDRangeKernel(lcl__context_queue(ctx), k, 1, NULL, &items, &items, 0, NULL,
                                 NULL);
  lcl_status status = err == CL_SUCCESS ? lcl_context_finish(ctx)
                                        : lcl__cl_fail(ctx, err, "running");
  clReleaseMemObject(mem);
  clReleaseKernel(k);
  lcl_buffer_destroy(b);
  return status;
}

int main(int argc, char **argv) {
  lcl_context *ctx;
  if (argc != 2 || lcl_context_create(NULL, &ctx) != LCL_OK) return 2;
  lcl_status status = run(ctx, strcmp(argv[1], "race") == 0     ? race
                               : strcmp(argv[1], "bounds") == 0 ? bounds
                                                                : fine);
  lcl_context_destroy(ctx);
  return status == LCL_OK ? 0 : 3;
}
