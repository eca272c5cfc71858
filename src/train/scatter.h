/* Scatter plots as images. */
#ifndef LCL_TRAIN_SCATTER_H
#define LCL_TRAIN_SCATTER_H

#include "data/image.h"

/* White image of `panels` squares beside each other. */
lcl_status lcl__scatter_create(int panels, int side, lcl_image *out);

typedef struct lcl_scatter_point {
  float x, y;    /* in 0..1 of the panel, y upwards */
  int colour;    /* of a class; negative: grey */
  float radius;  /* in pixels */
  float opacity; /* 0..1 */
  bool ring;     /* a circle instead of a disc */
} lcl_scatter_point;
void lcl__scatter_draw(lcl_image *image, int side, int panel, const lcl_scatter_point *p);

/* The panels with a title above each and, below, a legend of colours: entry i is of colour i. NULL
 * as an entry is left out. */
typedef struct lcl_scatter_words {
  const char *const *titles; /* one a panel */
  const char *const *legend;
  int entries;
  const char *ring; /* what circles are; NULL: there are none */
} lcl_scatter_words;
lcl_status lcl__scatter_frame(const lcl_image *plot, int panels, int side,
                              const lcl_scatter_words *words, lcl_image *out);
enum { LCL_SCATTER_HEAD = 40 }; /* pixels above the panels */

/* A whole number centred on (x,y), as above, dark on a white rim. */
void lcl__scatter_number(lcl_image *image, int side, int panel, float x, float y, int number);

#endif
