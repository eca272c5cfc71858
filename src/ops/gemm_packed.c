/* The packed GEMM: for CPUs, whose kernels walk packed panels of A and B. See cl/gemm_packed.cl.
 */
#include "ops/gemm_args.h"

enum { MOST_KC = 2048, SHORT_KC = 64 }; /* SHORT: of sums so long that no digit may be lost */

#define OPTIONS "-DSOURCE=%d -DVEC=%d -DKC=%d"

/* The kernels that only move data do not depend on SOURCE and KC. */
static void pack_options(const lcl_gemm *g, int vec, char options[64]) {
  snprintf(options, 64, OPTIONS "%s", 0, vec, 128, lcl__gemm_half_option(g));
}

lcl_status lcl__gemm_pack_a(lcl_lower *lw, const lcl_gemm *g, int vec, int *packed, int64_t mr,
                            int64_t pitch, int64_t batch) {
  const int64_t panels = lcl__ceil_div(g->m, mr);
  int64_t len = LCL_MAX(g->a_len, 1), s1 = g->a_s1, perm_t = 1, perm_c = g->k;
  if (len < g->k && g->a_tb <= 1 && g->a_sa == 1 &&
      s1 == g->k / len) { /* a filter: contiguous as (c,t), wanted as (t,c) */
    perm_t = s1, perm_c = len;
    len = g->k, s1 = 1;
  }
  const bool by_inner = s1 != 1 && g->a_rs != 1 && len < g->k;
  const int64_t along = by_inner ? len : g->k, total = panels * g->k * batch;
  const int64_t wanted = LCL_MIN(total / 512, 8 * lcl__units(lcl__lower_caps(lw)));
  const int64_t chunks = LCL_MAX(1, lcl__ceil_div(wanted, panels * batch));
  const int64_t chunk = LCL_MAX(1, (lcl__ceil_div(along, chunks) + vec - 1) / vec * vec);
  gemm_a from = lcl__gemm_a_of(lw, g);
  from.len = lcl__int(lw, len);
  from.s1 = lcl__int(lw, s1);
  const pack_sizes to = { .mr = lcl__int(lw, mr),
                          .m = lcl__int(lw, g->m),
                          .k = lcl__int(lw, g->k),
                          .pitch = lcl__int(lw, pitch),
                          .chunk = lcl__int(lw, chunk),
                          .by_inner = lcl__int(lw, by_inner),
                          .perm_t = lcl__int(lw, perm_t),
                          .perm_c = lcl__int(lw, perm_c) };
  char options[64], label[128];
  pack_options(g, vec, options);
  snprintf(label, sizeof label, "%s pack", g->label);
  return lcl__emit_once(
      lw,
      &(lcl_launch) {
          .label = label,
          .source = { .file = "gemm_packed.cl", .options = options },
          .kernel = "gemm_pack",
          LCL_ARGS(g->a, { 0 }, LCL_STRUCT(from), LCL_STRUCT(to)),
          .dims = 3,
          .global = { (size_t)panels, (size_t)lcl__ceil_div(along, chunk), (size_t)batch },
          .local = { 1, 1, 1 },
          .bytes = 8.0 * (double)(g->m * g->k * batch) },
      1, sizeof(float) * (size_t)(batch * panels * pitch * vec), packed);
}

