/* Generated kernels of reductions, with the expressions they reduce and what follows from them.
 *
 * A kernel walks over the reduced range of a result once a pass (fuse_text.c). In each pass it adds
 * up the reductions whose values are known by then; their results are known for the next. */
#include <math.h>

#include "ops/fuse_text.h"

enum { VECTOR = 16, GROUP = LCL_FOLD_GROUP };

static const lcl_reduce_attr *reduction_of(const lcl_member *m) {
  return m->node->attr;
}

/* As the macros of common.cl call it. */
static const char *kind_name(const lcl_member *m) {
  static const char *const names[] = {
    [LCL_REDUCE_SUM] = "SUM", [LCL_REDUCE_MAX] = "MAX", [LCL_REDUCE_MIN] = "MIN"
  };
  return names[reduction_of(m)->kind];
}

/* Adds `format`, in which $ stands for the number of a reduction and @ for its kind, for every
 * reduction of the pass. */
static void for_each(lcl_fused *f, int pass, const char *format) {
  for (int i = 0; i < f->n_member; i++) {
    const lcl_member *m = &f->member[i];
    if (!m->reduces || m->pass != pass) continue;
    for (const char *c = format; *c; c++) {
      if (*c == '$')
        lcl__str_add(&f->src, "%d", i);
      else if (*c == '@')
        lcl__str_add(&f->src, "%s", kind_name(m));
      else
        lcl__str_append(&f->src, c, 1);
    }
  }
}

static int reductions_of(const lcl_fused *f, int pass) {
  int n = 0;
  for (int i = 0; i < f->n_member; i++) n += f->member[i].reduces && f->member[i].pass == pass;
  return n;
}

/* One more element, into the blocks. */
static void element(lcl_fused *f, int pass, int v, const char *block) {
  lcl__fused_elements(f, pass, v);
  for (int i = 0; i < f->n_member; i++) {
    const lcl_member *m = &f->member[i];
    char value[32];
    if (!m->reduces || m->pass != pass) continue;
    lcl__fused_operand(f, &m->in[0], value);
    lcl__str_add(&f->src, "%s%d = LCL_COMBINE_%s(%s%d, %s);\n", block, i, kind_name(m), block, i,
                 value);
  }
  lcl__fused_store_elements(f, pass, v, "bq");
}

/* acc over rows k0 to k1 of one result (or a vector of them), block by block, or over every
 * `step`-th of them from `first` on. */
static void walk_rows(lcl_fused *f, int pass, int v, const char *first, const char *step) {
  for_each(f, pass, "T acc$ = (T)(LCL_IDENTITY_@), lost$ = (T)(0.0f);\n");
  lcl__str_add(&f->src, "for (int k = %s; k < k1;) {\n", first);
  for_each(f, pass, "T block$ = (T)(LCL_IDENTITY_@);\n");
  lcl__str_add(&f->src,
               "for (int stop = k + min(k1 - k, %s * LCL_SUM_BLOCK); k < stop; k += %s) {\n", step,
               step);
  lcl__fused_bases(f, "k", f->rank - 1, 1);
  element(f, pass, v, "block");
  lcl__str_add(&f->src, "}\n");
  for_each(f, pass, "LCL_JOIN_@(T, acc$, lost$, block$)\n");
  lcl__str_add(&f->src, "}\n");
}

/* u<i> = value times the reduction's factor. */
static void set_results(lcl_fused *f, int pass, const char *type, const char *value) {
  for (int i = 0; i < f->n_member; i++)
    if (f->member[i].reduces && f->member[i].pass == pass)
      lcl__str_add(&f->src, "%s u%d = %s%d * c%d;\n", type, i, value, i, f->member[i].number);
}

/* ---- packed: an item makes some results over one split of the reduced range ---- */

