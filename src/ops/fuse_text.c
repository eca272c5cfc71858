/* Generated kernels: what element-wise groups and reductions share.
 *
 * The iteration space is the group's shape with neighbouring dimensions merged where every operand
 * allows it. What is left decides the source text: the number of dimensions, how each operand moves
 * along the innermost one (not at all, by one, by a stride), element types, and the expression.
 * Sizes, strides and scalar parameters are arguments, so new shapes of the same kind need no new
 * kernel.
 *
 * Where there are reductions, a kernel walks over the space once a pass: what follows from results
 * of one pass is computed in the next, together with what it needs of the passes before. */
#include "ops/fuse_text.h"

/* ---- what the expressions read ---- */

/* The scalar behind t, through views. */
static bool scalar(lcl_tensor *t, float *value) {
  return lcl__const_value(lcl__view_source(t), value);
}

static int find_member(const lcl_fused *f, const lcl_node *node) {
  for (int i = 0; i < f->n_member; i++)
    if (f->member[i].node == node) return i;
  return -1;
}

static int add_number(lcl_fused *f, float value) {
  f->param[f->n_param] = value;
  return f->n_param++;
}

static lcl_status add_external(lcl_fused *f, const lcl_node *reader, lcl_tensor *t, int *at) {
  lcl_view v;
  LCL_TRY(lcl__lower_view(f->lw, t, &v));
  lcl_external e = { .tensor = t,
                     .offset = v.offset,
                     .arg = lcl__slot_arg(f->lw, v.slot, LCL_READ),
                     .per_result = f->space.axes != 0 };
  lcl__space_strides(&f->space, reader, t, &v, e.stride);
  for (*at = 0; *at < f->n_ext; ++*at)
    if (f->ext[*at].tensor == t && !memcmp(f->ext[*at].stride, e.stride, sizeof e.stride))
      return LCL_OK;
  for (int i = 0; i < f->space.shape.rank; i++)
    e.per_result &= !(f->space.axes & (1u << i)) || e.stride[i] == 0;
  f->ext[f->n_ext++] = e;
  return LCL_OK;
}

static lcl_status find_operand(lcl_fused *f, lcl_member *m, int j) {
  lcl_tensor *t = m->node->in[j];
  lcl_operand *in = &m->in[j];
  float value;
  const int from = find_member(f, lcl__view_source(t)->node);
  if (from >= 0) {
    const lcl_member *source = &f->member[from];
    *in = (lcl_operand) { LCL_FROM_MEMBER, from };
    m->pass = LCL_MAX(m->pass, source->pass + (source->per_result && !m->per_result));
  } else if (scalar(t, &value)) {
    *in = (lcl_operand) { LCL_FROM_NUMBER, add_number(f, value) };
  } else {
    in->from = LCL_FROM_MEMORY;
    return add_external(f, m->node, t, &in->at);
  }
  return LCL_OK;
}

static lcl_status add_member(lcl_fused *f, lcl_node *node) {
  lcl_member *m = &f->member[f->n_member];
  *m = (lcl_member) {
    .node = node, .number = -1, .output = -1, .reduces = node->op->fusion == LCL_FUSE_REDUCE
  };
  m->per_result = !m->reduces && lcl__space_per(&f->space, node) == LCL_PER_RESULT;
  m->pass = m->per_result ? -1 : 0;
  for (int j = 0; j < node->n_in; j++) LCL_TRY(find_operand(f, m, j));
  if (m->reduces) {
    m->per_result = true;
    m->number = add_number(f, ((const lcl_reduce_attr *)node->attr)->factor);
  } else {
    const lcl_map_attr *a = node->attr;
    if (a->code == LCL_MAP_SCALE || a->code == LCL_MAP_SHIFT || a->code == LCL_MAP_LEAKY_RELU)
      m->number = add_number(f, a->p);
  }
  if (lcl__lower_exports(f->lw, node)) {
    m->output = f->n_output;
    f->output[f->n_output++] = f->n_member;
  }
  f->n_pass = LCL_MAX(f->n_pass, m->pass + 1);
  f->n_member++;
  return LCL_OK;
}

