/* JSON-lines log of a run, and what people see while it goes on. */
#include <errno.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/status_line.h"
#include "train/session.h"

static lcl_status io_fail(const char *what) {
  return lcl__fail(LCL_ERR_IO, "log.jsonl: cannot %s: %s", what, strerror(errno));
}

lcl_status lcl__run_log_open(lcl_run_log *log, const char *path, int64_t keep) {
  struct stat st;
  memset(log, 0, sizeof *log);
  if (stat(path, &st) == 0 && !S_ISREG(st.st_mode)) /* a FIFO would wait for its reader */
    return lcl__fail(LCL_ERR_IO, "cannot write %s: it is not a regular file", path);
  char *target = lcl__file_target(path);
  if (!target) return LCL_ERR_IO;
  log->file = fopen(target, keep < 0 ? "we" : "r+e");
  lcl__free(target);
  if (!log->file) return lcl__fail(LCL_ERR_IO, "cannot write %s: %s", path, strerror(errno));
  if (keep < 0) return LCL_OK;
  if (fstat(fileno(log->file), &st) == 0 && st.st_size < keep) {
    lcl__run_log_close(log);
    return lcl__fail(LCL_ERR_FORMAT, "%s has %lld bytes, the checkpoint was saved after %lld", path,
                     (long long)st.st_size, (long long)keep);
  }
  if (keep && (fseeko(log->file, keep - 1, SEEK_SET) != 0 || getc(log->file) != '\n')) {
    lcl__run_log_close(log);
    return lcl__fail(LCL_ERR_FORMAT,
                     "%s: no line ends at byte %lld, after which the checkpoint was saved", path,
                     (long long)keep);
  }
  /* Lines after the checkpoint will be written again, and the last one may be torn. */
  if (ftruncate(fileno(log->file), (off_t)keep) != 0 || fseeko(log->file, 0, SEEK_END) != 0) {
    lcl_status s = io_fail("continue");
    lcl__run_log_close(log);
    return s;
  }
  log->bytes = keep;
  return LCL_OK;
}

void lcl__utc_now(char text[24]) {
  const time_t now = time(NULL);
  struct tm tm;
  strftime(text, 24, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&now, &tm));
}

lcl_status lcl__run_log_write(lcl_run_log *log, cJSON *line) {
  char now[24];
  if (!log->file) {
    cJSON_Delete(line);
    return LCL_OK;
  }
  lcl__utc_now(now);
  cJSON_AddStringToObject(line, "time", now);
  char *text = lcl__json_print(line, false);
  cJSON_Delete(line);
  if (!text) return LCL_ERR_HOST_MEMORY;
  int n = fprintf(log->file, "%s\n", text);
  free(text);
  if (n < 0 || fflush(log->file) != 0) return io_fail("write");
  log->bytes += n;
  return LCL_OK;
}

lcl_status lcl__run_log_sync(lcl_run_log *log) {
  if (fflush(log->file) != 0 || fdatasync(fileno(log->file)) != 0) return io_fail("write");
  return LCL_OK;
}

void lcl__run_log_close(lcl_run_log *log) {
  if (log->file) fclose(log->file);
  log->file = NULL;
}

void lcl__json_metrics(cJSON *parent, const char *name, const lcl_metrics *m) {
  cJSON *j = cJSON_AddObjectToObject(parent, name);
  for (int i = 0; i < m->n; i++) cJSON_AddNumberToObject(j, m->item[i].name, m->item[i].value);
}

void lcl__metric_text(const lcl_metric *m, lcl_str *s) {
  const char *end = strstr(m->name, "_percent");
  if (end && !end[8])
    lcl__str_add(s, "%.*s %.2f %%", (int)(end - m->name), m->name, m->value);
  else
    lcl__str_add(s, "%s %.4g", m->name, m->value);
}

/* ---- progress ---- */

static void to_stderr(void *user, const char *line) {
  (void)user;
  fprintf(stderr, "%s\n", line);
}

void lcl__progress_init(lcl_progress *p, bool quiet, void (*emit)(void *, const char *),
                        void *user) {
  memset(p, 0, sizeof *p);
  p->emit = emit ? emit : to_stderr;
  p->user = user;
  p->quiet = quiet;
  p->bar = !emit && !quiet;
}

void lcl__progress_bar(lcl_progress *p, double done, const char *text) {
  if (!p->bar || lcl__now() - p->last < 0.1) return;
  p->last = lcl__now();
  char bar[24];
  int n = (int)(done * 20 + 0.5);
  for (int i = 0; i < 20; i++) bar[i] = i < n ? '=' : i == n ? '>' : ' ';
  bar[20] = '\0';
  lcl__status_line("[%s] %s", bar, text);
}

void lcl__progress_line(lcl_progress *p, const char *text) {
  if (p->quiet) return;
  char line[1024];
  lcl__visible(line, sizeof line, text, false);
  lcl__status_line_end();
  p->emit(p->user, line);
}

void lcl__format_duration(double seconds, char buf[32]) {
  long s = seconds > 0 && seconds < 1e8 ? (long)(seconds + 0.5) : 0;
  if (s >= 3600)
    snprintf(buf, 32, "%ld:%02ld:%02ld", s / 3600, s / 60 % 60, s % 60);
  else
    snprintf(buf, 32, "%ld:%02ld", s / 60, s % 60);
}