/* A pass along a line of which every element belongs to one result. */
static void walk_line(lcl_fused *f, int pass) {
  lcl_str *o = &f->src;
  const int v = VECTOR, r = f->rank;
  for_each(f, pass,
           "float16 acc$ = (float16)(LCL_IDENTITY_@), block$ = acc$, lost$ = (float16)(0.0f);\n"
           "float last$ = LCL_IDENTITY_@, last_block$ = last$, last_lost$ = 0.0f;\n");
  lcl__str_add(o,
               "for (int k = k0, room = LCL_SUM_BLOCK * %d, last_room = 16; k < k1; k++) {\n"
               "int j = j0;\n",
               v);
  lcl__fused_bases(f, "k", r - 1, 1);
  lcl__str_add(o,
               "#define T float%d\nwhile (j1 - j >= %d) {\n"
               "int stop = j + min((j1 - j) / %d * %d, room);\nroom -= stop - j;\n"
               "for (; j < stop; j += %d) {\n",
               v, v, v, v, v);
  element(f, pass, v, "block");
  lcl__str_add(o, "}\nif (room == 0) {\n");
  for_each(f, pass, "LCL_JOIN_@(T, acc$, lost$, block$)\nblock$ = (T)(LCL_IDENTITY_@);\n");
  lcl__str_add(o,
               "room = LCL_SUM_BLOCK * %d;\n}\n}\n#undef T\n#define T float\n"
               "if (j1 - j > last_room) {\n",
               v);
  for_each(f, pass,
           "LCL_JOIN_@(T, last$, last_lost$, last_block$)\nlast_block$ = LCL_IDENTITY_@;\n");
  lcl__str_add(o, "last_room = 16;\n}\nlast_room -= j1 - j;\n"
                  "#pragma clang loop vectorize(disable) unroll(disable)\n"
                  "for (; j < j1; j++) {\n");
  element(f, pass, 1, "last_block");
  lcl__str_add(o, "}\n#undef T\n}\n");
  for_each(f, pass,
           "acc$ = LCL_COMBINE_@(acc$, block$);\nlast$ = LCL_COMBINE_@(last$, last_block$);\n"
           "float8 h8_$ = LCL_COMBINE_@(acc$.lo, acc$.hi);\n"
           "float4 h4_$ = LCL_COMBINE_@(h8_$.lo, h8_$.hi);\n"
           "float2 h2_$ = LCL_COMBINE_@(h4_$.lo, h4_$.hi);\n"
           "float h1_$ = LCL_COMBINE_@(h2_$.x, h2_$.y), h$ = LCL_COMBINE_@(h1_$, last$);\n");
}

static void packed_lines(lcl_fused *f) {
  lcl_str *o = &f->src;
  const char *where = "split * outputs + r";
  lcl__str_add(o, "for (int r = begin; r < end; r++) {\nconst int j = 0;\n#define T float\n");
  lcl__fused_bases(f, "r", f->rank - 1, 0);
  lcl__fused_load_results(f, 1);
  lcl__fused_results(f, -1, 1, where, "");
  for (int pass = 0; pass < f->n_pass; pass++) {
    lcl__str_add(o, "#undef T\n");
    walk_line(f, pass);
    lcl__str_add(o, "#define T float\n");
    set_results(f, pass, "float", "h");
    lcl__fused_results(f, pass, 1, where, "");
  }
  lcl__str_add(o, "#undef T\n}\n");
}

/* All passes for v neighbouring results. */
static void packed_columns(lcl_fused *f, int v) {
  const char *where = "(part + r) * inner";
  lcl__fused_load_results(f, v);
  lcl__fused_results(f, -1, v, where, "");
  for (int pass = 0; pass < f->n_pass; pass++) {
    walk_rows(f, pass, v, "k0", "1");
    set_results(f, pass, "T", "acc");
    lcl__fused_results(f, pass, v, where, "");
  }
}

