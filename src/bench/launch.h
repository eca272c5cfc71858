/* What the device layer itself costs: launching, and starting with a full program cache. */
#ifndef LCL_BENCH_LAUNCH_H
#define LCL_BENCH_LAUNCH_H

#include "device/device.h"

typedef struct lcl_launch_times {
  size_t launches;
  double
      raw; /* seconds for plain clEnqueueNDRangeKernel calls on an in-order queue, then clFinish */
  double replay;         /* the same kernels as a launch list */
  double command_buffer; /* the same as a recorded cl_khr_command_buffer; 0 where the device has
                            none */
  double finish;         /* clFinish on an empty queue */
} lcl_launch_times;

/* Runs `launches` small kernels in each way, the ways in turn, `rounds` times; gives the medians.
 */
lcl_status lcl__bench_launch(lcl_context *ctx, size_t launches, int rounds, lcl_launch_times *out);

typedef struct lcl_start_times {
  size_t kernels;
  double
      cold; /* seconds to build them with an empty cache (the driver's own cache may still help) */
  double warm; /* seconds to have them all again in a new context */
} lcl_start_times;

/* Builds `kernels` generated kernels, ten in a source, in two contexts after each other. */
lcl_status lcl__bench_start(const char *device, size_t kernels, lcl_start_times *out);

#endif
