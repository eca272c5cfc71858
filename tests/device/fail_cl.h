/* OpenCL with faults: the functions that the library calls are defined here again, in front of the
 * real ones. They count, fail once when told to, and keep the number of live OpenCL objects. */
#ifndef LCL_TEST_FAIL_CL_H
#define LCL_TEST_FAIL_CL_H

#include <stdint.h>

/* The n-th OpenCL call from now fails (0: the next; below 0: none). Calls that give something back
 * never fail. */
void fail_cl(int64_t nth);
/* Name of the call that was made to fail since fail_cl, or NULL. */
const char *fail_cl_happened(void);
/* Objects created or retained and not yet released. */
int64_t fail_cl_live(void);

/* Calls made so far. */
int64_t fail_cl_count(void);

#endif