static void reduce_packed(lcl_fused *f) {
  lcl_str *o = &f->src;
  const int v = VECTOR;
  lcl__str_add(o, "int unit = get_global_id(0), split = get_global_id(1);\n"
                  "int begin = unit * per, end = min(begin + per, outputs);\n"
                  "int k0 = split * k_step, k1 = min(k0 + k_length, n_reduced);\n"
                  "int j0 = split * j_step, j1 = min(j0 + j_length, inner);\n");
  if (f->reduced[f->rank - 1]) {
    packed_lines(f);
    return;
  }
  /* outputs counts rows of kept outer dimensions; the innermost kept dimension is walked inside.
   * Splits of that one (k_step 0) have results of their own; those of the reduced range have
   * partial ones. */
  lcl__str_add(
      o, "int part = k_step > 0 ? split * outputs : 0;\nfor (int r = begin; r < end; r++) {\n");
  lcl__fused_bases(f, "r", f->rank - 1, 0);
  lcl__str_add(o, "int j = j0;\n#define T float%d\nfor (; j1 - j >= %d; j += %d) {\n", v, v, v);
  packed_columns(f, v);
  lcl__str_add(o, "}\n#undef T\n#define T float\nfor (; j < j1; j++) {\n");
  packed_columns(f, 1);
  lcl__str_add(o, "}\n#undef T\n}\n");
}

/* ---- tiled: a work-group of GROUP folds one result (innermost reduced), or `per` neighbouring
 * ones (innermost kept), for each of which GROUP / per work-items share the rows ---- */

/* Folds what the work-items that share a result have come to. After the last pass only the first of
 * them knows the result; after others all do. */
static void fold_group(lcl_fused *f, int pass, const char *least, const char *lane) {
  lcl_str *o = &f->src;
  const bool last = pass == f->n_pass - 1;
  int at = 0;
  if (!reductions_of(f, pass)) return;
  for (int i = 0; i < f->n_member; i++)
    if (f->member[i].reduces && f->member[i].pass == pass)
      lcl__str_add(o, "local float *fold%d = fold + %d;\nfold%d[lid] = acc%d;\n", i, GROUP * at++,
                   i, i);
  lcl__str_add(o,
               "for (int step = %d; step >= %s; step /= 2) {\nbarrier(CLK_LOCAL_MEM_FENCE);\n"
               "if (lid < step) {\n",
               GROUP / 2, least);
  for_each(f, pass, "fold$[lid] = LCL_COMBINE_@(fold$[lid], fold$[lid + step]);\n");
  lcl__str_add(o, "}\n}\n");
  if (!last) lcl__str_add(o, "barrier(CLK_LOCAL_MEM_FENCE);\n");
  for (int i = 0; i < f->n_member; i++)
    if (f->member[i].reduces && f->member[i].pass == pass)
      lcl__str_add(o, "float u%d = fold%d[%s] * c%d;\n", i, i, last ? "lid" : lane,
                   f->member[i].number);
  if (!last) lcl__str_add(o, "barrier(CLK_LOCAL_MEM_FENCE);\n");
}

static void tiled_line(lcl_fused *f, int pass) {
  lcl_str *o = &f->src;
  for_each(f, pass, "float acc$ = LCL_IDENTITY_@, lost$ = 0.0f;\n");
  lcl__str_add(o, "for (int m = lid; m < all;) {\n");
  for_each(f, pass, "float block$ = LCL_IDENTITY_@;\n");
  lcl__str_add(o,
               "for (int stop = m + min(all - m, %d * LCL_SUM_BLOCK); m < stop; m += %d) {\n"
               "int k = k0 + m / width, j = j0 + m %% width;\n",
               GROUP, GROUP);
  lcl__fused_bases(f, "k", f->rank - 1, 1);
  element(f, pass, 1, "block");
  lcl__str_add(o, "}\n");
  for_each(f, pass, "LCL_JOIN_@(T, acc$, lost$, block$)\n");
  lcl__str_add(o, "}\n");
  fold_group(f, pass, "1", "0");
}

static void tiled_lines(lcl_fused *f) {
  lcl_str *o = &f->src;
  const char *where = "split * outputs + r", *first = "if (lid == 0) ";
  lcl__str_add(o, "int r = get_group_id(0);\nconst int j = 0;\n");
  lcl__fused_bases(f, "r", f->rank - 1, 0);
  lcl__fused_load_results(f, 1);
  lcl__fused_results(f, -1, 1, where, first);
  lcl__str_add(o, "int width = max(j1 - j0, 0), all = max(k1 - k0, 0) * width;\n");
  for (int pass = 0; pass < f->n_pass; pass++) {
    tiled_line(f, pass);
    lcl__fused_results(f, pass, 1, where, first);
  }
}

