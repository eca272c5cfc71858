/* Layer 0: JSON read and written whatever locale the process has, and checked before it is used:
 * files may come from anywhere. */
#ifndef LCL_JSON_H
#define LCL_JSON_H

#include <cjson/cJSON.h>

#include "base/base.h"

/* NULL: not JSON. cJSON_Delete() it. */
cJSON *lcl__json_parse(const char *text, size_t n);
/* Numbers that JSON does not have (NaN, Inf) become null. free() it; NULL: out of memory. */
char *lcl__json_print(const cJSON *json, bool indented);
/* Appends text as a JSON string, quotes included, and a number or null. */
void lcl__str_json_text(lcl_str *s, const char *text);
void lcl__str_json_number(lcl_str *s, double v);

/* ---- what a file must look like ---- */

typedef enum lcl_json_type {
  LCL_JSON_TEXT,
  LCL_JSON_NUMBER, /* finite, in [lo, hi]; null stands for one that was not finite */
  LCL_JSON_WHOLE,  /* a whole number in [lo, hi] */
  LCL_JSON_BOOL,
  LCL_JSON_OBJECT,  /* of anything */
  LCL_JSON_TEXTS,   /* an object of texts */
  LCL_JSON_NUMBERS, /* an object of finite numbers and nulls */
  LCL_JSON_SCALARS, /* an object of texts, numbers, true, false, null, and arrays of numbers or
                       texts */
  LCL_JSON_ROWS,    /* an array of objects */
  LCL_JSON_MATRIX   /* a square array of arrays of numbers in [lo, hi] */
} lcl_json_type;

typedef struct lcl_json_field {
  const char *name;
  lcl_json_type type;
  bool required;
  double lo, hi; /* hi == lo: any */
} lcl_json_field;

/* Every named member has its type and range; others are ignored. LCL_ERR_FORMAT names the
 * member and says what was expected. what: the file, for the message. */
lcl_status lcl__json_check(const cJSON *json, const char *what, const lcl_json_field *fields,
                           size_t n);
/* A file of one object, checked so; *out NULL: there is no such file, or it failed. cJSON_Delete()
 * it. */
lcl_status lcl__json_file(const char *path, size_t max_bytes, const lcl_json_field *fields,
                          size_t n, cJSON **out);

/* ---- reading ---- */

/* NAN (also where it is not finite), NULL or "" where there is none. */
double lcl__json_number(const cJSON *parent, const char *name);
const cJSON *lcl__json_child(const cJSON *parent, const char *name);
const char *lcl__json_word(const cJSON *parent, const char *name);
/* For cJSON_ArrayForEach: the child if it is an object, so that every item has a name; if it is an
 * array; else NULL. */
const cJSON *lcl__json_members(const cJSON *parent, const char *name);
const cJSON *lcl__json_items(const cJSON *parent, const char *name);

#endif
