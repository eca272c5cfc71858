/* What one op of the table is: attributes as text, help. */
#include "reference/spec.h"

#include <math.h>

#include "base/text.h"
int lcl__spec_inputs(const lcl_spec *spec) {
  int n = 0;
  while (n < LCL_SPEC_INS && spec->in[n].name) n++;
  return n;
}

int lcl__spec_outputs(const lcl_spec *spec) {
  int n = 0;
  while (n < LCL_SPEC_OUTS && spec->out[n]) n++;
  return n;
}

int lcl__spec_attrs(const lcl_spec *spec) {
  int n = 0;
  while (n < LCL_SPEC_ATTRS && spec->attr[n].name) n++;
  return n;
}

/* ---- attributes ---- */

static const char *expected(lcl_attr_kind kind) {
  switch (kind) {
  case LCL_ATTR_INT: return "an integer";
  case LCL_ATTR_FLOAT: return "a number";
  case LCL_ATTR_BOOL: return "true or false";
  case LCL_ATTR_PAIR: return "one or two integers, as 2 or 2,1";
  case LCL_ATTR_PAD: return "one, two or four integers, or same";
  case LCL_ATTR_PAD4: return "one, two or four integers";
  case LCL_ATTR_AXES: return "axes, as 0,2, or all";
  case LCL_ATTR_CHOICE: return "one of the words";
  case LCL_ATTR_LIST: return "integers separated by commas";
  }
  return "";
}

/* "1,2,3" into a->i; false when it is anything else. Values must fit an int unless wide. */
static bool parse_integers(const char *text, bool wide, lcl_attr *a) {
  const int64_t most = wide ? INT64_MAX : INT32_MAX;
  const int n = *text ? lcl__parse_list(text, ",", -most, most, a->i, LCL_MAX_RANK) : 0;
  a->n = LCL_MAX(n, 0);
  return n >= 0;
}

static bool parse_bool(const char *text, lcl_attr *a) {
  static const char *const yes[] = { "1", "true", "True", "yes", "on", "" }, *const no[] = {
    "0", "false", "False", "no", "off"
  };
  a->n = 1;
  for (size_t i = 0; i < LCL_COUNT(yes); i++)
    if (strcmp(text, yes[i]) == 0) return a->i[0] = 1, true;
  for (size_t i = 0; i < LCL_COUNT(no); i++)
    if (strcmp(text, no[i]) == 0) return a->i[0] = 0, true;
  return false;
}

/* Index of text among the words "A|B|C". */
static bool parse_choice(const char *text, const char *words, lcl_attr *a) {
  const size_t n = strlen(text);
  a->n = 1;
  a->i[0] = 0;
  for (const char *w = words; n > 0; a->i[0]++) {
    const size_t length = strcspn(w, "|");
    if (length == n && strncmp(w, text, n) == 0) return true;
    if (w[length] == 0) return false;
    w += length + 1;
  }
  return false;
}

static bool parse_pad(const char *text, lcl_attr *a) {
  if (!parse_integers(text, false, a)) return false;
  if (a->n == 1)
    a->i[1] = a->i[2] = a->i[3] = a->i[0];
  else if (a->n == 2)
    a->i[2] = a->i[3] = a->i[1], a->i[1] = a->i[0];
  else if (a->n != 4)
    return false;
  a->n = 4;
  return true;
}

static bool parse_attr(const lcl_attr_spec *s, const char *text, lcl_attr *a) {
  memset(a, 0, sizeof *a);
  switch (s->kind) {
  case LCL_ATTR_INT: return parse_integers(text, true, a) && a->n == 1;
  case LCL_ATTR_BOOL: return parse_bool(text, a);
  case LCL_ATTR_PAIR:
    if (!parse_integers(text, false, a) || a->n < 1 || a->n > 2) return false;
    if (a->n == 1) a->i[1] = a->i[0];
    a->n = 2;
    return true;
  case LCL_ATTR_PAD:
    if (strcmp(text, "same") == 0) return a->same = true, a->n = 4, true;
    return parse_pad(text, a);
  case LCL_ATTR_PAD4: return parse_pad(text, a);
  case LCL_ATTR_AXES: return strcmp(text, "all") == 0 || parse_integers(text, false, a);
  case LCL_ATTR_CHOICE: return parse_choice(text, s->words, a);
  case LCL_ATTR_LIST: return parse_integers(text, true, a);
  case LCL_ATTR_FLOAT: {
    a->n = 1;
    return lcl__parse_number(text, &a->f) && isfinite((float)a->f);
  }
  }
  return false;
}

