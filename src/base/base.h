/* Layer 0: failures, memory, strings, hashing and files, used by every layer above. */
#ifndef LCL_BASE_H
#define LCL_BASE_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "latentcl/status.h"

#define LCL_COUNT(array) (sizeof(array) / sizeof((array)[0]))
/* Evaluate an argument twice: no calls in them. */
#define LCL_MIN(a, b) ((a) < (b) ? (a) : (b))
#define LCL_MAX(a, b) ((a) > (b) ? (a) : (b))
/* The smallest multiple of `multiple` that is not below n. */
static inline size_t lcl__round_up(size_t n, size_t multiple) {
  return (n + multiple - 1) / multiple * multiple;
}

/* Records the message for lcl_error_message() and returns status: `return lcl__fail(LCL_ERR_IO,
 * "...", ...)`. */
lcl_status lcl__fail(lcl_status status, const char *fmt, ...) LCL_PRINTF(2, 3);
/* Puts "prefix: " before the message of the last failure and returns status. */
lcl_status lcl__fail_prefix(lcl_status status, const char *fmt, ...) LCL_PRINTF(2, 3);
/* Returns early with a message that names them when one of these pointers is NULL. */
lcl_status lcl__need(const char *function, const char *names, const void *const *pointers,
                     size_t n);
#define LCL_NEED(...)                                                                              \
  LCL_TRY(lcl__need(__func__, #__VA_ARGS__, (const void *const[]) { __VA_ARGS__ },                 \
                    LCL_COUNT(((const void *const[]) { __VA_ARGS__ }))))
/* A log line. (lcl_log is the logarithm of ops.h.) */
void lcl__logf(lcl_log_level level, const char *fmt, ...) LCL_PRINTF(2, 3);
bool lcl__log_enabled(lcl_log_level level);

/* Heap. NULL on failure, with the message set. Tests make the n-th allocation fail
 * (lcl__test_fail_alloc). */
void *lcl__alloc(size_t bytes); /* zeroed */
void *lcl__realloc(void *old, size_t bytes);
char *lcl__strdup(const char *s);
void lcl__free(void *p);                /* NULL is fine */
void lcl__test_fail_alloc(int64_t nth); /* <0: never (default) */
int64_t lcl__test_alloc_live(void);     /* allocations not yet freed */
int64_t lcl__test_alloc_count(void);    /* allocations made so far, failed ones too */

/* Arena: many small blocks freed together. Zeroed memory, 16-byte aligned. */
typedef struct lcl_arena lcl_arena;
lcl_arena *lcl__arena_create(void);
void *lcl__arena_alloc(lcl_arena *a, size_t bytes);
char *lcl__arena_strdup(lcl_arena *a, const char *s);
void lcl__arena_destroy(lcl_arena *a);

/* Growing array: LCL_PUSH(v, value) with struct { T *data; size_t n, cap; } v; false when out of
 * memory. */
bool lcl__grow(void **data, size_t *cap, size_t need, size_t elem);
#define LCL_PUSH(v, value)                                                                         \
  (lcl__grow((void **)&(v)->data, &(v)->cap, (v)->n + 1, sizeof *(v)->data)                        \
       ? ((v)->data[(v)->n++] = (value), true)                                                     \
       : false)

/* String builder. After a failed allocation every later call is ignored and lcl__str_ok is false.
 */
typedef struct lcl_str {
  char *data; /* always terminated, or NULL while empty */
  size_t n, cap;
  bool failed;
} lcl_str;
void lcl__str_add(lcl_str *s, const char *fmt, ...) LCL_PRINTF(2, 3);
void lcl__str_append(lcl_str *s, const char *bytes, size_t n);
bool lcl__str_ok(const lcl_str *s);
void lcl__str_free(lcl_str *s);

/* 128-bit xxHash as 32 lower-case hex digits + terminator. */
void lcl__hash_hex(const void *data, size_t n, char out[33]);

/* Files. */
lcl_status lcl__file_read(const char *path, size_t max_bytes, void **data,
                          size_t *n); /* +1 zero byte; caller lcl__free()s */
/* Opens a regular file for reading, without waiting: never a FIFO or a device. What is read in
 * parts is opened once: another file may take its name meanwhile. path: for messages. */
lcl_status lcl__file_open(const char *path, int *fd, uint64_t *size);
/* At most n bytes from offset on; fewer (*got) only where the file ends. For files whose head tells
 * how much of them to read. */
lcl_status lcl__file_read_part(int fd, const char *path, uint64_t offset, void *data, size_t n,
                               size_t *got);
/* All n bytes from offset on, of a file whose size is known; terminated, lcl__free them. */
lcl_status lcl__file_read_exactly(int fd, const char *path, uint64_t offset, size_t n, void **data);
/* Temporary file, fsync, rename. Links are followed, to what is not there yet too, unless another
 * user may have planted them; an existing file keeps its owner and mode, streams and devices are
 * written through, and what a killed process left of it is removed. */
lcl_status lcl__file_write_atomic(const char *path, const void *data, size_t n);
/* Whether that could be done at path, for work that takes long. NULL is fine. */
lcl_status lcl__check_output(const char *path);
/* What a file is called says what is in it: with an ending that is none of these (".html .htm"), an
 * error names them. A name without one (standard output, say) may hold anything. NULL is fine. */
lcl_status lcl__check_ending(const char *path, const char *endings);
/* The same of n paths, which have to be those of different files, and of none of the inputs, whose
 * files are there or will be. Any of them may be NULL. */
lcl_status lcl__check_outputs(const char *const *paths, size_t n, const char *const *inputs,
                              size_t n_inputs);
bool lcl__is_standard_output(const char *path); /* by name, as in /dev/stdout */
/* A new file takes the place of whatever is called so, without waiting for the disk: for our own
 * files that can be made again. A crash of the machine may leave it torn. */
lcl_status lcl__file_replace(const char *path, const void *data, size_t n);
/* The path that writing to path changes: its links followed. lcl__free it; NULL: failed. */
char *lcl__file_target(const char *path);
/* Removes what killed processes of this user left of writing to base in the folder (NULL: to any
 * file). */
void lcl__remove_leftovers(const char *folder, const char *base);
lcl_status lcl__mkdirs(const char *path);
/* A link to nothing is there: opening it says what is wrong. */
bool lcl__file_exists(const char *path);

/* Files whose content is believed (compiled code, tuning records, plug-ins): read only where no
 * other user but the administrator owns or can write the folder or the file. Anything else is
 * LCL_ERR_IO. */
lcl_status lcl__folder_check_private(const char *folder);
lcl_status lcl__folder_make_private(const char *folder); /* made if it is not there */
lcl_status lcl__file_read_private(const char *folder, const char *name, size_t max_bytes,
                                  void **data, size_t *n); /* as lcl__file_read */
lcl_status lcl__file_check_private(const char *folder, const char *name);
void lcl__keep_others_out(const char *path); /* takes their right to write */

/* Seconds of a monotonic clock. */
double lcl__now(void);

/* a*b into *out; false when it overflows size_t. */
bool lcl__mul_size(size_t a, size_t b, size_t *out);

#endif
