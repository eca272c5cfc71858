/* cmocka with the headers it wants, and what every test of the device floor and above needs. */
#ifndef LCL_TEST_H
#define LCL_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/base.h"

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

#endif
