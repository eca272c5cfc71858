/* Failure messages, one per thread, and the log. */
#include "base/status_line.h"
#include "base/text.h"

#include <stdatomic.h>

/* Room for the start of a driver's build log; longer messages are cut. */
static _Thread_local char message[16384];

const char *lcl_status_string(lcl_status status) {
  switch (status) {
  case LCL_OK: return "success";
  case LCL_ERR_ARGUMENT: return "an argument is outside what the function accepts";
  case LCL_ERR_SHAPE: return "shapes do not fit each other";
  case LCL_ERR_TYPE: return "element types do not fit each other";
  case LCL_ERR_HOST_MEMORY: return "out of host memory";
  case LCL_ERR_DEVICE_MEMORY: return "out of device memory";
  case LCL_ERR_NO_DEVICE: return "no such OpenCL device";
  case LCL_ERR_BUILD: return "the driver refused a kernel";
  case LCL_ERR_OPENCL: return "an OpenCL call failed";
  case LCL_ERR_LIBRARY: return "a CLBlast or clFFT call failed";
  case LCL_ERR_IO: return "a file could not be read or written";
  case LCL_ERR_FORMAT: return "a file's content is not what its format says";
  case LCL_ERR_NUMERIC: return "a result is not a number or fails verification";
  case LCL_ERR_UNSUPPORTED: return "the operation cannot do this";
  case LCL_ERR_INTERRUPTED: return "interrupted";
  }
  return "unknown status";
}

const char *lcl_error_message(void) {
  return message;
}

static lcl_status fail(lcl_status status, const char *fmt, va_list args) {
  /* The arguments may be the previous message itself, so it is overwritten only at the end. */
  char text[sizeof message];
  lcl__vsnprintf(text, sizeof text, fmt, args);
  lcl__visible(message, sizeof message, text, status == LCL_ERR_BUILD); /* a build log has lines */
  return status;
}

lcl_status lcl__fail(lcl_status status, const char *fmt, ...) {
  va_list args;
  va_start(args, fmt);
  fail(status, fmt, args);
  va_end(args);
  return status;
}

lcl_status lcl_fail(lcl_status status, const char *fmt, ...) {
  LCL_NEED(fmt);
  va_list args;
  va_start(args, fmt);
  fail(status, fmt, args);
  va_end(args);
  return status;
}

lcl_status lcl__fail_prefix(lcl_status status, const char *fmt, ...) {
  char prefix[sizeof message], text[sizeof message];
  va_list args;
  va_start(args, fmt);
  lcl__vsnprintf(prefix, sizeof prefix, fmt, args);
  va_end(args);
  lcl__visible(text, sizeof text, prefix, false);
  size_t n = strlen(text), room = sizeof text - n - 1, old = strlen(message);
  if (room > 2) { /* ": " and as much of the old message as fits */
    memcpy(text + n, ": ", 2);
    old = LCL_MIN(old, room - 2);
    memcpy(text + n + 2, message, old);
    n += 2 + old;
  }
  text[n] = 0;
  memcpy(message, text, n + 1);
  return status;
}

lcl_status lcl__need(const char *function, const char *names, const void *const *pointers,
                     size_t n) {
  for (size_t i = 0; i < n; i++)
    if (!pointers[i])
      return lcl__fail(LCL_ERR_ARGUMENT, "%s: NULL was given where %s %s expected", function, names,
                       n == 1 ? "is" : "are");
  return LCL_OK;
}

/* ---- log ---- */

static _Atomic(lcl_log_fn) log_fn;
static _Atomic(void *) log_user;
static atomic_int log_level = -1; /* -1: not read from the environment yet */

static int level_now(void) {
  int level = atomic_load(&log_level);
  if (level >= 0) return level;
  static const char *const names[] = { "off", "error", "warn", "info", "debug" };
  const char *want = getenv("LATENTCL_LOG");
  level = LCL_LOG_WARN;
  bool known = !want || !*want;
  for (int i = 0; want && i < (int)LCL_COUNT(names); i++)
    if (lcl__casecmp(want, names[i]) == 0) level = i, known = true;
  atomic_store(&log_level, level);
  if (!known)
    lcl__logf(LCL_LOG_WARN, "LATENTCL_LOG is off, error, warn, info or debug, not '%s'", want);
  return level;
}

void lcl_log_set(lcl_log_fn fn, void *user) {
  atomic_store(&log_user, user);
  atomic_store(&log_fn, fn);
}

void lcl_log_set_level(lcl_log_level level) {
  atomic_store(&log_level, (int)level);
}

bool lcl__log_enabled(lcl_log_level level) {
  return level != LCL_LOG_OFF && (int)level <= level_now();
}

void lcl__logf(lcl_log_level level, const char *fmt, ...) {
  if (!lcl__log_enabled(level)) return;
  char raw[4096], text[4096];
  va_list args;
  va_start(args, fmt);
  lcl__vsnprintf(raw, sizeof raw, fmt, args);
  va_end(args);
  lcl__visible(text, sizeof text, raw, false);
  lcl_log_fn fn = atomic_load(&log_fn);
  if (fn) {
    fn(level, text, atomic_load(&log_user));
    return;
  }
  static const char *const names[] = { "", "error", "warning", "info", "debug" };
  lcl__status_line_end();
  fprintf(stderr, "latentcl: %s: %s\n", names[level], text);
}
