/* Generated kernels: an element-wise group, or a reduction with the expression it reduces.
 *
 * The iteration space is the group's shape with neighbouring dimensions merged where every operand
 * allows it. What is left decides the source text: the number of dimensions, how each operand moves
 * along the innermost one (not at all, by one, by a stride), element types, and the expression.
 * Sizes, strides and scalar parameters are arguments, so new shapes of the same kind need no new
 * kernel. */
#include <math.h>

#include "ops/fuse.h"
#include "ops/map_code.h"

typedef struct external {
  lcl_tensor *tensor;
  lcl_arg arg;
  int64_t offset, stride[LCL_MAX_RANK];
} external;

typedef struct fused {
  lcl_lower *lw;
  const lcl_caps *caps;
  lcl_node *const *nodes;
  int n_nodes;
  const lcl_node *root; /* the reduction, or NULL */
  lcl_shape space;
  int rank; /* after merging */
  int64_t dim[LCL_MAX_RANK];
  bool reduced[LCL_MAX_RANK];
  external *ext;
  int n_ext;
  float *param;
  int n_param;
  lcl_node **order; /* element-wise members in order of id */
  int n_order;
  lcl_tensor **outputs;
  int n_outputs;
  lcl_str src;
} fused;

/* ---- what the expression reads ---- */

static bool inside(const fused *f, const lcl_tensor *t) {
  for (int i = 0; i < f->n_order; i++)
    if (f->order[i] == t->node) return true;
  return false;
}

/* The scalar behind t, through views. */
static bool scalar_behind(lcl_tensor *t, float *value) {
  return lcl_const_value(lcl_view_source(t), value);
}

static lcl_status add_external(fused *f, lcl_tensor *t) {
  for (int i = 0; i < f->n_ext; i++)
    if (f->ext[i].tensor == t) return LCL_OK;
  float ignored;
  if (inside(f, t) || scalar_behind(t, &ignored)) return LCL_OK;
  lcl_view v;
  LCL_TRY(lcl_lower_view(f->lw, t, &v));
  external *e = &f->ext[f->n_ext++];
  *e = (external) { .tensor = t, .offset = v.offset, .arg = lcl_slot_arg(f->lw, v.slot, LCL_READ) };
  int lead = f->space.rank - t->shape.rank;
  for (int i = lead; i < f->space.rank; i++)
    e->stride[i] = t->shape.dim[i - lead] == 1 ? 0 : v.stride[i - lead];
  return LCL_OK;
}

static lcl_status collect(fused *f) {
  size_t cap = (size_t)f->n_nodes * 3 + 1;
  lcl_arena *a = lcl_lower_arena(f->lw);
  f->ext = lcl_arena_alloc(a, cap * sizeof *f->ext);
  f->param = lcl_arena_alloc(a, cap * 2 * sizeof *f->param);
  f->order = lcl_arena_alloc(a, cap * sizeof *f->order);
  f->outputs = lcl_arena_alloc(a, cap * sizeof *f->outputs);
  if (!f->ext || !f->param || !f->order || !f->outputs) return LCL_ERR_HOST_MEMORY;
  for (int i = f->root ? 1 : 0; i < f->n_nodes; i++) {
    int at = f->n_order++;
    for (; at > 0 && f->order[at - 1]->id > f->nodes[i]->id; at--) f->order[at] = f->order[at - 1];
    f->order[at] = f->nodes[i];
  }
  for (int i = 0; i < f->n_order; i++) {
    for (int j = 0; j < f->order[i]->n_in; j++) LCL_TRY(add_external(f, f->order[i]->in[j]));
    if (!f->root && lcl_lower_exports(f->lw, f->order[i]))
      f->outputs[f->n_outputs++] = &f->order[i]->out[0];
  }
  return f->root ? add_external(f, f->root->in[0]) : LCL_OK;
}