lcl_status lcl__fused_collect(lcl_fused *f, lcl_node *const *nodes, int n) {
  const size_t cap = (size_t)n * 3 + 1;
  lcl_arena *a = lcl__lower_arena(f->lw);
  f->ext = lcl__arena_alloc(a, cap * sizeof *f->ext);
  f->param = lcl__arena_alloc(a, cap * 2 * sizeof *f->param);
  f->member = lcl__arena_alloc(a, (size_t)n * sizeof *f->member);
  f->output = lcl__arena_alloc(a, (size_t)n * sizeof *f->output);
  f->part = lcl__arena_alloc(a, (size_t)n * sizeof *f->part);
  if (!f->ext || !f->param || !f->member || !f->output || !f->part) return LCL_ERR_HOST_MEMORY;
  f->n_pass = 1;
  for (int i = 0; i < n; i++) LCL_TRY(add_member(f, nodes[i]));
  return LCL_OK;
}

/* ---- dimensions ---- */

/* Joins neighbouring dimensions that every operand walks as one, and so do results of the space's
 * shape. */
static void join_dimensions(lcl_fused *f) {
  bool placed = false;
  for (int k = 0; k < f->n_output; k++) placed |= !f->member[f->output[k]].per_result;
  int r = 0;
  for (int i = 0; i < f->rank; i++) {
    const int64_t n = f->dim[i];
    bool joins = r > 0 && f->reduced[r - 1] == f->reduced[i] &&
                 (!placed || f->place[r - 1] == f->place[i] * n);
    for (int e = 0; joins && e < f->n_ext; e++)
      joins = f->ext[e].stride[r - 1] == f->ext[e].stride[i] * n;
    if (!joins) {
      f->dim[r] = 1;
      f->reduced[r++] = f->reduced[i];
    }
    f->dim[r - 1] *= n;
    f->place[r - 1] = f->place[i];
    for (int e = 0; e < f->n_ext; e++) f->ext[e].stride[r - 1] = f->ext[e].stride[i];
  }
  f->rank = r;
}

/* Whether operands are read side by side along dimension i, and none along the innermost. */
static bool is_contiguous(const lcl_fused *f, int i) {
  bool any = false;
  for (int e = 0; e < f->n_ext; e++) {
    if (f->ext[e].per_result) continue;
    if (f->ext[e].stride[f->rank - 1] == 1 || f->ext[e].stride[i] > 1) return false;
    any |= f->ext[e].stride[i] == 1;
  }
  return any;
}

/* The innermost dimension is reduced: where it is short, or operands lie the other way, results
 * become neighbours instead. */
static void results_innermost(lcl_fused *f) {
  int from = f->rank - 1;
  int64_t row = 1;
  for (int i = 0; i < f->rank; i++) row *= f->reduced[i] ? f->dim[i] : 1;
  while (from >= 0 && f->reduced[from]) from--;
  if (from < 0 || !lcl__results_innermost(f->caps, is_contiguous(f, from), f->dim[f->rank - 1], row,
                                          f->dim[from]))
    return;
#define MOVE_LAST(array)                                                                           \
  do {                                                                                             \
    const int64_t moved_ = (array)[from];                                                          \
    for (int i_ = from; i_ < f->rank - 1; i_++) (array)[i_] = (array)[i_ + 1];                     \
    (array)[f->rank - 1] = moved_;                                                                 \
  } while (0)
  for (int i = from; i < f->rank - 1; i++) f->reduced[i] = f->reduced[i + 1];
  f->reduced[f->rank - 1] = false;
  MOVE_LAST(f->dim);
  MOVE_LAST(f->place);
  for (int e = 0; e < f->n_ext; e++) MOVE_LAST(f->ext[e].stride);
#undef MOVE_LAST
  join_dimensions(f);
}

