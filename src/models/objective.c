/* A training loss made of named, weighted terms. */
#include "models/objective.h"

void lcl__objective_add(lcl_objective *o, const char *name, lcl_tensor *term, float weight) {
  lcl_build_term(o->build, name, term);
  if (weight == 0) return;
  lcl_tensor *weighted = weight == 1 ? term : lcl_scale(term, weight);
  o->total = o->total ? lcl_add(o->total, weighted) : weighted;
}
