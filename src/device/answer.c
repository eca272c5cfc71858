/* A yes or no that a device gives once: measured when it is met for the first time, then remembered
 * in the process and in the cache with the driver's version, so that a device never changes its
 * mind. */
#include "device/cache.h"
#include "device/internal.h"

static bool recall(const lcl_question *q, const char *key, bool *yes) {
  for (size_t i = 0; i < q->n; i++)
    if (strcmp(q->key[i], key) == 0) return *yes = q->answer[i], true;
  size_t n;
  void *data = lcl__cache_note(key, &n);
  if (!data) return false;
  *yes = n == strlen(q->yes) && memcmp(data, q->yes, n) == 0;
  lcl__free(data);
  return true;
}

static void remember(lcl_question *q, const char *key, bool yes, bool in_cache) {
  const char *word = yes ? q->yes : q->no;
  if (in_cache) lcl__cache_put(key, LCL_CACHE_NOTE, word, strlen(word));
  if (q->n == LCL_COUNT(q->key)) return;
  snprintf(q->key[q->n], sizeof q->key[0], "%s", key);
  q->answer[q->n++] = yes;
}

static lcl_status ask(lcl_context *ctx, lcl_question *q, bool *yes) {
  char key[33];
  if (!lcl__driver_key(ctx, q->name, key)) return LCL_ERR_HOST_MEMORY;
  const bool there = recall(q, key, yes);
  const lcl_status status = there ? LCL_OK : q->measure(ctx, yes);
  if (status == LCL_ERR_HOST_MEMORY) return status;
  if (status != LCL_OK) {
    lcl__logf(LCL_LOG_INFO, "%s: not measured: %s", q->name, lcl_error_message());
    *yes = false;
    return LCL_OK;
  }
  remember(q, key, *yes, !there);
  return LCL_OK;
}

lcl_status lcl__question_ask(lcl_context *ctx, lcl_question *q, bool *yes) {
  pthread_mutex_lock(&q->lock);
  const lcl_status status = ask(ctx, q, yes);
  pthread_mutex_unlock(&q->lock);
  return status;
}
