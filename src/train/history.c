/* What a run's log.jsonl says, for its report. */
#include <math.h>

#include "train/report.h"

void lcl_history_free(lcl_history *h) {
  for (size_t i = 0; i < h->epochs.n; i++) cJSON_Delete(h->epochs.data[i]);
  lcl_free(h->epochs.data);
  cJSON_Delete(h->test);
  cJSON_Delete(h->start);
}

static lcl_status keep_line(lcl_history *h, cJSON *j) {
  const char *event = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(j, "event"));
  if (event && strcmp(event, "epoch") == 0) {
    if (LCL_PUSH(&h->epochs, j)) return LCL_OK;
    cJSON_Delete(j);
    return LCL_ERR_HOST_MEMORY;
  }
  cJSON **slot = event && strcmp(event, "test") == 0    ? &h->test
                 : event && strcmp(event, "start") == 0 ? &h->start
                                                        : NULL;
  if (!slot) {
    cJSON_Delete(j);
    return LCL_OK;
  }
  cJSON_Delete(*slot);
  *slot = j;
  return LCL_OK;
}

lcl_status lcl_history_read(const char *folder, lcl_history *h) {
  void *text;
  size_t n;
  char *path = lcl_path_join(folder, "log.jsonl");
  if (!path) return LCL_ERR_HOST_MEMORY;
  lcl_status s = lcl_file_read(path, (size_t)1 << 31, &text, &n);
  lcl_free(path);
  LCL_TRY(s);
  const char *p = text, *end = p + n;
  while (p < end && s == LCL_OK) {
    const char *stop = memchr(p, '\n', (size_t)(end - p));
    if (!stop) break;
    cJSON *j = lcl_json_parse(p, (size_t)(stop - p));
    if (j) s = keep_line(h, j);
    p = stop + 1;
  }
  lcl_free(text);
  return s;
}
