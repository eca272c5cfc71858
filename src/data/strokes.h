/* How the ten digits are written: pen paths in a box of 100 x 100, x to the right, y down. */
#ifndef LCL_STROKES_H
#define LCL_STROKES_H

#define LCL_STROKE_MAX_POINTS 12
#define LCL_STROKE_MAX_PATHS  3

/* A path through its points: a smooth curve (centripetal in spirit: uniform Catmull-Rom), or
 * straight lines. */
typedef struct lcl_stroke_path {
  int n;
  int straight;
  signed char xy[LCL_STROKE_MAX_POINTS][2];
} lcl_stroke_path;

typedef struct lcl_glyph {
  int digit;
  int n;
  lcl_stroke_path path[LCL_STROKE_MAX_PATHS];
} lcl_glyph;

extern const lcl_glyph lcl__glyphs[];
extern const int lcl__n_glyphs;

#endif