void lcl__fused_merge(lcl_fused *f) {
  const lcl_shape s = f->space.shape;
  int64_t dense[LCL_MAX_RANK];
  lcl__dense_strides(s, dense);
  for (int i = 0; i < s.rank; i++) {
    if (s.dim[i] == 1) continue;
    f->dim[f->rank] = s.dim[i];
    f->reduced[f->rank] = (f->space.axes >> i) & 1u;
    f->place[f->rank] = dense[i];
    for (int e = 0; e < f->n_ext; e++) f->ext[e].stride[f->rank] = f->ext[e].stride[i];
    f->rank++;
  }
  if (f->rank == 0) {
    f->dim[0] = 1;
    f->place[0] = 1;
    f->reduced[0] = f->space.axes != 0;
    f->rank = 1;
    for (int e = 0; e < f->n_ext; e++) f->ext[e].stride[0] = 0;
  }
  join_dimensions(f);
  if (f->reduced[f->rank - 1]) results_innermost(f);
  for (int e = 0; e < f->n_ext; e++)
    for (int i = f->rank; i < LCL_MAX_RANK; i++) f->ext[e].stride[i] = 0;
}

/* ---- text ---- */

static const char *c_type(lcl_dtype d) {
  return d == LCL_F32 ? "float" : d == LCL_I32 ? "int" : d == LCL_F16 ? "half" : "uchar";
}

/* Component i of a vector. */
static char component(int i) {
  return "0123456789abcdef"[i];
}

/* x<e> of type T: external e from <base><e> on, v neighbours along the innermost dimension. */
static void load(lcl_fused *f, int e, int v, char base) {
  const lcl_dtype d = f->ext[e].tensor->dtype;
  const int64_t s = f->ext[e].stride[f->rank - 1];
  const int last = f->rank - 1;
  lcl_str *o = &f->src;
  char pos[32] = "";
  if (v == 1 || s == 0) {
    if (s == 1)
      snprintf(pos, sizeof pos, " + j");
    else if (s != 0)
      snprintf(pos, sizeof pos, " + j * s%d.s%d", e, last);
    if (d == LCL_F16)
      lcl__str_add(o, "T x%d = (T)(vload_half(%c%d%s, p%d));\n", e, base, e, pos, e);
    else
      lcl__str_add(o, "T x%d = (T)((float)p%d[%c%d%s]);\n", e, e, base, e, pos);
  } else if (s == 1) {
    if (d == LCL_F32)
      lcl__str_add(o, "T x%d = vload%d(0, p%d + %c%d + j);\n", e, v, e, base, e);
    else if (d == LCL_F16)
      lcl__str_add(o, "T x%d = vload_half%d(0, p%d + %c%d + j);\n", e, v, e, base, e);
    else
      lcl__str_add(o, "T x%d = convert_float%d(vload%d(0, p%d + %c%d + j));\n", e, v, v, e, base,
                   e);
  } else {
    lcl__str_add(o, "T x%d = (T)(", e);
    for (int k = 0; k < v; k++) {
      const char *sep = k ? ", " : "";
      if (d == LCL_F16)
        lcl__str_add(o, "%svload_half(%c%d + (j + %d) * s%d.s%d, p%d)", sep, base, e, k, e, last,
                     e);
      else
        lcl__str_add(o, "%s(float)p%d[%c%d + (j + %d) * s%d.s%d]", sep, e, base, e, k, e, last);
    }
    lcl__str_add(o, ");\n");
  }
}

/* Stores the v values `name` in output k at `where` + j; apart: not as neighbours, but by the
 * innermost stride. */
