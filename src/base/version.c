/* The library's version, as compiled in. */
#include "latentcl/version.h"

const char *lcl_version(void) {
  return LCL_VERSION_STRING;
}
