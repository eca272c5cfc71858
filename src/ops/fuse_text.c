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
#include "ops/attributes.h"
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

/* Whether it has elements only along a part of dimension i. */
static bool partial(const lcl_fused *f, const lcl_external *e, int i) {
  return e->from[i] != 0 || e->to[i] != f->dim[i];
}

static bool any_partial(const lcl_fused *f, const lcl_external *e) {
  for (int i = 0; i < f->rank; i++)
    if (partial(f, e, i)) return true;
  return false;
}

/* Where a pad's operand has elements, and from where on they lie in memory. */
static void find_extent(const lcl_fused *f, const lcl_node *reader, lcl_external *e) {
  int axis[LCL_MAX_RANK];
  const lcl_shape walked = lcl__space_axes(&f->space, reader, axis);
  memcpy(e->to, f->space.shape.dim, sizeof e->to);
  if (!(reader->op->flags & LCL_OP_SHIFTED)) return;
  const lcl_slice_attr *pad = reader->attr;
  for (int i = 0; i < walked.rank; i++) {
    if (axis[i] < 0) continue;
    e->from[axis[i]] = pad->start[i];
    e->to[axis[i]] = walked.dim[i] - pad->stop[i];
    e->offset -= pad->start[i] * e->stride[axis[i]];
    e->per_result &= e->to[axis[i]] - e->from[axis[i]] == walked.dim[i] ||
                     !(f->space.axes & (1u << axis[i]));
  }
}

static bool same_external(const lcl_external *a, const lcl_external *b) {
  return a->tensor == b->tensor && !memcmp(a->stride, b->stride, sizeof a->stride) &&
         !memcmp(a->from, b->from, sizeof a->from) && !memcmp(a->to, b->to, sizeof a->to);
}

static lcl_status add_external(lcl_fused *f, const lcl_node *reader, lcl_tensor *t, int *at) {
  lcl_view v;
  LCL_TRY(lcl__lower_view(f->lw, t, &v));
  lcl_external e = { .tensor = t,
                     .offset = v.offset,
                     .arg = lcl__slot_arg(f->lw, v.slot, LCL_READ),
                     .per_result = f->space.axes != 0 };
  lcl__space_strides(&f->space, reader, t, &v, e.stride);
  find_extent(f, reader, &e);
  for (*at = 0; *at < f->n_ext; ++*at)
    if (same_external(&f->ext[*at], &e)) return LCL_OK;
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
  } else if (!(m->node->op->flags & LCL_OP_SHIFTED) && scalar(t, &value)) {
    *in = (lcl_operand) { LCL_FROM_NUMBER, add_number(f, value) };
  } else {
    in->from = LCL_FROM_MEMORY;
    return add_external(f, m->node, t, &in->at);
  }
  return LCL_OK;
}

/* The slot of partial results of the reduction that is member i. */
static int part_of(const lcl_fused *f, int i) {
  int k = 0;
  for (int j = 0; j < i; j++) k += f->member[j].reduces;
  return f->part[k];
}

/* The reduction reads partial results, which lie dense, one split after the other. */
static void add_parts(lcl_fused *f, lcl_member *m) {
  lcl_external e = { .tensor = &m->node->out[0],
                     .arg = lcl__scratch_arg(f->lw, part_of(f, f->n_member), LCL_READ) };
  int64_t n = 1;
  for (int i = f->space.shape.rank - 1; i >= 0; i--) {
    e.to[i] = f->space.shape.dim[i];
    if (f->space.axes & (1u << i)) continue;
    e.stride[i] = n;
    n *= f->space.shape.dim[i];
  }
  for (int i = 0; i < f->space.shape.rank; i++)
    if ((f->space.axes & (1u << i)) && f->space.shape.dim[i] > 1) e.stride[i] = n;
  m->in[0] = (lcl_operand) { LCL_FROM_MEMORY, f->n_ext };
  f->ext[f->n_ext++] = e;
}

