/* Shapes are kernel arguments: once each kind of graph has run on a number of shapes, a hundred
 * others compile nothing new.
 *
 * Counted are programs that the driver builds, and pairs of kernel and work-group size: a driver
 * for processors compiles a kernel again for each of those. Sizes here are at least 2: a size of 1
 * lets dimensions merge, for which generated kernels have a text of their own (a finite set as
 * well). */
#define _GNU_SOURCE
#pragma GCC diagnostic ignored                                                                     \
    "-Wpedantic" /* dlsym gives functions as void*, which POSIX allows and C does not */
#define CL_TARGET_OPENCL_VERSION 300
#include <CL/cl.h>
#include <dlfcn.h>
#include <stdatomic.h>

#include "latentcl/nn.h"
#include "reference/spec.h"
#include "test.h"

/* ---- what the driver is asked for: these stand in front of the functions of libOpenCL ---- */

static atomic_int builds;
static struct {
  char name[64];
  size_t local[3];
} forms[512];
static int n_forms;

static void note(cl_kernel kernel, cl_uint dims, const size_t *local) {
  char name[64] = "";
  size_t size[3] = { 0 };
  for (cl_uint i = 0; local && i < dims; i++) size[i] = local[i];
  clGetKernelInfo(kernel, CL_KERNEL_FUNCTION_NAME, sizeof name, name, NULL);
  for (int i = 0; i < n_forms; i++)
    if (strcmp(forms[i].name, name) == 0 && memcmp(forms[i].local, size, sizeof size) == 0) return;
  assert_true(n_forms < (int)LCL_COUNT(forms));
  memcpy(forms[n_forms].name, name, sizeof name);
  memcpy(forms[n_forms++].local, size, sizeof size);
}

cl_int clBuildProgram(cl_program program, cl_uint n, const cl_device_id *devices,
                      const char *options, void(CL_CALLBACK *done)(cl_program, void *),
                      void *user) {
  cl_int (*real)(cl_program, cl_uint, const cl_device_id *, const char *,
                 void(CL_CALLBACK *)(cl_program, void *),
                 void *) = dlsym(RTLD_NEXT, "clBuildProgram");
  atomic_fetch_add(&builds, 1);
  return real(program, n, devices, options, done, user);
}

cl_int clEnqueueNDRangeKernel(cl_command_queue queue, cl_kernel kernel, cl_uint dims,
                              const size_t *offset, const size_t *global, const size_t *local,
                              cl_uint n_wait, const cl_event *wait, cl_event *event) {
  cl_int (*real)(cl_command_queue, cl_kernel, cl_uint, const size_t *, const size_t *,
                 const size_t *, cl_uint, const cl_event *,
                 cl_event *) = dlsym(RTLD_NEXT, "clEnqueueNDRangeKernel");
  note(kernel, dims, local);
  return real(queue, kernel, dims, offset, global, local, n_wait, wait, event);
}

/* ---- graphs of random sizes ---- */

typedef struct world {
  lcl_graph *g;
  lcl_rng r;
} world;

static int64_t size(world *w, int64_t least, int64_t most) {
  return least + lcl__rng_below(&w->r, most - least + 1);
}

static lcl_tensor *tensor(world *w, lcl_shape shape) {
  return lcl_random_normal(w->g, shape);
}

/* y and its gradients with respect to wrt become outputs. */
static void outputs(world *w, lcl_tensor *y, lcl_tensor *const *wrt, int n) {
  lcl_tensor *g[3];
  lcl_output(y, "y");
  lcl_vjp(y, tensor(w, lcl_tensor_shape(y)), wrt, n, g);
  for (int i = 0; i < n; i++) lcl_output(g[i], (const char *const[]) { "g0", "g1", "g2" }[i]);
}

static void gemm(world *w) {
  const bool ta = lcl__rng_chance(&w->r, 50), tb = lcl__rng_chance(&w->r, 50);
  const int64_t m = size(w, 2, 300), k = size(w, 2, 300), n = size(w, 2, 300);
  lcl_tensor *a = tensor(w, ta ? LCL_SHAPE(k, m) : LCL_SHAPE(m, k)),
             *b = tensor(w, tb ? LCL_SHAPE(n, k) : LCL_SHAPE(k, n));
  outputs(w, lcl_matmul(a, b, ta, tb), (lcl_tensor *[]) { a, b }, 2);
}

static void convolution(world *w) {
  const int64_t kernel = size(w, 1, 5), out = size(w, 2, 48), in = size(w, 1, 48);
  const int stride = (int)size(w, 1, 2), pad = (int)size(w, 0, kernel / 2);
  lcl_tensor *x = tensor(w, LCL_SHAPE(size(w, 2, 5), in, size(w, 7, 24), size(w, 7, 24)));
  lcl_tensor *f = tensor(w, LCL_SHAPE(out, in, kernel, kernel)), *b = tensor(w, LCL_SHAPE(out));
  const lcl_conv_desc d = { .stride = { stride, stride }, .pad = { pad, pad, pad, pad } };
  outputs(w, lcl_relu(lcl_conv2d(x, f, b, &d)), (lcl_tensor *[]) { x, f, b }, 3);
}

