/* lstm.cl: what bilstm.cl and pixelrnn.cl share: vectors of WIDTH floats, and the jobs of a
 * work-group. Included, with WIDTH (1, 4, 8 or 16) defined.
 *
 * A work-group of one work-item (CPUs) does all jobs in turn; a larger one shares them among its
 * work-items, with a barrier where others read the results.
 */
#ifndef WIDTH
#define WIDTH 1
#endif

#include "args.h"

#if LCL_PANEL
#define FOR_JOBS(job, n) for (int job = 0; job < (n); job++)
#define SYNC()
#else
#define FOR_JOBS(job, n)                                                                           \
  for (int job = (int)get_local_id(0); job < (n); job += (int)get_local_size(0))
#define SYNC() barrier(CLK_GLOBAL_MEM_FENCE)
#endif

#define CAT_(a, b) a##b
#define CAT(a, b)  CAT_(a, b)
#if WIDTH == 1
typedef float vec;
typedef int ivec;
#define LOAD(p)     (*(p))
#define STORE(v, p) (*(p) = (v))
#define AS_INT(x)   as_int(x)
#define AS_VEC(x)   as_float(x)
#else
typedef CAT(float, WIDTH) vec;
typedef CAT(int, WIDTH) ivec;
/* A vector at any float's address: some drivers split vloadn and vstoren, and what is stored in
 * parts is slow to load whole. */
typedef CAT(float, WIDTH) __attribute__((aligned(4))) uvec;
#define LOAD(p)     (*(__global const uvec *)(p))
#define STORE(v, p) (*(__global uvec *)(p) = (v))
#define AS_INT(x)   CAT(as_int, WIDTH)(x)
#define AS_VEC(x)   CAT(as_float, WIDTH)(x)
#endif
#define SPLAT(x) ((vec)(x))

typedef __global float *gptr;
typedef __global const float *cptr;