/* Merges neighbouring dimensions that every operand walks as one. */
static void merge(fused *f) {
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
static void emit_loads(fused *f, int v) {
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
        lcl_str_add(o, "T x%d = (T)(vload_half(b%d%s, p%d));\n", e, e, pos, e);
      else
        lcl_str_add(o, "T x%d = (T)((float)p%d[b%d%s]);\n", e, e, e, pos);
    } else if (s == 1) {
      if (d == LCL_F32)
        lcl_str_add(o, "T x%d = vload%d(0, p%d + b%d + j);\n", e, v, e, e);
      else if (d == LCL_F16)
        lcl_str_add(o, "T x%d = vload_half%d(0, p%d + b%d + j);\n", e, v, e, e);
      else
        lcl_str_add(o, "T x%d = convert_float%d(vload%d(0, p%d + b%d + j));\n", e, v, v, e, e);
    } else {
      lcl_str_add(o, "T x%d = (T)(", e);
      for (int k = 0; k < v; k++) {
        const char *sep = k ? ", " : "";
        if (d == LCL_F16)
          lcl_str_add(o, "%svload_half(b%d + (j + %d) * s%d.s%d, p%d)", sep, e, k, e, f->rank - 1,
                      e);
        else
          lcl_str_add(o, "%s(float)p%d[b%d + (j + %d) * s%d.s%d]", sep, e, e, k, e, f->rank - 1);
      }
      lcl_str_add(o, ");\n");
    }
  }
}

