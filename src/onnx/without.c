/* The functions of onnx.h in a library built without protobuf-c: each says so. */
#include "base/base.h"
#include "latentcl/onnx.h"

static lcl_status missing(void) {
  return lcl__fail(LCL_ERR_UNSUPPORTED,
                   "this LatentCL was built without ONNX (protobuf-c, the meson option onnx)");
}

lcl_status lcl_onnx_load(lcl_graph *g, const char *path, const lcl_onnx_desc *desc,
                         lcl_onnx_model **out) {
  (void)g, (void)path, (void)desc;
  if (out) *out = NULL;
  return missing();
}

lcl_status lcl_onnx_parse(lcl_graph *g, const void *bytes, size_t n, const lcl_onnx_desc *desc,
                          lcl_onnx_model **out) {
  (void)g, (void)bytes, (void)n, (void)desc;
  if (out) *out = NULL;
  return missing();
}

lcl_status lcl_onnx_save(const char *path, const lcl_onnx_save_desc *desc) {
  (void)path, (void)desc;
  return missing();
}

void lcl_onnx_close(lcl_onnx_model *m) {
  (void)m;
}

size_t lcl_onnx_input_count(const lcl_onnx_model *m) {
  return (void)m, 0;
}

size_t lcl_onnx_output_count(const lcl_onnx_model *m) {
  return (void)m, 0;
}

lcl_onnx_value lcl_onnx_input(const lcl_onnx_model *m, size_t index) {
  (void)m, (void)index;
  return (lcl_onnx_value) { 0 };
}

lcl_onnx_value lcl_onnx_output(const lcl_onnx_model *m, size_t index) {
  (void)m, (void)index;
  return (lcl_onnx_value) { 0 };
}

const char *lcl_onnx_assumed(const lcl_onnx_model *m) {
  return (void)m, "";
}

const char *lcl_onnx_operator(size_t index) {
  return (void)index, NULL;
}
