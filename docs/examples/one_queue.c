/* LatentCL beside your own OpenCL code: a kernel, CLBlast and a LatentCL program work on one queue
 * and on the same buffers, one after the other without a way over the host.
 *
 *   cc one_queue.c -o one_queue $(pkg-config --cflags --libs latentcl) -lclblast -lOpenCL */
#define CL_TARGET_OPENCL_VERSION 120
#include <clblast_c.h>
#include <latentcl/latentcl.h>
#include <math.h>
#include <stdio.h>

enum { M = 4, K = 3, N = 2 };

static const char *const source = "kernel void ramp(global float *x) {\n"
                                  "  x[get_global_id(0)] = (float)get_global_id(0) / 10;\n"
                                  "}\n";

static int fail(const char *what, const char *why) {
  fprintf(stderr, "one_queue: %s%s%s\n", what, *why ? ": " : "", why);
  return 1;
}

/* x (M,K): 0, 0.1, 0.2, ... */
static cl_int run_kernel(cl_context context, cl_command_queue queue, cl_mem x) {
  const size_t items = M * K;
  cl_int error;
  cl_program program = clCreateProgramWithSource(context, 1, (const char **)&source, NULL, &error);
  if (error || (error = clBuildProgram(program, 0, NULL, "", NULL, NULL))) return error;
  cl_kernel kernel = clCreateKernel(program, "ramp", &error);
  if (!error) error = clSetKernelArg(kernel, 0, sizeof x, &x);
  if (!error) error = clEnqueueNDRangeKernel(queue, kernel, 1, NULL, &items, NULL, 0, NULL, NULL);
  if (kernel) clReleaseKernel(kernel);
  clReleaseProgram(program);
  return error;
}

/* y (M,N) = x w, w (K,N) of ones: the sums of the rows of x. */
static CLBlastStatusCode run_clblast(cl_command_queue queue, cl_mem x, cl_mem w, cl_mem y) {
  return CLBlastSgemm(CLBlastLayoutRowMajor, CLBlastTransposeNo, CLBlastTransposeNo, M, N, K, 1, x,
                      0, K, w, 0, N, 0, y, 0, N, &queue, NULL);
}

/* y = tanh(y), where CLBlast left it. */
static lcl_status run_latentcl(lcl_context *ctx, cl_mem y) {
  lcl_store *store = NULL;
  lcl_graph *g = NULL;
  lcl_program *p = NULL;
  lcl_buffer *buffer = NULL;
  lcl_status s = lcl_store_create(ctx, 1, &store);
  if (s == LCL_OK) s = lcl_graph_create(store, "one_queue", &g);
  if (s == LCL_OK) lcl_output(lcl_tanh(lcl_input(g, "y", LCL_F32, LCL_SHAPE(M, N))), "tanh");
  if (s == LCL_OK) s = lcl_compile(g, NULL, &p);
  if (s == LCL_OK) s = lcl_buffer_wrap(ctx, y, &buffer);
  if (s == LCL_OK) s = lcl_feed_buffer(p, "y", buffer);
  if (s == LCL_OK) s = lcl_run(p);
  if (s == LCL_OK) s = lcl_fetch_buffer(p, "tanh", buffer, 0);
  lcl_program_destroy(p);
  lcl_buffer_destroy(buffer);
  lcl_graph_destroy(g);
  lcl_store_destroy(store);
  return s;
}

/* How far values are from tanh of the rows' sums. */
static float error_of(const float values[M * N]) {
  float worst = 0;
  for (int m = 0; m < M; m++)
    for (int n = 0; n < N; n++)
      worst = fmaxf(worst, fabsf(values[m * N + n] - tanhf((float)(9 * m + 3) / 10)));
  return worst;
}

int main(void) {
  float ones[K * N] = { 1, 1, 1, 1, 1, 1 }, values[M * N];
  lcl_context *own;
  cl_int error[5] = { 0 };

  /* The device that LATENTCL_DEVICE names; any cl_context and queue will do. */
  if (lcl_context_create(NULL, &own) != LCL_OK) return fail("no device", lcl_error_message());
  cl_device_id device = lcl_context_cl_device(own);
  lcl_context_destroy(own);
  cl_context context = clCreateContext(NULL, 1, &device, NULL, NULL, &error[0]);
  cl_command_queue queue = clCreateCommandQueue(context, device, 0, &error[1]);
  cl_mem x = clCreateBuffer(context, CL_MEM_READ_WRITE, M * K * sizeof(float), NULL, &error[2]);
  cl_mem w = clCreateBuffer(context, CL_MEM_READ_ONLY | CL_MEM_COPY_HOST_PTR, sizeof ones, ones,
                            &error[3]);
  cl_mem y = clCreateBuffer(context, CL_MEM_READ_WRITE, M * N * sizeof(float), NULL, &error[4]);
  if (error[0] || error[1] || error[2] || error[3] || error[4]) return fail("OpenCL", "");

  lcl_context *ctx;
  lcl_context_desc desc = {
    .cl_context = context, .cl_device = device, .cl_queues = (void **)&queue, .n_cl_queues = 1
  };
  if (lcl_context_create(&desc, &ctx) != LCL_OK) return fail("context", lcl_error_message());
  if (run_kernel(context, queue, x)) return fail("kernel", "");
  if (run_clblast(queue, x, w, y) != CLBlastSuccess) return fail("CLBlast", "");
  if (run_latentcl(ctx, y) != LCL_OK) return fail("LatentCL", lcl_error_message());
  if (clEnqueueReadBuffer(queue, y, CL_TRUE, 0, sizeof values, values, 0, NULL, NULL))
    return fail("reading", "");
  lcl_context_destroy(ctx);

  printf("tanh of the sums: %.4f %.4f %.4f %.4f\n", values[0], values[2], values[4], values[6]);
  clReleaseMemObject(x);
  clReleaseMemObject(w);
  clReleaseMemObject(y);
  clReleaseCommandQueue(queue);
  clReleaseContext(context);
  return error_of(values) > 1e-5f ? fail("the values are wrong", "") : 0;
}
