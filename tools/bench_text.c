#include "bench_text.h"

#include <stdio.h>

#include "base/text.h"
#include "cli.h"

void bench_print_head(void) {
  printf("%-36s %11s %10s %8s %8s %9s  %s\n", "workload", "median", "+-", "GFLOP/s", "GB/s",
         "roofline", "verified");
}

static const char *seconds_text(double s, char buf[32]) {
  if (s < 0) return "-";
  if (s < 1e-3)
    snprintf(buf, 32, "%.2f us", s * 1e6);
  else if (s < 1)
    snprintf(buf, 32, "%.3f ms", s * 1e3);
  else
    snprintf(buf, 32, "%.3f s", s);
  return buf;
}

static void print_details(const lcl_bench_row *r) {
  char a[32], b[32], c[32], d[32];
  printf("    %s\n", r->algorithm);
  printf("    first start: cold %s, cached %s; first run %s;", seconds_text(r->cold_compile, a),
         seconds_text(r->cached_compile, b), seconds_text(r->first_run, c));
  printf(" enqueue %s, device %s; memory %s, process %s\n", seconds_text(r->enqueue, c),
         seconds_text(r->device, d), cli_bytes((double)r->memory, a),
         cli_bytes((double)r->host_memory, b));
}

void bench_print_row(const lcl_bench_row *r, bool details) {
  char median[32], spread[32], roof[16] = "-", gflops[16] = "-", gbs[16] = "-";
  if (r->unit[0]) {
    if (r->value < 0)
      printf("%-36s %11s\n", r->name, "not there");
    else
      printf("%-36s %11.2f %s\n", r->name, r->value, r->unit);
    return;
  }
  if (r->roofline >= 0) snprintf(roof, sizeof roof, "%.0f %%", 100 * r->roofline);
  if (r->median > 0) {
    snprintf(gflops, sizeof gflops, "%.1f", r->flops / r->median * 1e-9);
    snprintf(gbs, sizeof gbs, "%.1f", r->bytes / r->median * 1e-9);
  }
  printf("%-36s %11s %10s %8s %8s %9s  %s\n", r->name, seconds_text(r->median, median),
         seconds_text(r->spread, spread), gflops, gbs, roof,
         r->verified > 0   ? (r->verified_parts ? "parts" : "yes")
         : r->verified < 0 ? "WRONG"
                           : "-");
  if (details) print_details(r);
  fflush(stdout);
}

void bench_print_readings(void) {
  printf("\nReadings (in JSON: seconds.median and so on):\n"
         "median       steady-state time of one run, after warm-up; short work runs back to back "
         "for a millisecond between two waits\n"
         "+-           median absolute deviation of those times (seconds.mad)\n"
         "GFLOP/s      useful arithmetic counted from shapes (an FMA is 2), not what an "
         "algorithm happens to do\n"
         "GB/s         bytes that must move between memory and the kernels, counted from shapes\n"
         "roofline     the shortest time this device could need, as a part of the median: for "
         "each launch the longer of its arithmetic\n"
         "             at peak speed (with Winograd's algorithm 16/36 of the useful one) and its "
         "bytes at the bandwidth of a working\n"
         "             set of so many bytes, which is a cache's if they fit one; summed. The "
         "peaks are measured in the same process\n"
         "verified     the result equals the double-precision reference within its error bound "
         "(--verify); parts: no reference computes\n"
         "             the whole, but each distinct GEMM and convolution in it was checked, and "
         "a training step against the same\n"
         "             step with every op a launch of its own; \"-\": not asked for, or neither\n"
         "first start  compilation and first run in a new process: cold, every cache empty (ours "
         "and the driver's); cached, found full\n"
         "first run    the first run in this process, where a driver may finish compiling\n"
         "enqueue      host time to hand one run to the driver: where it is near the median, the "
         "host is what limits\n"
         "device       sum of the launches' times by the device's own clock (OpenCL event "
         "profiling): where it is much less than the\n"
         "             median, launching costs more than computing. Taken in runs of their own, "
         "because profiling slows others down\n"
         "memory       intermediates and variables of the compiled program\n"
         "process      most memory that the process had resident meanwhile (host_bytes)\n"
         "algorithm    label of the launch with most arithmetic: operation, sizes, kernel\n"
         "Times are the host's monotonic clock around work that is waited for.\n");
}

void bench_csv(lcl_str *s, const char *device, const lcl_bench_row *rows, size_t n) {
  if (!s->n)
    lcl__str_add(
        s,
        "device,name,suite,median_s,mad_s,best_s,cold_compile_s,cached_compile_s,compile_s,first_"
        "s,enqueue_s,device_s,gflop,mbytes,"
        "roofline,launches,memory_bytes,host_bytes,verified,error,value,unit,algorithm\n");
  for (size_t i = 0; i < n; i++) {
    const lcl_bench_row *r = &rows[i];
    lcl__str_csv(s, device);
    lcl__str_append(s, ",", 1);
    lcl__str_csv(s, r->name);
    lcl__str_add(s,
                 ",%s,%.9g,%.9g,%.9g,%.9g,%.9g,%.9g,%.9g,%.9g,%.9g,%.6g,%.6g,%.4g,%zu,%zu,%zu,%"
                 "d,%.4g,%."
                 "6g,%s,",
                 r->suite, r->median, r->spread, r->best, r->cold_compile, r->cached_compile,
                 r->compile, r->first_run, r->enqueue, r->device, r->flops * 1e-9, r->bytes * 1e-6,
                 r->roofline, r->launches, r->memory, r->host_memory, r->verified, r->error,
                 r->value, r->unit);
    lcl__str_csv(s, r->algorithm);
    lcl__str_append(s, "\n", 1);
  }
}
