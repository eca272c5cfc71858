/* What the lowerings of GEMMs and convolutions share, most of all those to packed kernels
 * (cl/packed.cl). */
#ifndef LCL_OPS_PACKED_H
#define LCL_OPS_PACKED_H

#include "device/divide.h"
#include "graph/graph.h"
#include "cl/args.h"

/* MR of cl/packed.cl: rows of a tile. */
static inline int lcl__packed_rows(int64_t vec) {
  return vec == 16 ? 14 : 6;
}

/* Arguments of a kernel that are not all known at once. */
enum { LCL_MAX_ARGS = 48 };
typedef struct lcl_arg_list {
  lcl_arg a[LCL_MAX_ARGS];
  int n;
} lcl_arg_list;

/* Beyond the list's end: the last argument becomes one that makes lcl__emit fail. */
static inline void lcl__args_add(lcl_arg_list *l, lcl_arg a) {
  if (l->n < LCL_MAX_ARGS)
    l->a[l->n++] = a;
  else
    l->a[LCL_MAX_ARGS - 1] = (lcl_arg) { .kind = LCL_ARG_BAD };
}
static inline void lcl__args_add_ints(lcl_arg_list *l, const int64_t *v, int n) {
  for (int i = 0; i < n; i++) lcl__args_add(l, lcl__i32(v[i]));
}
#define LCL_ADD_INTS(list, ...)                                                                    \
  lcl__args_add_ints(list, (int64_t[]) { __VA_ARGS__ },                                            \
                     (int)(sizeof((int64_t[]) { __VA_ARGS__ }) / sizeof(int64_t)))

#endif