lcl_status lcl__gemm_channels_last(lcl_lower *lw, const lcl_gemm *g, int vec, int *copy) {
  const lcl_patches *x = &g->patches;
  const int64_t pixels = x->h * x->w, cl = (int64_t)lcl__round_up((size_t)x->channels, (size_t)vec);
  const size_t bytes = sizeof(float) * (size_t)((g->batch * x->images * pixels + 1) * cl);
  *copy = g->channels_last ? *g->channels_last : -1;
  /* Parameters of another vector make other gaps. */
  if (*copy >= 0 && lcl__slot_bytes(lw, lcl__scratch_arg(lw, *copy, LCL_READ)) == bytes)
    return LCL_OK;
  *copy = lcl__scratch(lw, bytes);
  if (g->channels_last) *g->channels_last = *copy;
  lcl_arg_list l = { .n = 0 };
  char options[64], label[128];
  pack_options(g, vec, options);
  snprintf(label, sizeof label, "%s channels last", g->label);
  lcl__args_add(&l, g->b);
  lcl__args_add(&l, lcl__scratch_arg(lw, *copy, LCL_WRITE));
  LCL_ADD_INTS(&l, x->all_channels, x->channels, cl, pixels);
  return lcl__emit(
      lw, &(lcl_launch) { .label = label,
                          .source = { .file = "gemm_packed.cl", .options = options },
                          .kernel = "channels_last",
                          .args = l.a,
                          .n_args = l.n,
                          .dims = 3,
                          .global = { (size_t)lcl__ceil_div(pixels, CHANNELS_LAST_PIXELS),
                                      (size_t)x->images, (size_t)g->batch },
                          .local = { 1, 1, 1 },
                          .bytes = 4.0 *
                                   (double)(g->batch * x->images * pixels * (x->channels + cl)) });
}

/* ---- the choice of parameters ---- */

/* Whether patches are better read from a channels-last copy: neighbouring output pixels rarely are
 * neighbours in a row, and there are enough channels to fill vectors. */
bool lcl__gemm_wants_channels_last(const lcl_gemm *g, int vec) {
  const lcl_patches *p = &g->patches;
  const int64_t padded = lcl__ceil_div(p->channels, vec) * vec;
  /* The filter gradient then comes out in another order and takes one more pass over it. */
  if (g->source == LCL_GEMM_PATCHES_T) return 4 * p->channels >= 3 * padded && g->k > 2 * g->m;
  const bool rows = p->sw == 1 && (p->gr % vec == 0 || p->gr >= 4 * vec);
  return g->source == LCL_GEMM_PATCHES && !rows && 2 * p->channels >= vec;
}

/* Few work-items that each reuse a packed block of B for many panels of A, but enough of them to
 * keep every compute unit busy to the end; where columns do not suffice, rows or the inner
 * dimension are split. */
static void choose(const lcl_caps *caps, const lcl_gemm *g, lcl_kernel_params *p) {
  p->vector = lcl__packed_vec(caps);
  const int mr = lcl__packed_rows(p->vector), nr = 2 * p->vector;
  for (p->kc_capacity = MOST_KC;
       p->kc_capacity > 128 && (size_t)(p->kc_capacity * nr) * sizeof(float) > caps->local_mem;)
    p->kc_capacity /= 2;
  p->channels_last = lcl__gemm_wants_channels_last(g, p->vector);
  const int64_t n = g->source == LCL_GEMM_PATCHES_T && p->channels_last
                        ? lcl__ceil_div(g->patches.channels, p->vector) * p->vector *
                              g->patches.ta * g->patches.tb
                        : g->n;
  const int64_t all_n = lcl__ceil_div(n, nr), all_m = lcl__ceil_div(g->m, mr),
                units = lcl__units(caps);
  /* Small ones, so that the units end together: of products 2 to 4 %, of convolutions nothing. */
  const int64_t wanted = (g->source == LCL_GEMM_MATRIX ? 32 : 8) * units, items = all_n * g->batch;
  p->panels_n = (int)LCL_MIN(8, LCL_MAX(1, items / wanted));
  p->panels_m = (int)all_m;
  p->split_k = 1;
  const int64_t have = lcl__ceil_div(all_n, p->panels_n) * g->batch;
  if (have < 4 * units) {
    const int64_t missing = lcl__ceil_div(4 * units, LCL_MAX(have, 1));
    if (g->source != LCL_GEMM_PATCHES && g->k >= 1024)
      p->split_k = (int)LCL_MIN(missing, LCL_MAX(1, g->k / 512));
    else
      p->panels_m = (int)LCL_MAX(LCL_MIN(4, all_m), lcl__ceil_div(all_m, missing));
  }
  /* One block of k passes over C once, which gains 2 to 6 %; where few rows use it, and with
   * vectors of 8, blocks that stay in the L1 cache are faster. */
  const int64_t k = lcl__ceil_div(g->k, p->split_k),
                most = all_m < 8 || p->vector == 8 ? 512 : MOST_KC;
  const int64_t blocks = LCL_MAX(1, lcl__ceil_div(k, LCL_MIN(most, p->kc_capacity)));
  p->kc = (int)LCL_MAX(1,
                       LCL_MIN((int64_t)p->kc_capacity, (lcl__ceil_div(k, blocks) + 15) / 16 * 16));
}

