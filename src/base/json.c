/* JSON: parsing and printing without a locale, types and ranges. */
#include "base/json.h"

#include <math.h>

#include "base/text.h"

cJSON *lcl__json_parse(const char *text, size_t n) {
  const locale_t before = lcl__c_locale();
  const char *end = text;
  cJSON *json = cJSON_ParseWithLengthOpts(text, n, &end, false);
  uselocale(before);
  while (json && end < text + n && strchr(" \t\r\n", *end) && *end) end++;
  if (!json || end == text + n) return json;
  cJSON_Delete(json); /* one value, and nothing after it */
  return NULL;
}

/* Takes text of malloc. */
static char *visible(char *text) {
  char *copy = text ? malloc(6 * strlen(text) + 4) : NULL;
  if (copy) lcl__json_visible(copy, text);
  free(text);
  return copy;
}

char *lcl__json_print(const cJSON *json, bool indented) {
  const locale_t before = lcl__c_locale();
  char *text = indented ? cJSON_Print(json) : cJSON_PrintUnformatted(json);
  uselocale(before);
  return visible(text);
}

void lcl__str_json_text(lcl_str *s, const char *text) {
  cJSON *json = cJSON_CreateStringReference(text);
  char *quoted = json ? visible(cJSON_PrintUnformatted(json)) : NULL;
  if (quoted)
    lcl__str_append(s, quoted, strlen(quoted));
  else
    s->failed = true;
  free(quoted);
  cJSON_Delete(json);
}

void lcl__str_json_number(lcl_str *s, double v) {
  if (isfinite(v))
    lcl__str_add(s, "%.9g", v);
  else
    lcl__str_append(s, "null", 4);
}

/* ---- checks ---- */

static bool number_in(const cJSON *j, const lcl_json_field *f) {
  if (!cJSON_IsNumber(j) || !isfinite(j->valuedouble)) return false;
  return f->hi == f->lo || (j->valuedouble >= f->lo && j->valuedouble <= f->hi);
}

static bool numbers(const cJSON *j) {
  const cJSON *item;
  cJSON_ArrayForEach(item, j) {
    if (!cJSON_IsNull(item) && !number_in(item, &(lcl_json_field) { 0 })) return false;
  }
  return true;
}

static bool all(const cJSON *j, cJSON_bool (*is)(const cJSON *)) {
  const cJSON *item;
  cJSON_ArrayForEach(item, j) {
    if (!is(item)) return false;
  }
  return true;
}

static bool scalars(const cJSON *j) {
  const cJSON *item;
  cJSON_ArrayForEach(item, j) {
    if (cJSON_IsArray(item) ? !numbers(item) && !all(item, cJSON_IsString) : cJSON_IsObject(item))
      return false;
    if (cJSON_IsNumber(item) && !isfinite(item->valuedouble)) return false;
  }
  return true;
}

static bool square(const cJSON *j, const lcl_json_field *f) {
  const int n = cJSON_GetArraySize(j);
  const cJSON *row, *cell;
  cJSON_ArrayForEach(row, j) {
    if (!cJSON_IsArray(row) || cJSON_GetArraySize(row) != n) return false;
    cJSON_ArrayForEach(cell, row) {
      if (!number_in(cell, f)) return false;
    }
  }
  return true;
}

static bool fits(const cJSON *j, const lcl_json_field *f) {
  switch (f->type) {
  case LCL_JSON_TEXT: return cJSON_IsString(j);
  case LCL_JSON_NUMBER: return cJSON_IsNull(j) || number_in(j, f);
  case LCL_JSON_WHOLE: return number_in(j, f) && j->valuedouble == floor(j->valuedouble);
  case LCL_JSON_BOOL: return cJSON_IsBool(j);
  case LCL_JSON_OBJECT: return cJSON_IsObject(j);
  case LCL_JSON_TEXTS: return cJSON_IsObject(j) && all(j, cJSON_IsString);
  case LCL_JSON_NUMBERS: return cJSON_IsObject(j) && numbers(j);
  case LCL_JSON_SCALARS: return cJSON_IsObject(j) && scalars(j);
  case LCL_JSON_ROWS: return cJSON_IsArray(j) && all(j, cJSON_IsObject);
  case LCL_JSON_MATRIX: return cJSON_IsArray(j) && square(j, f);
  }
  return false;
}

static lcl_status expected(const cJSON *j, const char *what, const lcl_json_field *f) {
  static const char *const names[] = { "a text",
                                       "a number",
                                       "a whole number",
                                       "true or false",
                                       "an object",
                                       "an object of texts",
                                       "an object of numbers",
                                       "an object of texts and numbers",
                                       "an array of objects",
                                       "a square array of arrays of numbers" };
  char range[64] = "", found[64] = "";
  if (f->hi > f->lo) lcl__snprintf(range, sizeof range, " in [%.10g,%.10g]", f->lo, f->hi);
  char *text = lcl__json_print(j, false);
  lcl__snprintf(found, sizeof found, "%.40s%s", text ? text : "?",
                text && strlen(text) > 40 ? "..." : "");
  free(text);
  return lcl__fail(LCL_ERR_FORMAT, "%s: \"%s\" must be %s%s, not %s", what, f->name, names[f->type],
                   range, found);
}

lcl_status lcl__json_check(const cJSON *json, const char *what, const lcl_json_field *fields,
                           size_t n) {
  if (!cJSON_IsObject(json)) return lcl__fail(LCL_ERR_FORMAT, "%s: not a JSON object", what);
  for (size_t i = 0; i < n; i++) {
    const cJSON *j = lcl__json_child(json, fields[i].name);
    if (j && !fits(j, &fields[i])) return expected(j, what, &fields[i]);
    if (!j && fields[i].required)
      return lcl__fail(LCL_ERR_FORMAT, "%s: \"%s\" is missing", what, fields[i].name);
  }
  return LCL_OK;
}

lcl_status lcl__json_file(const char *path, size_t max_bytes, const lcl_json_field *fields,
                          size_t n, cJSON **out) {
  void *text;
  size_t length;
  *out = NULL;
  if (!lcl__file_exists(path)) return LCL_OK;
  LCL_TRY(lcl__file_read(path, max_bytes, &text, &length));
  cJSON *json = lcl__json_parse(text, length);
  lcl__free(text);
  const lcl_status s = lcl__json_check(json, path, fields, n);
  if (s == LCL_OK)
    *out = json;
  else
    cJSON_Delete(json);
  return s;
}

/* ---- reading ---- */

double lcl__json_number(const cJSON *parent, const char *name) {
  const cJSON *j = lcl__json_child(parent, name);
  return cJSON_IsNumber(j) && isfinite(j->valuedouble) ? j->valuedouble : NAN;
}

const cJSON *lcl__json_child(const cJSON *parent, const char *name) {
  return cJSON_GetObjectItemCaseSensitive(parent, name);
}

const char *lcl__json_word(const cJSON *parent, const char *name) {
  const char *s = cJSON_GetStringValue(lcl__json_child(parent, name));
  return s ? s : "";
}

const cJSON *lcl__json_members(const cJSON *parent, const char *name) {
  const cJSON *j = lcl__json_child(parent, name);
  return cJSON_IsObject(j) ? j : NULL;
}

const cJSON *lcl__json_items(const cJSON *parent, const char *name) {
  const cJSON *j = lcl__json_child(parent, name);
  return cJSON_IsArray(j) ? j : NULL;
}
