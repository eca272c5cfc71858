/* What the implementations of the GEMM, and those of the convolution that describe it as one,
 * share: arguments of kernels, labels and sizes. */
#ifndef LCL_OPS_GEMM_ARGS_H
#define LCL_OPS_GEMM_ARGS_H

#include "ops/gemm.h"

/* Least traffic to memory: A, B and C once each. */
double lcl__gemm_bytes(const lcl_gemm *g);

/* The build options of kernels that read g's A and B, and that write its C. */
static inline const char *lcl__gemm_half_option(const lcl_gemm *g) {
  return g->half ? " -DHALF=1" : "";
}
static inline const char *lcl__gemm_half_c_option(const lcl_gemm *g) {
  return g->half_c ? " -DHALF_C=1" : "";
}

/* The longest sum over k that may be added up plainly. */
enum { LCL_GEMM_LONG = 1 << 17 };
/* How many partial sums to make where split_k were chosen: more for a sum so long that it would
 * lose digits, each of at most `longest` terms, as long as they are fewer than the elements of A
 * and B.
 */
int lcl__gemm_splits(const lcl_gemm *g, int split_k, int64_t longest);

/* Where a kernel writes: C itself with the epilogue, or partial sums in scratch that
 * lcl__gemm_sum_parts finishes. */
typedef struct lcl_gemm_target {
  lcl_arg c;
  int64_t base, batch, split, ldc;
  int part; /* -1: C itself */
} lcl_gemm_target;
/* cl > 0: columns come in channels-last order, cl channels a tap. */
lcl_gemm_target lcl__gemm_choose_target(lcl_lower *lw, const lcl_gemm *g, int splits, int64_t cl);
/* Partial sums, also of a single part. */
lcl_gemm_target lcl__gemm_part_target(lcl_lower *lw, const lcl_gemm *g, int splits, int64_t cl);
/* Offers that the launch emitted last, of g, adds something to each element of C: its arguments c,
 * bias and gemm_c. */
void lcl__gemm_may_add(lcl_lower *lw, const lcl_gemm *g, int c, int bias, int args);
/* C = the sum of `splits` dense parts (batch, m, pitch) in scratch `part`, with the epilogue; with
 * cl > 0 a filter gradient whose columns are still in channels-last order, cl channels a tap. */
lcl_status lcl__gemm_sum_parts(lcl_lower *lw, const lcl_gemm *g, int splits, int part,
                               int64_t pitch, int64_t cl);

/* The structs of cl/args.h. */
lcl_arg lcl__gemm_sizes_arg(lcl_lower *lw, const lcl_gemm *g, int64_t n, int64_t splits);
gemm_a lcl__gemm_a_of(lcl_lower *lw, const lcl_gemm *g);
lcl_arg lcl__gemm_a_arg(lcl_lower *lw, const lcl_gemm *g);
/* A matrix, or images of which a batch's next GEMM uses those `batch` floats further on. */
lcl_arg lcl__gemm_b_arg(lcl_lower *lw, const lcl_gemm *g, int64_t batch);
lcl_arg lcl__gemm_c_arg(lcl_lower *lw, const lcl_gemm *g, const lcl_gemm_target *t);
/* All but where in memory images lie. */
patches lcl__gemm_patches_of(lcl_lower *lw, const lcl_patches *x);
/* cl: channels a pixel of the channels-last copy, or 0. All zero for a matrix. */
lcl_arg lcl__gemm_patches_arg(lcl_lower *lw, const lcl_gemm *g, int64_t cl);

/* gemm_tiled.c: the tile that is expected to be fastest, with at most `most` parts of k. Returns
 * the cycles that it is expected to take, its launch not counted; 0: not known of this device. */
double lcl__gemm_tiled_choose(const lcl_caps *caps, const lcl_gemm *g, int most,
                              lcl_kernel_params *p);
/* gemm_tiled.c: cycles of a further launch that only moves so many bytes. */
double lcl__gemm_tiled_launch_cycles(const lcl_caps *caps, double bytes);
/* gemm_tiled.c: whether parameters name a tile that the device has room for. */
bool lcl__gemm_tiled_fits(const lcl_caps *caps, const lcl_kernel_params *p);
/* gemm_tiled.c: seconds of so many cycles; seconds by the cost model, 0 on CPUs, for which there is
 * none. */
double lcl__gemm_tiled_seconds(const lcl_caps *caps, double cycles);
double lcl__gemm_tiled_expected(const lcl_caps *caps, const lcl_gemm *g,
                                const lcl_kernel_params *p);
/* gemm_tiled.c: n GEMMs in one launch, which differ as the struct gemm_phases says; g is one with
 * the most columns and rounds. */
lcl_status lcl__gemm_tiled_phases(lcl_lower *lw, const lcl_gemm *g, const lcl_kernel_params *p,
                                  lcl_arg phases, int64_t n);

/* gemm_packed.c: A in panels of mr rows, each k-th column of a panel one vector, batches `batch`
 * and panels `pitch` vectors apart, in scratch that those share who want the same. */
lcl_status lcl__gemm_pack_a(lcl_lower *lw, const lcl_gemm *g, int vec, int *packed, int64_t mr,
                            int64_t pitch, int64_t batch);
/* gemm_packed.c: a copy of g's images as scratch, channels last, their number rounded up to vec;
 * made unless g->channels_last has it. */
lcl_status lcl__gemm_channels_last(lcl_lower *lw, const lcl_gemm *g, int vec, int *copy);
/* gemm_packed.c: whether patches are better read from such a copy. */
bool lcl__gemm_wants_channels_last(const lcl_gemm *g, int vec);

#endif
