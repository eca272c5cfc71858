/* Generated kernels: what element-wise groups and reductions share.
 *
 * The iteration space is the group's shape with neighbouring dimensions merged where every operand
 * allows it. What is left decides the source text: the number of dimensions, how each operand moves
 * along the innermost one (not at all, by one, by a stride), element types, and the expression.
 * Sizes, strides and scalar parameters are arguments, so new shapes of the same kind need no new
 * kernel. */
#include "ops/fuse_text.h"

/* ---- what the expression reads ---- */

bool lcl__fused_inside(const lcl_fused *f, const lcl_tensor *t) {
  for (int i = 0; i < f->n_order; i++)
    if (f->order[i] == t->node) return true;
  return false;
}

/* The scalar behind t, through views. */
bool lcl__fused_scalar(lcl_tensor *t, float *value) {
  return lcl__const_value(lcl__view_source(t), value);
}

static lcl_status add_external(lcl_fused *f, lcl_tensor *t) {
  for (int i = 0; i < f->n_ext; i++)
    if (f->ext[i].tensor == t) return LCL_OK;
  float ignored;
  if (lcl__fused_inside(f, t) || lcl__fused_scalar(t, &ignored)) return LCL_OK;
  lcl_view v;
  LCL_TRY(lcl__lower_view(f->lw, t, &v));
  lcl_external *e = &f->ext[f->n_ext++];
  *e = (lcl_external) { .tensor = t,
                        .offset = v.offset,
                        .arg = lcl__slot_arg(f->lw, v.slot, LCL_READ) };
  int lead = f->space.rank - t->shape.rank;
  for (int i = lead; i < f->space.rank; i++)
    e->stride[i] = t->shape.dim[i - lead] == 1 ? 0 : v.stride[i - lead];
  return LCL_OK;
}

lcl_status lcl__fused_collect(lcl_fused *f) {
  size_t cap = (size_t)f->n_nodes * 3 + 1;
  lcl_arena *a = lcl__lower_arena(f->lw);
  f->ext = lcl__arena_alloc(a, cap * sizeof *f->ext);
  f->param = lcl__arena_alloc(a, cap * 2 * sizeof *f->param);
  f->order = lcl__arena_alloc(a, cap * sizeof *f->order);
  f->outputs = lcl__arena_alloc(a, cap * sizeof *f->outputs);
  if (!f->ext || !f->param || !f->order || !f->outputs) return LCL_ERR_HOST_MEMORY;
  for (int i = f->root ? 1 : 0; i < f->n_nodes; i++) {
    int at = f->n_order++;
    for (; at > 0 && f->order[at - 1]->id > f->nodes[i]->id; at--) f->order[at] = f->order[at - 1];
    f->order[at] = f->nodes[i];
  }
  for (int i = 0; i < f->n_order; i++) {
    for (int j = 0; j < f->order[i]->n_in; j++) LCL_TRY(add_external(f, f->order[i]->in[j]));
    if (!f->root && lcl__lower_exports(f->lw, f->order[i]))
      f->outputs[f->n_outputs++] = &f->order[i]->out[0];
  }
  return f->root ? add_external(f, f->root->in[0]) : LCL_OK;
}

/* Merges neighbouring dimensions that every operand walks as one. */
void lcl__fused_merge(lcl_fused *f) {
  unsigned axes = f->root ? ((const lcl_reduce_attr *)f->root->attr)->axes : 0;
  int r = 0;
  for (int i = 0; i < f->space.rank; i++) {
    bool red = (axes >> i) & 1u;
    if (f->space.dim[i] == 1) continue;
    bool joins = r > 0 && f->reduced[r - 1] == red;
    for (int e = 0; joins && e < f->n_ext; e++)
      joins = f->ext[e].stride[r - 1] == f->ext[e].stride[i] * f->space.dim[i];
    if (!joins) {
      f->dim[r] = 1;
      f->reduced[r++] = red;
    }
    f->dim[r - 1] *= f->space.dim[i];
    for (int e = 0; e < f->n_ext; e++) f->ext[e].stride[r - 1] = f->ext[e].stride[i];
  }
  if (r == 0) {
    f->dim[0] = 1;
    f->reduced[0] = f->root != NULL;
    r = 1;
    for (int e = 0; e < f->n_ext; e++) f->ext[e].stride[0] = 0;
  }
  f->rank = r;
  for (int e = 0; e < f->n_ext; e++)
    for (int i = r; i < LCL_MAX_RANK; i++) f->ext[e].stride[i] = 0;
}

