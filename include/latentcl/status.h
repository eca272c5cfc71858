/** @file
 * Status codes, error messages and the log.
 *
 * A function that touches the outside (files, devices, memory) returns an #lcl_status. The sentence
 * that says what happened, to which shapes or device, and what to do is kept for each thread:
 * lcl_error_message(). No function of the library aborts or exits.
 *
 * The comments of a function name the statuses that its arguments and files can cause. Beside
 * those, a function that allocates may return #LCL_ERR_HOST_MEMORY, and one that works on a device
 * #LCL_ERR_DEVICE_MEMORY, #LCL_ERR_BUILD, #LCL_ERR_OPENCL or #LCL_ERR_LIBRARY.
 *
 * Strings and arrays that a function takes are read during the call and copied where they are
 * needed later, unless the comment says otherwise. What a function hands out belongs to the caller
 * when there is a destroy or close function for it, or the comment names free(); a pointer that it
 * returns otherwise belongs to the object it came from. */
#ifndef LATENTCL_STATUS_H
#define LATENTCL_STATUS_H

#ifdef __cplusplus
extern "C" {
#endif

/** Marks what the shared library exports. */
#if defined(__GNUC__)
#define LCL_API __attribute__((visibility("default")))
#else
#define LCL_API
#endif

/** Lets the compiler check the arguments of a format, as printf() has it.
 *
 * @param fmt   number of the format among the arguments, from 1
 * @param args  number of the first argument of the format */
#if defined(__GNUC__)
#define LCL_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))
#else
#define LCL_PRINTF(fmt, args)
#endif

/** What a function returns. */
typedef enum lcl_status {
  LCL_OK = 0,            /**< success */
  LCL_ERR_ARGUMENT,      /**< an argument is outside what the function documents */
  LCL_ERR_SHAPE,         /**< shapes that do not fit each other */
  LCL_ERR_TYPE,          /**< element types that do not fit */
  LCL_ERR_HOST_MEMORY,   /**< malloc failed */
  LCL_ERR_DEVICE_MEMORY, /**< the device cannot hold a buffer */
  LCL_ERR_NO_DEVICE,     /**< no OpenCL device, or none that the selector names */
  LCL_ERR_BUILD,         /**< the driver refused a kernel */
  LCL_ERR_OPENCL,        /**< any other OpenCL call failed */
  LCL_ERR_LIBRARY,       /**< CLBlast or clFFT failed */
  LCL_ERR_IO,            /**< a file could not be read or written */
  LCL_ERR_FORMAT,        /**< a file's content is not what its format says */
  LCL_ERR_NUMERIC,       /**< NaN or Inf, or a result that fails verification */
  LCL_ERR_UNSUPPORTED,   /**< legal, but this op cannot do it (e.g. a second derivative) */
  LCL_ERR_INTERRUPTED    /**< the caller asked to stop */
} lcl_status;

/** What a status means, in a few words.
 *
 * @param status  any value
 * @return a constant; "unknown status" for a value outside the enumeration, never NULL */
LCL_API const char *lcl_status_string(lcl_status status);

/** The message of the last failure on the calling thread.
 *
 * @return one sentence, "" before the first failure; valid until the next failure on this thread */
LCL_API const char *lcl_error_message(void);

/** Sets the message of a failure on the calling thread, for callbacks: `return
 * lcl_fail(LCL_ERR_ARGUMENT, "images must be square, not %d x %d", h, w);`
 *
 * @param status  what the callback returns
 * @param fmt     a sentence without a full stop, as printf() takes it; numbers have a decimal point
 *   in every locale
 * @return status */
LCL_API lcl_status lcl_fail(lcl_status status, const char *fmt, ...) LCL_PRINTF(2, 3);

/** Returns from the calling function with the status of a failed call.
 *
 * @param call  an expression of type #lcl_status, evaluated once */
#define LCL_TRY(call)                                                                              \
  do {                                                                                             \
    lcl_status lcl_try_ = (call);                                                                  \
    if (lcl_try_ != LCL_OK) return lcl_try_;                                                       \
  } while (0)

/** How much is logged: each level includes those before it. */
typedef enum lcl_log_level {
  LCL_LOG_OFF,   /**< nothing */
  LCL_LOG_ERROR, /**< a fault of the program */
  LCL_LOG_WARN,  /**< what a user may want to know or change */
  LCL_LOG_INFO,  /**< the device in use, decisions of the program cache */
  LCL_LOG_DEBUG  /**< details for developers */
} lcl_log_level;

/** Receives a log line, without a newline at its end. It may be called from any thread. */
typedef void (*lcl_log_fn)(lcl_log_level level, const char *message, void *user);

/** Routes log lines of the whole process to a function. Set it before other threads log.
 *
 * @param fn    receives the lines; NULL: they go to standard error
 * @param user  passed to fn as it is */
LCL_API void lcl_log_set(lcl_log_fn fn, void *user);

/** Sets the log level of the whole process, over what LATENTCL_LOG says (default warn). Any thread.
 *
 * @param level  lines of this level and of those before it are logged */
LCL_API void lcl_log_set_level(lcl_log_level level);

#ifdef __cplusplus
}
#endif
#endif
