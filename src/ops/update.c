/* update: what happens to variables at the end of a run: assignment, moving averages, optimiser
 * steps.
 *
 * An optimiser's gradients are written into one flat buffer that mirrors the layout of the
 * parameters, so that a step is one launch over each run of neighbouring parameters. */
#include <math.h>

#include "device/divide.h"
#include "graph/store.h"
#include "latentcl/ops.h"
#include "ops/packed.h"
#include "ops/ranks.h"

/* ---- runs: variables that lie next to each other ---- */

typedef struct run {
  int first, last; /* of the variables */
  size_t offset, bytes;
} run;

/* The run that begins with variable `first` (the padding between them is zero and stays so). */
static run next_run(lcl_var *const *vars, int n, int first, size_t align) {
  run r = { first, first, vars[first]->offset, vars[first]->bytes };
  while (r.last + 1 < n) {
    const lcl_var *a = vars[r.last], *b = vars[r.last + 1];
    if (a->segment != b->segment ||
        b->offset != a->offset + lcl__round_up(LCL_MAX(a->bytes, 1), align))
      break;
    r.bytes = b->offset + b->bytes - r.offset;
    r.last++;
  }
  return r;
}

static lcl_arg var_arg(lcl_lower *lw, const lcl_var *v, int access) {
  return lcl__slot_arg(lw, lcl__buffer_slot(lw, v->buffer, v->bytes), access);
}

static lcl_arg run_arg(lcl_lower *lw, const lcl_segment *home, run r, int access) {
  const int whole = lcl__buffer_slot(lw, home->buffer, home->bytes);
  return lcl__slot_arg(lw, lcl__slot_part(lw, whole, r.offset, r.bytes), access);
}

/* ---- assignment and moving averages ---- */

/* Of assignments between which no other update was made, those of a run are one copy of a flat
 * buffer that mirrors it, into which their values are computed. The first does it for all. */
typedef struct assign_attr {
  /* While lowering: slots of the run's flat buffer (-1: the run has no other variable) and of the
   * value's part of it, and whether the value is computed straight into that. */
  int32_t flat, part, placed;
} assign_attr;
typedef struct assignments {
  int n;
  lcl_node **nodes; /* in the order in which the variables lie */
  lcl_var **vars;
} assignments;

static lcl_status infer_assign(lcl_node *node) {
  char a[96], b[96];
  if (!lcl__tensor_var(node->in[0]))
    return lcl__fail(LCL_ERR_ARGUMENT, "only a variable can be assigned to");
  if (!lcl_shape_equal(node->in[0]->shape, node->in[1]->shape) ||
      node->in[0]->dtype != node->in[1]->dtype)
    return lcl__fail(LCL_ERR_SHAPE, "the variable is %s %s, the value %s %s",
                     lcl_dtype_name(node->in[0]->dtype), lcl_shape_string(node->in[0]->shape, a),
                     lcl_dtype_name(node->in[1]->dtype), lcl_shape_string(node->in[1]->shape, b));
  node->out[0].shape = LCL_SCALAR;
  node->out[0].dtype = LCL_F32;
  return LCL_OK;
}

/* The update before or after the node (step: -1 or 1), if that is an assignment too. */
static lcl_node *neighbour(const lcl_node *node, int step) {
  const int n = lcl__graph_node_count(node->graph);
  for (int i = node->id + step; i >= 0 && i < n; i += step) {
    lcl_node *other = lcl__graph_node(node->graph, i);
    if (other->op->flags & LCL_OP_UPDATE) return other->op == node->op ? other : NULL;
  }
  return NULL;
}

static bool lies_before(const lcl_var *a, const lcl_var *b) {
  return a->segment != b->segment ? a->segment < b->segment : a->offset < b->offset;
}

/* Those that begin with the first, sorted; of one variable in order of creation. */
static lcl_status find_assignments(lcl_lower *lw, lcl_node *first, assignments *all) {
  lcl_arena *arena = lcl__lower_arena(lw);
  size_t n = 0;
  for (const lcl_node *node = first; node; node = neighbour(node, 1)) n++;
  all->n = 0;
  all->nodes = lcl__arena_alloc(arena, n * sizeof *all->nodes);
  all->vars = lcl__arena_alloc(arena, n * sizeof *all->vars);
  if (!all->nodes || !all->vars) return LCL_ERR_HOST_MEMORY;
  for (lcl_node *node = first; node; node = neighbour(node, 1)) {
    lcl_var *v = lcl__tensor_var(node->in[0]);
    int at = all->n++;
    for (; at > 0 && lies_before(v, all->vars[at - 1]); at--) {
      all->nodes[at] = all->nodes[at - 1];
      all->vars[at] = all->vars[at - 1];
    }
    all->nodes[at] = node;
    all->vars[at] = v;
  }
  return LCL_OK;
}

