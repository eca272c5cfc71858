/* Kernels that are wrong on purpose, for LATENTCL_KERNELS. */
#ifndef LCL_PLANT_H
#define LCL_PLANT_H

#include <sys/stat.h>

#include "device/device.h"
#include "test.h"

typedef struct fault {
  const char *file, *from, *by;
} fault;

/* Writes the kernels to a folder, some text in them replaced. */
static inline void plant(const char *to, const fault *faults, size_t n) {
  mkdir(to, 0755);
  for (size_t i = 0; lcl__embedded_names[i]; i++) {
    const char *text = lcl__embedded_source(lcl__embedded_names[i]);
    char path[512];
    lcl_str s = { 0 };
    size_t planted = 0;
    for (size_t f = 0; f < n; f++) {
      const char *at;
      if (strcmp(faults[f].file, lcl__embedded_names[i]) != 0) continue;
      for (; (at = strstr(text, faults[f].from)) != NULL;
           text = at + strlen(faults[f].from), planted++) {
        lcl__str_append(&s, text, (size_t)(at - text));
        lcl__str_add(&s, "%s", faults[f].by);
      }
      assert_true(planted > 0); /* the kernel still has the place where the fault goes */
    }
    lcl__str_add(&s, "%s", text);
    snprintf(path, sizeof path, "%s/%s", to, lcl__embedded_names[i]);
    ASSERT_OK(lcl__file_write_atomic(path, s.data, s.n));
    lcl__str_free(&s);
  }
}

#endif
