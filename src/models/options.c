/* Options of models: parsing with messages that list what is valid, and typed reading. */
#include <math.h>
#include <stdio.h>

#include "base/text.h"
#include "models/build.h"

typedef struct value {
  char *text; /* NULL: the default of the definition */
} value;

struct lcl_options {
  const lcl_option
      *def; /* static tables of the classes, joined: the array is ours, the strings are theirs */
  value *values;
  size_t n;
};

lcl_status lcl_options_create(const lcl_option *options, size_t n, lcl_options **out) {
  LCL_NEED(options, out);
  *out = NULL;
  lcl_options *o = lcl__alloc(sizeof *o);
  if (!o) return LCL_ERR_HOST_MEMORY;
  lcl_option *def = lcl__alloc(LCL_MAX(n, 1) * sizeof *def);
  o->def = def;
  o->values = lcl__alloc(LCL_MAX(n, 1) * sizeof *o->values);
  if (!def || !o->values) {
    lcl_options_destroy(o);
    return LCL_ERR_HOST_MEMORY;
  }
  if (n) memcpy(def, options, n * sizeof *def);
  o->n = n;
  *out = o;
  return LCL_OK;
}

lcl_status lcl_options_copy(const lcl_options *from, lcl_options **out) {
  LCL_NEED(from, out);
  LCL_TRY(lcl_options_create(from->def, from->n, out));
  for (size_t i = 0; i < from->n; i++) {
    if (!from->values[i].text) continue;
    (*out)->values[i].text = lcl__strdup(from->values[i].text);
    if (!(*out)->values[i].text) {
      lcl_options_destroy(*out);
      *out = NULL;
      return LCL_ERR_HOST_MEMORY;
    }
  }
  return LCL_OK;
}

void lcl_options_destroy(lcl_options *o) {
  if (!o) return;
  for (size_t i = 0; i < o->n; i++) lcl__free(o->values[i].text);
  lcl__free(o->values);
  lcl__free((void *)o->def);
  lcl__free(o);
}

static const lcl_option *find(const lcl_options *o, const char *name, size_t *index) {
  for (size_t i = 0; name && i < o->n; i++) {
    if (strcmp(o->def[i].name, name) == 0) {
      *index = i;
      return &o->def[i];
    }
  }
  return NULL;
}

bool lcl__parse_bool(const char *text, bool *out) {
  static const char *const yes[] = { "true", "yes", "on", "1" };
  static const char *const no[] = { "false", "no", "off", "0" };
  for (size_t i = 0; i < LCL_COUNT(yes); i++) {
    if (lcl__casecmp(text, yes[i]) == 0) return *out = true, true;
    if (lcl__casecmp(text, no[i]) == 0) return *out = false, true;
  }
  return false;
}

static bool choice_listed(const char *choices, const char *text) {
  size_t n = strlen(text);
  if (n == 0 || strchr(text, '|')) return false;
  for (const char *p = choices; p; p = strchr(p, '|')) {
    if (*p == '|') p++;
    if (strncmp(p, text, n) == 0 && (p[n] == '|' || p[n] == '\0')) return true;
  }
  return false;
}

static lcl_status expected(const lcl_option *d, const char *what, const char *text) {
  return lcl__fail(LCL_ERR_ARGUMENT, "option %s: expected %s%s%s, got \"%s\"", d->name, what,
                   d->allowed ? " in " : "", d->allowed ? d->allowed : "", text);
}

