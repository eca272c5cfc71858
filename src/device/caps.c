/* What every device of every platform can do. */
#include "device/internal.h"

#include <sys/mman.h>

#include "lcl_config.h"

/* Constants of OpenCL 3.0 and of vendor extensions that old headers may lack. */
enum {
  DEVICE_PREFERRED_MULTIPLE = 0x1067, /* CL_DEVICE_PREFERRED_WORK_GROUP_SIZE_MULTIPLE, OpenCL 3.0 */
  DEVICE_WARP_SIZE_NV = 0x4003,
  DEVICE_WAVEFRONT_WIDTH_AMD = 0x4043
};

/* A text of the device of any length (lcl__free); NULL in *out when it has none. */
static lcl_status whole_text(cl_device_id device, cl_device_info what, char **out) {
  size_t need = 0;
  *out = NULL;
  if (clGetDeviceInfo(device, what, 0, NULL, &need) != CL_SUCCESS || !need) return LCL_OK;
  *out = lcl__alloc(need + 1);
  if (!*out) return LCL_ERR_HOST_MEMORY;
  if (clGetDeviceInfo(device, what, need, *out, NULL) != CL_SUCCESS) **out = 0;
  return LCL_OK;
}

static lcl_status device_text(cl_device_id device, cl_device_info what, char *out, size_t size) {
  char *text;
  *out = 0;
  LCL_TRY(whole_text(device, what, &text));
  if (text) snprintf(out, size, "%s", text);
  lcl__free(text);
  return LCL_OK;
}

static uint64_t device_number(cl_device_id device, cl_device_info what, size_t size) {
  union {
    cl_uint u32;
    cl_ulong u64;
  } value = { .u64 = 0 };
  if (clGetDeviceInfo(device, what, size, &value, NULL) != CL_SUCCESS) return 0;
  return size == sizeof(cl_uint) ? value.u32 : value.u64;
}
#define NUMBER(what, type) ((type)device_number(device, what, sizeof(type)))

/* Whether the space-separated list has the whole word. */
static bool has_word(const char *list, const char *word) {
  size_t n = strlen(word);
  for (const char *at = list; at && (at = strstr(at, word)); at += n)
    if ((at == list || at[-1] == ' ') && (at[n] == ' ' || at[n] == 0)) return true;
  return false;
}

static lcl_status read_extensions(lcl_caps *caps, cl_device_id device) {
  char *list;
  LCL_TRY(whole_text(device, CL_DEVICE_EXTENSIONS, &list));
  caps->fp16 = has_word(list, "cl_khr_fp16");
  caps->fp64 = has_word(list, "cl_khr_fp64") || has_word(list, "cl_amd_fp64");
  caps->subgroups = has_word(list, "cl_khr_subgroups") || has_word(list, "cl_intel_subgroups");
  caps->command_buffer = has_word(list, "cl_khr_command_buffer");
  /* Where a kernel can ask for narrow sub-groups, a unit is one of many narrow processors. */
  caps->unit_lanes = !(caps->type & CL_DEVICE_TYPE_GPU)                  ? caps->preferred_float
                     : has_word(list, "cl_intel_required_subgroup_size") ? 8
                     : has_word(list, "cl_nv_device_attribute_query")    ? 128
                                                                         : 64;
  lcl__free(list);
  return LCL_OK;
}

static size_t preferred_multiple(const lcl_caps *caps, cl_device_id device) {
  size_t multiple = 0;
  if (clGetDeviceInfo(device, DEVICE_PREFERRED_MULTIPLE, sizeof multiple, &multiple, NULL) ==
          CL_SUCCESS &&
      multiple)
    return multiple;
  cl_uint width = 0;
  if (clGetDeviceInfo(device, DEVICE_WARP_SIZE_NV, sizeof width, &width, NULL) == CL_SUCCESS &&
      width)
    return width;
  if (clGetDeviceInfo(device, DEVICE_WAVEFRONT_WIDTH_AMD, sizeof width, &width, NULL) ==
          CL_SUCCESS &&
      width)
    return width;
  return caps->type & CL_DEVICE_TYPE_GPU ? 32 : 8;
}