lcl_status lcl__case_create(const lcl_spec *spec, lcl_case **out) {
  lcl_arena *arena = lcl__arena_create();
  lcl_case *c = arena ? lcl__arena_alloc(arena, sizeof *c) : NULL;
  if (!c) {
    if (arena) lcl__arena_destroy(arena);
    return LCL_ERR_HOST_MEMORY;
  }
  c->spec = spec;
  c->arena = arena;
  for (int i = 0; i < lcl__spec_attrs(spec); i++)
    if (spec->attr[i].by_default)
      parse_attr(&spec->attr[i], spec->attr[i].by_default, &c->attr[i]);
    else
      c->attr[i].n = -1; /* not given */
  *out = c;
  return LCL_OK;
}

void lcl__case_destroy(lcl_case *c) {
  if (c) lcl__arena_destroy(c->arena); /* the case itself lives there */
}

static lcl_status unknown_attr(const lcl_spec *spec, const char *key, size_t n) {
  lcl_str names = { 0 };
  for (int i = 0; i < lcl__spec_attrs(spec); i++)
    lcl__str_add(&names, "%s%s", i ? ", " : "", spec->attr[i].name);
  lcl__fail(LCL_ERR_ARGUMENT, "%s has no attribute '%.*s'; it has %s", spec->name,
            (int)LCL_MIN(n, 40), key, names.n ? names.data : "none");
  lcl__str_free(&names);
  return LCL_ERR_ARGUMENT;
}

lcl_status lcl__case_set(lcl_case *c, const char *assignment) {
  const size_t n = strcspn(assignment, "=");
  for (int i = 0; i < lcl__spec_attrs(c->spec); i++) {
    const lcl_attr_spec *s = &c->spec->attr[i];
    if (strlen(s->name) != n || strncmp(s->name, assignment, n) != 0) continue;
    const char *value = assignment[n] ? assignment + n + 1 : "";
    if (!assignment[n] && s->kind != LCL_ATTR_BOOL)
      return lcl__fail(LCL_ERR_ARGUMENT, "%s: attribute %s needs a value: %s=...", c->spec->name,
                       s->name, s->name);
    if (parse_attr(s, value, &c->attr[i])) return LCL_OK;
    return lcl__fail(LCL_ERR_ARGUMENT, "%s: %s='%.60s': expected %s%s%s", c->spec->name, s->name,
                     value, expected(s->kind), s->words ? " " : "", s->words ? s->words : "");
  }
  return unknown_attr(c->spec, assignment, n);
}

lcl_status lcl__case_attributes_given(const lcl_case *c) {
  for (int i = 0; i < lcl__spec_attrs(c->spec); i++)
    if (c->attr[i].n < 0)
      return lcl__fail(LCL_ERR_ARGUMENT, "%s needs the attribute %s: %s", c->spec->name,
                       c->spec->attr[i].name, c->spec->attr[i].help);
  return LCL_OK;
}

lcl_status lcl__case_complete(const lcl_case *c) {
  LCL_TRY(lcl__case_attributes_given(c));
  for (int i = 0; i < lcl__spec_inputs(c->spec); i++)
    if (!c->in[i].data && !c->spec->in[i].optional)
      return lcl__fail(LCL_ERR_ARGUMENT, "%s needs the input %s", c->spec->name,
                       c->spec->in[i].name);
  return LCL_OK;
}

const lcl_attr *lcl__case_attr(const lcl_case *c, const char *name) {
  for (int i = 0; i < lcl__spec_attrs(c->spec); i++)
    if (strcmp(c->spec->attr[i].name, name) == 0) return &c->attr[i];
  static const lcl_attr none;
  return &none;
}