/* ---- text ---- */

static const char *c_type(lcl_dtype d) {
  return d == LCL_F32 ? "float" : d == LCL_I32 ? "int" : d == LCL_F16 ? "half" : "uchar";
}

/* Loads of every operand at the current position, as T. V: vector width, 1 for the scalar form. */
void lcl__fused_loads(lcl_fused *f, int v) {
  for (int e = 0; e < f->n_ext; e++) {
    lcl_dtype d = f->ext[e].tensor->dtype;
    int64_t s = f->ext[e].stride[f->rank - 1];
    lcl_str *o = &f->src;
    if (v == 1 || s == 0) {
      char pos[32] = "";
      if (s == 1)
        snprintf(pos, sizeof pos, " + j");
      else if (s != 0)
        snprintf(pos, sizeof pos, " + j * s%d.s%d", e, f->rank - 1);
      if (d == LCL_F16)
        lcl__str_add(o, "T x%d = (T)(vload_half(b%d%s, p%d));\n", e, e, pos, e);
      else
        lcl__str_add(o, "T x%d = (T)((float)p%d[b%d%s]);\n", e, e, e, pos);
    } else if (s == 1) {
      if (d == LCL_F32)
        lcl__str_add(o, "T x%d = vload%d(0, p%d + b%d + j);\n", e, v, e, e);
      else if (d == LCL_F16)
        lcl__str_add(o, "T x%d = vload_half%d(0, p%d + b%d + j);\n", e, v, e, e);
      else
        lcl__str_add(o, "T x%d = convert_float%d(vload%d(0, p%d + b%d + j));\n", e, v, v, e, e);
    } else {
      lcl__str_add(o, "T x%d = (T)(", e);
      for (int k = 0; k < v; k++) {
        const char *sep = k ? ", " : "";
        if (d == LCL_F16)
          lcl__str_add(o, "%svload_half(b%d + (j + %d) * s%d.s%d, p%d)", sep, e, k, e, f->rank - 1,
                       e);
        else
          lcl__str_add(o, "%s(float)p%d[b%d + (j + %d) * s%d.s%d]", sep, e, e, k, e, f->rank - 1);
      }
      lcl__str_add(o, ");\n");
    }
  }
}

/* Name of a tensor's value in the generated text. */
void lcl__fused_value(const lcl_fused *f, lcl_tensor *t, int *next_param, char out[32]) {
  for (int i = 0; i < f->n_order; i++)
    if (f->order[i] == t->node) {
      snprintf(out, 32, "t%d", i);
      return;
    }
  for (int e = 0; e < f->n_ext; e++)
    if (f->ext[e].tensor == t) {
      snprintf(out, 32, "x%d", e);
      return;
    }
  snprintf(out, 32, "(T)(c%d)", (*next_param)++);
}

/* The members' expressions in order; scalar parameters are numbered as they come (the same in every
 * emission). */
void lcl__fused_expressions(lcl_fused *f) {
  int next = 0;
  for (int i = 0; i < f->n_order; i++) {
    const lcl_node *node = f->order[i];
    const lcl_map_attr *a = node->attr;
    char name[3][32] = { "", "", "" }, p[32] = "";
    for (int j = 0; j < node->n_in; j++) {
      int before = next;
      lcl__fused_value(f, node->in[j], &next, name[j]);
      if (next != before) lcl__fused_scalar(node->in[j], &f->param[before]);
    }
    if (a->code == LCL_MAP_SCALE || a->code == LCL_MAP_SHIFT || a->code == LCL_MAP_LEAKY_RELU) {
      f->param[next] = a->p;
      snprintf(p, sizeof p, "c%d", next++);
    }
    lcl__str_add(&f->src, "T t%d = ", i);
    if (a->code == LCL_MAP_CAST && a->dtype == LCL_I32)
      lcl__str_add(&f->src, "trunc(%s)", name[0]);
    else if (a->code == LCL_MAP_CAST && a->dtype == LCL_U8)
      lcl__str_add(&f->src, "clamp(trunc(%s), (T)(0.0f), (T)(255.0f))", name[0]);
    else
      lcl__map_expression(&f->src, (lcl_map_code)a->code, name[0], name[1], name[2], p);
    lcl__str_add(&f->src, ";\n");
  }
  f->n_param = next;
}