/* none: whether no text at all stands for none, where that is the default. */
static lcl_status check_value(const lcl_option *d, const char *text, bool none) {
  int64_t i;
  double f;
  bool b;
  if (none && *text == '\0' && *d->value == '\0') return LCL_OK;
  switch (d->type) {
  case LCL_OPTION_INT:
    if (!lcl__parse_whole(text, &i) || !lcl__inside(d->allowed, (double)i))
      return expected(d, "a whole number", text);
    return LCL_OK;
  case LCL_OPTION_FLOAT:
    /* Models take it as a float, which must not become infinite or 0 or leave the interval either.
     */
    if (!lcl__parse_number(text, &f) || !isfinite((float)f) || ((float)f == 0 && f != 0) ||
        !lcl__inside(d->allowed, f) || !lcl__inside(d->allowed, (float)f))
      return expected(d, "a number", text);
    return LCL_OK;
  case LCL_OPTION_BOOL:
    if (!lcl__parse_bool(text, &b))
      return lcl__fail(LCL_ERR_ARGUMENT, "option %s: expected true or false, got \"%s\"", d->name,
                       text);
    return LCL_OK;
  case LCL_OPTION_CHOICE:
    if (!choice_listed(d->allowed, text))
      return lcl__fail(LCL_ERR_ARGUMENT, "option %s: expected one of %s, got \"%s\"", d->name,
                       d->allowed, text);
    return LCL_OK;
  case LCL_OPTION_INTS:
    if (!lcl__list_inside(d->allowed, ",-", true, text))
      return expected(d, "whole numbers with commas between", text);
    return LCL_OK;
  case LCL_OPTION_FLOATS:
    if (!lcl__list_inside(d->allowed, ",", false, text))
      return expected(d, "numbers with commas between", text);
    return LCL_OK;
  case LCL_OPTION_STRING: return lcl__check_common_text(d->name, text);
  }
  return LCL_OK;
}

static lcl_status set(lcl_options *o, const char *name, const char *text, bool none) {
  size_t i;
  const lcl_option *d = find(o, name, &i);
  if (!d) {
    lcl_str list = { 0 };
    lcl_nearest nearest = { .typed = name };
    char hint[96];
    for (size_t k = 0; k < o->n; k++) {
      lcl__str_add(&list, "%s%s", k ? ", " : "", o->def[k].name);
      lcl__nearest_try(&nearest, o->def[k].name);
    }
    lcl_status s = lcl__fail(LCL_ERR_ARGUMENT, "there is no option \"%s\"%s; there are: %s", name,
                             lcl__nearest_hint(&nearest, "", hint), list.data ? list.data : "none");
    lcl__str_free(&list);
    return s;
  }
  LCL_TRY(check_value(d, text, none));
  char *copy = lcl__strdup(text);
  if (!copy) return LCL_ERR_HOST_MEMORY;
  lcl__free(o->values[i].text);
  o->values[i].text = copy;
  return LCL_OK;
}

lcl_status lcl_options_set(lcl_options *o, const char *name, const char *text) {
  LCL_NEED(o, name, text);
  return set(o, name, text, true);
}

/* A pair is what a person typed: without a value a number was meant and left out. */
lcl_status lcl_options_set_pair(lcl_options *o, const char *pair) {
  LCL_NEED(o, pair);
  const char *eq = strchr(pair, '=');
  char name[64];
  if (!eq || eq == pair || (size_t)(eq - pair) >= sizeof name)
    return lcl__fail(LCL_ERR_ARGUMENT, "expected name=value, got \"%s\"", pair);
  memcpy(name, pair, (size_t)(eq - pair));
  name[eq - pair] = '\0';
  return set(o, name, eq + 1, false);
}

const char *lcl_option_text(const lcl_options *o, const char *name) {
  if (!o) return NULL;
  size_t i;
  const lcl_option *d = find(o, name, &i);
  if (!d) {
    lcl__logf(LCL_LOG_ERROR, "a model reads the option \"%s\" that it does not have",
              name ? name : "(NULL)");
    return "";
  }
  return o->values[i].text ? o->values[i].text : d->value;
}

int64_t lcl_option_int(const lcl_options *o, const char *name) {
  if (!o) return 0;
  int64_t v = 0;
  return lcl__parse_whole(lcl_option_text(o, name), &v) ? v : 0;
}

double lcl_option_float(const lcl_options *o, const char *name) {
  if (!o) return 0;
  double v = 0;
  return lcl__parse_number(lcl_option_text(o, name), &v) ? v : 0;
}

bool lcl_option_bool(const lcl_options *o, const char *name) {
  if (!o) return false;
  bool v = false;
  return lcl__parse_bool(lcl_option_text(o, name), &v) && v;
}

bool lcl_option_is(const lcl_options *o, const char *name, const char *choice) {
  if (!o || !choice) return false;
  return strcmp(lcl_option_text(o, name), choice) == 0;
}

