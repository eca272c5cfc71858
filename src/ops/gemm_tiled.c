/* The tiled GEMM: for GPUs, work-groups that share tiles of A and B in local memory. See
 * cl/gemm_tiled.cl. */
#include "ops/gemm_args.h"

static bool supported(const lcl_caps *caps, const lcl_gemm *g) {
  (void)caps;
  (void)g;
  return true;
}

/* ---- tiles ---- */

typedef struct tile {
  int m, n, vectors;
} tile;

/* From most sums a work-item and a group to fewest: of equals, the first is taken. */
static const tile tiles[] = { { 128, 128, 2 }, { 128, 64, 2 }, { 64, 128, 2 }, { 64, 64, 2 },
                              { 64, 64, 1 },   { 128, 32, 1 }, { 32, 128, 1 }, { 64, 32, 1 },
                              { 32, 64, 1 },   { 32, 32, 1 } };

static int64_t items_of(tile t) {
  return (int64_t)t.m * t.n / (16 * t.vectors * t.vectors);
}

/* Values of k in a round: TK of the kernel. */
static int64_t depth_of(tile t) {
  return 16 / t.vectors;
}

/* Bytes of local memory: two buffers, and with PATCHES_T what columns contribute. */
static int64_t local_of(tile t) {
  return 8 * depth_of(t) * (t.m + t.n + 8) + 16 * t.n;
}

static bool fits(const lcl_caps *caps, tile t) {
  bool known = false;
  for (size_t i = 0; i < LCL_COUNT(tiles); i++)
    known |= t.m == tiles[i].m && t.n == tiles[i].n && t.vectors == tiles[i].vectors;
  return known && (size_t)items_of(t) <= caps->max_work_group &&
         (size_t)local_of(t) <= caps->local_mem;
}

/* Narrow processors have no registers for 64 sums, nor for more elements in flight: Intel's
 * compiler spills them. */
static bool fits_narrow(tile t) {
  enum { MOST = 10 };
  return t.vectors == 1 && (t.m + t.n) * depth_of(t) <= MOST * items_of(t);
}

/* Rounds of the kernel: with k = (w,t), slices of `depth` consecutive t have as many rounds as
 * there are w; what is left are slices of powers of 2, whose rounds have several w. */
static int64_t rounds_of(const lcl_gemm *g, int64_t depth) {
  const lcl_patches *p = &g->patches;
  const int64_t inner = g->source == LCL_GEMM_MATRIX    ? 1
                        : g->source == LCL_GEMM_PATCHES ? LCL_MAX(p->ta, 1) * LCL_MAX(p->tb, 1)
                                                        : p->gq * p->gr;
  const int64_t w = g->k / LCL_MAX(inner, 1);
  int64_t rounds = inner / depth * w;
  for (int64_t run = 1; run < depth; run *= 2)
    if (inner % depth & run) rounds += lcl__ceil_div(w, depth / run);
  return rounds;
}

/* Whether all of these offsets and sizes are whole runs of 4. */
static bool fours(int64_t a, int64_t b, int64_t c, int64_t d, int64_t e) {
  return (a | b | c | d | e) % 4 == 0;
}

/* Whether A, or B, consists of runs of 4 neighbours that begin at multiples of 4 floats: see A_WIDE
 * in cl/gemm_tiled.cl. */
static bool wide_a(const lcl_gemm *g) {
  const int64_t inner = g->patches.gq * g->patches.gr;
  if (g->source == LCL_GEMM_PATCHES) return false;
  if (g->source == LCL_GEMM_PATCHES_T)
    return g->a_s1 == 1 && fours(inner, g->a_base, g->a_batch, g->a_rs, g->a_sa);
  if (g->a_s1 == 1) return fours(g->k, g->a_base, g->a_batch, g->a_rs, 0);
  return g->a_rs == 1 && fours(g->m, g->a_base, g->a_batch, g->a_s1, 0);
}
static bool wide_b(const lcl_gemm *g) {
  if (g->source != LCL_GEMM_MATRIX) return false;
  if (g->csb == 1) return fours(g->n, g->b_base, g->b_batch, g->rsb, 0);
  return g->rsb == 1 && fours(g->k, g->b_base, g->b_batch, g->csb, 0);
}

