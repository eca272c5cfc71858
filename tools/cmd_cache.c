/* latentcl cache: the programs kept on disk. */
#include <stdio.h>
#include <string.h>

#include "cli.h"
#include "device/cache.h"
#include "device/device.h"

static int show(void) {
  lcl_str dir = { 0 };
  lcl_cache_use use;
  if (!lcl__cache_dir(&dir)) {
    lcl__str_free(&dir);
    printf("The cache is off (LATENTCL_CACHE).\n");
    return CLI_OK;
  }
  lcl_status status = lcl__cache_stat(&use);
  if (status == LCL_OK) {
    char bytes[32], limit[32];
    cli_print(
        "folder    %s\nentries   %zu (%zu of them remembered as refused by the driver)\nsize    "
        "  %s of "
        "at most %s\n",
        dir.data, use.entries, use.refused, cli_bytes((double)use.bytes, bytes),
        cli_bytes((double)use.limit, limit));
    if (use.foreign) printf("          %zu damaged or foreign files are ignored\n", use.foreign);
  }
  lcl__str_free(&dir);
  return status == LCL_OK ? CLI_OK : cli_error();
}

static int clear(void) {
  size_t removed;
  if (lcl__cache_clear(&removed) != LCL_OK) return cli_error();
  printf("%zu entries removed\n", removed);
  return CLI_OK;
}

/* Builds every kernel file with its default tunables; what models choose beyond that is cached when
 * they first run. */
static int warm(const char *device) {
  lcl_context *ctx;
  if (lcl_context_create(&(lcl_context_desc) { .device = device }, &ctx) != LCL_OK)
    return cli_error();
  int code = CLI_OK;
  for (size_t i = 0; lcl__embedded_names[i]; i++) {
    const char *end = strrchr(lcl__embedded_names[i], '.'); /* tuning results are embedded too */
    if (strcmp(lcl__embedded_names[i], "common.cl") == 0 || !end || strcmp(end, ".cl") != 0)
      continue;
    double start = lcl__now();
    lcl_build_stats before = lcl__context_build_stats(ctx);
    if (lcl__programs_build(ctx, &(lcl_source) { .file = lcl__embedded_names[i] }, 1) != LCL_OK)
      code = cli_error();
    else
      cli_print("%-16s %6.2f s%s\n", lcl__embedded_names[i], lcl__now() - start,
                lcl__context_build_stats(ctx).loaded > before.loaded ? " (was there)" : "");
    fflush(stdout);
  }
  lcl_context_destroy(ctx);
  return code;
}

static int run(int argc, char **argv) {
  const char *device = NULL;
  const cli_option options[] = {
    CLI_DEVICE(&device),
    { 0 },
  };
  int at,
      code = cli_parse(
          argc, argv, options, "cache stat|clear|warm [--device SELECTOR]",
          "Compiled programs are kept on disk so that the next start is quick. stat shows the "
          "folder and\n"
          "its size, clear empties it, warm compiles every kernel file now.\n\n"
          "LATENTCL_CACHE names the folder (off: no cache), LATENTCL_CACHE_SIZE its limit (256m).",
          &at);
  if (code >= 0) return code;
  if (argc - at != 1) return cli_usage("cache: one of stat, clear or warm is wanted");
  if (strcmp(argv[at], "stat") == 0) return show();
  if (strcmp(argv[at], "clear") == 0) return clear();
  if (strcmp(argv[at], "warm") == 0) return warm(device);
  return cli_usage("cache: unknown action '%s'; it is stat, clear or warm", argv[at]);
}

const struct lcl_command cmd_cache = { "cache",
                                       "show, clear or fill the cache of compiled programs", run };
