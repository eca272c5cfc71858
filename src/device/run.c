/* Running launch lists. On one in-order queue a run is a plain loop of enqueues: no events, no
 * allocation. */
#include "device/list.h"

static lcl_status enqueue_kernel(lcl_context *ctx, const lcl_item *item, cl_command_queue q,
                                 cl_uint n_wait, const cl_event *wait, cl_event *event) {
  const lcl_launch *l = &item->launch;
  cl_int err = clEnqueueNDRangeKernel(q, item->kernel, (cl_uint)l->dims, NULL, l->global,
                                      l->local[0] ? l->local : NULL, n_wait, wait, event);
  return err == CL_SUCCESS ? LCL_OK : lcl__cl_fail(ctx, err, "enqueueing the kernel");
}

static lcl_status enqueue_call(lcl_context *ctx, const lcl_item *item, cl_command_queue q,
                               cl_uint n_wait, const cl_event *wait, cl_event *event) {
  LCL_TRY(item->launch.call(item->launch.user, q, item->mem, n_wait, wait, event));
  if (!event || *event) return LCL_OK;
  /* A library that gives no event: one of everything enqueued so far does as well. */
  cl_int err = clEnqueueMarkerWithWaitList(q, 0, NULL, event);
  return err == CL_SUCCESS ? LCL_OK : lcl__cl_fail(ctx, err, "marking the end of a call");
}

static lcl_status enqueue(lcl_context *ctx, const lcl_item *item, cl_command_queue q,
                          cl_uint n_wait, const cl_event *wait, cl_event *event) {
  const lcl_launch *l = &item->launch;
  const lcl_arg *a = l->args;
  cl_int err;
  if (!n_wait) wait = NULL;
  switch (l->kind) {
  case LCL_LAUNCH_KERNEL: return enqueue_kernel(ctx, item, q, n_wait, wait, event);
  case LCL_LAUNCH_CALL: return enqueue_call(ctx, item, q, n_wait, wait, event);
  case LCL_LAUNCH_COPY:
    err = clEnqueueCopyBuffer(q, item->mem[0], item->mem[1], a[0].offset, a[1].offset, a[0].bytes,
                              n_wait, wait, event);
    return err == CL_SUCCESS ? LCL_OK : lcl__cl_fail(ctx, err, "enqueueing the copy");
  case LCL_LAUNCH_FILL:
    err = clEnqueueFillBuffer(q, item->mem[0], &l->pattern, sizeof l->pattern, a[0].offset,
                              a[0].bytes, n_wait, wait, event);
    return err == CL_SUCCESS ? LCL_OK : lcl__cl_fail(ctx, err, "enqueueing the fill");
  }
  return lcl__fail(LCL_ERR_ARGUMENT, "unknown kind of launch");
}

static lcl_status run_item(lcl_list *list, const lcl_placement *p, size_t i) {
  lcl_context *ctx = list->ctx;
  lcl_item *item = &list->items.data[i];
  const lcl_place *place = &p->place[i];
  if (item->nothing) return LCL_OK;
  for (size_t w = 0; w < place->n_wait; w++)
    list->wait_events[w] = list->items.data[p->waits.data[place->first_wait + w]].event;
  cl_event event = NULL;
  bool want = place->signals || ctx->profile;
  lcl_status status = enqueue(ctx, item, ctx->queue[place->queue], (cl_uint)place->n_wait,
                              list->wait_events, want ? &event : NULL);
  if (status != LCL_OK) {
    if (event) clReleaseEvent(event);
    return lcl__fail_prefix(status, "%s", item->launch.label);
  }
  if (place->signals) item->event = event;
  if (!ctx->profile) return LCL_OK;
  /* The run's end releases one reference, the profile the other. */
  cl_int err = place->signals ? clRetainEvent(event) : CL_SUCCESS;
  if (err != CL_SUCCESS) return lcl__cl_fail(ctx, err, "keeping the event of a launch");
  return lcl__profile_take(ctx->profile, item->row, item->launch.flops, item->launch.bytes,
                           place->queue, event);
}

/* Makes every used queue start after all earlier work, which queue 0 knows of. */
static lcl_status fork_queues(lcl_context *ctx, const lcl_placement *p) {
  cl_event start = NULL;
  cl_int err = clEnqueueBarrierWithWaitList(ctx->queue[0], 0, NULL, &start);
  for (int q = 1; err == CL_SUCCESS && q < p->n_queues; q++)
    if (p->used[q]) err = clEnqueueBarrierWithWaitList(ctx->queue[q], 1, &start, NULL);
  if (start) clReleaseEvent(start);
  return err == CL_SUCCESS ? LCL_OK : lcl__cl_fail(ctx, err, "starting a launch list");
}

