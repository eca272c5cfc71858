/* Plug-ins: model classes in shared objects. */
#define _GNU_SOURCE /* dladdr */
#include "latentcl/plugin.h"

#include <dlfcn.h>
#include <errno.h>

#include "base/base.h"
#include "models/registry.h"

/* Plug-ins find the library's functions among those of the program: also where it was loaded for
 * one user alone, as interpreters do. */
static void share_library(void) {
  static const char here;
  Dl_info self;
  if (dladdr(&here, &self) && self.dli_fname)
    dlopen(self.dli_fname, RTLD_NOW | RTLD_NOLOAD | RTLD_GLOBAL);
}

/* path: no links in it. */
static lcl_status check_private(const char *path) {
  const char *slash = strrchr(path, '/');
  lcl_str folder = { 0 };
  lcl__str_append(&folder, path, slash == path ? 1 : (size_t)(slash - path));
  lcl_status s = lcl__str_ok(&folder) ? lcl__file_check_private(folder.data, slash + 1)
                                      : LCL_ERR_HOST_MEMORY;
  lcl__str_free(&folder);
  return s;
}

static lcl_status register_models(void *object, const char *path) {
  const lcl_plugin *p = dlsym(object, "latentcl_plugin");
  if (!p)
    return lcl__fail(LCL_ERR_FORMAT,
                     "%s is no plug-in of LatentCL: it does not define latentcl_plugin (plugin.h)",
                     path);
  if (p->abi != LCL_PLUGIN_ABI)
    return lcl__fail(
        LCL_ERR_FORMAT,
        "the plug-in %s was compiled for version %d of the interface, this LatentCL has "
        "%d: compile it with this LatentCL's headers",
        path, p->abi, LCL_PLUGIN_ABI);
  if (!p->n_models || !p->models)
    return lcl__fail(LCL_ERR_FORMAT, "the plug-in %s has no models", path);
  lcl_status s = lcl__models_register(p->models, p->n_models, path);
  return s == LCL_OK ? LCL_OK : lcl__fail_prefix(s, "the plug-in %s", path);
}

static lcl_status load(const char *path) {
  LCL_TRY(check_private(path));
  share_library();
  void *object = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  if (!object) return lcl__fail(LCL_ERR_FORMAT, "cannot load the plug-in: %s", dlerror());
  lcl_status s = register_models(object, path);
  if (s != LCL_OK) dlclose(object);
  return s;
}

lcl_status lcl_plugin_load(const char *path) {
  LCL_NEED(path);
  char *real = realpath(path, NULL); /* kept with the classes */
  if (!real) return lcl__fail(LCL_ERR_IO, "cannot open the plug-in %s: %s", path, strerror(errno));
  if (lcl__plugin_registered(real)) {
    free(real);
    return LCL_OK;
  }
  lcl_status s = load(real);
  if (s != LCL_OK) free(real);
  return s;
}