static lcl_status prepare_assign(lcl_lower *lw, lcl_node *node) {
  assignments all = { 0 };
  if (neighbour(node, -1)) return LCL_OK;
  LCL_TRY(find_assignments(lw, node, &all));
  for (int i = 0; i < all.n;) {
    const run r = next_run(all.vars, all.n, i, lcl__lower_caps(lw)->base_align);
    const bool single = r.last == r.first;
    const int flat = single ? -1 : lcl__persistent(lw, r.bytes, LCL_IN_DEVICE_MEMORY);
    if (!single && flat < 0) return LCL_ERR_DEVICE_MEMORY;
    for (; i <= r.last; i++) {
      const lcl_var *v = all.vars[i];
      assign_attr *a = all.nodes[i]->attr;
      *a = (assign_attr) { .flat = flat };
      if (single) continue;
      a->part = lcl__slot_part(lw, flat, v->offset - r.offset, v->bytes);
      a->placed = lcl__place(lw, all.nodes[i]->in[1], a->part);
    }
  }
  return LCL_OK;
}

static lcl_status lower_run(lcl_lower *lw, const assignments *all, run r) {
  const lcl_segment *home = lcl__store_segment(lcl__graph_store(all->nodes[r.first]->graph),
                                               all->vars[r.first]->segment);
  lcl_arg from = { 0 };
  for (int i = r.first; i <= r.last; i++) {
    const assign_attr *a = all->nodes[i]->attr;
    if (a->flat >= 0 && !a->placed)
      LCL_TRY(lcl__emit_copy(lw, lcl__in(lw, all->nodes[i]->in[1]),
                             lcl__slot_arg(lw, a->part, LCL_WRITE), all->vars[i]->bytes));
    from = a->flat >= 0 ? lcl__slot_arg(lw, a->flat, LCL_READ) : lcl__in(lw, all->nodes[i]->in[1]);
  }
  return lcl__emit_copy(lw, from, run_arg(lw, home, r, LCL_WRITE), r.bytes);
}

static lcl_status lower_assign(lcl_lower *lw, lcl_node *node) {
  assignments all = { 0 };
  if (neighbour(node, -1)) return LCL_OK;
  LCL_TRY(find_assignments(lw, node, &all));
  for (int i = 0; i < all.n;) {
    const run r = next_run(all.vars, all.n, i, lcl__lower_caps(lw)->base_align);
    LCL_TRY(lower_run(lw, &all, r));
    i = r.last + 1;
  }
  return LCL_OK;
}

static const lcl_op op_assign = { .name = "assign",
                                  .attr_size = sizeof(assign_attr),
                                  .infer = infer_assign,
                                  .prepare = prepare_assign,
                                  .lower = lower_assign,
                                  .flags = LCL_OP_UPDATE | LCL_OP_TARGET };

void lcl_assign(lcl_tensor *var, lcl_tensor *value) {
  lcl__node_new(lcl_tensor_graph(var), &op_assign, LCL_IN(var, value), &(assign_attr) { 0 }, 1);
}

void lcl_ema(lcl_tensor *var, lcl_tensor *value, float decay) {
  if (var && value && (var->dtype != LCL_F32 || value->dtype != LCL_F32))
    lcl__graph_error(lcl_tensor_graph(var), LCL_ERR_TYPE, "ema",
                     "expects a variable and a value of f32, got %s and %s",
                     lcl_dtype_name(var->dtype), lcl_dtype_name(value->dtype));
  const bool alike = var && value && lcl_shape_equal(var->shape, value->shape);
  lcl_assign(var, alike ? lcl_add(lcl_scale(var, decay), lcl_scale(value, 1 - decay)) : value);
}

/* ---- optimisers ---- */