static void read_sizes(lcl_caps *caps, cl_device_id device) {
  caps->compute_units = NUMBER(CL_DEVICE_MAX_COMPUTE_UNITS, cl_uint);
  caps->clock = NUMBER(CL_DEVICE_MAX_CLOCK_FREQUENCY, cl_uint);
  clGetDeviceInfo(device, CL_DEVICE_MAX_WORK_GROUP_SIZE, sizeof caps->max_work_group,
                  &caps->max_work_group, NULL);
  /* A device may have more dimensions than the three we use, and then wants room for all of them.
   */
  size_t items[16] = { 0 };
  if (clGetDeviceInfo(device, CL_DEVICE_MAX_WORK_ITEM_SIZES, sizeof items, items, NULL) ==
      CL_SUCCESS)
    memcpy(caps->max_work_item, items, sizeof caps->max_work_item);
  caps->local_mem = (size_t)NUMBER(CL_DEVICE_LOCAL_MEM_SIZE, cl_ulong);
  caps->global_mem = (size_t)NUMBER(CL_DEVICE_GLOBAL_MEM_SIZE, cl_ulong);
  caps->max_alloc = (size_t)NUMBER(CL_DEVICE_MAX_MEM_ALLOC_SIZE, cl_ulong);
  cl_uint align_bits = NUMBER(CL_DEVICE_MEM_BASE_ADDR_ALIGN, cl_uint);
  caps->base_align = LCL_MAX(align_bits / 8, 64u);
  caps->preferred_float = NUMBER(CL_DEVICE_NATIVE_VECTOR_WIDTH_FLOAT, cl_uint);
  if (!caps->preferred_float)
    caps->preferred_float = NUMBER(CL_DEVICE_PREFERRED_VECTOR_WIDTH_FLOAT, cl_uint);
  if (!caps->preferred_float) caps->preferred_float = 1;
  caps->local_is_global = NUMBER(CL_DEVICE_LOCAL_MEM_TYPE, cl_uint) == CL_GLOBAL;
  caps->unified_memory = NUMBER(CL_DEVICE_HOST_UNIFIED_MEMORY, cl_uint) != 0;
}

lcl_status lcl__caps_read(lcl_caps *caps, cl_platform_id platform, cl_device_id device) {
  if (clGetPlatformInfo(platform, CL_PLATFORM_NAME, sizeof caps->platform, caps->platform, NULL) !=
      CL_SUCCESS)
    snprintf(caps->platform, sizeof caps->platform, "unnamed platform");
  if (!device) return LCL_OK;
  LCL_TRY(device_text(device, CL_DEVICE_NAME, caps->name, sizeof caps->name));
  LCL_TRY(device_text(device, CL_DEVICE_VENDOR, caps->vendor, sizeof caps->vendor));
  LCL_TRY(device_text(device, CL_DRIVER_VERSION, caps->driver, sizeof caps->driver));
  LCL_TRY(device_text(device, CL_DEVICE_VERSION, caps->version, sizeof caps->version));
  clGetDeviceInfo(device, CL_DEVICE_TYPE, sizeof caps->type, &caps->type, NULL);
  read_sizes(caps, device);
  LCL_TRY(read_extensions(caps, device));
  cl_command_queue_properties queue = 0;
  clGetDeviceInfo(device, CL_DEVICE_QUEUE_PROPERTIES, sizeof queue, &queue, NULL);
  caps->out_of_order = (queue & CL_QUEUE_OUT_OF_ORDER_EXEC_MODE_ENABLE) != 0;
  caps->preferred_multiple = preferred_multiple(caps, device);
  caps->clblast = LCL_HAVE_CLBLAST;
  caps->clfft = LCL_HAVE_CLFFT;
  caps->packed = true; /* until lcl__family_choose */
  caps->overlap = true;
  caps->host_memory = caps->unified_memory && (caps->type & CL_DEVICE_TYPE_CPU);
  return LCL_OK;
}