/* ---- the cost model ---- */

/* Instructions of a work-item in a round: FMAs, reads of local memory and the loop, and for each
 * element it fetches its share of addresses, comparisons and writes. Counted in NVIDIA's machine
 * code. */
static double instructions(const lcl_gemm *g, tile t) {
  enum { AROUND = 38 };
  const double alone = 6.5, of_four = 2.5;
  const double a = (double)(t.m * depth_of(t)) / (double)items_of(t),
               b = (double)(t.n * depth_of(t)) / (double)items_of(t);
  return (double)(16 * t.vectors * t.vectors * depth_of(t)) + AROUND +
         a * (wide_a(g) && a >= 4 ? of_four : alone) + b * (wide_b(g) && b >= 4 ? of_four : alone);
}

/* Of an H100, which others are near enough to for a choice: a processor has LANES; a launch that
 * could be spared takes SECOND cycles, between what it takes the GPU and what the host; a processor
 * gets BYTES a cycle from memory. */
enum { LANES = 128, SECOND = 7000, BYTES = 12 };

static int64_t processors_of(const lcl_caps *caps) {
  return LCL_MAX(1, lcl__units(caps) * caps->unit_lanes / LANES);
}

double lcl__gemm_tiled_launch_cycles(const lcl_caps *caps, double bytes) {
  return SECOND + bytes / (double)(BYTES * processors_of(caps));
}

/* Cycles that a GPU needs, a tenth of which are lost, with room for 768 work-items with 16 sums
 * each or 384 with 64 on a processor; the reads of a round take LATENCY, the work-group's start and
 * end LAUNCH; a processor gets CACHED bytes a cycle from the L2 cache. */
static double cycles(const lcl_caps *caps, const lcl_gemm *g, tile t, int64_t splits) {
  enum { LATENCY = 600, LAUNCH = 900, CACHED = 24 };
  const int64_t resident = LCL_MAX(1, (t.vectors == 1 ? 768 : 384) / items_of(t)),
                groups = lcl__ceil_div(g->m, t.m) * lcl__ceil_div(g->n, t.n) * g->batch * splits,
                here = lcl__ceil_div(groups, processors_of(caps)),
                waves = lcl__ceil_div(here, resident);
  const double rounds = (double)lcl__ceil_div(rounds_of(g, depth_of(t)), splits),
               work = 1.1 * (double)items_of(t) / LANES * instructions(g, t),
               reads = (double)((g->half ? 2 : 4) * (t.m + t.n) * depth_of(t)) / CACHED,
               busy = LCL_MAX(work, reads);
  const double sums = (double)(g->m * g->n * g->batch) * (double)(splits + 1);
  return (double)(LAUNCH * waves) +
         rounds * LCL_MAX((LATENCY + busy) * (double)waves, (double)here * busy) +
         (splits > 1 ? lcl__gemm_tiled_launch_cycles(caps, 4 * sums) : 0);
}

/* CPU drivers have rules instead. */
static bool modelled(const lcl_caps *caps) {
  return !caps->local_is_global && !(caps->type & CL_DEVICE_TYPE_CPU);
}

double lcl__gemm_tiled_seconds(const lcl_caps *caps, double cycles) {
  enum { CLOCK = 1700 /* MHz, where the device does not say */ };
  return cycles / (1e6 * (caps->clock ? caps->clock : CLOCK));
}

double lcl__gemm_tiled_expected(const lcl_caps *caps, const lcl_gemm *g,
                                const lcl_kernel_params *p) {
  const tile t = { p->tile_m, p->tile_n, p->vectors };
  return modelled(caps) ? lcl__gemm_tiled_seconds(caps, cycles(caps, g, t, p->split_k)) : 0;
}

/* CPU drivers, which run a group's work-items as vectors of one core. 64 sums a work-item need
 * registers that only GPUs have: on llvmpipe they make it three times slower. */
