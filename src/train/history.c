/* What a run's log.jsonl says, for its report. */
#include <errno.h>
#include <math.h>
#include <unistd.h>

#include "train/report.h"

void lcl__history_free(lcl_history *h) {
  for (size_t i = 0; i < h->epochs.n; i++) cJSON_Delete(h->epochs.data[i]);
  lcl__free(h->epochs.data);
  cJSON_Delete(h->test);
  cJSON_Delete(h->start);
  cJSON_Delete(h->stop);
}

/* What the report reads of a line, whatever its event. */
static const lcl_json_field line_fields[] = {
  { "event", LCL_JSON_TEXT, true },
  { "time", LCL_JSON_TEXT },
  { "epoch", LCL_JSON_WHOLE, false, 0, 1e7 },
  { "step", LCL_JSON_WHOLE, false, 0, 1e15 },
  { "lr", LCL_JSON_NUMBER },
  { "train", LCL_JSON_NUMBERS },
  { "validation", LCL_JSON_NUMBERS },
  { "all", LCL_JSON_NUMBERS },
  { "seconds", LCL_JSON_NUMBER, false, 0, 1e15 },
  { "images_per_second", LCL_JSON_NUMBER, false, 0, 1e15 },
  { "split", LCL_JSON_TEXT },
  { "metric", LCL_JSON_TEXT },
  { "best", LCL_JSON_NUMBER },
  { "patience", LCL_JSON_WHOLE, false, 0, 1e7 },
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
    cJSON_Delete(h->stop); /* the run went on with more patience */
    h->stop = NULL;
    if (LCL_PUSH(&h->epochs, j)) return LCL_OK;
    cJSON_Delete(j);
    return LCL_ERR_HOST_MEMORY;
  }
  cJSON **slot = strcmp(event, "test") == 0    ? &h->test
                 : strcmp(event, "start") == 0 ? &h->start
                 : strcmp(event, "stop") == 0  ? &h->stop
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

/* ---- the file: a line at a time ---- */

enum {
  MAX_LINE = 1 << 25,  /* bytes: confusion tables are the longest */
  MAX_EPOCHS = 1 << 13 /* lines that are kept; of more, every second, fourth, ... */
};

typedef struct line {
  char *data;
  size_t n, cap;
} line;

/* The next whole line, without its end; false where there is no other. The last one may be torn. */
static bool next_line(FILE *f, line *l, lcl_status *s) {
  int c;
  for (l->n = 0; (c = getc_unlocked(f)) != EOF && c != '\n';) {
    if (l->n == MAX_LINE)
      *s = lcl__fail(LCL_ERR_FORMAT, "log.jsonl: a line is longer than %d bytes", MAX_LINE);
    else if (!LCL_PUSH(l, (char)c))
      *s = LCL_ERR_HOST_MEMORY;
    if (*s != LCL_OK) return false;
  }
  if (ferror(f)) *s = lcl__fail(LCL_ERR_IO, "cannot read log.jsonl: %s", strerror(errno));
  return c == '\n';
}

static bool is_evaluated(const cJSON *epoch) {
  return lcl__json_child(epoch, "validation") || lcl__json_child(epoch, "all");
}

/* Of two neighbours the first stays, or the one that was evaluated if the first was not. */
static cJSON *one_of(cJSON *first, cJSON *second) {
  const bool other = !is_evaluated(first) && is_evaluated(second);
  cJSON_Delete(other ? first : second);
  return other ? second : first;
}

/* Drops one of every two epochs. */
static void thin(lcl_history *h) {
  size_t n = 0;
  for (size_t i = 0; i < h->epochs.n; i += 2)
    h->epochs.data[n++] = i + 1 < h->epochs.n ? one_of(h->epochs.data[i], h->epochs.data[i + 1])
                                              : h->epochs.data[i];
  h->epochs.n = n;
}

/* All lines; of very many epochs only some, but always the last. */
static lcl_status read_lines(FILE *f, line *l, lcl_history *h) {
  lcl_status s = LCL_OK;
  char where[64];
  size_t number = 0, epochs = 0, step = 1;
  bool extra = false; /* the last two epochs kept are of the same `step` epochs */
  while (s == LCL_OK && next_line(f, l, &s)) {
    const size_t before = h->epochs.n;
    snprintf(where, sizeof where, "log.jsonl, line %zu", ++number);
    s = read_line(h, l->data ? l->data : "", l->n, where);
    if (h->epochs.n == before) continue;
    if (extra) {
      h->epochs.data[before - 2] = one_of(h->epochs.data[before - 2], h->epochs.data[before - 1]);
      h->epochs.data[before - 1] = h->epochs.data[before];
      h->epochs.n = before;
    }
    extra = epochs++ % step != 0;
    if (extra || h->epochs.n <= MAX_EPOCHS) continue;
    thin(h);
    step *= 2;
  }
  if (s == LCL_OK && step > 1)
    lcl__logf(LCL_LOG_WARN, "log.jsonl: of its %zu epochs one in %zu is shown", epochs, step);
  return s;
}

lcl_status lcl__history_read(const char *folder, lcl_history *h) {
  int fd;
  uint64_t size;
  line l = { 0 };
  char *path = lcl__path_join(folder, "log.jsonl");
  if (!path) return LCL_ERR_HOST_MEMORY;
  lcl_status s = lcl__file_open(path, &fd, &size);
  lcl__free(path);
  LCL_TRY(s);
  FILE *f = fdopen(fd, "r");
  if (f) {
    s = read_lines(f, &l, h);
    if (s != LCL_OK) lcl__fail_prefix(s, "%s", folder);
    fclose(f);
  } else {
    close(fd);
    s = LCL_ERR_HOST_MEMORY;
  }
  lcl__free(l.data);
  return s;
}

int lcl__history_values(const lcl_history *h, const char *part, const char *name, int from,
                        double *x, double *y) {
  bool any = false;
  int n = 0;
  for (size_t i = 0; i < h->epochs.n; i++) {
    const cJSON *epoch = h->epochs.data[i], *values = part ? lcl__json_child(epoch, part) : epoch;
    x[n] = lcl__json_number(epoch, "epoch");
    if (x[n] < from || !values) continue;
    y[n] = lcl__json_number(values, name);
    any = any || isfinite(y[n]);
    n++;
  }
  return any ? n : 0;
}
