/* Waiting for queues, and queues that wait. */
#include "device/internal.h"

/* rusticl of Mesa 22.3 does not wait in clFinish for what clFlush already sent to the device: an
 * event of the end does. */
cl_int lcl__queue_finish(cl_command_queue queue) {
  cl_event end = NULL;
  cl_int err = clEnqueueMarkerWithWaitList(queue, 0, NULL, &end);
  if (err == CL_SUCCESS)
    err = clWaitForEvents(1, &end);
  else
    clFinish(queue);
  if (end) clReleaseEvent(end);
  return err;
}

lcl_status lcl_context_finish(lcl_context *ctx) {
  LCL_NEED(ctx);
  /* Queue 0 waits for the others at the end of each run; asking all four cost PoCL 60 us more. */
  const cl_int err = lcl__queue_finish(ctx->queue[0]);
  return err == CL_SUCCESS ? LCL_OK : lcl__cl_fail(ctx, err, "waiting for the device");
}

lcl_status lcl__queue_wait(lcl_context *ctx, cl_uint n, const cl_event *events) {
  if (!n) return LCL_OK;
  const cl_int err = clEnqueueBarrierWithWaitList(ctx->queue[0], n, events, NULL);
  return err == CL_SUCCESS ? LCL_OK : lcl__cl_fail(ctx, err, "waiting for the caller's events");
}