typedef struct optimiser {
  lcl_optimiser_desc desc;
  int n;            /* parameters */
  lcl_var **params; /* node inputs 1..n are their gradients */
  lcl_var *step;
  lcl_var *loss_scale, *steady; /* factor, steps since it changed; NULL: none */
  lcl_memory where;             /* of the flat gradients */
  int *mean;    /* per parameter, while lowering: slot of the flat mean over ranks; or arena */
  int *arena;   /* per parameter, while lowering: slot of the flat gradient of its segment */
  bool *placed; /* ... and whether the gradient is computed straight into it */
  struct bucket *buckets; /* of a graph that ranks share */
  int n_buckets;
} optimiser;
/* Neighbouring parameters whose gradients are exchanged together: as many as make it worth while,
 * in the order in which the backward pass comes to them, from the last on. */
typedef struct bucket {
  int first, last;
  lcl_exchange *exchange; /* while lowering */
} bucket;
/* A bucket is an eighth of all gradients, so that what the first layers' have to wait for is
 * little, within these bounds: below, an exchange takes no less time; above, it is no more
 * efficient. */
enum { LEAST_BUCKET = 64 << 10, MOST_BUCKET = 2 << 20 };
typedef struct optimiser_attr {
  optimiser *o;
} optimiser_attr;
typedef struct bucket_attr {
  optimiser *o;
  bucket *b;
} bucket_attr;

/* Kernel and slot names of each rule. */
static const struct {
  const char *kernel;
  const char *slots[2];
  float init[2];
  bool flag; /* takes one int at the end */
} rules[] = {
  [LCL_SGD] = { "sgd", { NULL, NULL }, { 0, 0 }, false },
  [LCL_MOMENTUM] = { "momentum", { "v", NULL }, { 0, 0 }, true },
  [LCL_NESTEROV] = { "momentum", { "v", NULL }, { 0, 0 }, true },
  [LCL_RMSPROP] = { "rmsprop", { "r", "v" }, { 0, 0 }, true },
  [LCL_ADAM] = { "adam", { "m", "v" }, { 0, 0 }, false },
  [LCL_ADADELTA] = { "adadelta", { "e", "x" }, { 0, 0 }, false },
};

static lcl_status infer_optimiser(lcl_node *node) {
  if (lcl_shape_count(node->in[0]->shape) != 1)
    return lcl__fail(LCL_ERR_SHAPE, "the learning rate must be one number");
  if (node->in[0]->dtype != LCL_F32)
    return lcl__fail(LCL_ERR_TYPE, "the learning rate must be f32, not %s",
                     lcl_dtype_name(node->in[0]->dtype));
  node->out[0].shape = LCL_SCALAR;
  node->out[0].dtype = LCL_F32;
  return LCL_OK;
}

/* One flat gradient buffer a segment; gradients are computed straight into it where possible. What
 * ranks exchange in host memory goes from there to another. */
static lcl_status prepare_optimiser(lcl_lower *lw, lcl_node *node) {
  optimiser *o = ((optimiser_attr *)node->attr)->o;
  if (o->n_buckets) LCL_TRY(lcl__host_memory_ask(lcl__lower_context(lw), &o->where));
  for (int i = 0; i < o->n; i++) {
    const lcl_var *v = o->params[i];
    const size_t bytes = lcl__store_segment(lcl__graph_store(node->graph), v->segment)->bytes;
    int j = 0;
    while (j < i && o->params[j]->segment != v->segment) j++;
    o->arena[i] = j < i ? o->arena[j] : lcl__persistent(lw, bytes, o->where);
    if (o->where == LCL_IN_DEVICE_MEMORY)
      o->mean[i] = o->arena[i];
    else
      o->mean[i] = j < i ? o->mean[j] : lcl__persistent(lw, bytes, o->where);
    if (o->arena[i] < 0 || o->mean[i] < 0) return LCL_ERR_DEVICE_MEMORY;
    o->placed[i] = lcl__place(lw, node->in[i + 1],
                              lcl__slot_part(lw, o->arena[i], v->offset, v->bytes));
  }
  return LCL_OK;
}

/* Elements a work-item walks: a few large work-items for packed kernels, else one element each. */
static int64_t per_item(const lcl_caps *caps, int64_t n) {
  const int64_t share = lcl__share(caps, n, 4096);
  return caps->packed ? (int64_t)lcl__round_up((size_t)share, 16) : share;
}

