/* Device times of a run by kernel, for the report: profile.json. */
#include "device/device.h"
#include "train/report.h"

enum { MAX_ROWS = 60 };

lcl_status lcl__write_profile(lcl_context *ctx, const char *folder, int64_t steps) {
  lcl_profile_row *rows;
  size_t n;
  LCL_TRY(lcl__profile_rows(ctx, &rows, &n));
  if (n == 0) {
    lcl__free(rows);
    return LCL_OK;
  }
  cJSON *list = cJSON_CreateArray();
  double rest = 0;
  for (size_t i = 0; i < n; i++) {
    if (i >= MAX_ROWS) {
      rest += rows[i].seconds;
      continue;
    }
    cJSON *j = cJSON_CreateObject();
    cJSON_AddStringToObject(j, "label", rows[i].label);
    cJSON_AddNumberToObject(j, "calls", (double)rows[i].calls);
    cJSON_AddNumberToObject(j, "seconds", rows[i].seconds);
    cJSON_AddNumberToObject(j, "flops", rows[i].flops);
    cJSON_AddNumberToObject(j, "bytes", rows[i].bytes);
    cJSON_AddItemToArray(list, j);
  }
  lcl__free(rows);
  cJSON *root = cJSON_CreateObject();
  cJSON_AddItemToObject(root, "rows", list);
  cJSON_AddNumberToObject(root, "other_seconds", rest);
  cJSON_AddNumberToObject(root, "steps", (double)steps);
  char *text = lcl__json_print(root, true), *path = lcl__path_join(folder, "profile.json");
  cJSON_Delete(root);
  lcl_status s = text && path ? lcl__file_write_atomic(path, text, strlen(text))
                              : LCL_ERR_HOST_MEMORY;
  free(text);
  lcl__free(path);
  return s;
}