typedef struct row_list {
  lcl_device_info *data;
  size_t n, cap;
} row_list;

static lcl_status add_platform(row_list *rows, cl_platform_id platform, int index) {
  cl_uint n = 0;
  cl_int err = clGetDeviceIDs(platform, CL_DEVICE_TYPE_ALL, 0, NULL, &n);
  if (err == CL_OUT_OF_HOST_MEMORY) return lcl__cl_fail(NULL, err, "listing the OpenCL devices");
  if (err != CL_SUCCESS && err != CL_DEVICE_NOT_FOUND)
    lcl__logf(LCL_LOG_WARN, "platform %d does not list its devices: %s", index,
              lcl__cl_error_name(err));
  if (err != CL_SUCCESS) n = 0;
  cl_device_id *ids = lcl__alloc(LCL_MAX(n, 1u) * sizeof *ids);
  if (!ids) return LCL_ERR_HOST_MEMORY;
  if (n && clGetDeviceIDs(platform, CL_DEVICE_TYPE_ALL, n, ids, NULL) != CL_SUCCESS) n = 0;
  lcl_status status = LCL_OK;
  for (cl_uint d = 0; status == LCL_OK && d < LCL_MAX(n, 1u); d++) {
    lcl_device_info row = { .platform = platform, .device = n ? ids[d] : NULL };
    status = lcl__caps_read(&row.caps, platform, row.device);
    row.caps.platform_index = index;
    row.caps.device_index = n ? (int)d : -1;
    if (status == LCL_OK && !LCL_PUSH(rows, row)) status = LCL_ERR_HOST_MEMORY;
  }
  lcl__free(ids);
  return status;
}

const char *lcl__caps_selector(const lcl_caps *caps, char buf[24]) {
  snprintf(buf, 24, "%d:%d", caps->platform_index, caps->device_index);
  return buf;
}

bool lcl__room_for(size_t mib) {
  void *room = mmap(NULL, mib << 20, PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (room == MAP_FAILED) return false;
  munmap(room, mib << 20);
  return true;
}

/* Drivers with a compiler in them end the process, or are not there, where memory runs out while
 * they are loaded. So a limit that is too low for any of them is told before that. */
static lcl_status room_for_drivers(void) {
  enum { NEED = 512 }; /* MiB: PoCL 3.1 and llvmpipe 22.3 want this much */
  if (lcl__room_for(NEED)) return LCL_OK;
  return lcl__fail(LCL_ERR_HOST_MEMORY,
                   "out of host memory: OpenCL drivers need about %d MiB of address space; free "
                   "memory or raise the limit (ulimit -v)",
                   NEED);
}

lcl_status lcl__devices(lcl_device_info **out, size_t *n_out) {
  *out = NULL;
  *n_out = 0;
  LCL_TRY(room_for_drivers());
  cl_uint n = 0;
  cl_int err = clGetPlatformIDs(0, NULL, &n);
  if (err == -1001 || (err == CL_SUCCESS && n == 0)) return LCL_OK; /* no driver is installed */
  if (err != CL_SUCCESS) return lcl__cl_fail(NULL, err, "listing the OpenCL platforms");
  cl_platform_id *ids = lcl__alloc(n * sizeof *ids);
  if (!ids) return LCL_ERR_HOST_MEMORY;
  lcl_status status = LCL_OK;
  err = clGetPlatformIDs(n, ids, NULL);
  if (err != CL_SUCCESS) status = lcl__cl_fail(NULL, err, "listing the OpenCL platforms");
  row_list rows = { 0 };
  for (cl_uint p = 0; status == LCL_OK && p < n; p++) status = add_platform(&rows, ids[p], (int)p);
  lcl__free(ids);
  if (status != LCL_OK) return lcl__free(rows.data), status;
  *out = rows.data;
  *n_out = rows.n;
  return LCL_OK;
}
