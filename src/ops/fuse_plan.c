/* How the work of a reduction is divided among work-items. */
#include "device/divide.h"
#include "ops/fuse.h"
#include "ops/fuse_plan.h"

/* Packed: a line shorter than a vector. Tiled: a row shorter than what the work-items of a group
 * would fold. Contiguous results are two vectors at least, so that they can be divided. */
bool lcl__results_innermost(const lcl_caps *caps, bool contiguous, int64_t inner, int64_t row,
                            int64_t kept) {
  return (contiguous && kept >= 32) || (kept >= 16 && (caps->packed ? inner < 16 : row <= 32));
}

/* Tiled, innermost kept: as many results a work-group as are read side by side, fewer where groups
 * would not fill the device and there are rows to share. */
static int64_t columns_of(const lcl_caps *caps, const lcl_fold_plan *p) {
  const int64_t results = p->outputs * p->inner, wide = 32;
  int64_t columns = LCL_FOLD_GROUP;
  while (columns > 1 && columns / 2 >= results) columns /= 2;
  while (columns > wide / 8 && LCL_FOLD_GROUP / columns < p->n_reduced / 8 &&
         (columns > wide ||
          results / columns < (columns > wide / 4 ? 2 * lcl__units(caps) : lcl__units(caps) / 2)))
    columns /= 2;
  return columns;
}

/* Splits the reduced range when there are too few results to keep the device busy, or when it is
 * too long for one work-item. */
lcl_fold_plan lcl__plan_fold(const lcl_caps *caps, int rank, const int64_t *dim,
                             const bool *reduced, bool whole) {
  lcl_fold_plan p = { .outputs = 1, .n_reduced = 1, .splits = 1 };
  int last = rank - 1;
  p.inner_reduced = reduced[last];
  p.inner = dim[last];
  for (int i = 0; i < last; i++) {
    if (reduced[i])
      p.n_reduced *= dim[i];
    else
      p.outputs *= dim[i];
  }
  p.k_length = p.n_reduced;
  p.j_length = p.inner;
  if (!caps->packed && !p.inner_reduced) p.columns = columns_of(caps, &p);
  int64_t units = caps->packed || p.inner_reduced ? p.outputs
                                                  : lcl__ceil_div(p.outputs * p.inner, p.columns);
  int64_t want = lcl__units(caps) * (caps->packed ? LCL_ITEMS_PER_UNIT : 32) / LCL_MAX(units, 1);
  int64_t work = caps->packed || p.inner_reduced ? p.n_reduced * p.inner : p.n_reduced * p.columns;
  /* Rounds of a tiled split: 16 of whole lines, 64 of rows, which a work-group shares already. */
  int64_t splits = LCL_MIN(want, work / (caps->packed ? 8192 : p.inner_reduced ? 1024 : 4096));
  if (!caps->packed) { /* llvmpipe ends a work-item's loops after 65535 rounds in all */
    int64_t rounds = work / LCL_FOLD_GROUP;
    splits = LCL_MAX(splits, (rounds + 32767) / 32768);
  }
  if (splits < 2) return p;
  bool columns = caps->packed && !p.inner_reduced && p.inner >= 32;
  if (whole && !columns) return p;
  if (columns || (p.inner_reduced && p.n_reduced < splits)) {
    p.j_step = p.j_length = (int64_t)lcl__round_up((size_t)((p.inner + splits - 1) / splits), 16);
    p.splits = (p.inner + p.j_length - 1) / p.j_length;
  } else {
    p.k_step = p.k_length = (p.n_reduced + splits - 1) / splits;
    p.splits = (p.n_reduced + p.k_length - 1) / p.k_length;
  }
  p.partial = !columns && p.splits > 1;
  return p;
}

bool lcl__whole_results(const lcl_caps *caps, const lcl_space *space) {
  int64_t dim[LCL_MAX_RANK] = { 1 }, row = 1;
  bool reduced[LCL_MAX_RANK] = { true };
  int rank = 0;
  for (int i = 0; i < space->shape.rank; i++) {
    const bool red = (space->axes >> i) & 1u;
    if (red) row *= space->shape.dim[i];
    if (space->shape.dim[i] == 1) continue;
    if (rank && reduced[rank - 1] == red) {
      dim[rank - 1] *= space->shape.dim[i];
      continue;
    }
    dim[rank] = space->shape.dim[i];
    reduced[rank++] = red;
  }
  /* 64 rounds of a work-group are less than a launch takes. */
  return (!caps->packed && row <= 64 * LCL_FOLD_GROUP) || rank == 0 ||
         !lcl__plan_fold(caps, rank, dim, reduced, false).partial;
}
