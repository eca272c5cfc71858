#include "ops/map_code.h"

/* What a code is: its name, operands, and the OpenCL expression of a, b, c and the parameter p. T
 * is float or a float vector; relational operators give int vectors, which select() takes.
 * Comparisons are written so that NaN survives. */
static const struct {
  const char *name;
  int arity;
  const char *expression;
} codes[LCL_MAP_CODES] = {
  [LCL_MAP_COPY] = { "copy", 1, "$a" },
  [LCL_MAP_NEG] = { "neg", 1, "-$a" },
  [LCL_MAP_ABS] = { "abs", 1, "fabs($a)" },
  [LCL_MAP_SIGN] = { "sign", 1, "sign($a)" },
  [LCL_MAP_EXP] = { "exp", 1, "exp($a)" },
  [LCL_MAP_LOG] = { "log", 1, "log($a)" },
  [LCL_MAP_SQRT] = { "sqrt", 1, "sqrt($a)" },
  [LCL_MAP_RSQRT] = { "rsqrt", 1, "(T)(1.0f) / sqrt($a)" },
  [LCL_MAP_SQUARE] = { "square", 1, "$a * $a" },
  [LCL_MAP_RECIP] = { "recip", 1, "(T)(1.0f) / $a" },
  [LCL_MAP_RELU] = { "relu", 1, "select($a, (T)(0.0f), $a < (T)(0.0f))" },
  [LCL_MAP_LEAKY_RELU] = { "leaky_relu", 1, "select($a, $a * (T)($p), $a < (T)(0.0f))" },
  [LCL_MAP_SIGMOID] = { "sigmoid", 1, "(T)(1.0f) / ((T)(1.0f) + exp(-$a))" },
  [LCL_MAP_TANH] = { "tanh", 1, "tanh($a)" },
  [LCL_MAP_SOFTPLUS] = { "softplus", 1,
                         "(select($a, (T)(0.0f), $a < (T)(0.0f)) + log1p(exp(-fabs($a))))" },
  [LCL_MAP_FLOOR] = { "floor", 1, "floor($a)" },
  /* PoCL's vector functions give wrong results beside an infinite lane, so none is infinite. */
  [LCL_MAP_SIN] = { "sin", 1, "sin(select((T)(0.0f), $a, fabs($a) <= (T)(MAXFLOAT))) + ($a - $a)" },
  [LCL_MAP_COS] = { "cos", 1, "cos(select((T)(0.0f), $a, fabs($a) <= (T)(MAXFLOAT))) + ($a - $a)" },
  [LCL_MAP_SCALE] = { "scale", 1, "$a * (T)($p)" },
  [LCL_MAP_SHIFT] = { "shift", 1, "$a + (T)($p)" },
  [LCL_MAP_CAST] = { "cast", 1, "$a" },
  [LCL_MAP_ADD] = { "add", 2, "$a + $b" },
  [LCL_MAP_SUB] = { "sub", 2, "$a - $b" },
  [LCL_MAP_MUL] = { "mul", 2, "$a * $b" },
  [LCL_MAP_DIV] = { "div", 2, "$a / $b" },
  [LCL_MAP_MAX] = { "maximum", 2, "select($b, $a, ($a >= $b) | ($a != $a))" },
  [LCL_MAP_MIN] = { "minimum", 2, "select($b, $a, ($a <= $b) | ($a != $a))" },
  [LCL_MAP_GREATER] = { "greater", 2, "select((T)(0.0f), (T)(1.0f), $a > $b)" },
  [LCL_MAP_LESS] = { "less", 2, "select((T)(0.0f), (T)(1.0f), $a < $b)" },
  [LCL_MAP_EQUAL] = { "equal", 2, "select((T)(0.0f), (T)(1.0f), $a == $b)" },
  [LCL_MAP_SELECT] = { "select", 3, "select($c, $b, $a != (T)(0.0f))" },
};

int lcl__map_arity(lcl_map_code code) {
  return codes[code].arity;
}
const char *lcl__map_name(lcl_map_code code) {
  return codes[code].name;
}
bool lcl__map_is_cheap(lcl_map_code code) {
  switch (code) {
  case LCL_MAP_COPY:
  case LCL_MAP_NEG:
  case LCL_MAP_ABS:
  case LCL_MAP_SQUARE:
  case LCL_MAP_RELU:
  case LCL_MAP_LEAKY_RELU:
  case LCL_MAP_SCALE:
  case LCL_MAP_SHIFT:
  case LCL_MAP_ADD:
  case LCL_MAP_SUB:
  case LCL_MAP_MUL:
  case LCL_MAP_MAX:
  case LCL_MAP_MIN:
  case LCL_MAP_GREATER:
  case LCL_MAP_LESS:
  case LCL_MAP_EQUAL:
  case LCL_MAP_SELECT: return true;
  default: return false;
  }
}

void lcl__map_expression(lcl_str *s, lcl_map_code code, const char *a, const char *b, const char *c,
                         const char *p) {
  for (const char *e = codes[code].expression; *e; e++) {
    if (*e != '$') {
      lcl__str_append(s, e, 1);
      continue;
    }
    e++;
    lcl__str_add(s, "%s", *e == 'a' ? a : *e == 'b' ? b : *e == 'c' ? c : p);
  }
}
