/* Layer 6, internal: the layers of a network by name. */
#ifndef LCL_TRAIN_LAYERS_H
#define LCL_TRAIN_LAYERS_H

#include "train/session.h"

enum { LCL_LAYER_NAME = sizeof((lcl_layer *)0)->name };

typedef struct lcl_layers {
  lcl_layer *at; /* n, in order of computation */
  size_t n;
  lcl_tensor **tensor;           /* their values; NULL of lcl__session_layers() */
  char (*named)[LCL_LAYER_NAME]; /* every name so far, also of what has no row an example */
  size_t n_named;
} lcl_layers;
/* Those of an evaluation graph. */
lcl_status lcl__layers_find(const lcl_build *b, lcl_layers *out);
void lcl__layers_free(lcl_layers *l);

/* Those of a session's network that have one row an example. */
lcl_status lcl__session_layers(lcl_session *s, lcl_layers *out);
/* One of them in an evaluation graph. LCL_ERR_ARGUMENT: there is none of this name. */
lcl_status lcl__session_layer(lcl_session *s, const lcl_build *b, const char *name,
                              lcl_tensor **out, lcl_shape *row);

#endif
