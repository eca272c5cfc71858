/* cmocka with the headers it wants, and what every test of the device layer and above needs. */
#ifndef LCL_TEST_H
#define LCL_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <float.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/base.h"

/* Whether the test runs on this driver: "pocl", "llvmpipe" or "oclgrind". */
static inline bool device_is(const char *name) {
  const char *device = getenv("LATENTCL_DEVICE");
  return device && strcmp(device, name) == 0;
}

/* Fails the test with the library's message unless the call succeeds. */
#define ASSERT_OK(call)                                                                            \
  do {                                                                                             \
    if ((call) != LCL_OK) fail_msg("%s", lcl_error_message());                                     \
  } while (0)
/* Fails the test unless the call fails with this status; shows the message it came with. */
#define ASSERT_STATUS(call, expected)                                                              \
  do {                                                                                             \
    lcl_status got_ = (call);                                                                      \
    if (got_ != (expected))                                                                        \
      fail_msg("status %d, not %d: %s", (int)got_, (int)(expected), lcl_error_message());          \
  } while (0)
/* Two bounds, so that NaN and values that cannot be fail as well. */
#define ASSERT_BETWEEN(value, low, high)                                                           \
  do {                                                                                             \
    const double got_ = (value);                                                                   \
    if (!(got_ >= (low) && got_ <= (high)))                                                        \
      fail_msg("%s is %g, not %g to %g", #value, got_, (double)(low), (double)(high));             \
  } while (0)

/* cmocka's own takes NaN and infinity for equal to everything. */
#undef assert_float_equal
#define assert_float_equal(got, want, epsilon)                                                     \
  do {                                                                                             \
    const double got_ = (got), want_ = (want), size_ = fmax(fabs(got_), fabs(want_));              \
    if (!(got_ == want_ ||                                                                         \
          (size_ <= DBL_MAX && fabs(got_ - want_) <= fmax((epsilon), FLT_EPSILON * size_))))       \
      fail_msg("%s is %.9g, not %.9g", #got, got_, want_);                                         \
  } while (0)

#endif
