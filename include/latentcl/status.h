/* Status codes, error messages and logging of LatentCL.
 *
 * Every function that touches the outside (files, devices, memory) returns an lcl_status. The
 * sentence that tells what happened, to which shapes or device, and what to do is kept per thread:
 * lcl_error_message(). */
#ifndef LATENTCL_STATUS_H
#define LATENTCL_STATUS_H

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define LCL_API __attribute__((visibility("default")))
#else
#define LCL_API
#endif

typedef enum lcl_status {
  LCL_OK = 0,
  LCL_ERR_ARGUMENT,      /* a call's argument is outside what the function documents */
  LCL_ERR_SHAPE,         /* shapes that do not fit each other */
  LCL_ERR_TYPE,          /* element types that do not fit */
  LCL_ERR_HOST_MEMORY,   /* malloc failed */
  LCL_ERR_DEVICE_MEMORY, /* the device cannot hold a buffer */
  LCL_ERR_NO_DEVICE,     /* no OpenCL device, or none that the selector names */
  LCL_ERR_BUILD,         /* the driver refused a kernel */
  LCL_ERR_OPENCL,        /* any other OpenCL call failed */
  LCL_ERR_LIBRARY,       /* CLBlast or clFFT failed */
  LCL_ERR_IO,            /* a file could not be read or written */
  LCL_ERR_FORMAT,        /* a file's content is not what its format says */
  LCL_ERR_NUMERIC,       /* NaN or Inf, or a result that fails verification */
  LCL_ERR_UNSUPPORTED, /* legal, but this operation cannot do it (a derivative that does not exist,
                          ...) */
  LCL_ERR_INTERRUPTED  /* the caller asked to stop */
} lcl_status;

/* One sentence for a status code; never NULL. */
LCL_API const char *lcl_status_string(lcl_status status);

/* The message of the last failure on this thread ("" if none). Valid until the next failure on this
 * thread. */
LCL_API const char *lcl_error_message(void);

/* Return early with the status of a failed call. */
#define LCL_TRY(call)                                                                              \
  do {                                                                                             \
    lcl_status lcl_try_ = (call);                                                                  \
    if (lcl_try_ != LCL_OK) return lcl_try_;                                                       \
  } while (0)

typedef enum lcl_log_level {
  LCL_LOG_OFF,
  LCL_LOG_ERROR,
  LCL_LOG_WARN,
  LCL_LOG_INFO,
  LCL_LOG_DEBUG
} lcl_log_level;
typedef void (*lcl_log_fn)(lcl_log_level level, const char *message, void *user);

/* Route log lines to fn (NULL: standard error). The level comes from
 * LATENTCL_LOG=off|error|warn|info|debug (default warn) unless set here. */
LCL_API void lcl_log_set(lcl_log_fn fn, void *user);
LCL_API void lcl_log_set_level(lcl_log_level level);

#ifdef __cplusplus
}
#endif
#endif
