/* The best time that the device's peaks allow. */
#include <math.h>

#include "bench/bench.h"

/* Between two measured sizes: a straight line in logarithms. */
double lcl__bench_bandwidth(const lcl_bench_peaks *peaks, double bytes) {
  const int n = peaks->n_levels;
  if (n == 0 || bytes >= peaks->level[n - 1].bytes) return peaks->bandwidth;
  if (bytes <= peaks->level[0].bytes) return peaks->level[0].rate;
  int i = 1;
  while (bytes > peaks->level[i].bytes) i++;
  const double part = log(bytes / peaks->level[i - 1].bytes) /
                      log(peaks->level[i].bytes / peaks->level[i - 1].bytes);
  return peaks->level[i - 1].rate * pow(peaks->level[i].rate / peaks->level[i - 1].rate, part);
}

double lcl__bench_best_time(const lcl_bench_peaks *peaks, const lcl_program *p) {
  double sum = 0, flops, bytes;
  const char *label;
  for (size_t i = 0; (label = lcl__program_launch(p, i, &flops, &bytes)) != NULL; i++) {
    /* Useful arithmetic is 36 multiplications for 4 outputs of a 3x3 filter; Winograd's F(2x2,3x3)
     * has to do 16 of them, F(4x4,3x3) 9. */
    if (strstr(label, " winograd-4x4"))
      flops *= 9.0 / 36;
    else if (strstr(label, " winograd"))
      flops *= 16.0 / 36;
    sum += fmax(flops / peaks->flops, bytes / lcl__bench_bandwidth(peaks, bytes));
  }
  return sum;
}
