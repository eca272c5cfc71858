/* latentcl devices: what OpenCL devices there are and what they can do. */
#include <stdio.h>

#include "base/json.h"
#include "cli.h"
#include "device/device.h"

static const char *kind_of(const lcl_caps *c) {
  return c->type & CL_DEVICE_TYPE_GPU   ? "GPU"
         : c->type & CL_DEVICE_TYPE_CPU ? "CPU"
                                        : "accelerator";
}

/* What a context on this device uses. */
static const char *kernels_of(const lcl_caps *c) {
  char selector[24];
  lcl_context *ctx;
  const lcl_context_desc desc = { .device = lcl__caps_selector(c, selector) };
  if (lcl_context_create(&desc, &ctx) != LCL_OK) return "unknown";
  const bool packed = lcl__context_caps(ctx)->packed;
  lcl_context_destroy(ctx);
  return packed ? "packed" : "tiled";
}

static void print_device(const lcl_caps *c, bool chosen) {
  char mem[32], max[32], local[32], selector[24];
  cli_print("%s  %s%s\n", lcl__caps_selector(c, selector), c->name, chosen ? "   <- default" : "");
  cli_print("     kind            %s, %u compute units, %s\n", kind_of(c), c->compute_units,
            c->vendor);
  cli_print("     driver          %s (%s), %s\n", c->platform, c->driver, c->version);
  cli_print("     memory          %s, largest buffer %s%s\n", cli_bytes((double)c->global_mem, mem),
            cli_bytes((double)c->max_alloc, max),
            c->unified_memory ? ", shared with the host" : "");
  cli_print("     local memory    %s%s\n", cli_bytes((double)c->local_mem, local),
            c->local_is_global ? " (ordinary memory)" : "");
  printf("     work-groups     up to %zu, best a multiple of %zu; float vectors of %u\n",
         c->max_work_group, c->preferred_multiple, c->preferred_float);
  cli_print(
      "     device offers   fp16 %s, fp64 %s, sub-groups %s, command buffers %s, out-of-order "
      "queues %s\n",
      c->fp16 ? "yes" : "no", c->fp64 ? "yes" : "no", c->subgroups ? "yes" : "no",
      c->command_buffer ? "yes" : "no", c->out_of_order ? "yes" : "no");
  cli_print("     LatentCL uses   %s kernels, CLBlast %s, clFFT %s\n", kernels_of(c),
            c->clblast ? "on" : "off", c->clfft ? "on" : "off");
}

static cJSON *json_of(const lcl_device_info *row) {
  const lcl_caps *c = &row->caps;
  cJSON *o = cJSON_CreateObject();
  cJSON_AddNumberToObject(o, "platform_index", c->platform_index);
  cJSON_AddStringToObject(o, "platform", c->platform);
  if (!row->device) {
    cJSON_AddNullToObject(o, "name");
    return o;
  }
  char selector[24];
  cJSON_AddNumberToObject(o, "device_index", c->device_index);
  cJSON_AddStringToObject(o, "device", lcl__caps_selector(c, selector));
  cJSON_AddStringToObject(o, "name", c->name);
  cJSON_AddStringToObject(o, "kind", kind_of(c));
  cJSON_AddStringToObject(o, "vendor", c->vendor);
  cJSON_AddStringToObject(o, "driver", c->driver);
  cJSON_AddStringToObject(o, "version", c->version);
  cJSON_AddNumberToObject(o, "compute_units", c->compute_units);
  cJSON_AddNumberToObject(o, "global_mem", (double)c->global_mem);
  cJSON_AddNumberToObject(o, "max_alloc", (double)c->max_alloc);
  cJSON_AddNumberToObject(o, "local_mem", (double)c->local_mem);
  cJSON_AddBoolToObject(o, "local_is_global", c->local_is_global);
  cJSON_AddNumberToObject(o, "max_work_group", (double)c->max_work_group);
  cJSON_AddNumberToObject(o, "preferred_multiple", (double)c->preferred_multiple);
  cJSON_AddNumberToObject(o, "preferred_float", c->preferred_float);
  cJSON_AddBoolToObject(o, "unified_memory", c->unified_memory);
  cJSON_AddBoolToObject(o, "fp16", c->fp16);
  cJSON_AddBoolToObject(o, "fp64", c->fp64);
  cJSON_AddBoolToObject(o, "subgroups", c->subgroups);
  cJSON_AddBoolToObject(o, "command_buffer", c->command_buffer);
  cJSON_AddBoolToObject(o, "out_of_order", c->out_of_order);
  cJSON_AddStringToObject(o, "kernels", kernels_of(c));
  cJSON_AddBoolToObject(o, "clblast", c->clblast);
  cJSON_AddBoolToObject(o, "clfft", c->clfft);
  return o;
}

static int print_json(const lcl_device_info *rows, size_t n) {
  cJSON *all = cJSON_CreateArray();
  for (size_t i = 0; i < n; i++) cJSON_AddItemToArray(all, json_of(&rows[i]));
  return cli_print_json(all);
}

static int print_all(const lcl_device_info *rows, size_t n) {
  size_t chosen = n, devices = 0;
  lcl_status status = lcl__device_select(rows, n, getenv("LATENTCL_DEVICE"), &chosen);
  for (size_t i = 0; i < n; i++) {
    if (rows[i].device)
      print_device(&rows[i].caps, status == LCL_OK && i == chosen), devices++;
    else
      cli_print("%d:-  platform %s has no device; see `latentcl doctor`\n",
                rows[i].caps.platform_index, rows[i].caps.platform);
  }
  if (!devices || status != LCL_OK) return cli_error();
  return CLI_OK;
}

static int run(int argc, char **argv) {
  bool json = false;
  const cli_option options[] = {
    { "json", CLI_FLAG, &json, NULL, "machine-readable output" },
    { 0 },
  };
  int code = cli_parse(argc, argv, options, "devices [--json]",
                       "Lists every OpenCL platform and device.", NULL);
  if (code >= 0) return code;
  lcl_enabled enabled;
  if (lcl__enable_parse(getenv("LATENTCL_ENABLE"), "LATENTCL_ENABLE", &enabled) != LCL_OK)
    return cli_error();
  lcl_device_info *rows;
  size_t n;
  if (lcl__devices(&rows, &n) != LCL_OK) return cli_error();
  for (size_t i = 0; i < n; i++)
    if (rows[i].device && lcl__caps_disable(&rows[i].caps, getenv("LATENTCL_DISABLE"),
                                            "LATENTCL_DISABLE") != LCL_OK) {
      lcl__free(rows);
      return cli_error();
    }
  code = json ? print_json(rows, n) : print_all(rows, n);
  lcl__free(rows);
  return code;
}

const struct lcl_command cmd_devices = { "devices", "list OpenCL devices and what they can do",
                                         run };