static bool supported(const lcl_caps *caps, const lcl_gemm *g) {
  (void)g;
  return caps->packed;
}

static bool legal(const lcl_caps *caps, const lcl_gemm *g, const lcl_kernel_params *p) {
  return (p->vector == 8 || p->vector == 16) && p->kc_capacity >= 128 &&
         p->kc_capacity <= MOST_KC && p->kc >= 1 && p->kc <= p->kc_capacity && p->panels_n >= 1 &&
         p->panels_m >= 1 && p->split_k >= 1 && p->split_k <= LCL_MAX(g->k, 1) &&
         (p->split_k == 1 || g->source != LCL_GEMM_PATCHES) && /* whose parts are not dense */
         (size_t)(p->kc_capacity * 2 * p->vector) * sizeof(float) <= caps->local_mem;
}

/* ---- launches ---- */

/* Whether A's panels are read where they lie, which packing makes 5 to 15 % slower, unless rows or
 * columns would fall on the same lines of a cache, or A is too large for it. */
static bool reads_as_is(const lcl_gemm *g, int mr) {
  const int64_t page = 4096 / (int64_t)sizeof(float);
  const bool rows = g->a_s1 == 1 && g->a_rs > 1 && g->a_rs % page != 0,
             columns = g->a_rs == 1 && g->a_s1 > 1;
  return !g->half && g->source == LCL_GEMM_MATRIX && g->a_len >= g->k && g->m >= mr &&
         g->m * g->k <= 4096 * page && (rows || columns);
}

