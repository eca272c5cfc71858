/* latentcl cache: the programs kept on disk. */
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "cli.h"
#include "device/cache.h"
#include "device/device.h"

static int show_json(const char *folder, const lcl_cache_use *use) {
  cJSON *o = cJSON_CreateObject();
  cJSON_AddItemToObject(o, "folder", folder ? cJSON_CreateString(folder) : cJSON_CreateNull());
  cJSON_AddNumberToObject(o, "entries", (double)use->entries);
  cJSON_AddNumberToObject(o, "programs", (double)use->programs);
  cJSON_AddNumberToObject(o, "refused", (double)use->refused);
  cJSON_AddNumberToObject(o, "foreign", (double)use->foreign);
  cJSON_AddNumberToObject(o, "bytes", (double)use->bytes);
  cJSON_AddNumberToObject(o, "limit", (double)use->limit);
  return cli_print_json(o);
}

static int show(bool json) {
  lcl_str dir = { 0 };
  lcl_cache_use use = { 0 };
  if (!lcl__cache_dir(&dir)) {
    lcl__str_free(&dir);
    if (json) return show_json(NULL, &use);
    printf("The cache is off (LATENTCL_CACHE).\n");
    return CLI_OK;
  }
  lcl_status status = lcl__cache_stat(&use);
  if (status == LCL_OK && json) {
    const int code = show_json(dir.data, &use);
    lcl__str_free(&dir);
    return code;
  }
  if (status == LCL_OK) {
    char bytes[32], limit[32];
    cli_print(
        "folder    %s\nentries   %zu (programs: %zu, refused by the driver: %zu, notes: %zu)\n"
        "size      %s of at most %s\n",
        dir.data, use.entries, use.programs, use.refused, use.entries - use.programs - use.refused,
        cli_bytes((double)use.bytes, bytes), cli_bytes((double)use.limit, limit));
    if (use.foreign) printf("          %zu damaged or foreign files are ignored\n", use.foreign);
  }
  lcl__str_free(&dir);
  return status == LCL_OK ? CLI_OK : cli_error();
}

static int clear(bool json) {
  size_t removed;
  if (lcl__cache_clear(&removed) != LCL_OK) return cli_error();
  if (json) {
    cJSON *o = cJSON_CreateObject();
    cJSON_AddNumberToObject(o, "removed", (double)removed);
    return cli_print_json(o);
  }
  printf("%zu entries removed\n", removed);
  return CLI_OK;
}

/* Builds every kernel file with its default tunables; what models choose beyond that is cached when
 * they first run. */
static int warm(const char *device, bool json) {
  lcl_context *ctx;
  if (lcl_context_create(&(lcl_context_desc) { .device = device }, &ctx) != LCL_OK)
    return cli_error();
  int code = CLI_OK;
  cJSON *all = cJSON_CreateArray();
  for (size_t i = 0; lcl__embedded_names[i]; i++) {
    const char *end = strrchr(lcl__embedded_names[i], '.'); /* tuning results are embedded too */
    if (strcmp(lcl__embedded_names[i], "common.cl") == 0 || !end || strcmp(end, ".cl") != 0)
      continue;
    double start = lcl__now();
    lcl_build_stats before = lcl__context_build_stats(ctx);
    if (lcl__programs_build(ctx, &(lcl_source) { .file = lcl__embedded_names[i] }, 1) != LCL_OK) {
      code = cli_error();
      continue;
    }
    const bool there = lcl__context_build_stats(ctx).loaded > before.loaded;
    cJSON *o = cJSON_CreateObject();
    cJSON_AddItemToArray(all, o);
    cJSON_AddStringToObject(o, "file", lcl__embedded_names[i]);
    cJSON_AddNumberToObject(o, "seconds", lcl__now() - start);
    cJSON_AddBoolToObject(o, "was_there", there);
    if (!json)
      cli_print("%-16s %6.2f s%s\n", lcl__embedded_names[i], lcl__now() - start,
                there ? " (was there)" : "");
    fflush(stdout);
  }
  lcl_context_destroy(ctx);
  if (code == CLI_OK && json) return cli_print_json(all);
  cJSON_Delete(all);
  return code;
}

static int run(int argc, char **argv) {
  const char *device = NULL;
  bool json = false;
  const cli_option options[] = {
    CLI_DEVICE(&device),
    { "json", CLI_FLAG, &json, NULL, "JSON instead of text" },
    { 0 },
  };
  int at,
      code = cli_parse(
          argc, argv, options, "cache stat|clear|warm [--device SELECTOR] [--json]",
          "Compiled programs are kept on disk so that the next start is quick. stat shows the "
          "folder and\n"
          "its size, clear empties it, warm compiles every kernel file now. Its notes say which "
          "program\n"
          "has which kernel, and what was measured of a device.\n\n"
          "LATENTCL_CACHE names the folder (off: no cache), LATENTCL_CACHE_SIZE its limit (256m).",
          &at);
  if (code >= 0) return code;
  if (argc - at != 1) return cli_usage("cache: one of stat, clear or warm is wanted");
  if (strcmp(argv[at], "stat") == 0) return show(json);
  if (strcmp(argv[at], "clear") == 0) return clear(json);
  if (strcmp(argv[at], "warm") == 0) return warm(device, json);
  return cli_usage("cache: unknown action '%s'; it is stat, clear or warm", argv[at]);
}

const struct lcl_command cmd_cache = { "cache",
                                       "show, clear or fill the cache of compiled programs", run };
