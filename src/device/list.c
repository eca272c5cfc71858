/* Building launch lists. */
#include "device/list.h"

lcl_status lcl_list_create(lcl_context *ctx, lcl_list **out) {
  *out = NULL;
  lcl_list *list = lcl_alloc(sizeof *list);
  if (!list) return LCL_ERR_HOST_MEMORY;
  list->ctx = ctx;
  list->arena = lcl_arena_create();
  if (!list->arena) return lcl_free(list), LCL_ERR_HOST_MEMORY;
  *out = list;
  return LCL_OK;
}

static lcl_status check_ranges(const lcl_launch *launch) {
  for (size_t i = 0; i < launch->n_ranges; i++) {
    const lcl_range *r = &launch->ranges[i];
    if (!r->buf || r->offset > r->buf->bytes || r->bytes > r->buf->bytes - r->offset)
      return lcl_fail(LCL_ERR_ARGUMENT,
                      "%s: range %zu (%zu bytes at %zu) is outside its buffer of %zu bytes",
                      launch->label, i, r->bytes, r->offset, r->buf ? r->buf->bytes : 0);
  }
  return LCL_OK;
}

static lcl_status check(const lcl_launch *launch) {
  if (!launch->label) return lcl_fail(LCL_ERR_ARGUMENT, "a launch needs a label");
  LCL_TRY(check_ranges(launch));
  const lcl_range *r = launch->ranges;
  switch (launch->kind) {
  case LCL_LAUNCH_KERNEL:
    if (!launch->kernel || launch->dims < 1 || launch->dims > 3)
      return lcl_fail(LCL_ERR_ARGUMENT, "%s: a kernel launch needs a kernel and 1 to 3 dimensions",
                      launch->label);
    return LCL_OK;
  case LCL_LAUNCH_CALL:
    return launch->call
               ? LCL_OK
               : lcl_fail(LCL_ERR_ARGUMENT, "%s: a call launch needs a function", launch->label);
  case LCL_LAUNCH_COPY:
    if (launch->n_ranges != 2 || r[0].write || !r[1].write || r[0].bytes != r[1].bytes)
      return lcl_fail(LCL_ERR_ARGUMENT,
                      "%s: a copy needs a read and a written range of the same size",
                      launch->label);
    return LCL_OK;
  case LCL_LAUNCH_FILL:
    if (launch->n_ranges != 1 || !r[0].write || r[0].offset % 4 || r[0].bytes % 4)
      return lcl_fail(LCL_ERR_ARGUMENT, "%s: a fill needs one written range of whole 4-byte words",
                      launch->label);
    return LCL_OK;
  }
  return lcl_fail(LCL_ERR_ARGUMENT, "%s: unknown kind of launch", launch->label);
}

static bool is_empty(const lcl_launch *l) {
  if (l->kind == LCL_LAUNCH_COPY || l->kind == LCL_LAUNCH_FILL) return l->ranges[0].bytes == 0;
  if (l->kind != LCL_LAUNCH_KERNEL) return false;
  for (cl_uint d = 0; d < l->dims; d++)
    if (l->global[d] == 0) return true;
  return false;
}

static lcl_status copy_ranges(lcl_list *list, lcl_item *item) {
  size_t n = item->launch.n_ranges;
  if (!n) return LCL_OK;
  lcl_range *ranges = lcl_arena_alloc(list->arena, n * sizeof *ranges);
  item->spans = lcl_arena_alloc(list->arena, n * sizeof *item->spans);
  if (!ranges || !item->spans) return LCL_ERR_HOST_MEMORY;
  memcpy(ranges, item->launch.ranges, n * sizeof *ranges);
  item->launch.ranges = ranges;
  for (size_t i = 0; i < n; i++) {
    size_t begin = ranges[i].buf->root_offset + ranges[i].offset;
    item->spans[i] = (lcl_span) { ranges[i].buf->root, begin, begin + ranges[i].bytes,
                                  ranges[i].write };
  }
  return LCL_OK;
}

lcl_status lcl_list_add(lcl_list *list, const lcl_launch *launch) {
  if (list->sealed)
    return lcl_fail(LCL_ERR_ARGUMENT, "a sealed launch list takes no more launches");
  LCL_TRY(check(launch));
  lcl_item item = { .launch = *launch, .nothing = is_empty(launch) };
  if (!(item.launch.label = lcl_arena_strdup(list->arena, launch->label)))
    return LCL_ERR_HOST_MEMORY;
  LCL_TRY(copy_ranges(list, &item));
  if (list->ctx->profile) LCL_TRY(lcl_profile_intern(list->ctx->profile, launch->label, &item.row));
  return LCL_PUSH(&list->items, item) ? LCL_OK : LCL_ERR_HOST_MEMORY;
}

lcl_status lcl_list_seal(lcl_list *list) {
  if (list->sealed) return LCL_OK;
  LCL_TRY(lcl_list_place(list));
  list->sealed = true;
  return LCL_OK;
}

void lcl_list_destroy(lcl_list *list) {
  if (!list) return;
  for (size_t i = 0; i < list->items.n; i++) {
    lcl_launch *l = &list->items.data[i].launch;
    if (l->kernel) clReleaseKernel(l->kernel);
    if (l->user_free) l->user_free(l->user);
  }
  lcl_free(list->items.data);
  lcl_free(list->waits.data);
  lcl_free(list->wait_events);
  lcl_arena_destroy(list->arena);
  lcl_free(list);
}

size_t lcl_list_count(const lcl_list *list) {
  return list->items.n;
}