static lcl_status emit_step(lcl_lower *lw, lcl_node *node, const optimiser *o, run r, lcl_arg scale,
                            lcl_arg correction) {
  const lcl_optimiser_desc *d = &o->desc;
  lcl_store *store = lcl__graph_store(node->graph);
  int segment = o->params[r.first]->segment;
  const lcl_segment *home = lcl__store_segment(store, segment);
  int64_t n = (int64_t)(r.bytes / 4), per = per_item(lcl__lower_caps(lw), n);
  float rule[8] = { d->clip_value, d->weight_decay, d->l1,  d->l2,
                    d->beta1,      d->beta2,        d->eps, d->damping };
  lcl_arg args[12];
  int k = 0;
  args[k++] = run_arg(lw, home, r, LCL_READ_WRITE);
  args[k++] = lcl__slot_arg(lw, lcl__slot_part(lw, o->mean[r.first], r.offset, r.bytes), LCL_READ);
  args[k++] = lcl__in(lw, node->in[0]);
  args[k++] = scale;
  args[k++] = var_arg(lw, o->step, LCL_READ);
  args[k++] = lcl__bytes(rule, sizeof rule);
  args[k++] = lcl__i32(n);
  args[k++] = lcl__i32(per);
  for (int i = 0; i < 2 && rules[d->kind].slots[i]; i++) {
    const lcl_segment *s = lcl__store_slot_segment(store, segment, rules[d->kind].slots[i]);
    if (!s) return lcl__fail(LCL_ERR_ARGUMENT, "internal: no slot %s", rules[d->kind].slots[i]);
    args[k++] = run_arg(lw, s, r, LCL_READ_WRITE);
  }
  if (d->kind == LCL_ADAM) args[k++] = correction;
  if (rules[d->kind].flag)
    args[k++] = lcl__i32(d->kind == LCL_NESTEROV || (d->kind == LCL_RMSPROP && d->eps_outside));
  char label[64];
  snprintf(label, sizeof label, "%s %lld", rules[d->kind].kernel, (long long)n);
  return lcl__emit(lw, &(lcl_launch) { .label = label,
                                       .source = { .file = "update.cl" },
                                       .kernel = rules[d->kind].kernel,
                                       .args = args,
                                       .n_args = k,
                                       .dims = 1,
                                       .global = { (size_t)((n + per - 1) / per) },
                                       .flops = 10.0 * (double)n,
                                       .bytes = 28.0 * (double)n });
}

/* The factor of every gradient: of global norm clipping, and against the loss's; negative where the
 * step is left out. */
static lcl_status emit_scale(lcl_lower *lw, lcl_node *node, const optimiser *o, lcl_arg *scale) {
  size_t align = lcl__lower_caps(lw)->base_align;
  if (o->desc.clip_norm <= 0 && !o->loss_scale) {
    *scale = lcl__in(lw, lcl_const(node->graph, 1));
    return LCL_OK;
  }
  int n_runs = 0, at = 0;
  int64_t longest = 0;
  for (int i = 0; i < o->n; n_runs++) {
    run r = next_run(o->params, o->n, i, align);
    longest = LCL_MAX(longest, (int64_t)(r.bytes / 4));
    i = r.last + 1;
  }
  /* 64 work-items, more where each would have a long loop (Mesa's llvmpipe ends one after 65535
   * rounds). */
  const int64_t parts = LCL_MAX(64, (longest + 32767) / 32768);
  const size_t stride = lcl__round_up((size_t)parts * 4, align);
  int part = lcl__scratch(lw, (size_t)n_runs * stride), factor = lcl__scratch(lw, 4);
  LCL_TRY(lcl__emit_fill(lw, lcl__scratch_arg(lw, part, LCL_WRITE), 0, (size_t)n_runs * stride));
  for (int i = 0; i < o->n; at++) {
    run r = next_run(o->params, o->n, i, align);
    int64_t n = (int64_t)(r.bytes / 4), per = (n + parts - 1) / parts;
    lcl_arg sums = lcl__slot_arg(
        lw, lcl__slot_part(lw, part, (size_t)at * stride, (size_t)parts * 4), LCL_WRITE);
    LCL_TRY(lcl__emit(
        lw,
        &(lcl_launch) {
            .label = "gradient norm",
            .source = { .file = "update.cl" },
            .kernel = "square_sums",
            LCL_ARGS(lcl__slot_arg(lw, lcl__slot_part(lw, o->mean[i], r.offset, r.bytes), LCL_READ),
                     sums, lcl__i32(n), lcl__i32(per)),
            .dims = 1,
            .global = { (size_t)parts },
            .flops = 2.0 * (double)n,
            .bytes = 4.0 * (double)n }));
    i = r.last + 1;
  }
  lcl_arg_list l = { .n = 0 };
  lcl__args_add(&l, lcl__scratch_arg(lw, part, LCL_READ));
  lcl__args_add(&l, lcl__scratch_arg(lw, factor, LCL_WRITE));
  lcl__args_add(&l, lcl__i32((int64_t)((size_t)n_runs * stride / 4)));
  lcl__args_add(&l, lcl__f32(o->desc.clip_norm > 0 ? o->desc.clip_norm : INFINITY));
  if (o->loss_scale) {
    lcl__args_add(&l, var_arg(lw, o->loss_scale, LCL_READ_WRITE));
    lcl__args_add(&l, var_arg(lw, o->steady, LCL_READ_WRITE));
  }
  LCL_TRY(lcl__emit(lw, &(lcl_launch) { .label = "gradient norm",
                                        .source = { .file = "update.cl" },
                                        .kernel = o->loss_scale ? "loss_scale" : "norm_scale",
                                        .args = l.a,
                                        .n_args = l.n,
                                        .dims = 1,
                                        .global = { 1 } }));
  *scale = lcl__scratch_arg(lw, factor, LCL_READ);
  return LCL_OK;
}

