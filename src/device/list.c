/* Building launch lists. */
#include "device/list.h"

lcl_status lcl__list_create(lcl_context *ctx, lcl_list **out) {
  *out = NULL;
  lcl_list *list = lcl__alloc(sizeof *list);
  if (!list) return LCL_ERR_HOST_MEMORY;
  list->ctx = ctx;
  list->arena = lcl__arena_create();
  if (!list->arena) return lcl__free(list), LCL_ERR_HOST_MEMORY;
  *out = list;
  return LCL_OK;
}

static lcl_status check_args(const lcl_launch *launch) {
  for (int i = 0; i < launch->n_args; i++) {
    const lcl_arg *a = &launch->args[i];
    if (a->kind == LCL_ARG_BAD)
      return lcl__fail(LCL_ERR_UNSUPPORTED, "%s: a size does not fit 31 bits", launch->label);
    if (a->kind != LCL_ARG_MEMORY) continue;
    const lcl_buffer *b = a->buffer;
    if (!b || a->offset > b->bytes || a->bytes > b->bytes - a->offset)
      return lcl__fail(LCL_ERR_ARGUMENT,
                       "%s: argument %d (%zu bytes at %zu) is outside its buffer of %zu bytes",
                       launch->label, i, a->bytes, a->offset, b ? b->bytes : 0);
  }
  return LCL_OK;
}

static bool is_memory(const lcl_launch *l, int i, int access) {
  return i < l->n_args && l->args[i].kind == LCL_ARG_MEMORY && l->args[i].access == access;
}

static lcl_status check(const lcl_launch *launch) {
  if (!launch->label) return lcl__fail(LCL_ERR_ARGUMENT, "a launch needs a label");
  LCL_TRY(check_args(launch));
  const lcl_arg *a = launch->args;
  switch (launch->kind) {
  case LCL_LAUNCH_KERNEL:
    if (!launch->kernel || launch->dims < 1 || launch->dims > 3)
      return lcl__fail(LCL_ERR_ARGUMENT, "%s: a kernel launch needs a kernel and 1 to 3 dimensions",
                       launch->label);
    return LCL_OK;
  case LCL_LAUNCH_CALL:
    return launch->call
               ? LCL_OK
               : lcl__fail(LCL_ERR_ARGUMENT, "%s: a call launch needs a function", launch->label);
  case LCL_LAUNCH_COPY:
    if (launch->n_args != 2 || !is_memory(launch, 0, LCL_READ) ||
        !is_memory(launch, 1, LCL_WRITE) || a[0].bytes != a[1].bytes)
      return lcl__fail(LCL_ERR_ARGUMENT,
                       "%s: a copy needs a read and a written range of the same size",
                       launch->label);
    return LCL_OK;
  case LCL_LAUNCH_FILL:
    if (launch->n_args != 1 || !is_memory(launch, 0, LCL_WRITE) || a[0].offset % 4 ||
        a[0].bytes % 4)
      return lcl__fail(LCL_ERR_ARGUMENT, "%s: a fill needs one written range of whole 4-byte words",
                       launch->label);
    return LCL_OK;
  }
  return lcl__fail(LCL_ERR_ARGUMENT, "%s: unknown kind of launch", launch->label);
}

static bool is_empty(const lcl_launch *l) {
  if (l->kind == LCL_LAUNCH_COPY || l->kind == LCL_LAUNCH_FILL) return l->args[0].bytes == 0;
  if (l->kind != LCL_LAUNCH_KERNEL) return false;
  for (int d = 0; d < l->dims; d++)
    if (l->global[d] == 0) return true;
  return false;
}

static lcl_status copy_args(lcl_list *list, lcl_item *item) {
  size_t n = (size_t)item->launch.n_args;
  if (!n) return LCL_OK;
  lcl_arg *args = lcl__arena_alloc(list->arena, n * sizeof *args);
  item->spans = lcl__arena_alloc(list->arena, n * sizeof *item->spans);
  item->mem = lcl__arena_alloc(list->arena, n * sizeof *item->mem);
  if (!args || !item->spans || !item->mem) return LCL_ERR_HOST_MEMORY;
  memcpy(args, item->launch.args, n * sizeof *args);
  item->launch.args = args;
  for (size_t i = 0; i < n; i++) {
    const lcl_buffer *b = args[i].buffer;
    if (args[i].kind != LCL_ARG_MEMORY) continue;
    size_t begin = b->root_offset + args[i].offset;
    item->mem[item->n_spans] = b->mem;
    item->spans[item->n_spans++] = (lcl_span) { b->root, begin, begin + args[i].bytes,
                                                (args[i].access & LCL_WRITE) != 0 };
  }
  return LCL_OK;
}

lcl_status lcl__list_add(lcl_list *list, const lcl_launch *launch) {
  if (list->sealed)
    return lcl__fail(LCL_ERR_ARGUMENT, "a sealed launch list takes no more launches");
  LCL_TRY(check(launch));
  lcl_item item = { .launch = *launch, .nothing = is_empty(launch) };
  if (!(item.launch.label = lcl__arena_strdup(list->arena, launch->label)))
    return LCL_ERR_HOST_MEMORY;
  LCL_TRY(copy_args(list, &item));
  if (list->ctx->profile)
    LCL_TRY(lcl__profile_intern(list->ctx->profile, launch->label, &item.row));
  if (launch->kind == LCL_LAUNCH_KERNEL && !item.nothing)
    LCL_TRY(lcl__launch_kernel(list->ctx, launch, &item.kernel));
  if (LCL_PUSH(&list->items, item)) return LCL_OK;
  if (item.kernel) clReleaseKernel(item.kernel);
  return LCL_ERR_HOST_MEMORY;
}

lcl_status lcl__list_seal(lcl_list *list) {
  if (list->sealed) return LCL_OK;
  LCL_TRY(lcl__list_spread(list));
  list->sealed = true;
  return LCL_OK;
}

void lcl__list_destroy(lcl_list *list) {
  if (!list) return;
  for (size_t i = 0; i < list->items.n; i++) {
    lcl_item *item = &list->items.data[i];
    if (item->kernel) clReleaseKernel(item->kernel);
    if (item->launch.user_free) item->launch.user_free(item->launch.user);
  }
  lcl__free(list->items.data);
  for (int k = 0; k < list->n_placements; k++) lcl__placement_free(&list->placement[k]);
  lcl__free(list->wait_events);
  lcl__arena_destroy(list->arena);
  lcl__free(list);
}
