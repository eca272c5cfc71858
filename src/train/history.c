/* What a run's log.jsonl says, for its report. */
#include <math.h>

#include "train/report.h"

void lcl__history_free(lcl_history *h) {
  for (size_t i = 0; i < h->epochs.n; i++) cJSON_Delete(h->epochs.data[i]);
  lcl__free(h->epochs.data);
  cJSON_Delete(h->test);
  cJSON_Delete(h->start);
}

/* What the report reads of a line, whatever its event. */
static const lcl_json_field line_fields[] = {
  { "event", LCL_JSON_TEXT, true },
  { "epoch", LCL_JSON_WHOLE, false, 0, 1e7 },
  { "step", LCL_JSON_WHOLE, false, 0, 1e15 },
  { "lr", LCL_JSON_NUMBER },
  { "train", LCL_JSON_NUMBERS },
  { "validation", LCL_JSON_NUMBERS },
  { "all", LCL_JSON_NUMBERS },
  { "images_per_second", LCL_JSON_NUMBER, false, 0, 1e15 },
  { "split", LCL_JSON_TEXT },
  { "best_epoch", LCL_JSON_WHOLE, false, 0, 1e7 },
  { "metrics", LCL_JSON_NUMBERS },
  { "confusion", LCL_JSON_MATRIX, false, 0, 1e15 },
  { "device", LCL_JSON_TEXT },
  { "start", LCL_JSON_TEXT },
  { "steps_per_epoch", LCL_JSON_WHOLE, false, 0, 1e15 },
  { "launches", LCL_JSON_WHOLE, false, 0, 1e9 },
  { "flops_per_step", LCL_JSON_NUMBER, false, 0, 1e30 },
  { "peak_bytes", LCL_JSON_NUMBER, false, 0, 1e30 },
};

static lcl_status keep_line(lcl_history *h, cJSON *j) {
  const char *event = lcl__json_word(j, "event");
  if (strcmp(event, "epoch") == 0) {
    if (LCL_PUSH(&h->epochs, j)) return LCL_OK;
    cJSON_Delete(j);
    return LCL_ERR_HOST_MEMORY;
  }
  cJSON **slot = strcmp(event, "test") == 0    ? &h->test
                 : strcmp(event, "start") == 0 ? &h->start
                                               : NULL;
  if (!slot) {
    cJSON_Delete(j);
    return LCL_OK;
  }
  cJSON_Delete(*slot);
  *slot = j;
  return LCL_OK;
}

static lcl_status read_line(lcl_history *h, const char *text, size_t n, const char *where) {
  cJSON *j = lcl__json_parse(text, n);
  lcl_status s = lcl__json_check(j, where, line_fields, LCL_COUNT(line_fields));
  if (s == LCL_OK && strcmp(lcl__json_word(j, "event"), "epoch") == 0)
    s = lcl__json_check(j, where, &(lcl_json_field) { "epoch", LCL_JSON_WHOLE, true, 1, 1e7 }, 1);
  if (s == LCL_OK) return keep_line(h, j);
  cJSON_Delete(j);
  return s;
}

lcl_status lcl__history_read(const char *folder, lcl_history *h) {
  void *text;
  size_t n;
  char *path = lcl__path_join(folder, "log.jsonl");
  if (!path) return LCL_ERR_HOST_MEMORY;
  lcl_status s = lcl__file_read(path, (size_t)1 << 31, &text, &n);
  lcl__free(path);
  LCL_TRY(s);
  const char *p = text, *end = p + n;
  char where[64];
  size_t number = 0;
  while (p < end && s == LCL_OK) {
    const char *stop = memchr(p, '\n', (size_t)(end - p));
    if (!stop) break;
    snprintf(where, sizeof where, "log.jsonl, line %zu", ++number);
    s = read_line(h, p, (size_t)(stop - p), where);
    p = stop + 1;
  }
  lcl__free(text);
  return s;
}