static lcl_status lower(lcl_lower *lw, const lcl_gemm *g, const lcl_kernel_params *p) {
  const int mr = lcl__packed_rows(p->vector), nr = 2 * p->vector;
  const lcl_patches *x = &g->patches;
  const bool matrix = g->source == LCL_GEMM_MATRIX, transposed = g->source == LCL_GEMM_PATCHES_T;
  char options[64], label[128];
  snprintf(options, sizeof options, OPTIONS, (int)g->source, p->vector, p->kc_capacity);
  snprintf(label, sizeof label, "%s packed", g->label);

  const int64_t panels = lcl__ceil_div(g->m, mr);
  const bool shared = g->batch > 1 && g->a_batch == 0;
  const int64_t a_batch = shared ? 1 : g->batch;
  /* Blocks of neighbouring panels must not fall on the same lines of a cache: an odd number of 4
   * KiB apart.
   */
  const int64_t page = 4096 / (int64_t)sizeof(float) / p->vector;
  const int64_t pitch = g->k <= p->kc ? g->k : (lcl__ceil_div(g->k, page) | 1) * page;
  const bool as_is = reads_as_is(g, mr);
  if (as_is) strcat(options, " -DAS_IS=1");
  lcl_arg a = g->a;
  if (!as_is) {
    int packed;
    LCL_TRY(lcl__gemm_pack_a(lw, g, p->vector, &packed, mr, pitch, a_batch));
    a = lcl__scratch_arg(lw, packed, LCL_READ);
  }

  const int64_t cl = !matrix && p->channels_last
                         ? (int64_t)lcl__round_up((size_t)x->channels, (size_t)p->vector)
                         : 0;
  const int64_t plane = x->h * x->w;
  lcl_arg b = g->b;
  if (!cl) strcat(options, lcl__gemm_half_option(g)); /* the copy is in single precision */
  if (cl) {
    int copy;
    LCL_TRY(lcl__gemm_channels_last(lw, g, p->vector, &copy));
    b = lcl__scratch_arg(lw, copy, LCL_READ);
  }
  const int64_t n = transposed && cl ? cl * x->ta * x->tb : g->n;
  const int splits = lcl__gemm_splits(g, p->split_k, 8 * SHORT_KC);
  /* Blocks of k add up in C, which half precision would round each time. */
  const bool blocks_of_k = g->half_c && lcl__ceil_div(g->k, splits) > p->kc;
  const lcl_gemm_target t = blocks_of_k
                                ? lcl__gemm_part_target(lw, g, splits, 0)
                                : lcl__gemm_choose_target(lw, g, splits, transposed ? cl : 0);
  if (t.part < 0) strcat(options, lcl__gemm_half_c_option(g));
  const packed_blocks blocks = { .pitch = lcl__int(lw, pitch),
                                 .kc = lcl__int(lw, splits > p->split_k ? LCL_MIN(p->kc, SHORT_KC)
                                                                        : p->kc),
                                 .panels_n = lcl__int(lw, p->panels_n),
                                 .panels_m = lcl__int(lw, p->panels_m),
                                 .a_shared = lcl__int(lw, shared) };
  enum { C = 2, BIAS = 3, C_ARGS = 8 };
  LCL_TRY(lcl__emit(
      lw, &(lcl_launch) {
              .label = label,
              .source = { .file = "gemm_packed.cl", .options = options },
              .kernel = "gemm_packed",
              LCL_ARGS(a, b, t.c, g->bias_kind && t.part < 0 ? g->bias : a,
                       lcl__gemm_sizes_arg(lw, g, n, splits), LCL_STRUCT(blocks),
                       lcl__gemm_a_arg(lw, g),
                       lcl__gemm_b_arg(lw, g, cl ? x->images * plane * cl : x->channels * plane),
                       lcl__gemm_c_arg(lw, g, &t), lcl__gemm_patches_arg(lw, g, cl)),
              .dims = 3,
              .global = { (size_t)lcl__ceil_div(lcl__ceil_div(n, nr), p->panels_n),
                          (size_t)lcl__ceil_div(panels, p->panels_m), (size_t)(g->batch * splits) },
              .local = { 1, 1, 1 },
              .flops = g->flops,
              .bytes = lcl__gemm_bytes(g) }));
  if (t.part >= 0) return lcl__gemm_sum_parts(lw, g, splits, t.part, t.ldc, transposed ? cl : 0);
  lcl__gemm_may_add(lw, g, C, BIAS, C_ARGS);
  return LCL_OK;
}

static const lcl_kernel_param params[] = { LCL_KERNEL_PARAM(split_k, 1, 2, 3, 4, 6, 8),
                                           LCL_KERNEL_PARAM(panels_n, 1, 2, 3, 4, 6, 8, 12),
                                           LCL_KERNEL_PARAM(panels_m, 1, 2, 4, 8, 16, 32, 64, 128),
                                           LCL_KERNEL_PARAM(kc_capacity, 128, 256, 512, 1024, 2048),
                                           LCL_KERNEL_PARAM(kc, 64, 128, 256, 384, 512, 800, 1216,
                                                            2048),
                                           LCL_KERNEL_PARAM(channels_last, 0, 1),
                                           LCL_KERNEL_PARAM(vector, 8, 16) };

const lcl_gemm_implementation lcl__gemm_packed = { .base = LCL_IMPLEMENTATION("packed", params),
                                                   .halves = true,
                                                   .supported = supported,
                                                   .profitable = supported,
                                                   .choose = choose,
                                                   .legal = legal,
                                                   .lower = lower };
