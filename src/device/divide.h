/* How work is divided among a device's compute units. Packed kernels get a few large work-items,
 * each a work-group of its own; tiled ones many small ones. */
#ifndef LCL_DIVIDE_H
#define LCL_DIVIDE_H

#include "device/device.h"

/* Enough for every compute unit to be busy to the end, few enough to cost nothing by themselves. */
enum { LCL_ITEMS_PER_UNIT = 4 };

static inline int64_t lcl__ceil_div(int64_t a, int64_t b) {
  return (a + b - 1) / b;
}

/* Compute units, at least 1. */
static inline int64_t lcl__units(const lcl_caps *caps) {
  return LCL_MAX(1, (int64_t)caps->compute_units);
}

/* Floats in a vector of packed kernels: VEC of cl/packed.cl. */
static inline int lcl__packed_vec(const lcl_caps *caps) {
  return caps->preferred_float >= 16 ? 16 : 8;
}

/* Work-items of a packed kernel over n elements, none with much fewer than `least`. */
static inline int64_t lcl__packed_items(const lcl_caps *caps, int64_t n, int64_t least) {
  return LCL_MIN(LCL_ITEMS_PER_UNIT * lcl__units(caps), n / least + 1);
}

/* Elements of n that a work-item takes: at least `least` with packed kernels, 1 with tiled ones. */
static inline int64_t lcl__share(const lcl_caps *caps, int64_t n, int64_t least) {
  return caps->packed ? LCL_MAX(least, lcl__ceil_div(n, LCL_ITEMS_PER_UNIT * lcl__units(caps))) : 1;
}

/* Work-items in a group where they are independent of each other. */
static inline size_t lcl__group_size(const lcl_caps *caps) {
  return caps->packed ? 1 : LCL_MIN(caps->max_work_group, (size_t)64);
}

/* The same for a launch of n work-items: smaller where compute units would stay without a group,
 * but never below what the device runs in step. */
static inline size_t lcl__group_size_for(const lcl_caps *caps, int64_t n) {
  size_t size = lcl__group_size(caps);
  while (size > 1 && size / 2 >= caps->preferred_multiple && (int64_t)size * lcl__units(caps) > n)
    size /= 2;
  return size;
}

/* Sizes of a launch in one dimension whose work-items walk over independent jobs; how many jobs
 * there are depends on the family. */
static inline void lcl__spread(lcl_launch *l, const lcl_caps *caps, int64_t packed_jobs,
                               int64_t tiled_jobs) {
  l->dims = 1;
  l->local[0] = lcl__group_size(caps);
  l->global[0] = caps->packed
                     ? (size_t)LCL_MIN(packed_jobs, LCL_ITEMS_PER_UNIT * lcl__units(caps))
                     : lcl__round_up((size_t)LCL_MIN(tiled_jobs, (int64_t)1 << 20), l->local[0]);
}

#endif