static lcl_status add_member(lcl_fused *f, lcl_node *node) {
  lcl_member *m = &f->member[f->n_member];
  *m = (lcl_member) {
    .node = node,
    .number = -1,
    .output = -1,
    .reduces = node->op->fusion == LCL_FUSE_REDUCE,
    .shows = (node->op->flags & LCL_OP_SHIFTED) != 0,
  };
  m->per_result = !m->reduces && lcl__space_per(&f->space, node) == LCL_PER_RESULT;
  m->pass = m->per_result ? -1 : 0;
  if (m->reduces && f->launch == LCL_SECOND_LAUNCH)
    add_parts(f, m);
  else
    for (int j = 0; j < node->n_in; j++) LCL_TRY(find_operand(f, m, j));
  if (m->reduces) {
    m->per_result = true;
    m->number = add_number(
        f, f->launch == LCL_FIRST_LAUNCH ? 1 : ((const lcl_reduce_attr *)node->attr)->factor);
  } else if (!m->shows) {
    const lcl_map_attr *a = node->attr;
    if (a->code == LCL_MAP_SCALE || a->code == LCL_MAP_SHIFT || a->code == LCL_MAP_LEAKY_RELU)
      m->number = add_number(f, a->p);
  }
  if ((m->reduces && f->launch == LCL_FIRST_LAUNCH) || lcl__lower_exports(f->lw, node)) {
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
  if (!f->ext || !f->param || !f->member || !f->output) return LCL_ERR_HOST_MEMORY;
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
    for (int e = 0; joins && e < f->n_ext; e++) {
      const lcl_external *x = &f->ext[e];
      joins = x->stride[r - 1] == x->stride[i] * n && !partial(f, x, r - 1) && !partial(f, x, i);
    }
    if (!joins) {
      f->dim[r] = 1;
      f->reduced[r++] = f->reduced[i];
    }
    f->dim[r - 1] *= n;
    f->place[r - 1] = f->place[i];
    for (int e = 0; e < f->n_ext; e++) {
      lcl_external *x = &f->ext[e];
      x->stride[r - 1] = x->stride[i];
      x->from[r - 1] = x->from[i];
      x->to[r - 1] = joins ? f->dim[r - 1] : x->to[i];
    }
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
  for (int e = 0; e < f->n_ext; e++) {
    MOVE_LAST(f->ext[e].stride);
    MOVE_LAST(f->ext[e].from);
    MOVE_LAST(f->ext[e].to);
  }
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
    for (int e = 0; e < f->n_ext; e++) {
      lcl_external *x = &f->ext[e];
      x->stride[f->rank] = x->stride[i];
      x->from[f->rank] = x->from[i];
      x->to[f->rank] = x->to[i];
    }
    f->rank++;
  }
  if (f->rank == 0) {
    f->dim[0] = 1;
    f->place[0] = 1;
    f->reduced[0] = f->space.axes != 0;
    f->rank = 1;
    for (int e = 0; e < f->n_ext; e++) {
      f->ext[e].stride[0] = f->ext[e].from[0] = 0;
      f->ext[e].to[0] = 1;
    }
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

/* The element of external e that is k further along the innermost dimension than j. */
static void one_element(lcl_fused *f, int e, char base, int k) {
  const int64_t s = f->ext[e].stride[f->rank - 1];
  char along[24] = "j", pos[64] = "";
  if (k) snprintf(along, sizeof along, "(j + %d)", k);
  if (s == 1)
    snprintf(pos, sizeof pos, " + %s", along);
  else if (s != 0)
    snprintf(pos, sizeof pos, " + %s * s%d_%d", along, e, f->rank - 1);
  if (f->ext[e].tensor->dtype == LCL_F16)
    lcl__str_add(&f->src, "vload_half(%c%d%s, p%d)", base, e, pos, e);
  else
    lcl__str_add(&f->src, "(float)p%d[%c%d%s]", e, base, e, pos);
}

/* Its next v elements, as a T. */
static void elements(lcl_fused *f, int e, int v, char base) {
  const lcl_dtype d = f->ext[e].tensor->dtype;
  const int64_t s = f->ext[e].stride[f->rank - 1];
  lcl_str *o = &f->src;
  if (v == 1 || s != 1) {
    lcl__str_add(o, "(T)(");
    for (int k = 0; k < (s == 0 ? 1 : v); k++) {
      lcl__str_add(o, "%s", k ? ", " : "");
      one_element(f, e, base, k);
    }
    lcl__str_add(o, ")");
  } else if (d == LCL_F32) {
    lcl__str_add(o, "vload%d(0, p%d + %c%d + j)", v, e, base, e);
  } else if (d == LCL_F16) {
    lcl__str_add(o, "vload_half%d(0, p%d + %c%d + j)", v, e, base, e);
  } else {
    lcl__str_add(o, "convert_float%d(vload%d(0, p%d + %c%d + j))", v, v, e, base, e);
  }
}

/* x<e> of type T: external e from <base><e> on, v neighbours along the innermost dimension. */
static void load(lcl_fused *f, int e, int v, char base) {
  const int last = f->rank - 1;
  lcl_str *o = &f->src;
  if (!any_partial(f, &f->ext[e])) {
    lcl__str_add(o, "T x%d = ", e);
    elements(f, e, v, base);
    lcl__str_add(o, ";\n");
    return;
  }
  lcl__str_add(o, "T x%d = (T)(0.0f);\nif (in_%c%d) {\n", e, base, e);
  if (!partial(f, &f->ext[e], last)) {
    lcl__str_add(o, "x%d = ", e);
    elements(f, e, v, base);
    lcl__str_add(o, ";\n");
  }
  for (int k = 0; partial(f, &f->ext[e], last) && k < v; k++) {
    lcl__str_add(o, "if (j + %d >= from%d_%d && j + %d < to%d_%d) x%d", k, e, last, k, e, last, e);
    if (v > 1) lcl__str_add(o, ".s%c", component(k));
    lcl__str_add(o, " = ");
    one_element(f, e, base, k);
    lcl__str_add(o, ";\n");
  }
  lcl__str_add(o, "}\n");
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
  const lcl_map_attr *a = m->node->attr; /* unless it shows */
  char name[3][32] = { "", "", "" }, p[32] = "";
  for (int j = 0; j < m->node->n_in; j++) lcl__fused_operand(f, &m->in[j], name[j]);
  if (m->number >= 0) snprintf(p, sizeof p, "c%d", m->number);
  lcl__str_add(&f->src, "T %c%d = ", m->per_result ? 'u' : 't', i);
  if (m->shows)
    lcl__str_add(&f->src, "%s", name[0]);
  else if (a->code == LCL_MAP_CAST && a->dtype == LCL_I32)
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

/* Whether the stride along dimension i is a parameter. */
static bool has_stride(const lcl_fused *f, const lcl_external *e, int i) {
  return e->stride[i] != 0 && (e->stride[i] != 1 || i < f->rank - 1);
}

void lcl__fused_arguments(lcl_fused *f) {
  for (int e = 0; e < f->n_ext; e++)
    lcl__str_add(&f->src, "global const %s *p%d, ", c_type(f->ext[e].tensor->dtype), e);
  for (int k = 0; k < f->n_output; k++)
    lcl__str_add(&f->src, "global %s *y%d, ", c_type(f->member[f->output[k]].node->out[0].dtype),
                 k);
  for (int e = 0; e < f->n_ext; e++) {
    lcl__str_add(&f->src, "int o%d, ", e);
    for (int i = 0; i < f->rank; i++) {
      if (has_stride(f, &f->ext[e], i)) lcl__str_add(&f->src, "int s%d_%d, ", e, i);
      if (partial(f, &f->ext[e], i))
        lcl__str_add(&f->src, "int from%d_%d, int to%d_%d, ", e, i, e, i);
    }
  }
}

void lcl__fused_parameters(lcl_fused *f) {
  for (int i = 0; i < f->n_param; i++) lcl__str_add(&f->src, ", float c%d", i);
}

/* Whether a walk over the kept dimensions (0), the reduced ones (1) or all (-1) goes along i. */
static bool walks(const lcl_fused *f, int want_reduced, int i) {
  return want_reduced < 0 || f->reduced[i] == (want_reduced == 1);
}

/* Of an operand that is 0 elsewhere: whether it has elements there. */
static void extent(lcl_fused *f, int e, const char *suffix, int upto, int want_reduced) {
  const lcl_external *x = &f->ext[e];
  lcl__str_add(&f->src, "bool in_%c%d = ", want_reduced == 0 ? 'a' : 'b', e);
  if (want_reduced == 1)
    lcl__str_add(&f->src, "in_a%d", e);
  else
    lcl__str_add(&f->src, "true");
  for (int i = 0; i < upto; i++)
    if (walks(f, want_reduced, i) && partial(f, x, i))
      lcl__str_add(&f->src, " && i%s%d >= from%d_%d && i%s%d < to%d_%d", suffix, i, e, i, suffix, i,
                   e, i);
  lcl__str_add(&f->src, ";\n");
}

void lcl__fused_bases(lcl_fused *f, const char *index, int upto, int want_reduced) {
  lcl_str *o = &f->src;
  const char *suffix = want_reduced == 1 ? "r" : want_reduced == 0 ? "k" : "";
  const char to = want_reduced == 0 ? 'a' : 'b';
  int outermost = upto;
  for (int i = upto - 1; i >= 0; i--)
    if (walks(f, want_reduced, i)) outermost = i;
  lcl__str_add(o, "int w%s = %s;\n", suffix, index);
  for (int i = upto - 1; i > outermost; i--)
    if (walks(f, want_reduced, i))
      lcl__str_add(o, "int i%s%d = w%s %% dims.s%d; w%s /= dims.s%d;\n", suffix, i, suffix, i,
                   suffix, i);
  if (outermost < upto) lcl__str_add(o, "int i%s%d = w%s;\n", suffix, outermost, suffix);
  for (int e = 0; e < f->n_ext; e++) {
    const lcl_external *x = &f->ext[e];
    if (want_reduced == 1 && x->per_result) continue;
    lcl__str_add(o, "int %c%d = %c%d", to, e, want_reduced == 1 ? 'a' : 'o', e);
    for (int i = 0; i < upto; i++)
      if (walks(f, want_reduced, i) && x->stride[i])
        lcl__str_add(o, " + i%s%d * s%d_%d", suffix, i, e, i);
    lcl__str_add(o, ";\n");
    if (any_partial(f, x)) extent(f, e, suffix, upto, want_reduced);
  }
  if (want_reduced < 0) return;
  lcl__str_add(o, "int %cq = %s", to, want_reduced ? "aq" : "0");
  for (int i = 0; i < upto; i++)
    if (walks(f, want_reduced, i)) lcl__str_add(o, " + i%s%d * place.s%d", suffix, i, i);
  lcl__str_add(o, ";\n");
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
  return !e->per_result && e->offset == 0 && !any_partial(f, e) &&
         lcl__slot_bytes(f->lw, e->arg) == bytes &&
         !memcmp(e->stride, f->place, (size_t)f->rank * sizeof *e->stride);
}

/* What the last pass makes of elements may take the place of an operand: each element is read
 * before it is written. */
static lcl_arg output_arg(lcl_fused *f, int k) {
  const lcl_member *m = &f->member[f->output[k]];
  lcl_arg a = m->reduces && f->launch == LCL_FIRST_LAUNCH
                  ? lcl__scratch_arg(f->lw, part_of(f, f->output[k]), LCL_WRITE)
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
    const lcl_external *x = &f->ext[e];
    args[(*n)++] = lcl__i32(x->offset);
    for (int i = 0; i < f->rank; i++) {
      if (has_stride(f, x, i)) args[(*n)++] = lcl__i32(x->stride[i]);
      if (!partial(f, x, i)) continue;
      args[(*n)++] = lcl__i32(x->from[i]);
      args[(*n)++] = lcl__i32(x->to[i]);
    }
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