void lcl__fused_stores(lcl_fused *f, int v) {
  for (int k = 0; k < f->n_outputs; k++) {
    const lcl_tensor *t = f->outputs[k];
    int at = 0;
    while (f->order[at] != t->node) at++;
    lcl_str *o = &f->src;
    const char *type = c_type(t->dtype);
    if (t->dtype == LCL_F16 && v == 1)
      lcl__str_add(o, "vstore_half(t%d, q + j, y%d);\n", at, k);
    else if (t->dtype == LCL_F16)
      lcl__str_add(o, "vstore_half%d(t%d, 0, y%d + q + j);\n", v, at, k);
    else if (v == 1)
      lcl__str_add(o, "y%d[q + j] = (%s)t%d;\n", k, type, at);
    else if (t->dtype == LCL_F32)
      lcl__str_add(o, "vstore%d(t%d, 0, y%d + q + j);\n", v, at, k);
    else
      lcl__str_add(o, "vstore%d(convert_%s%d(t%d), 0, y%d + q + j);\n", v, type, v, at, k);
  }
}

void lcl__fused_arguments(lcl_fused *f) {
  for (int e = 0; e < f->n_ext; e++)
    lcl__str_add(&f->src, "global const %s *p%d, int o%d, int8 s%d, ",
                 c_type(f->ext[e].tensor->dtype), e, e, e);
  for (int k = 0; k < f->n_outputs; k++)
    lcl__str_add(&f->src, "global %s *y%d, ", c_type(f->outputs[k]->dtype), k);
}

void lcl__fused_parameters(lcl_fused *f) {
  for (int i = 0; i < f->n_param; i++) lcl__str_add(&f->src, ", float c%d", i);
}

/* b<e>: where operand e is for the outer index in `q`, over the dimensions [from, to) flagged
 * `red`, innermost excluded. */
void lcl__fused_bases(lcl_fused *f, const char *index, const char *suffix, bool add, int upto,
                      int want_reduced) {
  lcl_str *o = &f->src;
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
    if (add)
      lcl__str_add(o, "int b%d = a%d", e, e);
    else
      lcl__str_add(o, "int %c%d = o%d", want_reduced < 0 ? 'b' : 'a', e, e);
    for (int i = 0; i < upto; i++)
      if ((want_reduced < 0 || f->reduced[i] == (want_reduced == 1)) && f->ext[e].stride[i])
        lcl__str_add(o, " + i%s%d * s%d.s%d", suffix, i, e, i);
    lcl__str_add(o, ";\n");
  }
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

/* Parameters must be counted before the argument list is written: a dry emission of the expressions
 * does it. */
void lcl__fused_count_parameters(lcl_fused *f) {
  lcl__fused_expressions(f);
  lcl__str_free(&f->src);
}

/* ---- arguments and labels ---- */

void lcl__fused_push_operands(lcl_fused *f, lcl_arg *args, int *n) {
  for (int e = 0; e < f->n_ext; e++) {
    args[(*n)++] = f->ext[e].arg;
    args[(*n)++] = lcl__i32(f->ext[e].offset);
    args[(*n)++] = lcl__int8(f->ext[e].stride, LCL_MAX_RANK);
  }
  for (int k = 0; k < f->n_outputs; k++) args[(*n)++] = lcl__out(f->lw, f->outputs[k]);
}

void lcl__fused_describe(const lcl_fused *f, const char *what, char label[160]) {
  char s[96];
  int n = snprintf(label, 160, "%s", what);
  for (int i = 0; i < f->n_order && n < 90; i++)
    n += snprintf(label + n, 160 - (size_t)n, "%s%s", i ? "+" : " ",
                  lcl__map_name((lcl_map_code)((const lcl_map_attr *)f->order[i]->attr)->code));
  snprintf(label + n, 160 - (size_t)n, " %s", lcl_shape_string(f->space, s));
}

double lcl__fused_operand_bytes(const lcl_fused *f) {
  double b = 0;
  for (int e = 0; e < f->n_ext; e++)
    b += (double)lcl_shape_count(f->ext[e].tensor->shape) *
         (double)lcl_dtype_size(f->ext[e].tensor->dtype);
  for (int k = 0; k < f->n_outputs; k++)
    b += (double)lcl_shape_count(f->outputs[k]->shape) *
         (double)lcl_dtype_size(f->outputs[k]->dtype);
  return b;
}