/* The gradient of parameter i in its place of the flat buffer. */
static lcl_status gather_gradient(lcl_lower *lw, const optimiser *o, int i, lcl_tensor *gradient) {
  if (o->placed[i]) return LCL_OK;
  int part = lcl__slot_part(lw, o->arena[i], o->params[i]->offset, o->params[i]->bytes);
  return lcl__emit_copy(lw, lcl__in(lw, gradient), lcl__slot_arg(lw, part, LCL_WRITE),
                        o->params[i]->bytes);
}

/* ---- gradients of a graph that ranks share ---- */

/* slots: o->arena or o->mean. */
static lcl_arg bucket_arg(lcl_lower *lw, const optimiser *o, const int *slots, const bucket *b,
                          int access) {
  const lcl_var *first = o->params[b->first], *last = o->params[b->last];
  return lcl__slot_arg(lw,
                       lcl__slot_part(lw, slots[b->first], first->offset,
                                      last->offset + last->bytes - first->offset),
                       access);
}

static lcl_status infer_bucket(lcl_node *node) {
  node->out[0].shape = LCL_SCALAR; /* a sign that the gradients are on their way */
  node->out[0].dtype = LCL_F32;
  return LCL_OK;
}

static lcl_status lower_bucket(lcl_lower *lw, lcl_node *node) {
  const bucket_attr *a = node->attr;
  for (int i = a->b->first; i <= a->b->last; i++)
    LCL_TRY(gather_gradient(lw, a->o, i, node->in[i - a->b->first]));
  lcl__out(lw, &node->out[0]);
  const lcl_arg all = bucket_arg(lw, a->o, a->o->arena, a->b, LCL_READ),
                mean = bucket_arg(lw, a->o, a->o->mean, a->b, LCL_WRITE);
  const size_t floats = lcl__slot_bytes(lw, all) / sizeof(float);
  if (a->o->where == LCL_IN_HOST_MEMORY)
    return lcl__emit_mean_start_in_host_memory(lw, node->graph, all, mean, floats, &a->b->exchange);
  return lcl__emit_mean_start(lw, node->graph, all, floats, &a->b->exchange);
}

static const lcl_op op_bucket = { .name = "exchange gradients",
                                  .attr_size = sizeof(bucket_attr),
                                  .infer = infer_bucket,
                                  .lower = lower_bucket,
                                  .flags = LCL_OP_NO_GRAD | LCL_OP_EARLY };

/* Parameters i-1 and i lie next to each other. */
static bool adjoin(const optimiser *o, int i) {
  const lcl_var *a = o->params[i - 1], *b = o->params[i];
  return a->segment == b->segment && b->offset >= a->offset + a->bytes &&
         b->offset - (a->offset + a->bytes) < 4096;
}