/* Name of a tensor's value in the generated text. */
static void value_name(const fused *f, lcl_tensor *t, int *next_param, char out[32]) {
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
static void emit_expressions(fused *f) {
  int next = 0;
  for (int i = 0; i < f->n_order; i++) {
    const lcl_node *node = f->order[i];
    const lcl_map_attr *a = node->attr;
    char name[3][32] = { "", "", "" }, p[32] = "";
    for (int j = 0; j < node->n_in; j++) {
      int before = next;
      value_name(f, node->in[j], &next, name[j]);
      if (next != before) scalar_behind(node->in[j], &f->param[before]);
    }
    if (a->code == LCL_MAP_SCALE || a->code == LCL_MAP_SHIFT || a->code == LCL_MAP_LEAKY_RELU) {
      f->param[next] = a->p;
      snprintf(p, sizeof p, "c%d", next++);
    }
    lcl_str_add(&f->src, "T t%d = ", i);
    if (a->code == LCL_MAP_CAST && a->dtype == LCL_I32)
      lcl_str_add(&f->src, "trunc(%s)", name[0]);
    else if (a->code == LCL_MAP_CAST && a->dtype == LCL_U8)
      lcl_str_add(&f->src, "clamp(trunc(%s), (T)(0.0f), (T)(255.0f))", name[0]);
    else
      lcl_map_expression(&f->src, (lcl_map_code)a->code, name[0], name[1], name[2], p);
    lcl_str_add(&f->src, ";\n");
  }
  f->n_param = next;
}

static void emit_stores(fused *f, int v) {
  for (int k = 0; k < f->n_outputs; k++) {
    const lcl_tensor *t = f->outputs[k];
    int at = 0;
    while (f->order[at] != t->node) at++;
    lcl_str *o = &f->src;
    const char *type = c_type(t->dtype);
    if (t->dtype == LCL_F16 && v == 1)
      lcl_str_add(o, "vstore_half(t%d, q + j, y%d);\n", at, k);
    else if (t->dtype == LCL_F16)
      lcl_str_add(o, "vstore_half%d(t%d, 0, y%d + q + j);\n", v, at, k);
    else if (v == 1)
      lcl_str_add(o, "y%d[q + j] = (%s)t%d;\n", k, type, at);
    else if (t->dtype == LCL_F32)
      lcl_str_add(o, "vstore%d(t%d, 0, y%d + q + j);\n", v, at, k);
    else
      lcl_str_add(o, "vstore%d(convert_%s%d(t%d), 0, y%d + q + j);\n", v, type, v, at, k);
  }
}

static void emit_arguments(fused *f) {
  for (int e = 0; e < f->n_ext; e++)
    lcl_str_add(&f->src, "global const %s *p%d, int o%d, int8 s%d, ",
                c_type(f->ext[e].tensor->dtype), e, e, e);
  for (int k = 0; k < f->n_outputs; k++)
    lcl_str_add(&f->src, "global %s *y%d, ", c_type(f->outputs[k]->dtype), k);
}

static void emit_parameters(fused *f) {
  for (int i = 0; i < f->n_param; i++) lcl_str_add(&f->src, ", float c%d", i);
}

/* b<e>: where operand e is for the outer index in `q`, over the dimensions [from, to) flagged
 * `red`, innermost excluded. */
static void emit_bases(fused *f, const char *index, const char *suffix, bool add, int upto,
                       int want_reduced) {
  lcl_str *o = &f->src;
  lcl_str_add(o, "int w%s = %s;\n", suffix, index);
  for (int i = upto - 1; i >= 0; i--) {
    if (want_reduced >= 0 && f->reduced[i] != (want_reduced == 1)) continue;
    lcl_str_add(o, "int i%s%d = w%s %% dims.s%d; w%s /= dims.s%d;\n", suffix, i, suffix, i, suffix,
                i);
  }
  for (int e = 0; e < f->n_ext; e++) {
    if (add)
      lcl_str_add(o, "int b%d = a%d", e, e);
    else
      lcl_str_add(o, "int %c%d = o%d", want_reduced < 0 ? 'b' : 'a', e, e);
    for (int i = 0; i < upto; i++)
      if ((want_reduced < 0 || f->reduced[i] == (want_reduced == 1)) && f->ext[e].stride[i])
        lcl_str_add(o, " + i%s%d * s%d.s%d", suffix, i, e, i);
    lcl_str_add(o, ";\n");
  }
}

/* Names the kernel after its text, so that kernels of one program can stand in one source
 * (batch.c). */
static lcl_status name_source(fused *f, const char *what, char name[40]) {
  char hex[33];
  lcl_str all = { 0 };
  if (!lcl_str_ok(&f->src)) return LCL_ERR_HOST_MEMORY;
  lcl_hash_hex(f->src.data, f->src.n, hex);
  snprintf(name, 40, "%s_%.24s", what, hex);
  lcl_str_add(&all, "#define KERNEL %s\n%s#undef KERNEL\n", name, f->src.data);
  lcl_str_free(&f->src);
  f->src = all;
  return lcl_str_ok(&all) ? LCL_OK : LCL_ERR_HOST_MEMORY;
}

/* ---- element-wise ---- */

/* Parameters must be counted before the argument list is written: a dry emission of the expressions
 * does it. */
static void count_parameters(fused *f) {
  emit_expressions(f);
  lcl_str_free(&f->src);
}

static void map_source(fused *f) {
  lcl_str *o = &f->src;
  int v = f->caps->panel ? 16 : 1, r = f->rank;
  count_parameters(f);
  lcl_str_add(o,
              "/* generated: %d element-wise operations over %d dimensions */\nkernel void KERNEL(",
              f->n_order, r);
  emit_arguments(f);
  lcl_str_add(o, "int8 dims, int rows, int inner, int per, int per_inner");
  emit_parameters(f);
  if (v == 1) {
    lcl_str_add(
        o,
        ") {\nint g = get_global_id(0);\nif (g >= rows * inner) return;\nint r = g / inner, j = g "
        "%% inner, q = r * inner;\n");
    emit_bases(f, "r", "", false, r - 1, -1);
    lcl_str_add(o, "#define T float\n");
    emit_loads(f, 1);
    emit_expressions(f);
    emit_stores(f, 1);
    lcl_str_add(o, "}\n#undef T\n");
    return;
  }
  lcl_str_add(o, ") {\nint begin = (int)get_global_id(0) * per, end = min(begin + per, rows);\n"
                 "int j0 = (int)get_global_id(1) * per_inner, j1 = min(j0 + per_inner, inner);\n"
                 "for (int r = begin; r < end; r++) {\nint q = r * inner;\n");
  emit_bases(f, "r", "", false, r - 1, -1);
  lcl_str_add(o, "int j = j0;\n#define T float%d\nfor (; j + %d <= j1; j += %d) {\n", v, v, v);
  emit_loads(f, v);
  emit_expressions(f);
  emit_stores(f, v);
  lcl_str_add(
      o, "}\n#undef T\n#define T float\n#pragma clang loop vectorize(disable) unroll(disable)\nfor "
         "(; j < j1; j++) {\n");
  emit_loads(f, 1);
  emit_expressions(f);
  emit_stores(f, 1);
  lcl_str_add(o, "}\n#undef T\n}\n}\n");
}

static void push_operands(fused *f, lcl_arg *args, int *n) {
  for (int e = 0; e < f->n_ext; e++) {
    args[(*n)++] = f->ext[e].arg;
    args[(*n)++] = lcl_i32(f->ext[e].offset);
    args[(*n)++] = lcl_int8(f->ext[e].stride, LCL_MAX_RANK);
  }
  for (int k = 0; k < f->n_outputs; k++) args[(*n)++] = lcl_out(f->lw, f->outputs[k]);
}

/* Whether every operand is read exactly where the results are written, so that a result may take an
 * operand's place. */
static bool same_place(const fused *f) {
  if (f->rank != 1) return false;
  for (int e = 0; e < f->n_ext; e++) {
    if (f->ext[e].stride[0] != 1 || f->ext[e].offset != 0) return false;
    for (int k = 0; k < f->n_outputs; k++)
      if (lcl_dtype_size(f->outputs[k]->dtype) != lcl_dtype_size(f->ext[e].tensor->dtype))
        return false;
  }
  return true;
}

static void describe(const fused *f, const char *what, char label[160]) {
  char s[96];
  int n = snprintf(label, 160, "%s", what);
  for (int i = 0; i < f->n_order && n < 90; i++)
    n += snprintf(label + n, 160 - (size_t)n, "%s%s", i ? "+" : " ",
                  lcl_map_name((lcl_map_code)((const lcl_map_attr *)f->order[i]->attr)->code));
  snprintf(label + n, 160 - (size_t)n, " %s", lcl_shape_string(f->space, s));
}

static double operand_bytes(const fused *f) {
  double b = 0;
  for (int e = 0; e < f->n_ext; e++)
    b += (double)lcl_shape_count(f->ext[e].tensor->shape) *
         (double)lcl_dtype_size(f->ext[e].tensor->dtype);
  for (int k = 0; k < f->n_outputs; k++)
    b += (double)lcl_shape_count(f->outputs[k]->shape) *
         (double)lcl_dtype_size(f->outputs[k]->dtype);
  return b;
}

static lcl_status emit_map(fused *f) {
  int64_t count = lcl_shape_count(f->space);
  if (count == 0 || f->n_outputs == 0) { /* still give empty results a slot */
    for (int k = 0; k < f->n_outputs; k++) lcl_out(f->lw, f->outputs[k]);
    return LCL_OK;
  }
  if (count > INT32_MAX) return lcl_fail(LCL_ERR_UNSUPPORTED, "more than 2^31 elements");
  char name[40];
  map_source(f);
  LCL_TRY(name_source(f, "map", name));
  int64_t inner = f->dim[f->rank - 1], rows = count / inner;
  /* On panels: enough items to keep every unit busy, none below some thousand elements. */
  int64_t want = LCL_MIN((int64_t)f->caps->compute_units * 4, count / 4096 + 1);
  int64_t items = LCL_MIN(want, rows), per = (rows + items - 1) / items;
  int64_t parts = rows == 1 ? LCL_MIN(want, (inner + 15) / 16) : 1;
  int64_t per_inner = (int64_t)lcl_round_up((size_t)((inner + parts - 1) / parts), 16);
  lcl_arg *args = lcl_alloc(sizeof *args * (size_t)(3 * f->n_ext + f->n_outputs + 5 + f->n_param));
  int n = 0;
  if (!args) return LCL_ERR_HOST_MEMORY;
  push_operands(f, args, &n);
  args[n++] = lcl_int8(f->dim, f->rank);
  args[n++] = lcl_i32(rows);
  args[n++] = lcl_i32(inner);
  args[n++] = lcl_i32(per);
  args[n++] = lcl_i32(per_inner);
  for (int i = 0; i < f->n_param; i++) args[n++] = lcl_f32(f->param[i]);
  char label[160];
  describe(f, "map", label);
  lcl_launch d = { .label = label,
                   .source = { .text = f->src.data },
                   .kernel = name,
                   .args = args,
                   .n_args = n,
                   .dims = 2,
                   .elementwise = same_place(f),
                   .flops = (double)count * f->n_order,
                   .bytes = operand_bytes(f) };
  if (f->caps->panel) {
    d.global[0] = (size_t)((rows + per - 1) / per);
    d.global[1] = (size_t)((inner + per_inner - 1) / per_inner);
  } else {
    d.dims = 1;
    d.local[0] = LCL_MIN((size_t)64, f->caps->max_work_group);
    d.global[0] = lcl_round_up((size_t)count, d.local[0]);
  }
  lcl_status st = lcl_emit(f->lw, &d);
  lcl_free(args);
  return st;
}

lcl_status lcl_lower_map_group(lcl_lower *lw, lcl_node *const *nodes, int n) {
  fused f = { .lw = lw,
              .caps = lcl_lower_caps(lw),
              .nodes = nodes,
              .n_nodes = n,
              .space = nodes[0]->out[0].shape };
  lcl_status st = collect(&f);
  if (st == LCL_OK) {
    merge(&f);
    st = emit_map(&f);
  }
  lcl_str_free(&f.src);
  return st;
}

/* ---- reductions ---- */

/* The value that is reduced. */
static void reduced_value(const fused *f, char out[32]) {
  int ignored = 1 << 20;
  value_name(f, f->root->in[0], &ignored, out);
  if (ignored != 1 << 20) snprintf(out, 32, "(T)(c%d)", f->n_param);
}

static const char *combine(lcl_reduce_kind k) {
  return k == LCL_REDUCE_SUM   ? "(a) + (b)"
         : k == LCL_REDUCE_MAX ? "select(b, a, ((a) >= (b)) | ((a) != (a)))"
                               : "select(b, a, ((a) <= (b)) | ((a) != (a)))";
}

static const char *identity(lcl_reduce_kind k) {
  return k == LCL_REDUCE_SUM ? "0.0f" : k == LCL_REDUCE_MAX ? "-INFINITY" : "INFINITY";
}

static void emit_accumulate(fused *f, int v, const char *acc) {
  char value[32];
  emit_loads(f, v);
  emit_expressions(f);
  reduced_value(f, value);
  lcl_str_add(&f->src, "%s = COMBINE(%s, %s);\n", acc, acc, value);
}

/* Panel shape. The innermost dimension is either reduced (a vector accumulator is folded at the
 * end) or kept (a vector of results at once). Each item makes some results over one split of the
 * reduced range. */
static void reduce_panel(fused *f) {
  lcl_str *o = &f->src;
  int r = f->rank, v = 16;
  bool inner_reduced = f->reduced[r - 1];
  const char *loop = "for (int k = k0; k < k1; k++) {\n";
  lcl_str_add(o, "int unit = get_global_id(0), split = get_global_id(1);\n"
                 "int begin = unit * per, end = min(begin + per, outputs);\n"
                 "int k0 = split * k_step, k1 = min(k0 + k_length, n_reduced);\n"
                 "int j0 = split * j_step, j1 = min(j0 + j_length, inner);\n");
  if (inner_reduced) {
    lcl_str_add(o, "for (int r = begin; r < end; r++) {\n");
    emit_bases(f, "r", "k", false, r - 1, 0);
    lcl_str_add(o, "float%d acc = (float%d)(IDENTITY);\nfloat last = IDENTITY;\n%s", v, v, loop);
    emit_bases(f, "k", "r", true, r - 1, 1);
    lcl_str_add(o, "int j = j0;\n#define T float%d\nfor (; j + %d <= j1; j += %d) {\n", v, v, v);
    emit_accumulate(f, v, "acc");
    lcl_str_add(
        o,
        "}\n#undef T\n#define T float\n#pragma clang loop vectorize(disable) unroll(disable)\nfor "
        "(; j < j1; j++) {\n");
    emit_accumulate(f, 1, "last");
    lcl_str_add(
        o, "}\n#undef T\n}\n"
           "float8 h8 = COMBINE(acc.lo, acc.hi);\nfloat4 h4 = COMBINE(h8.lo, h8.hi);\nfloat2 h2 = "
           "COMBINE(h4.lo, h4.hi);\n"
           "float h = COMBINE(h2.x, h2.y);\nh = COMBINE(h, last);\ny[split * outputs + r] = h * "
           "factor;\n}\n");
    return;
  }
  /* outputs counts rows of kept outer dimensions; the innermost kept dimension is walked inside.
   * Splits of that one (k_step 0) have results of their own; those of the reduced range have
   * partial ones. */
  lcl_str_add(
      o, "int part = k_step > 0 ? split * outputs : 0;\nfor (int r = begin; r < end; r++) {\n");
  emit_bases(f, "r", "k", false, r - 1, 0);
  lcl_str_add(
      o,
      "int j = j0;\n#define T float%d\nfor (; j + %d <= j1; j += %d) {\nT acc = (T)(IDENTITY);\n%s",
      v, v, v, loop);
  emit_bases(f, "k", "r", true, r - 1, 1);
  emit_accumulate(f, v, "acc");
  lcl_str_add(
      o,
      "}\nvstore%d(acc * factor, 0, y + (part + r) * inner + j);\n}\n#undef T\n#define T float\n"
      "for (; j < j1; j++) {\nT acc = IDENTITY;\n%s",
      v, loop);
  emit_bases(f, "k", "r", true, r - 1, 1);
  emit_accumulate(f, 1, "acc");
  lcl_str_add(o, "}\ny[(part + r) * inner + j] = acc * factor;\n}\n#undef T\n}\n");
}

/* Tiled shape: a work-group of 64 folds one result (innermost reduced), or an item makes one result
 * (innermost kept). */
static void reduce_tiled(fused *f) {
  lcl_str *o = &f->src;
  int r = f->rank;
  lcl_str_add(
      o, "#define T float\nint split = get_global_id(1);\nint k0 = split * k_step, k1 = min(k0 + "
         "k_length, n_reduced);\n"
         "int j0 = split * j_step, j1 = min(j0 + j_length, inner);\nfloat acc = IDENTITY;\n");
  if (f->reduced[r - 1]) {
    lcl_str_add(o, "local float fold[64];\nint lid = get_local_id(0), r = get_group_id(0);\n");
    emit_bases(f, "r", "k", false, r - 1, 0);
    lcl_str_add(o, "int width = max(j1 - j0, 0), all = max(k1 - k0, 0) * width;\nfor (int m = lid; "
                   "m < all; m += 64) {\n"
                   "int k = k0 + m / width, j = j0 + m %% width;\n");
    emit_bases(f, "k", "r", true, r - 1, 1);
    emit_accumulate(f, 1, "acc");
    lcl_str_add(o, "}\nfold[lid] = acc;\nfor (int step = 32; step > 0; step /= 2) "
                   "{\nbarrier(CLK_LOCAL_MEM_FENCE);\n"
                   "if (lid < step) fold[lid] = COMBINE(fold[lid], fold[lid + step]);\n}\n"
                   "if (lid == 0) y[split * outputs + r] = fold[0] * factor;\n#undef T\n");
    return;
  }
  lcl_str_add(o, "int g = get_global_id(0);\nif (g >= outputs * inner) return;\nint r = g / inner, "
                 "j = g %% inner;\n");
  emit_bases(f, "r", "k", false, r - 1, 0);
  lcl_str_add(o, "for (int k = k0; k < k1; k++) {\n");
  emit_bases(f, "k", "r", true, r - 1, 1);
  emit_accumulate(f, 1, "acc");
  lcl_str_add(o, "}\ny[split * outputs * inner + g] = acc * factor;\n#undef T\n");
}

typedef struct reduce_plan {
  int64_t outputs; /* results; with a kept innermost dimension: rows of results */
  int64_t inner, n_reduced;
  int64_t splits;
  int64_t k_step, k_length, j_step,
      j_length; /* split i covers k_length rows from i*k_step, j_length columns from i*j_step */
  bool inner_reduced;
  bool partial; /* a result has a part from every split, to be folded */
} reduce_plan;

/* Splits the reduced range when there are too few results to keep the device busy. */
static reduce_plan plan_reduce(const fused *f) {
  const lcl_caps *caps = f->caps;
  reduce_plan p = { .outputs = 1, .n_reduced = 1, .splits = 1 };
  int last = f->rank - 1;
  p.inner_reduced = f->reduced[last];
  p.inner = f->dim[last];
  for (int i = 0; i < last; i++) {
    if (f->reduced[i])
      p.n_reduced *= f->dim[i];
    else
      p.outputs *= f->dim[i];
  }
  p.k_length = p.n_reduced;
  p.j_length = p.inner;
  int64_t units = caps->panel || p.inner_reduced ? p.outputs : p.outputs * p.inner;
  int64_t want = (int64_t)caps->compute_units * (caps->panel ? 4 : 32) / LCL_MAX(units, 1);
  int64_t work = caps->panel || p.inner_reduced ? p.n_reduced * p.inner : p.n_reduced;
  int64_t splits = LCL_MIN(want, work / (caps->panel ? 8192 : 1024));
  if (splits < 2) return p;
  bool columns = caps->panel && !p.inner_reduced && p.inner >= 32;
  if (columns || (p.inner_reduced && p.n_reduced == 1)) {
    p.j_step = p.j_length = (int64_t)lcl_round_up((size_t)((p.inner + splits - 1) / splits), 16);
    p.splits = (p.inner + p.j_length - 1) / p.j_length;
  } else {
    p.k_step = p.k_length = (p.n_reduced + splits - 1) / splits;
    p.splits = (p.n_reduced + p.k_length - 1) / p.k_length;
  }
  p.partial = !columns && p.splits > 1;
  return p;
}

static void reduce_source(fused *f, lcl_reduce_kind kind) {
  lcl_str *o = &f->src;
  count_parameters(f);
  lcl_str_add(
      o,
      "/* generated: reduction over %d dimensions of %d operations */\n#define COMBINE(a, b) "
      "(%s)\n#define IDENTITY %s\n",
      f->rank, f->n_order, combine(kind), identity(kind));
  lcl_str_add(o, "kernel void KERNEL(");
  emit_arguments(f);
  lcl_str_add(
      o,
      "global float *y, float factor, int8 dims, int outputs, int inner, int n_reduced, int per, "
      "int k_step, int k_length, "
      "int j_step, int j_length");
  emit_parameters(f);
  float constant;
  if (!inside(f, f->root->in[0]) && scalar_behind(f->root->in[0], &constant)) {
    lcl_str_add(o, ", float c%d", f->n_param);
    f->param[f->n_param] = constant;
  }
  lcl_str_add(o, ") {\n");
  if (f->caps->panel)
    reduce_panel(f);
  else
    reduce_tiled(f);
  lcl_str_add(o, "}\n#undef COMBINE\n#undef IDENTITY\n");
}

static lcl_status emit_reduce(fused *f) {
  lcl_lower *lw = f->lw;
  const lcl_reduce_attr *attr = f->root->attr;
  lcl_tensor *out = (lcl_tensor *)&f->root->out[0];
  int64_t results = lcl_shape_count(out->shape), count = lcl_shape_count(f->space);
  lcl_arg y = lcl_out(lw, out);
  if (results == 0) return LCL_OK;
  if (count == 0) /* the sum of nothing is 0, its mean 0/0 */
    return lcl_emit_fill(lw, y, isnan(attr->factor) ? 0x7fc00000u : 0, (size_t)results * 4);
  if (count > INT32_MAX) return lcl_fail(LCL_ERR_UNSUPPORTED, "more than 2^31 elements");
  reduce_plan p = plan_reduce(f);
  char name[40];
  reduce_source(f, (lcl_reduce_kind)attr->kind);
  LCL_TRY(name_source(f, "reduce", name));
  lcl_arg target = y;
  if (p.partial)
    target = lcl_scratch_arg(lw, lcl_scratch(lw, (size_t)(p.splits * results) * 4), LCL_WRITE);
  int64_t want = LCL_MIN((int64_t)f->caps->compute_units * 4, count / 4096 + 1);
  int64_t items = LCL_MIN(want, p.outputs), per = (p.outputs + items - 1) / items;
  lcl_arg *args = lcl_alloc(sizeof *args * (size_t)(3 * f->n_ext + 12 + f->n_param));
  int n = 0;
  if (!args) return LCL_ERR_HOST_MEMORY;
  push_operands(f, args, &n);
  args[n++] = target;
  args[n++] = lcl_f32(p.partial ? 1.0f : attr->factor);
  args[n++] = lcl_int8(f->dim, f->rank);
  args[n++] = lcl_i32(p.outputs);
  args[n++] = lcl_i32(p.inner);
  args[n++] = lcl_i32(p.n_reduced);
  args[n++] = lcl_i32(per);
  args[n++] = lcl_i32(p.k_step);
  args[n++] = lcl_i32(p.k_length);
  args[n++] = lcl_i32(p.j_step);
  args[n++] = lcl_i32(p.j_length);
  float constant;
  int extra = !inside(f, f->root->in[0]) && scalar_behind(f->root->in[0], &constant);
  for (int i = 0; i < f->n_param + extra; i++) args[n++] = lcl_f32(f->param[i]);
  char label[160];
  describe(f,
           attr->kind == LCL_REDUCE_SUM   ? "sum"
           : attr->kind == LCL_REDUCE_MAX ? "max"
                                          : "min",
           label);
  lcl_launch d = { .label = label,
                   .source = { .text = f->src.data },
                   .kernel = name,
                   .args = args,
                   .n_args = n,
                   .dims = 2,
                   .flops = (double)count * (f->n_order + 1),
                   .bytes = operand_bytes(f) + 4.0 * (double)results };
  d.global[1] = (size_t)p.splits;
  d.local[1] = 1;
  if (f->caps->panel) {
    d.global[0] = (size_t)((p.outputs + per - 1) / per);
    d.local[0] = 1;
  } else {
    d.local[0] = 64;
    d.global[0] = p.inner_reduced ? (size_t)p.outputs * 64 : lcl_round_up((size_t)results, 64);
  }
  lcl_status st = lcl_emit(lw, &d);
  lcl_free(args);
  if (st != LCL_OK || !p.partial) return st;
  target.access = LCL_READ;
  return lcl_emit(lw, &(lcl_launch) { .label = "fold partial results",
                                      .source = { .file = "reduce.cl" },
                                      .kernel = "fold_partials",
                                      LCL_ARGS(target, y, lcl_i32(results), lcl_i32(p.splits),
                                               lcl_i32(attr->kind), lcl_f32(attr->factor)),
                                      .dims = 1,
                                      .global = { (size_t)results },
                                      .bytes = 4.0 * (double)(results * p.splits) });
}

lcl_status lcl_lower_reduce_group(lcl_lower *lw, lcl_node *const *nodes, int n) {
  fused f = { .lw = lw,
              .caps = lcl_lower_caps(lw),
              .nodes = nodes,
              .n_nodes = n,
              .root = nodes[0],
              .space = nodes[0]->in[0]->shape };
  lcl_status st = collect(&f);
  if (st == LCL_OK) {
    merge(&f);
    st = emit_reduce(&f);
  }
  lcl_str_free(&f.src);
  return st;
}
