/* Fourier transforms with clFFT. It is not safe for threads, so one lock of the process is held
 * around every call; and a plan is compared with a direct transform before it is used. */
#include "lcl_config.h"
#include "ops/fft.h"

#if LCL_HAVE_CLFFT
#include <clFFT.h>
#include <math.h>
#include <pthread.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

typedef struct plan {
  clfftPlanHandle handle;
  bool inverse;
} plan;

static int live_plans; /* clFFT is torn down with the last one: it complains at exit otherwise */

/* With the lock held. */
static void release_one(void) {
  if (--live_plans == 0) clfftTeardown();
}

static void destroy_plan(clfftPlanHandle handle) {
  pthread_mutex_lock(&lock);
  clfftDestroyPlan(&handle);
  release_one();
  pthread_mutex_unlock(&lock);
}

static void free_plan(void *user) {
  destroy_plan(((plan *)user)->handle);
  lcl__free(user);
}

/* With the lock held. Success counts as a live plan. */
static clfftStatus bake(const lcl_fft_desc *d, cl_context ctx, cl_command_queue queue,
                        clfftPlanHandle *h, size_t *temp) {
  clfftStatus st = CLFFT_SUCCESS;
  if (live_plans == 0) {
    /* What clFFT.h's clfftInitSetupData does: a C99 inline function, of which no library has the
     * body that a compiler without inlining calls. */
    const clfftSetupData setup = { .major = clfftVersionMajor,
                                   .minor = clfftVersionMinor,
                                   .patch = clfftVersionPatch };
    st = clfftSetup(&setup);
    if (st != CLFFT_SUCCESS) return st;
  }
  live_plans++;
  const size_t lengths[2] = { (size_t)d->f1, (size_t)d->f0 };
  st = clfftCreateDefaultPlan(h, ctx, CLFFT_2D, lengths);
  if (st != CLFFT_SUCCESS) {
    release_one();
    return st;
  }
  st = clfftSetPlanPrecision(*h, CLFFT_SINGLE);
  if (st == CLFFT_SUCCESS)
    st = clfftSetLayout(*h, CLFFT_COMPLEX_INTERLEAVED, CLFFT_COMPLEX_INTERLEAVED);
  if (st == CLFFT_SUCCESS) st = clfftSetResultLocation(*h, CLFFT_INPLACE);
  if (st == CLFFT_SUCCESS) st = clfftSetPlanBatchSize(*h, (size_t)d->batch);
  if (st == CLFFT_SUCCESS) st = clfftSetPlanScale(*h, CLFFT_BACKWARD, 1.0f);
  if (st == CLFFT_SUCCESS) st = clfftBakePlan(*h, 1, &queue, NULL, NULL);
  if (st == CLFFT_SUCCESS) st = clfftGetTmpBufSize(*h, temp);
  if (st != CLFFT_SUCCESS) {
    clfftDestroyPlan(h);
    release_one();
  }
  return st;
}

/* Bin (u,v) of the transform of x (f0,f1), summed directly. */
static void direct_bin(const lcl_fft_desc *d, const float *x, int64_t u, int64_t v, double out[2]) {
  const double pi = acos(-1.0), sign = d->inverse ? 1 : -1;
  out[0] = out[1] = 0;
  for (int64_t i = 0; i < d->f0; i++) {
    for (int64_t j = 0; j < d->f1; j++) {
      const double at = sign * 2 * pi *
                        ((double)(u * i % d->f0) / (double)d->f0 +
                         (double)(v * j % d->f1) / (double)d->f1);
      const double re = x[2 * (i * d->f1 + j)], im = x[2 * (i * d->f1 + j) + 1];
      out[0] += re * cos(at) - im * sin(at);
      out[1] += re * sin(at) + im * cos(at);
    }
  }
}

/* Whether some bins of the first and the last array come out right. */
static bool bins_right(const lcl_fft_desc *d, const float *x, const float *y) {
  const int64_t bins = d->f0 * d->f1;
  for (int64_t b = 0; b < d->batch; b += LCL_MAX(d->batch - 1, 1)) {
    double sum = 0;
    for (int64_t i = 0; i < 2 * bins; i++) sum += fabs((double)x[2 * b * bins + i]);
    for (int64_t k = 0; k < 6; k++) {
      const int64_t bin = k * 7919 % bins;
      double want[2];
      direct_bin(d, x + 2 * b * bins, bin / d->f1, bin % d->f1, want);
      const double bound = 8 * log2((double)bins + 1) * 0x1p-24 *
                           sum; /* of a transform by passes */
      for (int part = 0; part < 2; part++)
        if (!(fabs((double)y[2 * (b * bins + bin) + part] - want[part]) <= bound)) return false;
    }
  }
  return true;
}

