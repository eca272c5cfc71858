/* Whether a device goes through loops to their end: Mesa's llvmpipe ends all loops of a work-item
 * after 65535 rounds, without a word. */
#include "device/internal.h"

static lcl_status count(lcl_context *ctx, lcl_list *list, lcl_buffer *buffer, uint32_t *x) {
  LCL_TRY(lcl__list_add(
      list, &(lcl_launch) { .label = "count rounds",
                            .source = { .file = "loops.cl" },
                            .kernel = "count_rounds",
                            LCL_ARGS(lcl__memory(buffer, LCL_READ_WRITE), lcl__i32(LCL_LONG_LOOP)),
                            .dims = 1,
                            .global = { 1 },
                            .local = { 1 } }));
  LCL_TRY(lcl__list_seal(list));
  LCL_TRY(lcl__upload(ctx, buffer, 0, x, sizeof *x));
  LCL_TRY(lcl__list_run(list, NULL));
  return lcl__download(ctx, buffer, 0, x, sizeof *x);
}

static lcl_status measure(lcl_context *ctx, bool *whole) {
  lcl_buffer *buffer = NULL;
  lcl_list *list = NULL;
  uint32_t expected = 1, x = 1;
  for (uint32_t r = 0; r < LCL_LONG_LOOP; r++) expected = (expected ^ r) * 1664525u + 1013904223u;
  lcl_status status = lcl_buffer_create(ctx, sizeof x, &buffer);
  if (status == LCL_OK) status = lcl__list_create(ctx, &list);
  if (status == LCL_OK) status = count(ctx, list, buffer, &x);
  lcl__list_destroy(list);
  lcl_buffer_destroy(buffer);
  if (status != LCL_OK) return status;
  *whole = x == expected;
  lcl__logf(LCL_LOG_INFO, "loops of %d rounds are %s", LCL_LONG_LOOP,
            *whole ? "whole" : "cut short");
  return LCL_OK;
}

static lcl_question question = LCL_QUESTION("long loops", "whole", "cut short", measure);

lcl_status lcl__loops_ask(lcl_context *ctx, bool *whole) {
  return lcl__question_ask(ctx, &question, whole);
}