/* Fills the buckets, and in with a sign of each. */
static void make_buckets(lcl_graph *g, optimiser *o, lcl_tensor *const *gradients,
                         lcl_tensor **in) {
  size_t all = 0;
  for (int i = 0; i < o->n; i++) all += o->params[i]->bytes;
  const size_t enough = LCL_MIN(LCL_MAX(all / 8, LEAST_BUCKET), MOST_BUCKET);
  for (int last = o->n - 1, first; last >= 0; last = first - 1) {
    size_t bytes = o->params[last]->bytes;
    for (first = last; first > 0 && adjoin(o, first) && bytes < enough;)
      bytes += o->params[--first]->bytes;
    bucket *b = &o->buckets[o->n_buckets];
    *b = (bucket) { .first = first, .last = last };
    in[o->n_buckets++] = lcl__node_new(g, &op_bucket, gradients + first, last - first + 1,
                                       &(bucket_attr) { o, b }, 1);
  }
}

static lcl_status end_exchanges(lcl_lower *lw, const optimiser *o) {
  for (int i = 0; i < o->n_buckets; i++)
    LCL_TRY(lcl__emit_mean_end(lw, o->buckets[i].exchange,
                               bucket_arg(lw, o, o->mean, &o->buckets[i], LCL_WRITE)));
  return LCL_OK;
}

/* Counts the step: before Adam's, which needs corrections of it, after every other. */
static lcl_status emit_count(lcl_lower *lw, const optimiser *o, lcl_arg scale, lcl_arg correction) {
  const bool adam = o->desc.kind == LCL_ADAM;
  lcl_arg_list l = { .n = 0 };
  lcl__args_add(&l, var_arg(lw, o->step, LCL_READ_WRITE));
  lcl__args_add(&l, scale);
  if (adam) {
    correction.access = LCL_WRITE;
    lcl__args_add(&l, correction);
    lcl__args_add(&l, lcl__f32(o->desc.beta1));
    lcl__args_add(&l, lcl__f32(o->desc.beta2));
  }
  return lcl__emit(lw, &(lcl_launch) { .label = "count step",
                                       .source = { .file = "update.cl" },
                                       .kernel = adam ? "adam_step" : "count_step",
                                       .args = l.a,
                                       .n_args = l.n,
                                       .dims = 1,
                                       .global = { 1 } });
}

static lcl_status lower_optimiser(lcl_lower *lw, lcl_node *node) {
  optimiser *o = ((optimiser_attr *)node->attr)->o;
  size_t align = lcl__lower_caps(lw)->base_align;
  const bool adam = o->desc.kind == LCL_ADAM;
  lcl_arg scale, correction = { 0 };
  for (int i = 0; i < o->n && !o->n_buckets; i++)
    LCL_TRY(gather_gradient(lw, o, i, node->in[i + 1]));
  LCL_TRY(end_exchanges(lw, o));
  LCL_TRY(emit_scale(lw, node, o, &scale));
  if (adam) {
    correction = lcl__scratch_arg(lw, lcl__scratch(lw, 2 * sizeof(float)), LCL_READ);
    LCL_TRY(emit_count(lw, o, scale, correction));
  }
  for (int i = 0; i < o->n;) {
    run r = next_run(o->params, o->n, i, align);
    LCL_TRY(emit_step(lw, node, o, r, scale, correction));
    i = r.last + 1;
  }
  return adam ? LCL_OK : emit_count(lw, o, scale, correction);
}

static const lcl_op op_optimiser = { .name = "minimise",
                                     .attr_size = sizeof(optimiser_attr),
                                     .infer = infer_optimiser,
                                     .prepare = prepare_optimiser,
                                     .lower = lower_optimiser,
                                     .flags = LCL_OP_UPDATE };

/* The trainable variables that loss depends on, in order of their place in the store. */
static int find_params(lcl_tensor *loss, lcl_tensor **out) {
  const lcl_graph *g = loss->node->graph;
  int last = loss->node->id, n = 0;
  bool *reached = lcl__alloc((size_t)last + 1);
  if (!reached) return -1;
  reached[last] = true;
  for (int i = last; i >= 0; i--) {
    const lcl_node *node = lcl__graph_node(g, i);
    for (int j = 0; reached[i] && j < node->n_in; j++) reached[node->in[j]->node->id] = true;
  }
  for (int i = 0; i <= last; i++) {
    lcl_tensor *t = &lcl__graph_node(g, i)->out[0];
    const lcl_var *v = lcl__tensor_var(t);
    if (reached[i] && v && v->trainable) out[n++] = t;
  }
  lcl__free(reached);
  return n;
}

