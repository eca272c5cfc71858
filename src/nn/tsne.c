/* t-SNE (van der Maaten and Hinton 2008): attraction between neighbours on the host, repulsion of
 * all pairs on the device, momentum with gains. The gradient is taken without its factor 4, as
 * learning rates of max(200, n/12) mean it. */
#include "nn/tsne.h"

#include <math.h>

#include "base/parallel.h"
#include "base/philox.h"

typedef struct layout {
  const lcl_affinities *a;
  int64_t n;
  float *y, *velocity, *gain, *repulsion, *gradient; /* n x 2 each */
  double z, exaggeration, rate, momentum;
} layout;

static float affinity(const float *a, const float *b) {
  float dx = a[0] - b[0], dy = a[1] - b[1];
  return 1 / (1 + dx * dx + dy * dy);
}

/* gradient_i = sum_j (exaggeration*p_ij - q_ij/Z) q_ij (y_i - y_j) */
static void gradient_rows(void *user, int64_t begin, int64_t end) {
  layout *l = user;
  for (int64_t i = begin; i < end; i++) {
    const float *yi = l->y + 2 * i;
    double gx = 0, gy = 0;
    for (int64_t e = l->a->start[i]; e < l->a->start[i + 1]; e++) {
      const float *yj = l->y + 2 * (int64_t)l->a->column[e];
      float w = l->a->p[e] * affinity(yi, yj);
      gx += w * (yi[0] - yj[0]);
      gy += w * (yi[1] - yj[1]);
    }
    l->gradient[2 * i] = (float)(l->exaggeration * gx - l->repulsion[2 * i] / l->z);
    l->gradient[2 * i + 1] = (float)(l->exaggeration * gy - l->repulsion[2 * i + 1] / l->z);
  }
}

/* A gain grows while the gradient keeps its direction, against the velocity's sign, and shrinks
 * where it turns. */
static void move(layout *l) {
  double mean[2] = { 0 };
  for (int64_t k = 0; k < 2 * l->n; k++) {
    bool same = (l->gradient[k] > 0) == (l->velocity[k] > 0);
    l->gain[k] = same ? fmaxf(l->gain[k] * 0.8f, 0.01f) : l->gain[k] + 0.2f;
    l->velocity[k] = (float)(l->momentum * l->velocity[k] - l->rate * l->gain[k] * l->gradient[k]);
    l->y[k] += l->velocity[k];
    mean[k % 2] += l->y[k] / (double)l->n;
  }
  for (int64_t k = 0; k < 2 * l->n; k++) l->y[k] = (float)(l->y[k] - mean[k % 2]);
}

/* Kullback-Leibler divergence of the map from the affinities, with z of the present map. */
static double divergence_of(const layout *l) {
  double sum = 0;
  for (int64_t i = 0; i < l->n; i++) {
    for (int64_t e = l->a->start[i]; e < l->a->start[i + 1]; e++) {
      double p = l->a->p[e], q = affinity(l->y + 2 * i, l->y + 2 * (int64_t)l->a->column[e]) / l->z;
      if (p > 0) sum += p * log(p / q);
    }
  }
  return sum;
}

static lcl_status optimise(layout *l, lcl_repulsion *device, const lcl_tsne_desc *d,
                           double *divergence) {
  int rounds = d->rounds > 0 ? d->rounds : 1000;
  for (int round = 0; round < rounds; round++) {
    bool early = round < rounds / 4;
    l->exaggeration = !early ? 1 : d->exaggeration > 0 ? d->exaggeration : 12;
    l->momentum = early ? 0.5 : 0.8;
    LCL_TRY(lcl__repulsion_run(device, l->y, l->repulsion, &l->z));
    if (!isfinite(l->z) || l->z <= 0)
      return lcl__fail(LCL_ERR_NUMERIC,
                       "t-SNE left the range of numbers in round %d; choose a smaller rate than %g",
                       round, l->rate);
    if (d->progress && round % 50 == 0) d->progress(d->user, round, rounds, divergence_of(l));
    lcl__parallel_for(l->n, 512, gradient_rows, l);
    move(l);
  }
  LCL_TRY(lcl__repulsion_run(device, l->y, l->repulsion, &l->z));
  *divergence = divergence_of(l);
  return LCL_OK;
}

static lcl_status neighbours(lcl_context *ctx, const float *x, int64_t n, int d, double perplexity,
                             lcl_affinities *out) {
  int k = (int)LCL_MIN((int64_t)(3 * perplexity), n - 1);
  int32_t *index = lcl__alloc((size_t)n * (size_t)LCL_MAX(k, 1) * sizeof *index);
  float *distance = lcl__alloc((size_t)n * (size_t)LCL_MAX(k, 1) * sizeof *distance);
  lcl_status status = index && distance ? lcl__nearest(ctx, x, n, d, k, index, distance)
                                        : LCL_ERR_HOST_MEMORY;
  if (status == LCL_OK) status = lcl__affinities_create(index, distance, n, k, perplexity, out);
  lcl__free(index);
  lcl__free(distance);
  return status;
}

lcl_status lcl__tsne(lcl_context *ctx, const float *x, int64_t n, int d, const lcl_tsne_desc *desc,
                     float *y, double *divergence) {
  double perplexity = desc->perplexity == 0 ? 30 : desc->perplexity, last = 0;
  if (n < 4 || !(perplexity >= 1 && perplexity * 3 <= (double)n))
    return lcl__fail(LCL_ERR_ARGUMENT,
                     "t-SNE with perplexity %g needs at least %d examples, not %lld", perplexity,
                     LCL_MAX((int)ceil(3 * perplexity), 4), (long long)n);
  lcl_affinities a = { 0 };
  lcl_repulsion *device = NULL;
  size_t bytes = 2 * (size_t)n * sizeof(float);
  layout l = {
    .a = &a, .n = n, .y = y, .rate = desc->rate > 0 ? desc->rate : LCL_MAX(200.0, (double)n / 12)
  };
  l.velocity = lcl__alloc(bytes);
  l.gain = lcl__alloc(bytes);
  l.repulsion = lcl__alloc(bytes);
  l.gradient = lcl__alloc(bytes);
  lcl_status status = l.velocity && l.gain && l.repulsion && l.gradient ? LCL_OK
                                                                        : LCL_ERR_HOST_MEMORY;
  if (status == LCL_OK) status = neighbours(ctx, x, n, d, perplexity, &a);
  if (status == LCL_OK) status = lcl__repulsion_create(ctx, n, &device);
  if (status == LCL_OK) {
    lcl__philox_normal(desc->seed, lcl__philox_stream("tsne.start"), 0, y, 2 * (size_t)n);
    for (int64_t k = 0; k < 2 * n; k++) {
      y[k] *= 1e-4f;
      l.gain[k] = 1;
    }
    status = optimise(&l, device, desc, &last);
  }
  if (status == LCL_OK && divergence) *divergence = last;
  lcl__repulsion_destroy(device);
  lcl__affinities_free(&a);
  lcl__free(l.velocity);
  lcl__free(l.gain);
  lcl__free(l.repulsion);
  lcl__free(l.gradient);
  return status;
}