bool lcl_option_given(const lcl_options *o, const char *name) {
  if (!o) return false;
  size_t i;
  return find(o, name, &i) && o->values[i].text && o->values[i].text[0];
}

float lcl_option_float_or(const lcl_options *o, const char *name, float otherwise) {
  if (!o) return 0;
  return lcl_option_given(o, name) ? (float)lcl_option_float(o, name) : otherwise;
}

size_t lcl_options_count(const lcl_options *o) {
  if (!o) return 0;
  return o->n;
}

const lcl_option *lcl_options_at(const lcl_options *o, size_t index) {
  if (!o) return NULL;
  return index < o->n ? &o->def[index] : NULL;
}

/* ---- where an option changes anything: lcl_option.when ---- */

/* One term: "name=A|B" or "name!=A|B". */
typedef struct term {
  char name[48], values[160];
  bool except; /* "!=" */
} term;

/* The next term of the text, and the rest behind it; false: none, or something else. */
static bool next_term(const char **text, term *t) {
  const char *at = *text;
  const size_t name = strcspn(at, "!="), whole = strcspn(at, ",");
  t->except = at[name] == '!';
  const size_t begin = name + (t->except ? 2 : 1);
  if (!name || name >= sizeof t->name || begin >= whole || whole - begin >= sizeof t->values ||
      at[begin - 1] != '=')
    return false;
  snprintf(t->name, sizeof t->name, "%.*s", (int)name, at);
  snprintf(t->values, sizeof t->values, "%.*s", (int)(whole - begin), at + begin);
  *text = at + whole + strspn(at + whole, ", ");
  return true;
}

/* Whether the text is one of the values "A|B", as text, number or switch. */
static bool among(const char *text, const char *values) {
  char copy[sizeof((term *)NULL)->values], *rest = copy;
  double number, other;
  bool on, yes;
  snprintf(copy, sizeof copy, "%s", values);
  for (const char *v = strtok_r(copy, "|", &rest); v; v = strtok_r(NULL, "|", &rest)) {
    if (strcmp(text, v) == 0) return true;
    if (lcl__parse_number(text, &number) && lcl__parse_number(v, &other) && number == other)
      return true;
    if (lcl__parse_bool(text, &on) && lcl__parse_bool(v, &yes) && on == yes) return true;
  }
  return false;
}

lcl_status lcl__check_when(const lcl_options *o, size_t index) {
  const char *text = o->def[index].when;
  term t;
  while (text && *text) {
    size_t i = index;
    if (!next_term(&text, &t) || !find(o, t.name, &i) || i >= index)
      return lcl__fail(LCL_ERR_ARGUMENT,
                       "option %s: expected options before it with their values, as "
                       "\"arch=a|b, noise!=0\", got \"%s\"",
                       o->def[index].name, o->def[index].when);
    char *rest = t.values;
    for (char *v = strtok_r(t.values, "|", &rest); v; v = strtok_r(NULL, "|", &rest))
      LCL_TRY(check_value(&o->def[i], v, false));
  }
  return LCL_OK;
}

lcl_status lcl__check_option_used(const lcl_model_class *cls, const lcl_options *o,
                                  const lcl_model_data *data, const char *name) {
  size_t i;
  const lcl_option *d = find(o, name, &i);
  const char *text = d ? d->when : NULL;
  term t;
  while (text && *text && next_term(&text, &t)) {
    LCL_TRY(lcl__check_option_used(cls, o, data, t.name));
    const char *is = lcl_option_text(o, t.name);
    if (cls->automatic && strcmp(is, "auto") == 0) is = cls->automatic(t.name, data);
    if (among(is, t.values) == t.except)
      return lcl__fail(LCL_ERR_ARGUMENT,
                       "option %s would change nothing here: it is for %s%s%s, and %s is %s", name,
                       t.name, t.except ? "!=" : "=", t.values, t.name, is);
  }
  return LCL_OK;
}

lcl_status lcl__check_options_used(const lcl_model_class *cls, const lcl_options *o,
                                   const lcl_options *given, const lcl_model_data *data) {
  for (size_t i = 0; i < cls->n_options; i++)
    if (lcl_option_given(given, cls->options[i].name))
      LCL_TRY(lcl__check_option_used(cls, o, data, cls->options[i].name));
  return LCL_OK;
}