/* Enough channels and pixels for Winograd's algorithm, where a device has it. */
static void wide_convolution(world *w) {
  const int64_t out = size(w, 32, 40), in = size(w, 32, 40);
  lcl_tensor *x = tensor(w, LCL_SHAPE(size(w, 8, 12), in, size(w, 16, 20), size(w, 16, 20)));
  lcl_tensor *f = tensor(w, LCL_SHAPE(out, in, 3, 3));
  outputs(w, lcl_conv2d(x, f, NULL, &(lcl_conv_desc) { .same = true }), (lcl_tensor *[]) { x, f },
          2);
}

static void pooling(world *w) {
  const int kernel = (int)size(w, 2, 4), stride = (int)size(w, 1, 3);
  const lcl_pool_desc d = { .kernel = { kernel, kernel }, .stride = { stride, stride } };
  lcl_tensor *x = tensor(w,
                         LCL_SHAPE(size(w, 2, 6), size(w, 2, 12), size(w, 6, 30), size(w, 6, 30)));
  outputs(w, lcl_max_pool2d(x, &d, NULL), &x, 1);
  lcl_output(lcl_avg_pool2d(x, &d), "average");
}

static void reduction(world *w) {
  lcl_tensor *x = tensor(w, LCL_SHAPE(size(w, 2, 90), size(w, 2, 90), size(w, 2, 90)));
  outputs(w, lcl_sum(x, LCL_AXIS(0) | LCL_AXIS(2), false), &x, 1);
  lcl_output(lcl_mean(x, LCL_AXIS(1), true), "mean");
  lcl_output(lcl_max(x, LCL_AXIS(2), false), "max");
  lcl_output(lcl_argmax(x, 1, false), "argmax");
}

static void normalisation(world *w) {
  lcl_tensor *x = tensor(w, LCL_SHAPE(size(w, 2, 200), size(w, 2, 300)));
  outputs(w, lcl_softmax(x, 1), &x, 1);
  lcl_output(lcl_log_softmax(x, 0), "columns");
}

/* A training step: convolution, batch norm, pooling, two dense layers, cross-entropy, Adam. */
static void model(world *w) {
  const int64_t n = size(w, 2, 40), classes = size(w, 2, 12), side = size(w, 8, 16),
                channels = size(w, 2, 6);
  const lcl_conv_block_desc block = { .out = channels,
                                      .kernel = { 3, 3 },
                                      .conv = { .same = true } };
  const lcl_pool_desc pool = { .kernel = { 2, 2 } };
  lcl_tensor *h = lcl_conv(tensor(w, LCL_SHAPE(n, 2, side, side)), "c", &block);
  h = lcl_max_pool2d(lcl_relu(lcl_batch_norm(h, "n", &(lcl_bn_desc) { .mode = LCL_BN_TRAIN })),
                     &pool, NULL);
  h = lcl_relu(lcl_linear(lcl_flatten(h), "a", size(w, 2, 100), NULL));
  lcl_tensor *label = lcl_argmax(tensor(w, LCL_SHAPE(n, classes)), 1, false);
  lcl_tensor *loss = lcl_cross_entropy(lcl_linear(h, "b", classes, NULL), label);
  lcl_minimise(lcl_output(loss, "loss"),
               &(lcl_optimiser_desc) { .kind = LCL_ADAM, .rate = 0.001f });
}

static void (*const kinds[])(world *) = { gemm,    convolution, wide_convolution,
                                          pooling, reduction,   normalisation,
                                          model };

static void run_one(lcl_context *ctx, uint64_t number) {
  world w = { .r = { .state = number } };
  lcl_store *store;
  lcl_program *p;
  ASSERT_OK(lcl_store_create(ctx, 1, &store));
  ASSERT_OK(lcl_graph_create(store, "train", &w.g));
  kinds[number % LCL_COUNT(kinds)](&w);
  ASSERT_OK(lcl_compile(w.g, NULL, &p));
  ASSERT_OK(lcl_run(p));
  lcl_program_destroy(p);
  lcl_graph_destroy(w.g);
  lcl_store_destroy(store);
}

static void compile_nothing_new(void **state) {
  (void)state;
  lcl_context *ctx;
  ASSERT_OK(lcl_context_create(NULL, &ctx));
  enum { WARM = 40 * LCL_COUNT(kinds) }; /* some algorithms are rare */
  for (uint64_t i = 0; i < WARM; i++) run_one(ctx, i);
  const int programs = builds, kernels = n_forms;
  assert_true(programs > 0 && kernels > 0);
  for (uint64_t i = WARM; i < WARM + 100; i++) {
    run_one(ctx, i);
    if (builds != programs)
      fail_msg("shapes %d (kind %d) built %d programs", (int)i, (int)(i % LCL_COUNT(kinds)),
               builds - programs);
    if (n_forms != kernels)
      fail_msg("shapes %d (kind %d): %s has a work-group of %zu, %zu, %zu, not seen before", (int)i,
               (int)(i % LCL_COUNT(kinds)), forms[kernels].name, forms[kernels].local[0],
               forms[kernels].local[1], forms[kernels].local[2]);
  }
  lcl_context_destroy(ctx);
}

int main(void) {
  const struct CMUnitTest tests[] = { cmocka_unit_test(compile_nothing_new) };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