static void store(lcl_fused *f, int k, const char *name, int v, const char *where, bool apart) {
  const lcl_dtype d = f->member[f->output[k]].node->out[0].dtype;
  const char *type = c_type(d);
  lcl_str *o = &f->src;
  if (apart) {
    for (int i = 0; i < v; i++) {
      char value[40];
      if (v == 1)
        snprintf(value, sizeof value, "%s", name);
      else
        snprintf(value, sizeof value, "%s.s%c", name, component(i));
      if (d == LCL_F16)
        lcl__str_add(o, "vstore_half(%s, %s + (j + %d) * place.s%d, y%d);\n", value, where, i,
                     f->rank - 1, k);
      else
        lcl__str_add(o, "y%d[%s + (j + %d) * place.s%d] = (%s)%s;\n", k, where, i, f->rank - 1,
                     type, value);
    }
  } else if (d == LCL_F16 && v == 1) {
    lcl__str_add(o, "vstore_half(%s, %s + j, y%d);\n", name, where, k);
  } else if (d == LCL_F16) {
    lcl__str_add(o, "vstore_half%d(%s, 0, y%d + %s + j);\n", v, name, k, where);
  } else if (v == 1) {
    lcl__str_add(o, "y%d[%s + j] = (%s)%s;\n", k, where, type, name);
  } else if (d == LCL_F32) {
    lcl__str_add(o, "vstore%d(%s, 0, y%d + %s + j);\n", v, name, k, where);
  } else {
    lcl__str_add(o, "vstore%d(convert_%s%d(%s), 0, y%d + %s + j);\n", v, type, v, name, k, where);
  }
}

void lcl__fused_operand(const lcl_fused *f, const lcl_operand *in, char name[32]) {
  if (in->from == LCL_FROM_NUMBER)
    snprintf(name, 32, "(T)(c%d)", in->at);
  else if (in->from == LCL_FROM_MEMORY)
    snprintf(name, 32, f->ext[in->at].per_result ? "(T)(x%d)" : "x%d", in->at);
  else
    snprintf(name, 32, f->member[in->at].per_result ? "(T)(u%d)" : "t%d", in->at);
}

/* The value of an element-wise member. */
static void expression(lcl_fused *f, int i) {
  const lcl_member *m = &f->member[i];
  const lcl_map_attr *a = m->node->attr;
  char name[3][32] = { "", "", "" }, p[32] = "";
  for (int j = 0; j < m->node->n_in; j++) lcl__fused_operand(f, &m->in[j], name[j]);
  if (m->number >= 0) snprintf(p, sizeof p, "c%d", m->number);
  lcl__str_add(&f->src, "T %c%d = ", m->per_result ? 'u' : 't', i);
  if (a->code == LCL_MAP_CAST && a->dtype == LCL_I32)
    lcl__str_add(&f->src, "trunc(%s)", name[0]);
  else if (a->code == LCL_MAP_CAST && a->dtype == LCL_U8)
    lcl__str_add(&f->src, "clamp(trunc(%s), (T)(0.0f), (T)(255.0f))", name[0]);
  else
    lcl__map_expression(&f->src, (lcl_map_code)a->code, name[0], name[1], name[2], p);
  lcl__str_add(&f->src, ";\n");
}

/* Whether the pass makes something of the member: reduces it or stores it. */
static bool wanted(const lcl_member *m, int pass) {
  return m->pass == pass && (m->reduces || (!m->per_result && m->output >= 0));
}

void lcl__fused_elements(lcl_fused *f, int pass, int v) {
  bool member[LCL_MAX_GROUP] = { false }, ext[3 * LCL_MAX_GROUP] = { false };
  for (int i = f->n_member - 1; i >= 0; i--) {
    const lcl_member *m = &f->member[i];
    if (!member[i] && !wanted(m, pass)) continue;
    member[i] = !m->reduces;
    for (int j = 0; j < m->node->n_in; j++) {
      const lcl_operand *in = &m->in[j];
      if (in->from == LCL_FROM_MEMBER) member[in->at] |= !f->member[in->at].per_result;
      if (in->from == LCL_FROM_MEMORY) ext[in->at] = !f->ext[in->at].per_result;
    }
  }
  for (int e = 0; e < f->n_ext; e++)
    if (ext[e]) load(f, e, v, 'b');
  for (int i = 0; i < f->n_member; i++)
    if (member[i]) expression(f, i);
}

