/* Random tensors: Philox4x32-10 keyed by the graph's random state, one stream a node. Kernels:
 * cl/random.cl. */
#include "device/divide.h"
#include "graph/graph.h"
#include "latentcl/ops.h"
#include "ops/random.h"

typedef enum random_kind {
  RANDOM_UNIFORM,
  RANDOM_NORMAL,
  RANDOM_BERNOULLI,
  RANDOM_KEEP
} random_kind;

typedef struct random_attr {
  int32_t kind;
  int32_t stream; /* order of creation among the graph's random nodes */
  float p, scale; /* RANDOM_KEEP: scale with probability p, else 0 */
  int32_t rank;   /* of shape, unless the shape is that of input 0 */
  int16_t axis;   /* along which the examples of a batch lie */
  int16_t of;     /* lcl_rows_of: whose they are */
  int64_t dim[LCL_MAX_RANK];
} random_attr;

static lcl_status infer(lcl_node *node) {
  const random_attr *a = node->attr;
  lcl_shape s = { .rank = a->rank };
  memcpy(s.dim, a->dim, sizeof s.dim);
  if (node->n_in == 1) {
    if (node->in[0]->dtype != LCL_F32)
      return lcl__fail(LCL_ERR_TYPE, "probabilities must be f32, got %s",
                       lcl_dtype_name(node->in[0]->dtype));
    s = node->in[0]->shape;
  }
  node->n_out = 1;
  node->out[0].dtype = LCL_F32;
  node->out[0].shape = s;
  return LCL_OK;
}

/* Consecutive elements of the output, and the place of the first in the output of a graph of the
 * whole batch. */
typedef struct part {
  int64_t at, n, from;
} part;

static lcl_status emit_part(lcl_lower *lw, lcl_node *node, part p) {
  const random_attr *a = node->attr;
  const lcl_caps *caps = lcl__lower_caps(lw);
  const int64_t n = p.n;
  static const char *const kernels[] = { "random_uniform", "random_normal", "random_bernoulli",
                                         "random_keep" };
  lcl_arg args[8] = { lcl__rng_arg(lw), lcl__i32(a->stream), lcl__i32(n), lcl__i32(p.from),
                      lcl__i32(p.at) };
  int n_args = 5;
  if (a->kind == RANDOM_BERNOULLI) args[n_args++] = lcl__in(lw, node->in[0]);
  if (a->kind == RANDOM_KEEP) {
    args[n_args++] = lcl__f32(a->p);
    args[n_args++] = lcl__f32(a->scale);
  }
  args[n_args++] = lcl__out(lw, &node->out[0]);
  char text[96], label[160];
  snprintf(label, sizeof label, "%s %s", kernels[a->kind],
           lcl_shape_string(node->out[0].shape, text));
  lcl_launch d = { .label = label,
                   .source = { .file = "random.cl" },
                   .kernel = kernels[a->kind],
                   .args = args,
                   .n_args = n_args,
                   .flops = (double)n,
                   .bytes = 4.0 * (double)n };
  lcl__spread(&d, caps, lcl__ceil_div(n, 1024), lcl__ceil_div(n, 4));
  return lcl__emit(lw, &d);
}

/* Each example gets the numbers that it has in the whole batch. A size that is no multiple of the
 * share's is not the examples'. */
static lcl_status lower(lcl_lower *lw, lcl_node *node) {
  const random_attr *a = node->attr;
  const lcl_shape s = node->out[0].shape;
  const lcl_graph_shares *shares = lcl__graph_shares(node->graph);
  const int64_t n = lcl_shape_count(s);
  if (!shares || s.rank <= a->axis || n == 0) return emit_part(lw, node, (part) { 0, n, 0 });
  const lcl_graph_rows *first = &shares->rows[0], *second = &shares->rows[1],
                       *rows = a->of == LCL_ROWS_SECOND ? second : first;
  const int64_t size = s.dim[a->axis];
  int64_t outer = 1;
  for (int i = 0; i < a->axis; i++) outer *= s.dim[i];
  if (a->of == LCL_ROWS_BOTH && size == first->n + second->n && outer == 1) {
    const int64_t inner = n / size;
    LCL_TRY(emit_part(lw, node, (part) { 0, first->n * inner, first->first * inner }));
    return emit_part(
        lw, node,
        (part) { first->n * inner, second->n * inner, (first->all + second->first) * inner });
  }
  if (rows->n == 0 || size % rows->n != 0) return emit_part(lw, node, (part) { 0, n, 0 });
  const int64_t inner = n / (outer * rows->n); /* elements of an example */
  for (int64_t i = 0; i < outer; i++)
    LCL_TRY(emit_part(
        lw, node,
        (part) { i * rows->n * inner, rows->n * inner, (i * rows->all + rows->first) * inner }));
  return LCL_OK;
}

static const lcl_op op_random = { .name = "random",
                                  .attr_size = sizeof(random_attr),
                                  .infer = infer,
                                  .lower = lower,
                                  .flags = LCL_OP_RANDOM | LCL_OP_NO_GRAD };

static lcl_tensor *sample(lcl_graph *g, random_kind kind, lcl_tensor *p, lcl_shape shape, int axis,
                          float keep, float scale) {
  random_attr a;
  if (!g || shape.rank < 0 || shape.rank > LCL_MAX_RANK)
    return lcl__graph_error(g, LCL_ERR_ARGUMENT, "random",
                            "no graph, or rank %d is outside 0 to %d", shape.rank, LCL_MAX_RANK);
  memset(&a, 0, sizeof a);
  a.kind = kind;
  a.stream = lcl__graph_random_stream(g);
  a.axis = (int16_t)axis;
  a.of = lcl__graph_shares(g) ? (int16_t)lcl__graph_shares(g)->now : 0;
  a.p = keep;
  a.scale = scale;
  a.rank = shape.rank;
  for (int i = 0; i < shape.rank; i++) a.dim[i] = shape.dim[i];
  return p ? lcl__node_new(g, &op_random, LCL_IN(p), &a, 1)
           : lcl__node_new(g, &op_random, NULL, 0, &a, 1);
}

lcl_tensor *lcl_random_uniform(lcl_graph *g, lcl_shape shape) {
  return sample(g, RANDOM_UNIFORM, NULL, shape, 0, 0, 0);
}

lcl_tensor *lcl_random_normal(lcl_graph *g, lcl_shape shape) {
  return sample(g, RANDOM_NORMAL, NULL, shape, 0, 0, 0);
}

lcl_tensor *lcl__random_normal_along(lcl_graph *g, lcl_shape shape, int axis) {
  return sample(g, RANDOM_NORMAL, NULL, shape, axis, 0, 0);
}

lcl_tensor *lcl_random_bernoulli(lcl_tensor *p) {
  LCL_NEED_TENSORS(p);
  return sample(p->node->graph, RANDOM_BERNOULLI, p, p->shape, 0, 0, 0);
}

lcl_tensor *lcl_dropout(lcl_tensor *x, float rate) {
  LCL_NEED_TENSORS(x);
  lcl_graph *g = x->node->graph;
  if (!(rate >= 0 && rate < 1))
    return lcl__graph_error(g, LCL_ERR_ARGUMENT, "dropout", "the rate must be in [0,1), got %g",
                            (double)rate);
  if (rate == 0) return x;
  lcl_tensor *keep = sample(g, RANDOM_KEEP, NULL, x->shape, 0, 1 - rate, 1 / (1 - rate));
  /* Selected, not only multiplied: what is dropped is 0 also where x is infinite. */
  return lcl_select(keep, lcl_mul(x, keep), lcl_const(g, 0));
}
