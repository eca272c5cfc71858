/* probe.cl: what a device can do at best. Each kernel does nothing useful.
 *
 * fma_peak      every item keeps CHAINS independent accumulators of width VEC and runs `rounds` fused multiply-adds on each
 * read_sum      every item sums `per` vectors of 16 floats from its part of x: global read bandwidth
 * copy          y = x, vectors of 16 floats: global read + write bandwidth
 * local_sum     every item reads `rounds` floats from local memory: local bandwidth
 *
 * Tunables: VEC (1, 4, 8, 16), CHAINS (8), REAL (float or half)
 */
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

kernel void fma_peak(global REALV *out, int rounds, REAL a, REAL b) {
  REALV x[CHAINS];
  REALV va = (REALV)(a), vb = (REALV)(b);
#pragma unroll
  for (int i = 0; i < CHAINS; i++) x[i] = (REALV)((REAL)(get_global_id(0) + i));
  for (int r = 0; r < rounds; r++) {
#pragma unroll
    for (int i = 0; i < CHAINS; i++) x[i] = fma(x[i], va, vb);
  }
  REALV s = x[0];
#pragma unroll
  for (int i = 1; i < CHAINS; i++) s += x[i];
  out[get_global_id(0)] = s;
}

#ifndef USE_FP16
/* Chunk-wise on panels (an item walks its own stretch), interleaved elsewhere (neighbouring items read neighbouring data). */
kernel void read_sum(global const float16 *x, global float16 *out, int per, int chunked) {
  int id = get_global_id(0), n = get_global_size(0);
  int at = chunked ? id * per : id, step = chunked ? 1 : n;
  float16 s0 = 0.0f, s1 = 0.0f;
  for (int i = 0; i + 2 <= per; i += 2) {
    s0 += x[at];
    s1 += x[at + step];
    at += 2 * step;
  }
  out[id] = s0 + s1;
}

kernel void copy(global const float16 *x, global float16 *y, int per, int chunked) {
  int id = get_global_id(0), n = get_global_size(0);
  int at = chunked ? id * per : id, step = chunked ? 1 : n;
  for (int i = 0; i < per; i++, at += step) y[at] = x[at];
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
