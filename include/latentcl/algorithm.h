/** @file
 * Which algorithms compute convolutions and matrix products.
 *
 * Left alone, a context takes for every problem (an op with its sizes) what was measured to be
 * fastest on its device: by `latentcl tune`, by the find step below, or in a record that LatentCL
 * ships with; where nothing was measured, what is expected to be fastest. */
#ifndef LATENTCL_ALGORITHM_H
#define LATENTCL_ALGORITHM_H

#include "latentcl/context.h"

#ifdef __cplusplus
extern "C" {
#endif

/** How much a context measures by itself. */
typedef enum lcl_find {
  LCL_FIND_OFF,   /**< nothing */
  LCL_FIND_QUICK, /**< the algorithms of new problems, some 10 seconds in all; the default */
  LCL_FIND_FULL   /**< the algorithms of all problems without a measured record, however long */
} lcl_find;

/** Asks for algorithms by name.
 *
 * @param ctx   the context; NULL: only checks `text`, which is not NULL then
 * @param text  OP=ALGORITHM pairs with commas between, such as
 *   "conv2d=im2col-clblast,matmul=clblast"; an op is conv2d (forward and both gradients),
 *   conv2d_input_grad, conv2d_filter_grad (more precise than conv2d) or matmul. ALGORITHM may be
 *   several, "winograd/direct-nhwc/auto": the first that can compute the problem is taken, and
 *   "auto" stands for the usual choice. A problem that none of them can compute makes lcl_compile()
 *   fail with #LCL_ERR_UNSUPPORTED and a sentence that names those that can. NULL or "": as usual.
 *   Without a call the environment variable LATENTCL_ALGORITHM holds.
 * @return #LCL_ERR_ARGUMENT with the valid names when `text` has an unknown one */
LCL_API lcl_status lcl_algorithm_force(lcl_context *ctx, const char *text);

/** Sets how much a context measures by itself.
 *
 * The find step runs when lcl_compile() meets a problem for which the device has no record: it
 * measures the algorithms that can compute it, drops those that fail or differ, and takes the
 * fastest where it needs less than nine tenths of the default's time, else the default. The user's
 * tuning file (LATENTCL_TUNING) keeps it for every later process. Without such a file nothing is
 * measured.
 * Without a call the environment variable LATENTCL_FIND (off, quick, full) holds, then
 * #LCL_FIND_QUICK.
 *
 * @param ctx   the context
 * @param find  how much
 * @return #LCL_ERR_ARGUMENT when find is none of the three */
LCL_API lcl_status lcl_algorithm_find(lcl_context *ctx, lcl_find find);

#ifdef __cplusplus
}
#endif
#endif
