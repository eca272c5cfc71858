/* common.cl: put in front of every kernel file and of generated kernels.
 *
 * What the host defines for a device:
 *   LCL_PANEL   1: kernels run one work-item a work-group with wide vectors (CPU drivers); 0: tiled
 *               work-groups (GPUs)
 *   LCL_VEC     native vector width of float (1, 4, 8, 16)
 */
#ifndef LCL_PANEL
#define LCL_PANEL 0
#endif
#ifndef LCL_VEC
#define LCL_VEC 8
#endif

/* a*b + c by one instruction: CPU drivers make two of mad. */
#if LCL_PANEL
#define LCL_MAD(a, b, c) fma(a, b, c)
#else
#define LCL_MAD(a, b, c) mad(a, b, c)
#endif

/* Asks for the line of memory at p, to read it or to write it. A line that is written first has to
 * come from where it was, too. Only where the compiler's target is the CPU itself: by way of
 * SPIR-V there may be no translation (Mesa 22 ends the process). */
#if defined(__has_builtin) && (defined(__x86_64__) || defined(__aarch64__))
#if __has_builtin(__builtin_prefetch)
#define PREFETCH(p)          __builtin_prefetch((const void *)(size_t)(p))
#define PREFETCH_TO_WRITE(p) __builtin_prefetch((const void *)(size_t)(p), 1)
#endif
#endif
#ifndef PREFETCH
#define PREFETCH(p)
#define PREFETCH_TO_WRITE(p)
#endif

/* Long sums. Up to LCL_SUM_BLOCK terms are added up plainly; each such block then joins the sum
 * together with what the additions before it lost (Kahan 1965). The error is LCL_SUM_BLOCK + 2
 * roundings of the sum of absolute values, however many blocks there are. An infinite sum loses
 * nothing: it stays infinite. T: float or a vector of floats; lost begins as 0. */
#define LCL_SUM_BLOCK 8
#define LCL_SUM_JOIN(T, sum, lost, block)                                                          \
  {                                                                                                \
    const T term_ = (block) - (lost), total_ = (sum) + term_, rest_ = (total_ - (sum)) - term_;    \
    (lost) = rest_ == rest_ ? rest_ : (T)(0.0f);                                                   \
    (sum) = total_;                                                                                \
  }

/* T sum = the sum of `parts` values as above, LOAD(p) and what is part_size apart from there on. */
#define LCL_SUM_OF_PARTS(T, LOAD, p, part_size, parts)                                             \
  T sum = LOAD(p), lost = (T)(0.0f);                                                               \
  for (int k = 1; k < min(parts, LCL_SUM_BLOCK); k++) sum += LOAD((p) + k * (part_size));          \
  for (int k = LCL_SUM_BLOCK; k < (parts);) {                                                      \
    T block = LOAD((p) + k++ * (part_size));                                                       \
    for (int stop = k + min((parts) - k, LCL_SUM_BLOCK - 1); k < stop; k++)                        \
      block += LOAD((p) + k * (part_size));                                                        \
    LCL_SUM_JOIN(T, sum, lost, block)                                                              \
  }

/* Of two values a reduction makes one; a NaN survives. A sum joins blocks as above, the others need
 * no care. */
#define LCL_COMBINE_SUM(a, b) ((a) + (b))
#define LCL_COMBINE_MAX(a, b) select(b, a, ((a) >= (b)) | ((a) != (a)))
#define LCL_COMBINE_MIN(a, b) select(b, a, ((a) <= (b)) | ((a) != (a)))
#define LCL_JOIN_SUM(T, acc, lost, block) LCL_SUM_JOIN(T, acc, lost, block)
#define LCL_JOIN_MAX(T, acc, lost, block) acc = LCL_COMBINE_MAX(acc, block);
#define LCL_JOIN_MIN(T, acc, lost, block) acc = LCL_COMBINE_MIN(acc, block);
#define LCL_IDENTITY_SUM 0.0f
#define LCL_IDENTITY_MAX -INFINITY
#define LCL_IDENTITY_MIN INFINITY

/* lcl_act: 0 none, 1 relu, 2 leaky relu, 3 sigmoid, 4 tanh. */
static inline float lcl_activate(float v, int act, float slope) {
  if (act == 1) return v <= 0.0f ? 0.0f : v;
  if (act == 2) return v <= 0.0f ? v * slope : v;
  if (act == 3) return 1.0f / (1.0f + exp(-v));
  return act == 4 ? tanh(v) : v;
}
