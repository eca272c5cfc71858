/* Launches: their arguments, and kernels with the arguments set. */
#include "device/internal.h"

lcl_arg lcl__i32(int64_t value) {
  lcl_arg a = { .kind = value < INT32_MIN || value > INT32_MAX ? LCL_ARG_BAD : LCL_ARG_I32 };
  a.u.i32 = (int32_t)value;
  return a;
}

lcl_arg lcl__f32(float value) {
  lcl_arg a = { .kind = LCL_ARG_F32 };
  a.u.f32 = value;
  return a;
}

lcl_arg lcl__local(size_t bytes) {
  lcl_arg a = { .kind = LCL_ARG_LOCAL };
  a.u.local_bytes = bytes;
  return a;
}

lcl_arg lcl__bytes(const void *value, size_t bytes) {
  lcl_arg a = { .kind = bytes <= sizeof a.u.bytes.data ? LCL_ARG_BYTES : LCL_ARG_BAD };
  if (a.kind == LCL_ARG_BAD) return a;
  a.u.bytes.n = bytes;
  memcpy(a.u.bytes.data, value, bytes);
  return a;
}

lcl_arg lcl__int8(const int64_t *values, int n) {
  lcl_arg a = { .kind = LCL_ARG_BYTES };
  int32_t v[8] = { 0 };
  for (int i = 0; i < n; i++) {
    if (values[i] < INT32_MIN || values[i] > INT32_MAX) a.kind = LCL_ARG_BAD;
    v[i] = (int32_t)values[i];
  }
  a.u.bytes.n = sizeof v;
  memcpy(a.u.bytes.data, v, sizeof v);
  return a;
}

lcl_arg lcl__memory_part(lcl_buffer *buffer, size_t offset, size_t bytes, int access) {
  return (lcl_arg) {
    .kind = LCL_ARG_MEMORY, .access = access, .buffer = buffer, .offset = offset, .bytes = bytes
  };
}

lcl_arg lcl__memory(lcl_buffer *buffer, int access) {
  return lcl__memory_part(buffer, 0, buffer ? buffer->bytes : 0, access);
}

static cl_int set_arg(cl_kernel kernel, cl_uint i, const lcl_arg *a) {
  switch (a->kind) {
  case LCL_ARG_I32: return clSetKernelArg(kernel, i, sizeof a->u.i32, &a->u.i32);
  case LCL_ARG_F32: return clSetKernelArg(kernel, i, sizeof a->u.f32, &a->u.f32);
  case LCL_ARG_LOCAL: return clSetKernelArg(kernel, i, a->u.local_bytes, NULL);
  case LCL_ARG_BYTES: return clSetKernelArg(kernel, i, a->u.bytes.n, a->u.bytes.data);
  case LCL_ARG_MEMORY: return clSetKernelArg(kernel, i, sizeof(cl_mem), &a->buffer->mem);
  case LCL_ARG_BAD: break;
  }
  return CL_INVALID_ARG_VALUE;
}

lcl_status lcl__launch_kernel(lcl_context *ctx, const lcl_launch *l, cl_kernel *out) {
  LCL_TRY(lcl__kernel_create(ctx, &l->source, l->kernel, out));
  for (int i = 0; i < l->n_args; i++) {
    cl_int err = set_arg(*out, (cl_uint)i, &l->args[i]);
    if (err == CL_SUCCESS) continue;
    clReleaseKernel(*out);
    *out = NULL;
    lcl_status status = lcl__cl_fail(ctx, err, "clSetKernelArg");
    return lcl__fail_prefix(status, "%s, argument %d of kernel %s", l->label, i, l->kernel);
  }
  return LCL_OK;
}
