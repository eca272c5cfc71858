/* Layer 0: one line at the bottom of a terminal that says what goes on. It is drawn over itself,
 * cut to the terminal's width at that moment, and taken away before anything else is printed.
 * Without a terminal on standard error there is none. */
#ifndef LCL_STATUS_LINE_H
#define LCL_STATUS_LINE_H

#include "base/base.h"

void lcl__status_line(const char *fmt, ...) LCL_PRINTF(1, 2);
/* Takes the line away. The log does so itself; whoever prints in another way calls it first. */
void lcl__status_line_end(void);
/* How many bytes of a UTF-8 text fit into so many columns of a terminal: wide characters take two,
 * combining ones none. */
size_t lcl__fit_columns(const char *text, int columns);

#endif
