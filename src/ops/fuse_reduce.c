/* Generated kernels of reductions, each with the expression it reduces. */
#include <math.h>

#include "ops/fuse_text.h"

/* The value that is reduced. */
static void reduced_value(const lcl_fused *f, char out[32]) {
  int ignored = 1 << 20;
  lcl__fused_value(f, f->root->in[0], &ignored, out);
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

/* acc with a block of values. */
static const char *join(lcl_reduce_kind k) {
  return k == LCL_REDUCE_SUM ? "LCL_SUM_JOIN(T, acc, lost, block)" : "acc = COMBINE(acc, block);";
}

/* One more value, into the block. */
static void emit_accumulate(lcl_fused *f, int v, const char *block) {
  char value[32];
  lcl__fused_loads(f, v);
  lcl__fused_expressions(f);
  reduced_value(f, value);
  lcl__str_add(&f->src, "%s = COMBINE(%s, %s);\n", block, block, value);
}

/* acc over rows k0 to k1 of one result (or a vector of them), block by block, or over every
 * `step`-th of them from `first` on. */
static void emit_rows(lcl_fused *f, int v, const char *first, const char *step) {
  lcl__str_add(&f->src,
               "T acc = (T)(IDENTITY), lost = (T)(0.0f);\nfor (int k = %s; k < k1;) {\n"
               "T block = (T)(IDENTITY);\n"
               "for (int stop = k + min(k1 - k, %s * LCL_SUM_BLOCK); k < stop; k += %s) {\n",
               first, step, step);
  lcl__fused_bases(f, "k", "r", true, f->rank - 1, 1);
  emit_accumulate(f, v, "block");
  lcl__str_add(&f->src, "}\nJOIN(acc, lost, block)\n}\n");
}

enum { GROUP = 64 }; /* work-items of a tiled reduction's group */

/* Packed. The innermost dimension is either reduced (a vector accumulator is folded at the
 * end) or kept (a vector of results at once). Each item makes some results over one split of the
 * reduced range. */
static void reduce_packed(lcl_fused *f) {
  lcl_str *o = &f->src;
  int r = f->rank, v = 16;
  lcl__str_add(o, "int unit = get_global_id(0), split = get_global_id(1);\n"
                  "int begin = unit * per, end = min(begin + per, outputs);\n"
                  "int k0 = split * k_step, k1 = min(k0 + k_length, n_reduced);\n"
                  "int j0 = split * j_step, j1 = min(j0 + j_length, inner);\n");
  if (f->reduced[r - 1]) {
    lcl__str_add(o, "for (int r = begin; r < end; r++) {\n");
    lcl__fused_bases(f, "r", "k", false, r - 1, 0);
    lcl__str_add(o,
                 "float%d acc = (float%d)(IDENTITY), block = acc, lost = (float%d)(0.0f);\n"
                 "float last = IDENTITY, last_block = last, last_lost = 0.0f;\n"
                 "int room = LCL_SUM_BLOCK * %d, last_room = 16;\n"
                 "for (int k = k0; k < k1; k++) {\nint j = j0;\n",
                 v, v, v, v);
    lcl__fused_bases(f, "k", "r", true, r - 1, 1);
    lcl__str_add(o,
                 "#define T float%d\nwhile (j1 - j >= %d) {\n"
                 "int stop = j + min((j1 - j) / %d * %d, room);\nroom -= stop - j;\n"
                 "for (; j < stop; j += %d) {\n",
                 v, v, v, v, v);
    emit_accumulate(f, v, "block");
    lcl__str_add(o,
                 "}\nif (room == 0) {\nJOIN(acc, lost, block)\nblock = (T)(IDENTITY);\n"
                 "room = LCL_SUM_BLOCK * %d;\n}\n}\n#undef T\n#define T float\n"
                 "if (j1 - j > last_room) {\nJOIN(last, last_lost, last_block)\n"
                 "last_block = IDENTITY;\nlast_room = 16;\n}\nlast_room -= j1 - j;\n"
                 "#pragma clang loop vectorize(disable) unroll(disable)\n"
                 "for (; j < j1; j++) {\n",
                 v);
    emit_accumulate(f, 1, "last_block");
    lcl__str_add(o,
                 "}\n#undef T\n}\nacc = COMBINE(acc, block);\nlast = COMBINE(last, last_block);\n"
                 "float8 h8 = COMBINE(acc.lo, acc.hi);\nfloat4 h4 = COMBINE(h8.lo, h8.hi);\n"
                 "float2 h2 = COMBINE(h4.lo, h4.hi);\nfloat h = COMBINE(h2.x, h2.y);\n"
                 "h = COMBINE(h, last);\ny[split * outputs + r] = h * factor;\n}\n");
    return;
  }
  /* outputs counts rows of kept outer dimensions; the innermost kept dimension is walked inside.
   * Splits of that one (k_step 0) have results of their own; those of the reduced range have
   * partial ones. */
  lcl__str_add(
      o, "int part = k_step > 0 ? split * outputs : 0;\nfor (int r = begin; r < end; r++) {\n");
  lcl__fused_bases(f, "r", "k", false, r - 1, 0);
  lcl__str_add(o, "int j = j0;\n#define T float%d\nfor (; j1 - j >= %d; j += %d) {\n", v, v, v);
  emit_rows(f, v, "k0", "1");
  lcl__str_add(o,
               "vstore%d(acc * factor, 0, y + (part + r) * inner + j);\n}\n#undef T\n"
               "#define T float\nfor (; j < j1; j++) {\n",
               v);
  emit_rows(f, 1, "k0", "1");
  lcl__str_add(o, "y[(part + r) * inner + j] = acc * factor;\n}\n#undef T\n}\n");
}

/* Tiled: a work-group of GROUP folds one result (innermost reduced), or `per` neighbouring ones
 * (innermost kept), for each of which GROUP / per work-items share the rows. */
static void reduce_tiled(lcl_fused *f) {
  lcl_str *o = &f->src;
  int r = f->rank;
  lcl__str_add(o, "#define T float\nint split = get_global_id(1);\n"
                  "int k0 = split * k_step, k1 = min(k0 + k_length, n_reduced);\n"
                  "int j0 = split * j_step, j1 = min(j0 + j_length, inner);\n");
  if (f->reduced[r - 1]) {
    lcl__str_add(o, "local float fold[64];\nint lid = get_local_id(0), r = get_group_id(0);\n");
    lcl__fused_bases(f, "r", "k", false, r - 1, 0);
    lcl__str_add(o, "int width = max(j1 - j0, 0), all = max(k1 - k0, 0) * width;\n"
                    "float acc = IDENTITY, lost = 0.0f;\nfor (int m = lid; m < all;) {\n"
                    "float block = IDENTITY;\n"
                    "for (int stop = m + min(all - m, 64 * LCL_SUM_BLOCK); m < stop; m += 64) {\n"
                    "int k = k0 + m / width, j = j0 + m %% width;\n");
    lcl__fused_bases(f, "k", "r", true, r - 1, 1);
    emit_accumulate(f, 1, "block");
    lcl__str_add(o, "}\nJOIN(acc, lost, block)\n}\nfold[lid] = acc;\n"
                    "for (int step = 32; step > 0; step /= 2) {\nbarrier(CLK_LOCAL_MEM_FENCE);\n"
                    "if (lid < step) fold[lid] = COMBINE(fold[lid], fold[lid + step]);\n}\n"
                    "if (lid == 0) y[split * outputs + r] = fold[0] * factor;\n#undef T\n");
    return;
  }
  /* Beyond the last result the last one is summed again, and not stored: all reach the barriers. */
  lcl__str_add(
      o,
      "local float fold[%d];\nint lid = get_local_id(0), lane = lid / per, lanes = %d / per;\n"
      "int g = get_group_id(0) * per + lid %% per, at = min(g, outputs * inner - 1);\n"
      "int r = at / inner, j = at %% inner;\n",
      GROUP, GROUP);
  lcl__fused_bases(f, "r", "k", false, r - 1, 0);
  emit_rows(f, 1, "k0 + lane", "lanes");
  lcl__str_add(o,
               "fold[lid] = acc;\nfor (int step = %d; step >= per; step /= 2) {\n"
               "barrier(CLK_LOCAL_MEM_FENCE);\n"
               "if (lid < step) fold[lid] = COMBINE(fold[lid], fold[lid + step]);\n}\n"
               "if (lane == 0 && g < outputs * inner) "
               "y[split * outputs * inner + g] = fold[lid] * factor;\n#undef T\n",
               GROUP / 2);
}

typedef struct reduce_plan {
  int64_t outputs; /* results; with a kept innermost dimension: rows of results */
  int64_t inner, n_reduced;
  int64_t splits;
  int64_t k_step, k_length, j_step,
      j_length;    /* split i covers k_length rows from i*k_step, j_length columns from i*j_step */
  int64_t columns; /* tiled, innermost kept: results of a work-group, a power of 2 */
  bool inner_reduced;
  bool partial; /* a result has a part from every split, to be folded */
} reduce_plan;

/* Tiled, innermost kept: as many results a work-group as are read side by side, fewer where groups
 * would not fill the device and there are rows to share. */
static int64_t columns_of(const lcl_caps *caps, const reduce_plan *p) {
  const int64_t results = p->outputs * p->inner, wide = 32;
  int64_t columns = GROUP;
  while (columns > 1 && columns / 2 >= results) columns /= 2;
  while (columns > wide / 4 && GROUP / columns < p->n_reduced / 8 &&
         (columns > wide || results / columns < 2 * lcl__units(caps)))
    columns /= 2;
  return columns;
}

/* Splits the reduced range when there are too few results to keep the device busy, or when it is
 * too long for one work-item. */
static reduce_plan plan_reduce(const lcl_fused *f) {
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
  if (!caps->packed && !p.inner_reduced) p.columns = columns_of(caps, &p);
  int64_t units = caps->packed || p.inner_reduced ? p.outputs
                                                  : lcl__ceil_div(p.outputs * p.inner, p.columns);
  int64_t want = lcl__units(caps) * (caps->packed ? LCL_ITEMS_PER_UNIT : 32) / LCL_MAX(units, 1);
  int64_t work = caps->packed || p.inner_reduced ? p.n_reduced * p.inner : p.n_reduced * p.columns;
  /* Rounds of a tiled split: 16 of whole lines, 64 of rows, which a work-group shares already. */
  int64_t splits = LCL_MIN(want, work / (caps->packed ? 8192 : p.inner_reduced ? 1024 : 4096));
  if (!caps->packed) { /* llvmpipe ends a work-item's loops after 65535 rounds in all */
    int64_t rounds = work / GROUP;
    splits = LCL_MAX(splits, (rounds + 32767) / 32768);
  }
  if (splits < 2) return p;
  bool columns = caps->packed && !p.inner_reduced && p.inner >= 32;
  if (columns || (p.inner_reduced && p.n_reduced < splits)) {
    p.j_step = p.j_length = (int64_t)lcl__round_up((size_t)((p.inner + splits - 1) / splits), 16);
    p.splits = (p.inner + p.j_length - 1) / p.j_length;
  } else {
    p.k_step = p.k_length = (p.n_reduced + splits - 1) / splits;
    p.splits = (p.n_reduced + p.k_length - 1) / p.k_length;
  }
  p.partial = !columns && p.splits > 1;
  return p;
}

static void reduce_source(lcl_fused *f, lcl_reduce_kind kind) {
  lcl_str *o = &f->src;
  lcl__fused_count_parameters(f);
  lcl__str_add(
      o,
      "/* generated: reduction over %d dimensions of %d operations */\n#define COMBINE(a, b) "
      "(%s)\n#define IDENTITY %s\n#define JOIN(acc, lost, block) %s\n",
      f->rank, f->n_order, combine(kind), identity(kind), join(kind));
  lcl__str_add(o, "kernel void KERNEL(");
  lcl__fused_arguments(f);
  lcl__str_add(
      o,
      "global float *y, float factor, int8 dims, int outputs, int inner, int n_reduced, int per, "
      "int k_step, int k_length, "
      "int j_step, int j_length");
  lcl__fused_parameters(f);
  float constant;
  if (!lcl__fused_inside(f, f->root->in[0]) && lcl__fused_scalar(f->root->in[0], &constant)) {
    lcl__str_add(o, ", float c%d", f->n_param);
    f->param[f->n_param] = constant;
  }
  lcl__str_add(o, ") {\n");
  if (f->caps->packed)
    reduce_packed(f);
  else
    reduce_tiled(f);
  lcl__str_add(o, "}\n#undef COMBINE\n#undef IDENTITY\n#undef JOIN\n");
}

lcl_status lcl__emit_fold(lcl_lower *lw, lcl_arg parts, lcl_arg y, int64_t results, int64_t splits,
                          lcl_reduce_kind kind, float factor) {
  return lcl__emit(lw, &(lcl_launch) { .label = "fold partial results",
                                       .source = { .file = "reduce.cl" },
                                       .kernel = "fold_partials",
                                       LCL_ARGS(parts, y, lcl__i32(results), lcl__i32(splits),
                                                lcl__i32(kind), lcl__f32(factor)),
                                       .dims = 1,
                                       .global = { (size_t)results },
                                       .bytes = 4.0 * (double)(results * splits) });
}

static lcl_status emit_reduce(lcl_fused *f) {
  lcl_lower *lw = f->lw;
  const lcl_reduce_attr *attr = f->root->attr;
  lcl_tensor *out = (lcl_tensor *)&f->root->out[0];
  int64_t results = lcl_shape_count(out->shape), count = lcl_shape_count(f->space);
  lcl_arg y = lcl__out(lw, out);
  if (results == 0) return LCL_OK;
  if (count == 0) /* the sum of nothing is 0, its mean 0/0 */
    return lcl__emit_fill(lw, y, isnan(attr->factor) ? 0x7fc00000u : 0, (size_t)results * 4);
  if (count > INT32_MAX) return lcl__fail(LCL_ERR_UNSUPPORTED, "more than 2^31 elements");
  reduce_plan p = plan_reduce(f);
  char name[40];
  reduce_source(f, (lcl_reduce_kind)attr->kind);
  LCL_TRY(lcl__fused_name(f, "reduce", name));
  lcl_arg target = y;
  if (p.partial)
    target = lcl__scratch_arg(lw, lcl__scratch(lw, (size_t)(p.splits * results) * 4), LCL_WRITE);
  int64_t want = lcl__packed_items(f->caps, count, 4096);
  int64_t items = LCL_MIN(want, p.outputs),
          per = p.columns ? p.columns : (p.outputs + items - 1) / items;
  lcl_arg *args = lcl__alloc(sizeof *args * (size_t)(3 * f->n_ext + 12 + f->n_param));
  int n = 0;
  if (!args) return LCL_ERR_HOST_MEMORY;
  lcl__fused_push_operands(f, args, &n);
  args[n++] = target;
  args[n++] = lcl__f32(p.partial ? 1.0f : attr->factor);
  args[n++] = lcl__int8(f->dim, f->rank);
  args[n++] = lcl__i32(p.outputs);
  args[n++] = lcl__i32(p.inner);
  args[n++] = lcl__i32(p.n_reduced);
  args[n++] = lcl__i32(per);
  args[n++] = lcl__i32(p.k_step);
  args[n++] = lcl__i32(p.k_length);
  args[n++] = lcl__i32(p.j_step);
  args[n++] = lcl__i32(p.j_length);
  float constant;
  int extra = !lcl__fused_inside(f, f->root->in[0]) && lcl__fused_scalar(f->root->in[0], &constant);
  for (int i = 0; i < f->n_param + extra; i++) args[n++] = lcl__f32(f->param[i]);
  char label[160];
  lcl__fused_describe(f,
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
                   .bytes = lcl__fused_operand_bytes(f) + 4.0 * (double)results };
  d.global[1] = (size_t)p.splits;
  d.local[1] = 1;
  if (f->caps->packed) {
    d.global[0] = (size_t)((p.outputs + per - 1) / per);
    d.local[0] = 1;
  } else {
    d.local[0] = GROUP;
    d.global[0] = GROUP * (size_t)(p.inner_reduced ? p.outputs : lcl__ceil_div(results, p.columns));
  }
  lcl_status st = lcl__emit(lw, &d);
  lcl__free(args);
  if (st != LCL_OK || !p.partial) return st;
  target.access = LCL_READ;
  return lcl__emit_fold(lw, target, y, results, p.splits, (lcl_reduce_kind)attr->kind,
                        attr->factor);
}

lcl_status lcl__lower_reduce_group(lcl_lower *lw, lcl_node *const *nodes, int n) {
  lcl_fused f = { .lw = lw,
                  .caps = lcl__lower_caps(lw),
                  .nodes = nodes,
                  .n_nodes = n,
                  .root = nodes[0],
                  .space = nodes[0]->in[0]->shape };
  lcl_status st = lcl__fused_collect(&f);
  if (st == LCL_OK) {
    lcl__fused_merge(&f);
    st = emit_reduce(&f);
  }
  lcl__str_free(&f.src);
  return st;
}
