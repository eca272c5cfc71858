/** @file
 * Plug-ins: model classes of one's own in a shared object, for the command (`--plugin FILE`) and
 * for programs (lcl_plugin_load()). docs/examples/own_model.c is one.
 *
 * A plug-in defines `latentcl_plugin` and is compiled by
 * `cc -shared -fPIC own_model.c -o own_model.so $(pkg-config --cflags latentcl)`: the library's
 * functions are those of the program that loads it.
 *
 * Threads: load plug-ins before other threads use models. */
#ifndef LATENTCL_PLUGIN_H
#define LATENTCL_PLUGIN_H

#include "latentcl/model.h"

#ifdef __cplusplus
extern "C" {
#endif

/** What a plug-in and the library have to agree on: the structures and functions of the public
 * headers. It is raised when one of them changes so that plug-ins have to be compiled again. */
#define LCL_PLUGIN_ABI 4

/** What a plug-in holds. */
typedef struct lcl_plugin {
  int abi;                              /**< #LCL_PLUGIN_ABI of the headers it is compiled with */
  size_t n_models;                      /**< how many classes */
  const lcl_model_class *const *models; /**< the classes, constant; see lcl_model_register() */
} lcl_plugin;

/** The one name that a plug-in defines for others. The library itself has none. */
LCL_API extern const lcl_plugin latentcl_plugin;

/** Loads a plug-in for the rest of the process and registers its classes. A file that is loaded
 * already is left alone.
 *
 * Its code runs with the rights of the program, so neither the file nor its folder may belong to
 * another user (but the administrator) or be writable for one.
 *
 * @param path  the shared object
 * @return #LCL_ERR_IO when it cannot be read or another user can write it; #LCL_ERR_FORMAT when it
 *   is no plug-in or one of another #LCL_PLUGIN_ABI; as lcl_model_register() for its classes, none
 *   of which is registered then */
LCL_API lcl_status lcl_plugin_load(const char *path);

#ifdef __cplusplus
}
#endif
#endif