static void choose_for_cpu(const lcl_caps *caps, const lcl_gemm *g, lcl_kernel_params *p) {
  /* Half of a tile of 64 rows would be empty; measured on llvmpipe: 1.4 to 2.4 times faster. */
  const bool small = g->m <= 32 || !fits(caps, (tile) { 64, 64, 1 });
  p->tile_m = p->tile_n = small ? 32 : 64;
  p->vectors = 1;
  const int64_t units = lcl__units(caps),
                groups = LCL_MAX(1, lcl__ceil_div(g->m, p->tile_m) *
                                        lcl__ceil_div(g->n, p->tile_n) * g->batch);
  if (g->source != LCL_GEMM_PATCHES && groups < 2 * units && g->k >= 1024)
    p->split_k = (int)LCL_MIN(lcl__ceil_div(2 * units, groups), g->k / 512);
}

double lcl__gemm_tiled_choose(const lcl_caps *caps, const lcl_gemm *g, int most,
                              lcl_kernel_params *p) {
  static const int splits[] = { 1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128 };
  enum { FEWEST = 8 /* rounds of a part */ };
  double best = 0;
  p->split_k = 1;
  if (!modelled(caps)) {
    choose_for_cpu(caps, g, p);
    p->split_k = LCL_MIN(p->split_k, most);
    return 0;
  }
  p->tile_m = p->tile_n = 32;
  p->vectors = 1;
  for (size_t i = 0; i < LCL_COUNT(tiles); i++) {
    const tile t = tiles[i];
    if (!fits(caps, t) || (caps->unit_lanes < 64 && !fits_narrow(t))) continue;
    for (size_t s = 0; s < LCL_COUNT(splits) && splits[s] <= most; s++) {
      if (splits[s] > 1 && rounds_of(g, depth_of(t)) < FEWEST * splits[s]) break;
      const double c = cycles(caps, g, t, splits[s]);
      if (best > 0 && c >= best) continue;
      best = c;
      p->tile_m = t.m, p->tile_n = t.n, p->vectors = t.vectors;
      p->split_k = splits[s];
    }
  }
  return best;
}

static void choose(const lcl_caps *caps, const lcl_gemm *g, lcl_kernel_params *p) {
  lcl__gemm_tiled_choose(caps, g, 128, p);
}

bool lcl__gemm_tiled_fits(const lcl_caps *caps, const lcl_kernel_params *p) {
  return fits(caps, (tile) { p->tile_m, p->tile_n, p->vectors });
}

static bool legal(const lcl_caps *caps, const lcl_gemm *g, const lcl_kernel_params *p) {
  return lcl__gemm_tiled_fits(caps, p) && p->split_k >= 1 && p->split_k <= LCL_MAX(g->k, 1);
}

/* ---- launches ---- */

/* Whether 32 bits without a sign tell where an element is; see NEAR in cl/gemm_tiled.cl. NVIDIA's
 * processors, the ones of 128 lanes, advance one 64-bit address for less. */
static bool is_near(lcl_lower *lw, const lcl_gemm *g) {
  const uint64_t most = (uint64_t)1 << 32;
  return lcl__lower_caps(lw)->unit_lanes < 128 && lcl__slot_bytes(lw, g->a) <= most &&
         lcl__slot_bytes(lw, g->b) <= most &&
         (g->a_rs | g->a_sa | g->a_sb | g->a_s1 | g->rsb | g->csb) >= 0;
}

static void write_options(lcl_lower *lw, const lcl_gemm *g, tile t, bool final, bool phases,
                          char options[192]) {
  const bool smooth = final && (g->act == LCL_ACT_SIGMOID || g->act == LCL_ACT_TANH);
  const int n = snprintf(
      options, 192,
      "-DSOURCE=%d -DTILE_M=%d -DTILE_N=%d -DVECTORS=%d -DA_WIDE=%d -DB_WIDE=%d -DNEAR=%d%s%s%s%s",
      (int)g->source, t.m, t.n, t.vectors, wide_a(g), wide_b(g), is_near(lw, g),
      lcl__gemm_half_option(g), final ? lcl__gemm_half_c_option(g) : "",
      smooth ? " -DSMOOTH=1" : "", phases ? " -DPHASES=1" : "");
  if (g->source == LCL_GEMM_MATRIX)
    snprintf(options + n, 192 - (size_t)n, " -DA_BY_K=%d -DB_BY_K=%d", g->a_s1 == 1, g->csb != 1);
}

