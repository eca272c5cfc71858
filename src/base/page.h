/* Layer 0: the pages that are written for people. Each is one HTML file without anything from
 * outside, and all of them have one style. */
#ifndef LCL_PAGE_H
#define LCL_PAGE_H

#include "base/base.h"

/* From the document's type to the opening of its main part, and what closes it. */
void lcl__page_begin(lcl_str *o, const char *title);
void lcl__page_end(lcl_str *o);

#endif
