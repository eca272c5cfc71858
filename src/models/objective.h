/* A training loss made of named, weighted terms, each logged on its own. */
#ifndef LCL_MODELS_OBJECTIVE_H
#define LCL_MODELS_OBJECTIVE_H

#include "latentcl/model.h"

typedef struct lcl_objective {
  lcl_build *build;
  lcl_tensor *total; /* NULL before the first term */
} lcl_objective;

/* Logs the scalar term as `name` and adds weight times it to the loss; weight 0: only logged. */
void lcl__objective_add(lcl_objective *o, const char *name, lcl_tensor *term, float weight);

#endif