/* With rounds for k, and no part without one. */
static lcl_arg sizes_arg(lcl_lower *lw, const lcl_gemm *g, int64_t rounds, int64_t splits) {
  const gemm_sizes args = { .m = lcl__int(lw, g->m),
                            .n = lcl__int(lw, g->n),
                            .k = lcl__int(lw, g->k),
                            .splits = lcl__int(lw, splits),
                            .k_split = lcl__int(lw, lcl__ceil_div(rounds, splits)) };
  return LCL_STRUCT(args);
}

/* C, or where its parts are dense: pixels one after the other. */
static lcl_arg c_arg(lcl_lower *lw, const lcl_gemm *g, const lcl_gemm_target *t) {
  lcl_gemm dense = *g;
  dense.yn = g->patches.gq * g->patches.gr;
  dense.yrow = g->patches.gr;
  dense.ycol = 1;
  return lcl__gemm_c_arg(lw, t->part < 0 ? g : &dense, t);
}

static lcl_status emit(lcl_lower *lw, const lcl_gemm *g, const lcl_kernel_params *p,
                       const lcl_arg *phases, int64_t n_phases) {
  const lcl_patches *x = &g->patches;
  const tile t = { p->tile_m, p->tile_n, p->vectors };
  const int64_t rounds = LCL_MAX(rounds_of(g, depth_of(t)), 1),
                wanted = phases ? 1 : LCL_MIN(lcl__gemm_splits(g, p->split_k, 128), rounds);
  const int splits = (int)lcl__ceil_div(rounds, lcl__ceil_div(rounds, wanted));
  const lcl_gemm_target to = lcl__gemm_choose_target(lw, g, splits, 0);
  char options[192], label[128];
  write_options(lw, g, t, to.part < 0, phases, options);
  snprintf(label, sizeof label, "%s tiled", g->label);
  const lcl_arg args[] = { g->a,
                           g->b,
                           to.c,
                           g->bias_kind && to.part < 0 ? g->bias : g->a,
                           sizes_arg(lw, g, rounds, splits),
                           lcl__gemm_a_arg(lw, g),
                           lcl__gemm_b_arg(lw, g, x->channels * x->h * x->w),
                           c_arg(lw, g, &to),
                           lcl__gemm_patches_arg(lw, g, 0),
                           phases ? *phases : g->a };
  LCL_TRY(lcl__emit(
      lw, &(lcl_launch) { .label = label,
                          .source = { .file = "gemm_tiled.cl", .options = options },
                          .kernel = "gemm_tiled",
                          .args = args,
                          .n_args = (int)LCL_COUNT(args) - !phases,
                          .dims = 3,
                          .global = { (size_t)(lcl__ceil_div(g->n, t.n) * items_of(t)),
                                      (size_t)lcl__ceil_div(g->m, t.m),
                                      (size_t)(g->batch * splits * LCL_MAX(n_phases, 1)) },
                          .local = { (size_t)items_of(t), 1, 1 },
                          .flops = g->flops,
                          .bytes = lcl__gemm_bytes(g) }));
  return to.part < 0 ? LCL_OK : lcl__gemm_sum_parts(lw, g, splits, to.part, to.ldc, 0);
}

static lcl_status lower(lcl_lower *lw, const lcl_gemm *g, const lcl_kernel_params *p) {
  return emit(lw, g, p, NULL, 0);
}

lcl_status lcl__gemm_tiled_phases(lcl_lower *lw, const lcl_gemm *g, const lcl_kernel_params *p,
                                  lcl_arg phases, int64_t n) {
  return emit(lw, g, p, &phases, n);
}

static const lcl_kernel_param params[] = { LCL_KERNEL_PARAM(split_k, 1, 2, 3, 4, 6, 8, 16, 32),
                                           LCL_KERNEL_PARAM(tile_m, 32, 64, 128),
                                           LCL_KERNEL_PARAM(tile_n, 32, 64, 128),
                                           LCL_KERNEL_PARAM(vectors, 1, 2) };

const lcl_gemm_implementation lcl__gemm_tiled = { .base = LCL_IMPLEMENTATION("tiled", params),
                                                  .halves = true,
                                                  .supported = supported,
                                                  .profitable = supported,
                                                  .choose = choose,
                                                  .expected = lcl__gemm_tiled_expected,
                                                  .legal = legal,
                                                  .lower = lower };
