/* What a user sees: public headers and the shared library only. */
#include <latentcl/latentcl.h>
#include <stdio.h>
#include <string.h>

static int complain(const char *what) {
  fprintf(stderr, "%s: %s\n", what, lcl_error_message());
  return 1;
}

int main(void) {
  lcl_context *ctx;
  lcl_buffer *buf;
  char in[1000], out[1000];
  memset(in, 7, sizeof in);
  if (strcmp(lcl_version(), LCL_VERSION_STRING) != 0) return complain("version");
  if (lcl_context_create(&(lcl_context_desc) { .device = "no such device" }, &ctx) !=
      LCL_ERR_NO_DEVICE)
    return complain("selector");
  if (lcl_context_create(NULL, &ctx) != LCL_OK) return complain("context");
  if (lcl_buffer_create(ctx, sizeof in, &buf) != LCL_OK) return complain("buffer");
  if (lcl_buffer_write(buf, 0, in, sizeof in) != LCL_OK) return complain("write");
  if (lcl_buffer_read(buf, 0, out, sizeof out) != LCL_OK) return complain("read");
  if (memcmp(in, out, sizeof in) != 0) return complain("content");
  if (lcl_context_memory(ctx).buffers != 1 || !*lcl_context_device_name(ctx))
    return complain("queries");
  lcl_buffer_destroy(buf);
  lcl_context_destroy(ctx);
  return 0;
}