/* Position in the store: parameters are placed in this order. */
static size_t store_index(lcl_store *store, const lcl_var *v) {
  size_t n = lcl_store_count(store), i = 0;
  while (i < n && strcmp(lcl_store_info(store, i).name, v->name) != 0) i++;
  return i;
}

static void fill_defaults(lcl_optimiser_desc *d) {
  bool momentum = d->kind == LCL_MOMENTUM || d->kind == LCL_NESTEROV || d->kind == LCL_ADAM;
  if (d->beta1 == 0 && momentum) d->beta1 = 0.9f;
  if (d->beta2 == 0)
    d->beta2 = d->kind == LCL_ADAM ? 0.999f : d->kind == LCL_ADADELTA ? 0.95f : 0.9f;
  if (d->eps == 0) d->eps = d->kind == LCL_ADADELTA ? 1e-6f : 1e-8f;
}

/* GRAPH.optimiserK.WHAT, K being how many the graph has so far. */
static void name_of(const lcl_graph *g, const char *what, char name[96]) {
  int k = 0;
  for (int i = 0; i < lcl__graph_node_count(g); i++)
    k += lcl__graph_node(g, i)->op == &op_optimiser;
  snprintf(name, 96, "%s.optimiser%d.%s", lcl__graph_name(g), k, what);
}

/* The loss times the factor; the loss itself without one. */
static lcl_tensor *scaled(lcl_tensor *loss, optimiser *o) {
  char name[96];
  lcl_graph *g = lcl_tensor_graph(loss);
  if (o->desc.loss_scale <= 0) return loss;
  name_of(g, "loss_scale", name);
  lcl_tensor *factor = lcl_state(g, name, LCL_F32, LCL_SHAPE(1),
                                 (lcl_init) { LCL_INIT_CONSTANT, o->desc.loss_scale, 0, 0, 0 });
  name_of(g, "steady", name);
  lcl_tensor *steady = lcl_state(g, name, LCL_I32, LCL_SHAPE(1), (lcl_init) { 0 });
  o->loss_scale = lcl__tensor_var(factor);
  o->steady = lcl__tensor_var(steady);
  return lcl_mul(loss, lcl_reshape(factor, lcl_tensor_shape(loss)));
}

static lcl_status make_variables(lcl_graph *g, optimiser *o) {
  char name[96];
  lcl_store *store = lcl__graph_store(g);
  name_of(g, "step", name);
  LCL_TRY(lcl__store_var(store, name, LCL_I32, LCL_SHAPE(1), false, (lcl_init) { 0 }, &o->step));
  lcl_var *slot;
  for (int i = 0; i < o->n; i++)
    for (int s = 0; s < 2 && rules[o->desc.kind].slots[s]; s++)
      LCL_TRY(lcl__store_slot(store, o->params[i], rules[o->desc.kind].slots[s],
                              rules[o->desc.kind].init[s], &slot));
  return LCL_OK;
}

/* Numbers with which an update rule means something. */
static lcl_status check_rule(const lcl_optimiser_desc *d) {
  const struct {
    const char *name;
    float value;
    double least, below;
  } numbers[] = { { "rate", d->rate, 0, INFINITY },
                  { "beta1", d->beta1, 0, 1 },
                  { "beta2", d->beta2, 0, 1 },
                  { "eps", d->eps, 0, INFINITY },
                  { "damping", d->damping, 0, 1.0000001 },
                  { "l1", d->l1, 0, INFINITY },
                  { "l2", d->l2, 0, INFINITY },
                  { "weight_decay", d->weight_decay, 0, INFINITY },
                  { "clip_value", d->clip_value, 0, INFINITY },
                  { "clip_norm", d->clip_norm, 0, INFINITY },
                  { "loss_scale", d->loss_scale, 0, INFINITY } };
  if ((int)d->kind < 0 || d->kind >= LCL_COUNT(rules))
    return lcl__fail(LCL_ERR_ARGUMENT, "there is no update rule %d", (int)d->kind);
  for (size_t i = 0; i < LCL_COUNT(numbers); i++)
    if (!(numbers[i].value >= numbers[i].least && numbers[i].value < numbers[i].below))
      return lcl__fail(LCL_ERR_ARGUMENT, "%s is %g, outside [0,%g)", numbers[i].name,
                       (double)numbers[i].value, numbers[i].below);
  return LCL_OK;
}