static void tiled_columns(lcl_fused *f) {
  lcl_str *o = &f->src;
  const char *where = "(split * outputs + r) * inner", *first = "if (lane == 0 && g == at) ";
  /* Beyond the last result there are no rows, but all reach the barriers. */
  lcl__str_add(o,
               "int lane = lid / per, lanes = %d / per;\n"
               "int g = get_group_id(0) * per + lid %% per, at = min(g, outputs * inner - 1);\n"
               "int r = at / inner, j = at %% inner;\nif (g > at) k1 = k0;\n",
               GROUP);
  lcl__fused_bases(f, "r", f->rank - 1, 0);
  lcl__fused_load_results(f, 1);
  lcl__fused_results(f, -1, 1, where, first);
  for (int pass = 0; pass < f->n_pass; pass++) {
    walk_rows(f, pass, 1, "k0 + lane", "lanes");
    fold_group(f, pass, "per", "lid % per");
    lcl__fused_results(f, pass, 1, where, first);
  }
}

static void reduce_tiled(lcl_fused *f) {
  lcl_str *o = &f->src;
  int most = 1;
  for (int pass = 0; pass < f->n_pass; pass++) most = LCL_MAX(most, reductions_of(f, pass));
  lcl__str_add(o,
               "#define T float\nlocal float fold[%d];\n"
               "int lid = get_local_id(0), split = get_global_id(1);\n"
               "int k0 = split * k_step, k1 = min(k0 + k_length, n_reduced);\n"
               "int j0 = split * j_step, j1 = min(j0 + j_length, inner);\n",
               GROUP * most);
  if (f->reduced[f->rank - 1])
    tiled_lines(f);
  else
    tiled_columns(f);
  lcl__str_add(o, "#undef T\n");
}

/* ---- launches ---- */

static void reduce_source(lcl_fused *f) {
  lcl_str *o = &f->src;
  lcl__str_add(o,
               "/* generated: reductions and element-wise operations over %d dimensions, %d in "
               "all */\nkernel void KERNEL(",
               f->rank, f->n_member);
  lcl__fused_arguments(f);
  lcl__str_add(o, "int8 dims, int8 place, int outputs, int inner, int n_reduced, int per, "
                  "int k_step, int k_length, int j_step, int j_length");
  lcl__fused_parameters(f);
  lcl__str_add(o, ") {\n");
  if (f->caps->packed)
    reduce_packed(f);
  else
    reduce_tiled(f);
  lcl__str_add(o, "}\n");
}

/* Whether something follows from results. */
static bool is_deep(const lcl_fused *f) {
  for (int i = 0; i < f->n_member; i++)
    if (f->member[i].per_result && !f->member[i].reduces) return true;
  return f->n_pass > 1;
}

static void label_of(const lcl_fused *f, char label[160]) {
  const lcl_member *only = NULL;
  if (f->launch == LCL_SECOND_LAUNCH) {
    lcl__fused_describe(f, "fold", label);
    return;
  }
  for (int i = 0; i < f->n_member; i++)
    if (f->member[i].reduces) {
      if (only) {
        lcl__fused_describe(f, "", label);
        return;
      }
      only = &f->member[i];
    }
  lcl__fused_describe(f, is_deep(f) ? "" : lcl__node_name(only->node), label);
}

/* The sum of nothing is 0, its mean 0/0. */
static lcl_status emit_nothing(lcl_fused *f) {
  for (int k = 0; k < f->n_output; k++) {
    const lcl_node *node = f->member[f->output[k]].node;
    const int64_t results = lcl_shape_count(node->out[0].shape);
    const lcl_arg y = lcl__out(f->lw, (lcl_tensor *)&node->out[0]);
    const float factor = ((const lcl_reduce_attr *)node->attr)->factor;
    if (results)
      LCL_TRY(lcl__emit_fill(f->lw, y, isnan(factor) ? 0x7fc00000u : 0, (size_t)results * 4));
  }
  return LCL_OK;
}

