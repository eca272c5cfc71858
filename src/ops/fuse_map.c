/* Generated kernels of element-wise groups. */
#include "ops/fuse_text.h"

static void elements(lcl_fused *f, int v) {
  lcl__fused_elements(f, 0, v);
  lcl__fused_store_elements(f, 0, v, "q");
}

static void map_source(lcl_fused *f) {
  lcl_str *o = &f->src;
  int v = f->caps->packed ? 16 : 1, r = f->rank;
  lcl__str_add(
      o, "/* generated: %d element-wise operations over %d dimensions */\nkernel void KERNEL(",
      f->n_member, r);
  lcl__fused_arguments(f);
  lcl__str_add(o, "int8 dims, int rows, int inner, int per, int per_inner");
  lcl__fused_parameters(f);
  if (v == 1) {
    lcl__str_add(
        o,
        ") {\nint g = get_global_id(0);\nif (g >= rows * inner) return;\nint r = g / inner, j = g "
        "%% inner, q = r * inner;\n");
    lcl__fused_bases(f, "r", r - 1, -1);
    lcl__str_add(o, "#define T float\n");
    elements(f, 1);
    lcl__str_add(o, "}\n#undef T\n");
    return;
  }
  lcl__str_add(o, ") {\nint begin = (int)get_global_id(0) * per, end = min(begin + per, rows);\n"
                  "int j0 = (int)get_global_id(1) * per_inner, j1 = min(j0 + per_inner, inner);\n"
                  "for (int r = begin; r < end; r++) {\nint q = r * inner;\n");
  lcl__fused_bases(f, "r", r - 1, -1);
  lcl__str_add(o, "int j = j0;\n#define T float%d\nfor (; j + %d <= j1; j += %d) {\n", v, v, v);
  elements(f, v);
  lcl__str_add(
      o, "}\n#undef T\n#define T float\n#pragma clang loop vectorize(disable) unroll(disable)\nfor "
         "(; j < j1; j++) {\n");
  elements(f, 1);
  lcl__str_add(o, "}\n#undef T\n}\n}\n");
}

static lcl_status emit_map(lcl_fused *f) {
  int64_t count = lcl_shape_count(f->space.shape);
  if (count == 0 || f->n_output == 0) { /* still give empty results a slot */
    for (int k = 0; k < f->n_output; k++) lcl__out(f->lw, &f->member[f->output[k]].node->out[0]);
    return LCL_OK;
  }
  if (count > INT32_MAX) return lcl__fail(LCL_ERR_UNSUPPORTED, "more than 2^31 elements");
  char name[40];
  map_source(f);
  LCL_TRY(lcl__fused_name(f, "map", name));
  int64_t inner = f->dim[f->rank - 1], rows = count / inner;
  /* Packed: enough work-items to keep every unit busy, none below some thousand elements. */
  int64_t want = lcl__packed_items(f->caps, count, 4096);
  int64_t items = LCL_MIN(want, rows), per = (rows + items - 1) / items;
  int64_t parts = LCL_MIN(lcl__ceil_div(want, items), (inner + 15) / 16);
  int64_t per_inner = (int64_t)lcl__round_up((size_t)((inner + parts - 1) / parts), 16);
  lcl_arg *args = lcl__alloc(
      sizeof *args * (size_t)((2 + 3 * LCL_MAX_RANK) * f->n_ext + f->n_output + 5 + f->n_param));
  int n = 0;
  if (!args) return LCL_ERR_HOST_MEMORY;
  lcl__fused_push_operands(f, args, &n);
  args[n++] = lcl__int8(f->dim, f->rank);
  args[n++] = lcl__i32(rows);
  args[n++] = lcl__i32(inner);
  args[n++] = lcl__i32(per);
  args[n++] = lcl__i32(per_inner);
  for (int i = 0; i < f->n_param; i++) args[n++] = lcl__f32(f->param[i]);
  char label[160];
  lcl__fused_describe(f, "map", label);
  lcl_launch d = { .label = label,
                   .source = { .text = f->src.data },
                   .kernel = name,
                   .args = args,
                   .n_args = n,
                   .dims = 2,
                   .flops = (double)count * f->n_member,
                   .bytes = lcl__fused_operand_bytes(f) };
  if (f->caps->packed) {
    d.global[0] = (size_t)((rows + per - 1) / per);
    d.global[1] = (size_t)((inner + per_inner - 1) / per_inner);
  } else {
    d.dims = 1;
    d.local[0] = lcl__group_size(f->caps);
    d.global[0] = lcl__round_up((size_t)count, d.local[0]);
  }
  lcl_status st = lcl__emit(f->lw, &d);
  lcl__free(args);
  return st;
}

lcl_status lcl__lower_map_group(lcl_lower *lw, const lcl_space *space, lcl_node *const *nodes,
                                int n) {
  lcl_fused f = { .lw = lw, .caps = lcl__lower_caps(lw), .space = *space };
  if (n == 1 && nodes[0]->n_in == 2 &&
      ((const lcl_map_attr *)nodes[0]->attr)->code == LCL_MAP_ADD && lcl__lower_sum(lw, nodes[0]))
    return LCL_OK;
  lcl_status st = lcl__fused_collect(&f, nodes, n);
  if (st == LCL_OK) {
    lcl__fused_merge(&f);
    st = emit_map(&f);
  }
  lcl__str_free(&f.src);
  return st;
}