/* Runs the plan on numbers of its own and compares. With the lock held. */
static bool plan_right(lcl_context *ctx, const lcl_fft_desc *d, clfftPlanHandle h, size_t temp) {
  const size_t n = (size_t)(2 * d->batch * d->f0 * d->f1);
  lcl_buffer *data = NULL, *room = NULL;
  float *x = lcl__alloc(n * sizeof *x), *y = lcl__alloc(n * sizeof *y);
  bool right = x && y && lcl_buffer_create(ctx, n * sizeof *x, &data) == LCL_OK &&
               lcl_buffer_create(ctx, LCL_MAX(temp, 4), &room) == LCL_OK;
  uint32_t seed = 1;
  for (size_t i = 0; right && i < n; i++) {
    seed = seed * 1664525u + 1013904223u;
    x[i] = (float)(seed >> 8) / (float)(1 << 23) - 1.0f;
  }
  right = right && lcl_buffer_write(data, 0, x, n * sizeof *x) == LCL_OK;
  if (right) {
    cl_command_queue queue = lcl__context_queue(ctx);
    cl_mem mem = lcl__buffer_mem(data);
    right = clfftEnqueueTransform(h, d->inverse ? CLFFT_BACKWARD : CLFFT_FORWARD, 1, &queue, 0,
                                  NULL, NULL, &mem, NULL, lcl__buffer_mem(room)) == CLFFT_SUCCESS &&
            clFinish(queue) == CL_SUCCESS;
  }
  right = right && lcl_buffer_read(data, 0, y, n * sizeof *y) == LCL_OK && bins_right(d, x, y);
  lcl_buffer_destroy(data);
  lcl_buffer_destroy(room);
  lcl__free(x);
  lcl__free(y);
  return right;
}

static lcl_status run_plan(void *user, cl_command_queue queue, const cl_mem *mem, cl_uint n_wait,
                           const cl_event *wait, cl_event *done) {
  const plan *p = user;
  cl_mem data = mem[0];
  pthread_mutex_lock(&lock);
  const clfftStatus st = clfftEnqueueTransform(p->handle,
                                               p->inverse ? CLFFT_BACKWARD : CLFFT_FORWARD, 1,
                                               &queue, n_wait, wait, done, &data, NULL, mem[1]);
  pthread_mutex_unlock(&lock);
  return st == CLFFT_SUCCESS
             ? LCL_OK
             : lcl__fail(LCL_ERR_LIBRARY, "clFFT's transform failed with code %d", (int)st);
}

lcl_status lcl__fft_lower_clfft(lcl_lower *lw, const lcl_fft_desc *d, int data) {
  if (!lcl__lower_caps(lw)->clfft) return LCL_ERR_UNSUPPORTED;
  lcl_context *ctx = lcl__lower_context(lw);
  size_t temp = 0;
  clfftPlanHandle handle = 0;
  pthread_mutex_lock(&lock);
  const clfftStatus baked = bake(d, lcl_context_cl_context(ctx), lcl__context_queue(ctx), &handle,
                                 &temp);
  const bool right = baked == CLFFT_SUCCESS && plan_right(ctx, d, handle, temp);
  if (baked == CLFFT_SUCCESS && !right) {
    clfftDestroyPlan(&handle);
    release_one();
  }
  pthread_mutex_unlock(&lock);
  if (!right) {
    lcl__logf(LCL_LOG_WARN, "clFFT %s for %lldx%lld: the own transform is used",
              baked == CLFFT_SUCCESS ? "gave a wrong result" : "refused a plan", (long long)d->f0,
              (long long)d->f1);
    return LCL_ERR_UNSUPPORTED;
  }
  plan *user = lcl__alloc(sizeof *user);
  if (!user) {
    destroy_plan(handle);
    return LCL_ERR_HOST_MEMORY;
  }
  *user = (plan) { handle, d->inverse };
  const int room = lcl__scratch(lw, LCL_MAX(temp, 4));
  const lcl_arg args[] = { lcl__scratch_arg(lw, data, LCL_READ_WRITE),
                           lcl__scratch_arg(lw, room, LCL_WRITE) };
  char label[160];
  snprintf(label, sizeof label, "%s clFFT", d->label);
  const double points = (double)(d->batch * d->f0 * d->f1);
  const lcl_status st = lcl__emit(
      lw, &(lcl_launch) { .kind = LCL_LAUNCH_CALL,
                          .label = label,
                          .call = run_plan,
                          .user = user,
                          .user_free = free_plan,
                          .args = args,
                          .n_args = (int)LCL_COUNT(args),
                          .flops = 5 * points * log2(points / (double)d->batch + 1),
                          .bytes = 16 * points });
  if (st != LCL_OK) free_plan(user);
  return st;
}

#else

lcl_status lcl__fft_lower_clfft(lcl_lower *lw, const lcl_fft_desc *d, int data) {
  (void)lw;
  (void)d;
  (void)data;
  return LCL_ERR_UNSUPPORTED;
}

#endif
