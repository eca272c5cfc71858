/* OpenCL error codes as words, and as lcl_status with a hint of what to do. */
#include "device/internal.h"

const char *lcl__cl_error_name(cl_int err) {
#define NAME(code)                                                                                 \
  case code: return #code
  switch (err) {
    NAME(CL_SUCCESS);
    NAME(CL_DEVICE_NOT_FOUND);
    NAME(CL_DEVICE_NOT_AVAILABLE);
    NAME(CL_COMPILER_NOT_AVAILABLE);
    NAME(CL_MEM_OBJECT_ALLOCATION_FAILURE);
    NAME(CL_OUT_OF_RESOURCES);
    NAME(CL_OUT_OF_HOST_MEMORY);
    NAME(CL_PROFILING_INFO_NOT_AVAILABLE);
    NAME(CL_MEM_COPY_OVERLAP);
    NAME(CL_BUILD_PROGRAM_FAILURE);
    NAME(CL_MAP_FAILURE);
    NAME(CL_MISALIGNED_SUB_BUFFER_OFFSET);
    NAME(CL_EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST);
    NAME(CL_COMPILE_PROGRAM_FAILURE);
    NAME(CL_LINKER_NOT_AVAILABLE);
    NAME(CL_LINK_PROGRAM_FAILURE);
    NAME(CL_INVALID_VALUE);
    NAME(CL_INVALID_DEVICE_TYPE);
    NAME(CL_INVALID_PLATFORM);
    NAME(CL_INVALID_DEVICE);
    NAME(CL_INVALID_CONTEXT);
    NAME(CL_INVALID_QUEUE_PROPERTIES);
    NAME(CL_INVALID_COMMAND_QUEUE);
    NAME(CL_INVALID_HOST_PTR);
    NAME(CL_INVALID_MEM_OBJECT);
    NAME(CL_INVALID_BINARY);
    NAME(CL_INVALID_BUILD_OPTIONS);
    NAME(CL_INVALID_PROGRAM);
    NAME(CL_INVALID_PROGRAM_EXECUTABLE);
    NAME(CL_INVALID_KERNEL_NAME);
    NAME(CL_INVALID_KERNEL_DEFINITION);
    NAME(CL_INVALID_KERNEL);
    NAME(CL_INVALID_ARG_INDEX);
    NAME(CL_INVALID_ARG_VALUE);
    NAME(CL_INVALID_ARG_SIZE);
    NAME(CL_INVALID_KERNEL_ARGS);
    NAME(CL_INVALID_WORK_DIMENSION);
    NAME(CL_INVALID_WORK_GROUP_SIZE);
    NAME(CL_INVALID_WORK_ITEM_SIZE);
    NAME(CL_INVALID_GLOBAL_OFFSET);
    NAME(CL_INVALID_EVENT_WAIT_LIST);
    NAME(CL_INVALID_EVENT);
    NAME(CL_INVALID_OPERATION);
    NAME(CL_INVALID_BUFFER_SIZE);
    NAME(CL_INVALID_GLOBAL_WORK_SIZE);
    NAME(CL_INVALID_PROPERTY);
  case -1001: return "CL_PLATFORM_NOT_FOUND_KHR";
  }
#undef NAME
  static _Thread_local char number[40];
  snprintf(number, sizeof number, "OpenCL error %d", err);
  return number;
}

static lcl_status status_of(cl_int err) {
  switch (err) {
  case CL_OUT_OF_HOST_MEMORY: return LCL_ERR_HOST_MEMORY;
  case CL_MEM_OBJECT_ALLOCATION_FAILURE: return LCL_ERR_DEVICE_MEMORY;
  case CL_DEVICE_NOT_FOUND:
  case CL_DEVICE_NOT_AVAILABLE:
  case -1001: return LCL_ERR_NO_DEVICE;
  case CL_BUILD_PROGRAM_FAILURE: return LCL_ERR_BUILD;
  default: return LCL_ERR_OPENCL;
  }
}

static const char *hint_of(cl_int err) {
  switch (err) {
  case CL_OUT_OF_RESOURCES:
    return "; the device ran out of something or a kernel crashed: `latentcl doctor` checks it, a "
           "smaller batch may fit";
  case CL_MEM_OBJECT_ALLOCATION_FAILURE: return "; use a smaller batch, or free device memory";
  case CL_OUT_OF_HOST_MEMORY: return "; free host memory or raise its limit (ulimit -v)";
  case CL_DEVICE_NOT_AVAILABLE: return "; another program may hold it";
  case CL_INVALID_WORK_GROUP_SIZE: return "; the kernel needs a smaller work-group on this device";
  default: return "";
  }
}

lcl_status lcl__cl_fail(lcl_context *ctx, cl_int err, const char *what) {
  return lcl__fail(status_of(err), "%s: %s%s%s%s", what, lcl__cl_error_name(err), ctx ? " on " : "",
                   ctx ? ctx->caps.name : "", hint_of(err));
}