void lcl_minimise(lcl_tensor *loss, const lcl_optimiser_desc *desc) {
  lcl_graph *g = lcl_tensor_graph(loss);
  if (!loss || !desc || desc->n_params < 0)
    lcl__graph_error(g, LCL_ERR_ARGUMENT, "minimise", "NULL for the loss or the optimiser");
  else if (check_rule(desc) != LCL_OK)
    lcl__graph_error(g, LCL_ERR_ARGUMENT, "minimise", "%s", lcl_error_message());
  if (lcl__graph_broken(g)) return;
  size_t cap = (size_t)(lcl__graph_node_count(g) + 1 + desc->n_params);
  lcl_arena *arena = lcl__graph_arena(g);
  optimiser *o = lcl__arena_alloc(arena, sizeof *o);
  lcl_tensor **params = lcl__arena_alloc(arena, cap * sizeof *params),
             **in = lcl__arena_alloc(arena, (2 * cap + 1) * sizeof *in);
  if (!o || !params || !in) {
    lcl__graph_error(g, LCL_ERR_HOST_MEMORY, "minimise", "out of memory");
    return;
  }
  int n = desc->params ? desc->n_params : find_params(loss, params);
  for (int i = 0; desc->params && i < n; i++) params[i] = desc->params[i];
  for (int i = 0; i < n; i++) {
    bool twice = false;
    for (int j = 0; j < i; j++) twice |= params[j] == params[i];
    if (lcl_tensor_graph(params[i]) != g || !lcl__tensor_var(params[i]) ||
        params[i]->dtype != LCL_F32 || twice) {
      lcl__graph_error(g, LCL_ERR_ARGUMENT, "minimise",
                       twice ? "parameter %d was named before"
                             : "parameter %d is not an f32 variable of the graph",
                       i);
      return;
    }
  }
  for (int i = 1; i < n; i++) /* neighbours in the store next to each other */
    for (int j = i; j > 0; j--) {
      size_t a = store_index(lcl__graph_store(g), lcl__tensor_var(params[j - 1])),
             b = store_index(lcl__graph_store(g), lcl__tensor_var(params[j]));
      if (a <= b) break;
      lcl_tensor *t = params[j];
      params[j] = params[j - 1];
      params[j - 1] = t;
    }
  o->desc = *desc;
  o->desc.params = NULL;
  o->n = n;
  o->params = lcl__arena_alloc(arena, (size_t)(n + 1) * sizeof *o->params);
  o->arena = lcl__arena_alloc(arena, (size_t)(n + 1) * sizeof *o->arena);
  o->mean = lcl__arena_alloc(arena, (size_t)(n + 1) * sizeof *o->mean);
  o->placed = lcl__arena_alloc(arena, (size_t)(n + 1) * sizeof *o->placed);
  o->buckets = lcl__arena_alloc(arena, (size_t)(n + 1) * sizeof *o->buckets);
  if (n <= 0 || !o->params || !o->arena || !o->mean || !o->placed || !o->buckets) {
    lcl__graph_error(g, n ? LCL_ERR_HOST_MEMORY : LCL_ERR_ARGUMENT, "minimise",
                     n ? "out of memory" : "the loss depends on no parameter");
    return;
  }
  for (int i = 0; i < n; i++) o->params[i] = lcl__tensor_var(params[i]);
  fill_defaults(&o->desc);
  lcl_gradients(scaled(loss, o), params, n, in + 1);
  in[0] = desc->lr ? desc->lr : lcl_const(g, desc->rate);
  lcl_status made = lcl__graph_broken(g) ? LCL_OK : make_variables(g, o);
  /* Buckets are of neighbours. */
  if (made == LCL_OK && lcl__graph_shares(g)) made = lcl__store_place(lcl__graph_store(g));
  if (made != LCL_OK) {
    lcl__graph_error(g, made, "minimise", "%s", lcl_error_message());
    return;
  }
  if (lcl__graph_shares(g)) make_buckets(g, o, in + 1, in + 1 + n);
  lcl__node_new(g, &op_optimiser, in, n + 1 + o->n_buckets, &(optimiser_attr) { o }, 1);
}