/* Makes queue 0 wait for all the others, so that it again stands for everything that was enqueued.
 */
static lcl_status join_queues(lcl_context *ctx, const lcl_placement *p) {
  cl_event ends[LCL_MAX_QUEUES];
  cl_uint n = 0;
  cl_int err = CL_SUCCESS;
  for (int q = 1; err == CL_SUCCESS && q < p->n_queues; q++)
    if (p->used[q] &&
        (err = clEnqueueBarrierWithWaitList(ctx->queue[q], 0, NULL, &ends[n])) == CL_SUCCESS)
      n++;
  /* With a wait list a barrier does not wait for the queue's own earlier commands; that matters out
   * of order. */
  if (err == CL_SUCCESS && !ctx->in_order[0])
    err = clEnqueueBarrierWithWaitList(ctx->queue[0], 0, NULL, NULL);
  if (err == CL_SUCCESS && n) err = clEnqueueBarrierWithWaitList(ctx->queue[0], n, ends, NULL);
  for (cl_uint i = 0; i < n; i++) clReleaseEvent(ends[i]);
  for (int q = 1; q < p->n_queues; q++)
    if (p->used[q]) clFlush(ctx->queue[q]);
  return err == CL_SUCCESS ? LCL_OK : lcl__cl_fail(ctx, err, "ending a launch list");
}

static void release_events(lcl_list *list) {
  for (size_t i = 0; i < list->items.n; i++) {
    lcl_item *item = &list->items.data[i];
    if (item->event) clReleaseEvent(item->event);
    item->event = NULL;
  }
}

static lcl_status run_joined(lcl_list *list, const lcl_placement *p) {
  lcl_context *ctx = list->ctx;
  lcl_status status = fork_queues(ctx, p);
  for (size_t i = 0; status == LCL_OK && i < list->items.n; i++) status = run_item(list, p, i);
  release_events(list);
  if (status == LCL_OK) status = join_queues(ctx, p);
  /* What was enqueued before a failure still runs, and queue 0 does not know of it. */
  for (int q = 0; status != LCL_OK && q < p->n_queues; q++) lcl__queue_finish(ctx->queue[q]);
  return status;
}

lcl_status lcl__list_run_placed(lcl_list *list, const lcl_placement *p) {
  if (p->joins) return run_joined(list, p);
  for (size_t i = 0; i < list->items.n; i++) LCL_TRY(run_item(list, p, i));
  return LCL_OK;
}

lcl_status lcl__list_run(lcl_list *list, cl_event *done) {
  lcl_context *ctx = list->ctx;
  if (done) *done = NULL;
  if (!list->sealed)
    return lcl__fail(LCL_ERR_ARGUMENT, "a launch list has to be sealed before it runs");
  LCL_TRY(lcl__list_run_spread(list, done != NULL));
  cl_int err = CL_SUCCESS;
  if (done) err = clEnqueueMarkerWithWaitList(ctx->queue[0], 0, NULL, done);
  if (err == CL_SUCCESS) err = clFlush(ctx->queue[0]);
  return err == CL_SUCCESS ? LCL_OK : lcl__cl_fail(ctx, err, "ending a launch list");
}

lcl_status lcl__list_run_one(lcl_list *list, size_t i) {
  lcl_context *ctx = list->ctx;
  if (i >= list->items.n)
    return lcl__fail(LCL_ERR_ARGUMENT, "a list of %zu launches has no number %zu", list->items.n,
                     i);
  lcl_item *item = &list->items.data[i];
  LCL_TRY(lcl_context_finish(ctx));
  if (item->nothing) return LCL_OK;
  cl_event event = NULL;
  lcl_status status = enqueue(ctx, item, ctx->queue[0], 0, NULL, ctx->profile ? &event : NULL);
  if (status == LCL_OK && event)
    status = lcl__profile_take(ctx->profile, item->row, item->launch.flops, item->launch.bytes, 0,
                               event);
  if (status == LCL_OK) status = lcl_context_finish(ctx);
  return status == LCL_OK ? LCL_OK : lcl__fail_prefix(status, "%s", item->launch.label);
}
