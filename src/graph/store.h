/* Variables: named device memory that programs share (src/graph/store.c).
 *
 * Trainable variables lie one after the other in a segment, each at an aligned offset, padding
 * zero. Optimiser slots mirror that layout in segments of their own and so does the gradient buffer
 * of a program: an optimiser step is one launch over a segment. Variables made after the first
 * compilation get segments of their own. */
#ifndef LCL_STORE_H
#define LCL_STORE_H

#include "graph/graph.h"

struct lcl_var {
  char *name;
  lcl_dtype dtype;
  lcl_shape shape;
  bool trainable;
  lcl_init init;
  const struct lcl_var *mirror; /* an optimiser slot mirrors the layout of this parameter */
  char *slot;                   /* "m", "v", ...: which slot, NULL if none */
  size_t bytes;
  int segment;   /* -1: not placed yet */
  size_t offset; /* bytes in its segment */
  lcl_buffer *buffer;
};

typedef struct lcl_segment {
  lcl_buffer *buffer;
  size_t bytes;
  int mirror; /* segment whose layout this one copies, or -1 */
  char *slot;
} lcl_segment;

/* Finds a variable by name; NULL if there is none. */
lcl_var *lcl__store_find(lcl_store *store, const char *name);
/* Finds or creates. A variable that exists must agree in dtype and shape. */
lcl_status lcl__store_var(lcl_store *store, const char *name, lcl_dtype dtype, lcl_shape shape,
                          bool trainable, lcl_init init, lcl_var **out);
/* Optimiser slot "<param>.<slot>", f32, zero (or init value), laid out like the parameter. */
lcl_status lcl__store_slot(lcl_store *store, const lcl_var *param, const char *slot, float value,
                           lcl_var **out);
/* Gives every variable its place and initial value. Called by lcl_compile. */
lcl_status lcl__store_place(lcl_store *store);
const lcl_segment *lcl__store_segment(const lcl_store *store, int index);
/* The segment that holds slot of the parameters of segment index; NULL if none. */
const lcl_segment *lcl__store_slot_segment(const lcl_store *store, int index, const char *slot);
/* Another owner: a graph or program. lcl_store_destroy takes one away. */
lcl_store *lcl__store_retain(lcl_store *store);
uint64_t lcl__store_seed(const lcl_store *store);

#endif
