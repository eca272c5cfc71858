/* The benchmark's JSON. Schema "latentcl-bench-1", one device:
 *   schema, version and commit (of LatentCL), date (UTC)
 *   device: {name, vendor, driver, version (of OpenCL), platform, compute_units, libraries: [...],
 * clock} peaks: {gflops, gbps, levels: [{mbytes, gbps}]}   the roofline: bandwidth by size of the
 * working set (absent: not measured) results: [{name, suite, command (repeats it), algorithm,
 * seconds: {cold_compile, cached_compile, compile, first, median, mad, best, enqueue, device},
 * runs, gflop, mbytes, gflops, gbps, roofline_percent, memory_bytes, host_bytes (most that the
 * process had resident), launches, verified, error (1: all that is allowed), value, unit}] Members
 * that were not measured are absent; verified is absent unless --verify was given and there is a
 * reference. Several devices: schema "latentcl-bench-set-1", runs: [one object like the above a
 * device]. */

#include <time.h>

#include "base/json.h"
#include "bench/bench.h"
#include "latentcl/version.h"

static void number(cJSON *o, const char *name, double v) {
  if (v >= 0) cJSON_AddNumberToObject(o, name, v);
}

static cJSON *row_json(const lcl_caps *caps, const lcl_bench_row *r) {
  cJSON *o = cJSON_CreateObject(), *s = cJSON_CreateObject();
  char command[192], device[24];
  cJSON_AddStringToObject(o, "name", r->name);
  cJSON_AddStringToObject(o, "suite", r->suite);
  snprintf(command, sizeof command, "latentcl bench %s --device %s%s", r->name,
           lcl__caps_selector(caps, device), r->verified ? " --verify" : "");
  cJSON_AddStringToObject(o, "command", command);
  if (r->unit[0]) {
    number(o, "value", r->value);
    cJSON_AddStringToObject(o, "unit", r->unit);
  }
  if (r->algorithm[0]) cJSON_AddStringToObject(o, "algorithm", r->algorithm);
  number(s, "cold_compile", r->cold_compile);
  number(s, "cached_compile", r->cached_compile);
  number(s, "compile", r->compile);
  number(s, "first", r->first_run);
  number(s, "median", r->median);
  number(s, "mad", r->spread);
  number(s, "best", r->best);
  number(s, "enqueue", r->enqueue);
  number(s, "device", r->device);
  cJSON_AddItemToObject(o, "seconds", s);
  if (r->runs) cJSON_AddNumberToObject(o, "runs", (double)r->runs);
  if (r->host_memory) cJSON_AddNumberToObject(o, "host_bytes", (double)r->host_memory);
  if (!r->unit[0]) {
    cJSON_AddNumberToObject(o, "gflop", r->flops * 1e-9);
    cJSON_AddNumberToObject(o, "mbytes", r->bytes * 1e-6);
    if (r->median > 0) {
      cJSON_AddNumberToObject(o, "gflops", r->flops / r->median * 1e-9);
      cJSON_AddNumberToObject(o, "gbps", r->bytes / r->median * 1e-9);
    }
    if (r->roofline >= 0) cJSON_AddNumberToObject(o, "roofline_percent", 100 * r->roofline);
    cJSON_AddNumberToObject(o, "memory_bytes", (double)r->memory);
    cJSON_AddNumberToObject(o, "launches", (double)r->launches);
  }
  if (r->verified) {
    cJSON_AddBoolToObject(o, "verified", r->verified > 0);
    if (r->verified_parts)
      cJSON_AddStringToObject(o, "verified_parts", "GEMMs and convolutions");
    else
      cJSON_AddNumberToObject(o, "error", r->error);
  }
  return o;
}

static cJSON *device_json(const lcl_caps *caps) {
  cJSON *d = cJSON_CreateObject(), *libraries = cJSON_CreateArray();
  cJSON_AddStringToObject(d, "name", caps->name);
  cJSON_AddStringToObject(d, "vendor", caps->vendor);
  cJSON_AddStringToObject(d, "driver", caps->driver);
  cJSON_AddStringToObject(d, "version", caps->version);
  cJSON_AddStringToObject(d, "platform", caps->platform);
  cJSON_AddNumberToObject(d, "compute_units", caps->compute_units);
  if (caps->clblast) cJSON_AddItemToArray(libraries, cJSON_CreateString("CLBlast"));
  if (caps->clfft) cJSON_AddItemToArray(libraries, cJSON_CreateString("clFFT"));
  cJSON_AddItemToObject(d, "libraries", libraries);
  cJSON_AddStringToObject(d, "clock", LCL_BENCH_CLOCK);
  return d;
}

static cJSON *peaks_json(const lcl_bench_peaks *peaks) {
  cJSON *p = cJSON_CreateObject(), *levels = cJSON_CreateArray();
  cJSON_AddNumberToObject(p, "gflops", peaks->flops * 1e-9);
  cJSON_AddNumberToObject(p, "gbps", peaks->bandwidth * 1e-9);
  for (int i = 0; i < peaks->n_levels; i++) {
    cJSON *l = cJSON_CreateObject();
    cJSON_AddNumberToObject(l, "mbytes", peaks->level[i].bytes * 1e-6);
    cJSON_AddNumberToObject(l, "gbps", peaks->level[i].rate * 1e-9);
    cJSON_AddItemToArray(levels, l);
  }
  cJSON_AddItemToObject(p, "levels", levels);
  return p;
}

lcl_status lcl_bench_json(lcl_context *ctx, const lcl_bench_desc *desc, const lcl_bench_row *rows,
                          size_t n, char **text) {
  LCL_NEED(ctx, desc, text);
  const lcl_caps *caps = lcl__context_caps(ctx);
  const time_t now = time(NULL);
  struct tm utc;
  char date[32];
  strftime(date, sizeof date, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&now, &utc));
  cJSON *root = cJSON_CreateObject(), *list = cJSON_CreateArray();
  cJSON_AddStringToObject(root, "schema", "latentcl-bench-1");
  cJSON_AddStringToObject(root, "version", LCL_VERSION_STRING);
  if (desc->commit) cJSON_AddStringToObject(root, "commit", desc->commit);
  cJSON_AddStringToObject(root, "date", date);
  cJSON_AddItemToObject(root, "device", device_json(caps));
  if (desc->peaks.flops > 0) cJSON_AddItemToObject(root, "peaks", peaks_json(&desc->peaks));
  for (size_t i = 0; i < n; i++) cJSON_AddItemToArray(list, row_json(caps, &rows[i]));
  cJSON_AddItemToObject(root, "results", list);
  *text = lcl__json_print(root, true);
  cJSON_Delete(root);
  return *text ? LCL_OK : lcl__fail(LCL_ERR_HOST_MEMORY, "out of memory");
}
