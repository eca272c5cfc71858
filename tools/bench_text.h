/* What `latentcl bench` prints. */
#ifndef LCL_BENCH_TEXT_H
#define LCL_BENCH_TEXT_H

#include "base/base.h"
#include "latentcl/bench.h"

void bench_print_head(void);
/* details: a second line with compile times, host and device time, memory, algorithm. */
void bench_print_row(const lcl_bench_row *row, bool details);
/* What every reading means. */
void bench_print_readings(void);
/* Appends a line a row; the head line if s is empty. */
void bench_csv(lcl_str *s, const char *device, const lcl_bench_row *rows, size_t n);

#endif