void lcl__fused_store_elements(lcl_fused *f, int pass, int v, const char *where) {
  for (int k = 0; k < f->n_output; k++) {
    const lcl_member *m = &f->member[f->output[k]];
    char name[32];
    if (m->per_result || m->pass != pass) continue;
    snprintf(name, sizeof name, "t%d", f->output[k]);
    store(f, k, name, v, where, f->place[f->rank - 1] != 1);
  }
}

void lcl__fused_load_results(lcl_fused *f, int v) {
  for (int e = 0; e < f->n_ext; e++)
    if (f->ext[e].per_result) load(f, e, v, 'a');
}

void lcl__fused_results(lcl_fused *f, int pass, int v, const char *where, const char *condition) {
  for (int i = 0; i < f->n_member; i++) {
    const lcl_member *m = &f->member[i];
    if (!m->per_result || m->pass != pass) continue;
    if (!m->reduces) expression(f, i);
    if (m->output < 0) continue;
    char name[32];
    snprintf(name, sizeof name, "u%d", i);
    lcl__str_add(&f->src, "%s", condition);
    store(f, m->output, name, v, where, false);
  }
}

void lcl__fused_arguments(lcl_fused *f) {
  for (int e = 0; e < f->n_ext; e++)
    lcl__str_add(&f->src, "global const %s *p%d, ", c_type(f->ext[e].tensor->dtype), e);
  for (int k = 0; k < f->n_output; k++)
    lcl__str_add(&f->src, "global %s *y%d, ", c_type(f->member[f->output[k]].node->out[0].dtype),
                 k);
  for (int e = 0; e < f->n_ext; e++) lcl__str_add(&f->src, "int o%d, int8 s%d, ", e, e);
}

void lcl__fused_parameters(lcl_fused *f) {
  for (int i = 0; i < f->n_param; i++) lcl__str_add(&f->src, ", float c%d", i);
}

/* One line of lcl__fused_bases: `name` is `start` and the way along the dimensions. */
static void base(lcl_fused *f, const char *name, const char *start, const char *strides,
                 const int64_t *stride, int upto, int want_reduced) {
  const char *suffix = want_reduced == 1 ? "r" : want_reduced == 0 ? "k" : "";
  lcl__str_add(&f->src, "int %s = %s", name, start);
  for (int i = 0; i < upto; i++)
    if ((want_reduced < 0 || f->reduced[i] == (want_reduced == 1)) && stride[i])
      lcl__str_add(&f->src, " + i%s%d * %s.s%d", suffix, i, strides, i);
  lcl__str_add(&f->src, ";\n");
}

void lcl__fused_bases(lcl_fused *f, const char *index, int upto, int want_reduced) {
  lcl_str *o = &f->src;
  const char *suffix = want_reduced == 1 ? "r" : want_reduced == 0 ? "k" : "";
  int outermost = upto;
  for (int i = upto - 1; i >= 0; i--)
    if (want_reduced < 0 || f->reduced[i] == (want_reduced == 1)) outermost = i;
  lcl__str_add(o, "int w%s = %s;\n", suffix, index);
  for (int i = upto - 1; i > outermost; i--) {
    if (want_reduced >= 0 && f->reduced[i] != (want_reduced == 1)) continue;
    lcl__str_add(o, "int i%s%d = w%s %% dims.s%d; w%s /= dims.s%d;\n", suffix, i, suffix, i, suffix,
                 i);
  }
  if (outermost < upto) lcl__str_add(o, "int i%s%d = w%s;\n", suffix, outermost, suffix);
  for (int e = 0; e < f->n_ext; e++) {
    char name[16], start[16], strides[16];
    if (want_reduced == 1 && f->ext[e].per_result) continue;
    snprintf(name, sizeof name, "%c%d", want_reduced == 0 ? 'a' : 'b', e);
    snprintf(start, sizeof start, "%c%d", want_reduced == 1 ? 'a' : 'o', e);
    snprintf(strides, sizeof strides, "s%d", e);
    base(f, name, start, strides, f->ext[e].stride, upto, want_reduced);
  }
  if (want_reduced >= 0)
    base(f, want_reduced ? "bq" : "aq", want_reduced ? "aq" : "0", "place", f->place, upto,
         want_reduced);
}