static int push_arguments(lcl_fused *f, const lcl_fold_plan *p, int64_t per, lcl_arg *args) {
  int n = 0;
  lcl__fused_push_operands(f, args, &n);
  args[n++] = lcl__int8(f->dim, f->rank);
  args[n++] = lcl__int8(f->place, f->rank);
  const int64_t sizes[] = { p->outputs, p->inner,    p->n_reduced, per,
                            p->k_step,  p->k_length, p->j_step,    p->j_length };
  for (size_t i = 0; i < LCL_COUNT(sizes); i++) args[n++] = lcl__i32(sizes[i]);
  for (int i = 0; i < f->n_param; i++) args[n++] = lcl__f32(f->param[i]);
  return n;
}

static int64_t results_of(const lcl_fold_plan *p) {
  return p->outputs * (p->inner_reduced ? 1 : p->inner);
}

/* One launch. */
static lcl_status emit_walk(lcl_fused *f, const lcl_fold_plan *p) {
  const int64_t count = lcl_shape_count(f->space.shape);
  char name[40], label[160];
  reduce_source(f);
  LCL_TRY(lcl__fused_name(f, "reduce", name));
  label_of(f, label);
  const int64_t items = LCL_MIN(lcl__packed_items(f->caps, count, 4096), p->outputs),
                per = p->columns ? p->columns : lcl__ceil_div(p->outputs, items);
  lcl_arg *args = lcl__alloc(
      sizeof *args * (size_t)((2 + 3 * LCL_MAX_RANK) * f->n_ext + f->n_output + 10 + f->n_param));
  if (!args) return LCL_ERR_HOST_MEMORY;
  lcl_launch d = { .label = label,
                   .source = { .text = f->src.data },
                   .kernel = name,
                   .args = args,
                   .n_args = push_arguments(f, p, per, args),
                   .dims = 2,
                   .global = { 1, (size_t)p->splits },
                   .local = { 1, 1 },
                   .flops = (double)count * f->n_member,
                   .bytes = lcl__fused_operand_bytes(f) };
  if (f->caps->packed) {
    d.global[0] = (size_t)lcl__ceil_div(p->outputs, per);
  } else {
    d.local[0] = GROUP;
    d.global[0] = GROUP * (size_t)(p->inner_reduced ? p->outputs
                                                    : lcl__ceil_div(results_of(p), p->columns));
  }
  lcl_status st = lcl__emit(f->lw, &d);
  lcl__free(args);
  return st;
}

/* ---- one launch or two ---- */

static lcl_status emit_whole(lcl_fused *f) {
  lcl__fused_merge(f);
  const lcl_fold_plan p = lcl__plan_fold(f->caps, f->rank, f->dim, f->reduced, true);
  return emit_walk(f, &p);
}

/* Partial results, to the slots in part, if that is what keeps the device busy; else *splits is 0.
 */
static lcl_status emit_parts(lcl_fused *f, int *part, int64_t *splits) {
  lcl__fused_merge(f);
  const lcl_fold_plan p = lcl__plan_fold(f->caps, f->rank, f->dim, f->reduced, false);
  *splits = p.partial ? p.splits : 0;
  if (!p.partial) return LCL_OK;
  for (int i = 0, k = 0; i < f->n_member; i++)
    if (f->member[i].reduces)
      part[k++] = lcl__scratch(f->lw, (size_t)(p.splits * results_of(&p)) * sizeof(float));
  return emit_walk(f, &p);
}

/* The space of partial results: splits in place of all that is reduced. */
static lcl_space space_of_parts(const lcl_space *space, int64_t splits) {
  lcl_space s = *space;
  for (int i = 0; i < s.shape.rank; i++) {
    if (!(s.axes & (1u << i))) continue;
    s.shape.dim[i] = splits;
    splits = 1;
  }
  return s;
}

static bool follows(const lcl_space *space, const lcl_node *node) {
  return node->op->fusion != LCL_FUSE_REDUCE && lcl__space_per(space, node) == LCL_PER_RESULT;
}

