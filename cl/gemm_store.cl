/* gemm_store.cl: what gemm_tiled.cl and gemm_reduce.cl share: the activation of four neighbouring
 * columns of a row of C, and where they are stored. Included.
 *
 *   SMOOTH  1: the activation may be the sigmoid or tanh
 */
#include "args.h"

#ifndef SMOOTH
#define SMOOTH 0
#endif

static float4 activate(float4 v, int act, float slope) {
#if SMOOTH
  if (act > 2)
    return (float4)(lcl_activate(v.x, act, slope), lcl_activate(v.y, act, slope),
                    lcl_activate(v.z, act, slope), lcl_activate(v.w, act, slope));
#endif
  const float4 low = act == 1 ? (float4)(0.0f) : act ? v * slope : v;
  return v <= (float4)(0.0f) ? low : v;
}

#if defined(HALF_C) && HALF_C
#define STORE4(v, p) vstorea_half4(v, 0, p)
#else
#define STORE4(v, p) (*(global float4 *)(p) = (v))
#endif

/* Offsets of columns j to j + 3 in a row of C; of them, `there` exist. whole: they are a vector of
 * 4, in every row. */
typedef struct columns {
  int at0, at1, at2, at3, there, whole;
} columns;

/* Of n columns, which are pixels of a grid gq x gr where gq > 0; c: the first row. */
static void columns_at(columns *x, global const result *c, int j, int n, const gemm_c lc, int gq,
                       int gr) {
  x->at0 = gq ? gemm_column(j, lc, gq, gr) : j;
  x->at1 = gq ? gemm_column(j + 1, lc, gq, gr) : j + 1;
  x->at2 = gq ? gemm_column(j + 2, lc, gq, gr) : j + 2;
  x->at3 = gq ? gemm_column(j + 3, lc, gq, gr) : j + 3;
  x->there = n - j;
  x->whole = x->there > 3 && x->at3 - x->at0 == 3 && ((x->at0 | lc.ldc) & 3) == 0 &&
             ((size_t)c & (4 * sizeof(result) - 1)) == 0;
}

static void store_columns(global result *row, const columns *x, float4 v) {
  if (x->whole) {
    STORE4(v, row + x->at0);
  } else {
    if (x->there > 0) STORE(v.x, row, x->at0);
    if (x->there > 1) STORE(v.y, row, x->at1);
    if (x->there > 2) STORE(v.z, row, x->at2);
    if (x->there > 3) STORE(v.w, row, x->at3);
  }
}