/* Names the kernel after its text, so that kernels of one program can stand in one source
 * (batch.c). */
lcl_status lcl__fused_name(lcl_fused *f, const char *what, char name[40]) {
  char hex[33];
  lcl_str all = { 0 };
  if (!lcl__str_ok(&f->src)) return LCL_ERR_HOST_MEMORY;
  lcl__hash_hex(f->src.data, f->src.n, hex);
  snprintf(name, 40, "%s_%.24s", what, hex);
  lcl__str_add(&all, "#define KERNEL %s\n%s#undef KERNEL\n", name, f->src.data);
  lcl__str_free(&f->src);
  f->src = all;
  return lcl__str_ok(&all) ? LCL_OK : LCL_ERR_HOST_MEMORY;
}

/* ---- arguments and labels ---- */

/* Whether the external is walked as results of the space's shape are, and is all that its slot
 * holds: a result of as many bytes then has elements of the same size. */
static bool is_in_place(const lcl_fused *f, const lcl_external *e) {
  const size_t bytes = (size_t)lcl_shape_count(f->space.shape) * lcl_dtype_size(e->tensor->dtype);
  return !e->per_result && lcl__slot_bytes(f->lw, e->arg) == bytes &&
         !memcmp(e->stride, f->place, (size_t)f->rank * sizeof *e->stride);
}

/* What the last pass makes of elements may take the place of an operand: each element is read
 * before it is written. */
static lcl_arg output_arg(lcl_fused *f, int k) {
  const lcl_member *m = &f->member[f->output[k]];
  lcl_arg a = f->part[k] ? lcl__scratch_arg(f->lw, f->part[k] - 1, LCL_WRITE)
                         : lcl__out(f->lw, &m->node->out[0]);
  a.in_place = !m->per_result && m->pass == f->n_pass - 1;
  return a;
}

void lcl__fused_push_operands(lcl_fused *f, lcl_arg *args, int *n) {
  for (int e = 0; e < f->n_ext; e++) {
    args[*n] = f->ext[e].arg;
    args[(*n)++].in_place = is_in_place(f, &f->ext[e]);
  }
  for (int k = 0; k < f->n_output; k++) args[(*n)++] = output_arg(f, k);
  for (int e = 0; e < f->n_ext; e++) {
    args[(*n)++] = lcl__i32(f->ext[e].offset);
    args[(*n)++] = lcl__int8(f->ext[e].stride, LCL_MAX_RANK);
  }
}

void lcl__fused_describe(const lcl_fused *f, const char *what, char label[160]) {
  char s[96];
  int n = snprintf(label, 160, "%s", what);
  const char *sep = *what ? " " : "";
  for (int i = 0; i < f->n_member && n < 90; i++) {
    if (f->member[i].reduces && *what) continue;
    n += snprintf(label + n, 160 - (size_t)n, "%s%s", sep, lcl__node_name(f->member[i].node));
    sep = "+";
  }
  snprintf(label + n, 160 - (size_t)n, " %s", lcl_shape_string(f->space.shape, s));
}

static double bytes_of(const lcl_tensor *t) {
  return (double)lcl_shape_count(t->shape) * (double)lcl_dtype_size(t->dtype);
}

double lcl__fused_operand_bytes(const lcl_fused *f) {
  double b = 0;
  for (int e = 0; e < f->n_ext; e++) b += bytes_of(f->ext[e].tensor);
  for (int k = 0; k < f->n_output; k++) b += bytes_of(&f->member[f->output[k]].node->out[0]);
  return b;
}