/* What the second launch does not need, or what the first does not. */
static int select_nodes(const lcl_space *space, lcl_node *const *nodes, int n, bool second,
                        lcl_node **out) {
  int k = 0;
  for (int i = 0; i < n; i++) {
    const bool reduces = nodes[i]->op->fusion == LCL_FUSE_REDUCE;
    if (reduces || follows(space, nodes[i]) == second) out[k++] = nodes[i];
  }
  return k;
}

/* Sums from which nothing follows: their parts are added up with others'. */
static lcl_status sum_later(lcl_lower *lw, lcl_node *const *nodes, int n, const int *part,
                            int64_t splits) {
  for (int i = 0, k = 0; i < n; i++) {
    const lcl_reduce_attr *a = nodes[i]->attr;
    if (nodes[i]->op->fusion != LCL_FUSE_REDUCE) continue;
    const int from = part[k++];
    if (!lcl__lower_exports(lw, nodes[i])) continue;
    LCL_TRY(lcl__sum_parts(lw, lcl__scratch_arg(lw, from, LCL_READ),
                           lcl__out(lw, (lcl_tensor *)&nodes[i]->out[0]),
                           lcl_shape_count(nodes[i]->out[0].shape), splits, a->factor));
  }
  return LCL_OK;
}

static bool sums_only(const lcl_caps *caps, const lcl_space *space, lcl_node *const *nodes, int n) {
  if (caps->packed) return false;
  for (int i = 0; i < n; i++)
    if (follows(space, nodes[i]) ||
        (nodes[i]->op->fusion == LCL_FUSE_REDUCE &&
         ((const lcl_reduce_attr *)nodes[i]->attr)->kind != LCL_REDUCE_SUM))
      return false;
  return true;
}

/* In two launches, if the first has partial results; what follows from results is in the second. */
static lcl_status lower_in_two(lcl_lower *lw, const lcl_space *space, lcl_node *const *nodes, int n,
                               int64_t *splits) {
  int part[LCL_MAX_GROUP];
  lcl_node *some[LCL_MAX_GROUP];
  lcl_fused first = {
    .lw = lw, .caps = lcl__lower_caps(lw), .space = *space, .launch = LCL_FIRST_LAUNCH, .part = part
  };
  lcl_fused second = first;
  lcl_status st = lcl__fused_collect(&first, some, select_nodes(space, nodes, n, false, some));
  if (st == LCL_OK) st = emit_parts(&first, part, splits);
  if (st == LCL_OK && *splits && sums_only(first.caps, space, nodes, n))
    st = sum_later(lw, nodes, n, part, *splits);
  else if (st == LCL_OK && *splits) {
    second.launch = LCL_SECOND_LAUNCH;
    second.space = space_of_parts(space, *splits);
    st = lcl__fused_collect(&second, some, select_nodes(space, nodes, n, true, some));
    if (st == LCL_OK) st = emit_whole(&second);
  }
  lcl__str_free(&first.src);
  lcl__str_free(&second.src);
  return st;
}

lcl_status lcl__lower_reduce_group(lcl_lower *lw, const lcl_space *space, lcl_node *const *nodes,
                                   int n) {
  const lcl_caps *caps = lcl__lower_caps(lw);
  const int64_t count = lcl_shape_count(space->shape);
  int64_t splits = 0;
  lcl_fused f = { .lw = lw, .caps = caps, .space = *space };
  if (count > INT32_MAX) return lcl__fail(LCL_ERR_UNSUPPORTED, "more than 2^31 elements");
  lcl_status st = lcl__fused_collect(&f, nodes, n);
  if (st == LCL_OK && count == 0)
    st = emit_nothing(&f);
  else if (st == LCL_OK) {
    const bool whole = f.n_pass > 1 || (is_deep(&f) && lcl__whole_results(caps, space));
    if (!whole) st = lower_in_two(lw, space, nodes, n, &splits);
    if (st == LCL_OK && !splits) st = emit_whole(&f);
  }
  lcl__str_free(&f.src);
  return st;
}