lcl_status lcl__attr_axes(const lcl_attr *a, int rank, unsigned *mask) {
  *mask = a->n == 0 ? (1u << rank) - 1 : 0;
  for (int k = 0; k < a->n; k++) {
    const int64_t axis = a->i[k] < 0 ? a->i[k] + rank : a->i[k];
    if (axis < 0 || axis >= rank)
      return lcl__fail(LCL_ERR_SHAPE, "axis %lld is outside a tensor of rank %d",
                       (long long)a->i[k], rank);
    if (*mask >> axis & 1)
      return lcl__fail(LCL_ERR_ARGUMENT, "axis %lld is given twice", (long long)a->i[k]);
    *mask |= 1u << axis;
  }
  return LCL_OK;
}

lcl_status lcl__attr_axis(const lcl_attr *a, int rank, int *axis) {
  const int64_t k = a->i[0] < 0 ? a->i[0] + rank : a->i[0];
  if (k < 0 || k >= rank)
    return lcl__fail(LCL_ERR_SHAPE, "axis %lld is outside a tensor of rank %d", (long long)a->i[0],
                     rank);
  *axis = (int)k;
  return LCL_OK;
}

/* ---- text ---- */

static const char *input_type(const lcl_spec_input *in) {
  if (in->any_dtype) return "f32, i32 or u8";
  return in->domain == LCL_INDEX ? "i32 or u8" : "f32";
}

void lcl__spec_help(const lcl_spec *spec, lcl_str *text) {
  lcl__str_add(text, "%s: %s\n\nusage: latentcl op %s", spec->name, spec->summary, spec->name);
  if (lcl__spec_attrs(spec)) lcl__str_add(text, " [--attr KEY=VALUE ...]");
  if (lcl__spec_inputs(spec)) lcl__str_add(text, " --in");
  for (int i = 0; i < lcl__spec_inputs(spec); i++)
    lcl__str_add(text, spec->in[i].optional ? " [%s.npy]" : " %s.npy", spec->in[i].name);
  lcl__str_add(text, " --out");
  for (int i = 0; i < lcl__spec_outputs(spec); i++)
    lcl__str_add(text, i ? " [%s.npy]" : " %s.npy", spec->out[i]);
  if (spec->backward) {
    lcl__str_add(text, "\n         [--grad-in");
    for (int i = 0; i < lcl__spec_outputs(spec); i++)
      lcl__str_add(text, i ? " [d%s.npy]" : " d%s.npy", spec->out[i]);
    lcl__str_add(text, " --grad-out");
    for (int i = 0; i < lcl__spec_inputs(spec); i++)
      lcl__str_add(text, " d%s.npy", spec->in[i].name);
    lcl__str_add(text, "]");
  }
  lcl__str_add(text, "\n");
  if (spec->notes) lcl__str_add(text, "\n%s\n", spec->notes);
  if (lcl__spec_inputs(spec)) lcl__str_add(text, "\ninputs\n");
  for (int i = 0; i < lcl__spec_inputs(spec); i++)
    lcl__str_add(text, "  %-14s %s%s\n", spec->in[i].name, input_type(&spec->in[i]),
                 spec->in[i].optional ? ", may be left out" : "");
  if (lcl__spec_attrs(spec)) lcl__str_add(text, "\nattributes\n");
  for (int i = 0; i < lcl__spec_attrs(spec); i++) {
    const lcl_attr_spec *a = &spec->attr[i];
    const char *value = !a->by_default ? "required" : *a->by_default ? a->by_default : "none";
    if (a->kind == LCL_ATTR_AXES && a->by_default && !*a->by_default) value = "all";
    lcl__str_add(text, "  %-17s %s (%s; %s%s)\n", a->name, a->help,
                 a->words ? a->words : expected(a->kind), a->by_default ? "default " : "", value);
  }
  if (!spec->backward) lcl__str_add(text, "\nThis op has no gradient.\n");
}
