/* probe.cl: what a device can do at best. Each kernel does nothing useful.
 *
 * fma_peak   every item keeps CHAINS independent accumulators of width VEC and runs `rounds`
 *            FMAs on each
 * read_sum   `rounds` times over, the items together read n vectors of 16 floats (a power of two):
 *            read bandwidth
 * copy       the same with y = x: read + write bandwidth
 * chase      one item follows `steps` links of a chain through memory: latency
 * local_sum  every item reads `rounds` floats from local memory: local bandwidth
 *
 * Tunables: VEC (1, 4, 8, 16), CHAINS (2, 4, 8 or 12), REAL (float or half), FUSED (1: fma whatever
 * the driver says of it; 0: fma if the driver calls it fast, else mad, as fma may be computed by
 * software)
 */
#ifndef FUSED
#define FUSED 1
#endif
#ifndef VEC
#define VEC 16
#endif
#ifndef CHAINS
#define CHAINS 12
#endif
#ifndef REAL
#define REAL float
#endif
#define JOIN_(a, b) a##b
#define JOIN(a, b)  JOIN_(a, b)
#if VEC == 1
#define REALV REAL
#else
#define REALV JOIN(REAL, VEC)
#endif
#ifdef USE_FP16
#pragma OPENCL EXTENSION cl_khr_fp16 : enable
#endif

/* Named accumulators: not every compiler keeps an array in registers. */
#if CHAINS > 2
#define TO_4(DO) DO(2) DO(3)
#else
#define TO_4(DO)
#endif
#if CHAINS > 4
#define TO_8(DO) DO(4) DO(5) DO(6) DO(7)
#else
#define TO_8(DO)
#endif
#if CHAINS > 8
#define TO_12(DO) DO(8) DO(9) DO(10) DO(11)
#else
#define TO_12(DO)
#endif
#define ALL(DO) DO(0) DO(1) TO_4(DO) TO_8(DO) TO_12(DO)

kernel void fma_peak(global REALV *out, int rounds, REAL a, REAL b) {
  REALV va = (REALV)(a), vb = (REALV)(b), sum = (REALV)((REAL)0);
#define START(i) REALV x##i = (REALV)((REAL)(get_global_id(0) + i));
#if FUSED || defined(FP_FAST_FMAF)
#define STEP(i) x##i = fma(x##i, va, vb);
#else
#define STEP(i) x##i = mad(x##i, va, vb);
#endif
#define ADD(i) sum += x##i;
  ALL(START)
  for (int r = 0; r < rounds; r++) {
    ALL(STEP)
  }
  ALL(ADD)
  out[get_global_id(0)] = sum;
}

#ifndef USE_FP16
/* Of the n vectors an item reads `per` (an even number) in a round: a stretch if chunked, as
 * processors like it, another one every round, so that every processor sees all n; else every
 * so-many'th, so that neighbouring items read neighbouring data. */
#define AT(start, i) (((start) + (i)*step) & (n - 1))

kernel void read_sum(global const float16 *x, global float16 *out, int n, int per, int rounds,
                     int chunked) {
  int id = get_global_id(0), items = get_global_size(0), step = chunked ? 1 : items;
  float16 s0 = 0.0f, s1 = 0.0f;
  for (int r = 0; r < rounds; r++) {
    int start = chunked ? (id + r) % items * per : id;
    for (int i = 0; i < per; i += 2) {
      s0 += x[AT(start, i)];
      s1 += x[AT(start, i + 1)];
    }
  }
  out[id] = s0 + s1;
}

kernel void copy(global const float16 *x, global float16 *y, int n, int per, int rounds,
                 int chunked) {
  int id = get_global_id(0), items = get_global_size(0), step = chunked ? 1 : items,
      to = chunked ? id * per : id;
  for (int r = 0; r < rounds; r++) {
    int from = chunked ? (id + r) % items * per : id;
    for (int i = 0; i < per; i++) y[AT(to, i)] = x[AT(from, i)];
  }
}

kernel void chase(global const int *next, global int *end, int steps) {
  int at = 0;
  for (int i = 0; i < steps; i++) at = next[at];
  *end = at;
}

kernel void local_sum(global float *out, local float *shared, int rounds) {
  int id = get_local_id(0), n = get_local_size(0);
  shared[id] = (float)id;
  barrier(CLK_LOCAL_MEM_FENCE);
  float s = 0.0f;
  for (int r = 0; r < rounds; r++) s += shared[(id + r) % n];
  out[get_global_id(0)] = s;
}
#endif
