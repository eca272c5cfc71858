/* Launches of the Diagonal BiLSTM: one for all diagonals of every image and direction (CPUs:
 * cl/bilstm.cl, GPUs: cl/bilstm_tiled.cl), or, where groups cannot serve, one a diagonal. */
#include "device/divide.h"
#include "ops/recurrent.h"

#include "cl/args.h"

/* How a device runs the layer, and the shape of its launches. */
typedef struct plan {
  lcl_lower *lw;
  const lcl_caps *caps;
  lcl_bilstm_attr a;
  bool steps;     /* a launch a diagonal */
  int diagonals;  /* launches that touch the arguments together: 1, or those of the steps */
  bool tiled;     /* the kernels of cl/bilstm_tiled.cl */
  int vec, rows;  /* as BILSTM_V and BILSTM_R in cl/bilstm.cl */
  int gates;      /* BILSTM_G */
  size_t group;   /* work-items of a group */
  int parts;      /* images' gradients of K are summed in this many parts */
  bool keep;      /* tiled: K in local memory */
  int tiled_rows; /* BILSTM_R in cl/bilstm_tiled.cl */
  lcl_arg sizes;  /* bilstm_sizes */
  char options[64], tiled_options[64];
} plan;

/* Widest vector that divides the hidden units. */
static int vector_width(const lcl_caps *caps, int hidden) {
  if (!caps->packed) return 1;
  for (int v = 16; v > 1; v /= v == 4 ? 4 : 2)
    if (v <= (int)caps->preferred_float && hidden % v == 0) return v;
  return 1;
}

/* Whether cells left of the image run. */
static bool evolves(const lcl_bilstm_attr *a) {
  return a->init && !a->freeze;
}

static lcl_arg sizes_arg(lcl_lower *lw, const lcl_bilstm_attr *a, int parts) {
  const bilstm_sizes sizes = { .images = lcl__int(lw, a->n),
                               .parts = lcl__int(lw, parts),
                               .height = lcl__int(lw, a->height),
                               .width = lcl__int(lw, a->width),
                               .hidden = lcl__int(lw, a->hidden),
                               .init = lcl__int(lw, a->init),
                               .evolve = lcl__int(lw, evolves(a)),
                               .pad = lcl__int(lw, a->pad) };
  return LCL_STRUCT(sizes);
}

/* ---- cl/bilstm_tiled.cl ---- */

enum {
  GRAD_ITEMS = 128, /* of bilstm_kernel_grad's groups */
  GRAD_GATES = 64,
  GRAD_COLUMNS = 32,
  SUM_LANES = 32 /* sums of a group of bilstm_sum_grads */
};

/* Bytes of local memory in a walk: of K if that is kept there, and of the rest, forward and back.
 */
typedef struct tiled_local {
  size_t keep, state, dp, below;
} tiled_local;
static tiled_local tiled_local_of(const lcl_bilstm_attr *a, int rows) {
  const size_t h = (size_t)a->hidden, padded = lcl__round_up(h, 4),
               height = (size_t)a->height + (size_t)rows;
  return (tiled_local) { .keep = 8 * padded * h * sizeof(float),
                         .state = 2 * height * padded * sizeof(float),
                         .dp = 4 * height * h * sizeof(float),
                         .below = height * h * sizeof(float) };
}

static int64_t grad_tiles(const lcl_bilstm_attr *a) {
  return lcl__ceil_div(4 * a->hidden, GRAD_GATES) * lcl__ceil_div(2 * a->hidden, GRAD_COLUMNS);
}

/* Fills in what differs for the tiled kernels. False where a group has too few work-items for all
 * rows: more than four rows each need more registers than there are. */
static bool plan_tiled(plan *p) {
  const lcl_bilstm_attr *a = &p->a;
  for (int rows = 2; rows <= (p->caps->unit_lanes < 64 ? 2 : 4); rows *= 2) {
    const tiled_local l = tiled_local_of(a, rows);
    const size_t items = (size_t)(lcl__ceil_div(a->height, rows) * a->hidden),
                 most = LCL_MIN(p->caps->max_work_group, (size_t)(rows == 2 ? 512 : 256)),
                 local = LCL_MAX(l.state, l.dp + l.below) + sizeof(cl_float4);
    if (items > most || most < GRAD_ITEMS || local > p->caps->local_mem) continue;
    p->tiled_rows = rows;
    p->keep = local + l.keep <= p->caps->local_mem;
    p->group = LCL_MIN(lcl__round_up(items, 32), most);
    const int64_t groups = LCL_MAX(1, grad_tiles(a) * a->n);
    p->parts = a->n * (int)LCL_MAX(1, LCL_MIN(a->height, lcl__units(p->caps) / groups));
    snprintf(p->tiled_options, sizeof p->tiled_options,
             "-DBILSTM_H=%d -DBILSTM_KEEP=%d -DBILSTM_R=%d", a->hidden, p->keep, rows);
    return true;
  }
  return false;
}

static plan plan_of(lcl_lower *lw, const lcl_bilstm_attr *a) {
  plan p = { .lw = lw, .caps = lcl__lower_caps(lw), .diagonals = 1, .a = *a };
  p.vec = vector_width(p.caps, a->hidden);
  p.rows = p.vec >= 16 || !p.caps->packed ? 4 : 2;
  p.gates = p.vec >= 16 ? 8 : 4;
  /* Jobs of a long diagonal; a group much larger than that would only wait at its barriers. */
  const size_t jobs = (size_t)(LCL_MIN(a->height, a->width) + p.rows - 1) / (size_t)p.rows *
                      (size_t)a->hidden;
  p.group = p.caps->packed ? 1
                           : LCL_MIN(p.caps->max_work_group, jobs <= 64    ? (size_t)64
                                                             : jobs <= 128 ? 128
                                                                           : 256);
  /* Devices without groups worth the name, and batches too small to occupy the device that come
   * with large diagonals. */
  p.steps = !p.caps->packed && (p.caps->local_mem < 1024 || p.group < 16 ||
                                (2 * (unsigned)a->n < p.caps->compute_units / 4 && jobs > 1024));
  p.parts = (int)LCL_MAX(LCL_MIN(a->n, LCL_MAX((int)lcl__units(p.caps), 16)), 1);
  p.tiled = !p.caps->packed && !p.steps && plan_tiled(&p);
  p.sizes = sizes_arg(lw, a, p.parts);
  const int n = snprintf(p.options, sizeof p.options, "-DBILSTM_V=%d -DBILSTM_R=%d -DBILSTM_G=%d",
                         p.vec, p.rows, p.gates);
  if (p.caps->packed)
    snprintf(p.options + n, sizeof p.options - (size_t)n, " -DBILSTM_H=%d", a->hidden);
  return p;
}

static lcl_status emit(const plan *p, bool tiled, const char *kernel, const lcl_arg *args,
                       int n_args, size_t items, size_t local, size_t second, double flops) {
  char label[160];
  snprintf(label, sizeof label, "%s %dx%dx%dx%d", kernel, p->a.n, p->a.height, p->a.width,
           p->a.hidden);
  const lcl_launch d = { .label = label,
                         .source = { .file = tiled ? "bilstm_tiled.cl" : "bilstm.cl",
                                     .options = tiled ? p->tiled_options : p->options },
                         .kernel = kernel,
                         .args = args,
                         .n_args = n_args,
                         .dims = 2,
                         .global = { lcl__round_up(items, local), second },
                         .local = { local, 1 },
                         .flops = flops,
                         .bytes = lcl__args_bytes(p->lw, args, n_args) / p->diagonals };
  return lcl__emit(p->lw, &d);
}
#define EMIT_OF(tiled, plan, kernel, items, local, second, flops, ...)                             \
  emit(plan, tiled, kernel, (lcl_arg[]) { __VA_ARGS__ },                                           \
       (int)(sizeof((lcl_arg[]) { __VA_ARGS__ }) / sizeof(lcl_arg)), items, local, second, flops)
#define EMIT(...)       EMIT_OF(false, __VA_ARGS__)
#define EMIT_TILED(...) EMIT_OF(true, __VA_ARGS__)

/* Work-items for a loop of n independent steps: one with packed kernels, where other dimensions
 * give enough. */
static size_t spread(const plan *p, int n) {
  return p->caps->packed ? 1 : (size_t)LCL_MIN(n, 1 << 16);
}

static double cell_flops(const lcl_bilstm_attr *a) {
  return 2.0 * 2 * a->n * a->height * a->width * 8.0 * a->hidden * a->hidden;
}

/* Jobs of the longest column: an upper bound for the launches of the step kernels. */
static size_t column_jobs(const plan *p, bool blocks) {
  const int rows = LCL_MIN(p->a.height, p->a.width);
  return (size_t)(blocks ? (rows + p->rows - 1) / p->rows : rows) * (size_t)(p->a.hidden / p->vec);
}

/* The plan of one of the steps. */
static plan step_of(const plan *p) {
  plan step = *p;
  step.diagonals = p->a.height + p->a.width - 1;
  return step;
}

/* ---- forward ---- */

/* k transposed, in scratch: see kt in cl/bilstm.cl. */
static lcl_status lower_pack(const plan *p, lcl_tensor *k_left, lcl_tensor *k_right,
                             lcl_arg *packed) {
  const int32_t h = p->a.hidden;
  const int kt = lcl__scratch(p->lw, (size_t)16 * (size_t)h * (size_t)h * sizeof(float));
  *packed = lcl__scratch_arg(p->lw, kt, LCL_READ);
  return EMIT(p, "bilstm_pack", spread(p, 4 * h), lcl__group_size(p->caps), 4 * (size_t)h, 0,
              lcl__in(p->lw, k_left), lcl__in(p->lw, k_right),
              lcl__scratch_arg(p->lw, kt, LCL_WRITE), lcl__i32(h));
}

/* The margin: zeros, and with initial states what they leave at x = -1 of every row. in: the states
 * and pad. */
static lcl_status lower_margin(const plan *p, lcl_tensor *const *in, lcl_tensor *out, lcl_arg kt) {
  const lcl_bilstm_attr *a = &p->a;
  lcl_lower *lw = p->lw;
  lcl_arg margin = lcl__out(lw, out);
  if (!a->init)
    return lcl__emit_fill(lw, margin, 0, (size_t)lcl__bilstm_margin_count(a) * sizeof(float));
  LCL_TRY(EMIT(p, "bilstm_init", (size_t)a->height, 1, 2, 0, lcl__in(lw, in[0]), lcl__in(lw, in[1]),
               lcl__in(lw, in[2]), lcl__in(lw, in[3]), margin, p->sizes, lcl__i32(a->freeze)));
  if (a->freeze) return LCL_OK;
  margin.access = LCL_READ_WRITE;
  /* The margin begins with 8h zeros. Records are not touched there. */
  return EMIT(p, "bilstm_forward", 2 * p->group, p->group, 1, 0,
              a->pad ? lcl__in(lw, in[4]) : margin, kt, margin, margin, p->sizes, lcl__i32(1));
}

/* The tiled kernels' walk over the images of a->width columns, or, 0 columns wide, over the margin.
 * in: k, then the states and pad. */
static lcl_status lower_tiled(const plan *p, lcl_arg s, lcl_tensor *const *in, lcl_arg margin,
                              lcl_arg records) {
  const lcl_bilstm_attr *a = &p->a;
  lcl_lower *lw = p->lw;
  const lcl_arg k = lcl__in(lw, in[0]);
  const tiled_local l = tiled_local_of(a, p->tiled_rows);
  lcl_arg packed = k, beside[5] = { k, k, k, k, k };
  if (!p->keep) LCL_TRY(lower_pack(p, in[0], in[1], &packed));
  for (int i = 0; i < (a->init ? 4 + a->pad : 0); i++) beside[i] = lcl__in(lw, in[2 + i]);
  return EMIT_TILED(p, "bilstm_forward_tiled", 2 * (size_t)a->n * p->group, p->group, 1,
                    cell_flops(a), s, k, lcl__in(lw, in[1]), packed, beside[0], beside[1],
                    beside[2], beside[3], beside[4], margin, records, p->sizes,
                    lcl__local(p->keep ? l.keep : sizeof(cl_float4)), lcl__local(l.state));
}

lcl_status lcl__bilstm_lower_margin(lcl_lower *lw, lcl_node *node) {
  plan p = plan_of(lw, node->attr);
  lcl_arg packed;
  if (p.tiled) {
    p.a.width = 0;
    p.sizes = sizes_arg(lw, &p.a, p.parts);
    const lcl_arg margin = lcl__out(lw, &node->out[0]);
    return lower_tiled(&p, lcl__in(lw, node->in[0]), node->in, margin, margin);
  }
  LCL_TRY(lower_pack(&p, node->in[0], node->in[1], &packed));
  return lower_margin(&p, node->in + 2, &node->out[0], packed);
}

static lcl_status lower_combine(const plan *p, lcl_node *node, lcl_arg records) {
  records.access = LCL_READ;
  return EMIT(p, "bilstm_combine", spread(p, p->a.width * p->a.hidden), lcl__group_size(p->caps),
              (size_t)p->a.n * (size_t)p->a.height, 0, records, lcl__out(p->lw, &node->out[0]),
              p->sizes);
}

lcl_status lcl__bilstm_lower_forward(lcl_lower *lw, lcl_node *node) {
  const lcl_bilstm_attr attr = lcl__bilstm_attr_of(node);
  const plan p = plan_of(lw, &attr);
  const lcl_bilstm_attr *a = &p.a;
  const lcl_arg s = lcl__in(lw, node->in[0]);
  lcl_arg packed, margin = lcl__out(lw, &node->out[2]), records = lcl__out(lw, &node->out[1]);
  if (p.tiled) {
    LCL_TRY(lower_tiled(&p, s, node->in + 1, margin, records));
    return lower_combine(&p, node, records);
  }
  LCL_TRY(lower_pack(&p, node->in[1], node->in[2], &packed));
  LCL_TRY(lower_margin(&p, node->in + 3, &node->out[2], packed));
  margin.access = LCL_READ;
  if (p.steps) {
    records.access = LCL_READ_WRITE;
    const plan step = step_of(&p);
    for (int t = 0; t < step.diagonals; t++)
      LCL_TRY(EMIT(&step, "bilstm_forward_step", column_jobs(&p, true), lcl__group_size(p.caps),
                   2 * (size_t)a->n, cell_flops(a) / step.diagonals, s, packed, margin, records,
                   p.sizes, lcl__i32(t)));
  } else
    LCL_TRY(EMIT(&p, "bilstm_forward", 2 * (size_t)a->n * p.group, p.group, 1, cell_flops(a), s,
                 packed, margin, records, p.sizes, lcl__i32(0)));
  return lower_combine(&p, node, records);
}

/* ---- backward ---- */

/* Everything backward's launches share. */
typedef struct backward {
  plan p;
  lcl_node *node;
  lcl_arg gy, k_left, k_right, records, margin, gs;
  int partial, carry; /* scratch */
} backward;

static int part_size(const lcl_bilstm_attr *a) {
  return 8 * a->hidden * a->hidden + 2 * a->height * a->hidden;
}
static size_t carry_bytes(const lcl_bilstm_attr *a, int items) {
  return (size_t)items * 2 * (size_t)(5 * a->height + 4) * (size_t)a->hidden * sizeof(float);
}

static lcl_arg with_access(lcl_arg arg, int access) {
  arg.access = access;
  return arg;
}

static lcl_status lower_groups(const backward *b) {
  lcl_lower *lw = b->p.lw;
  const lcl_bilstm_attr *a = &b->p.a;
  return EMIT(&b->p, "bilstm_backward", 2 * (size_t)b->p.parts * b->p.group, b->p.group, 1,
              2 * cell_flops(a), b->gy, b->k_left, b->k_right, b->margin, b->records, b->gs,
              lcl__scratch_arg(lw, b->partial, LCL_WRITE),
              lcl__scratch_arg(lw, b->carry, LCL_WRITE), b->p.sizes);
}

static lcl_status lower_steps(const backward *b) {
  lcl_lower *lw = b->p.lw;
  const lcl_bilstm_attr *a = &b->p.a;
  const size_t local = lcl__group_size(b->p.caps), images = 2 * (size_t)a->n,
               parts = 2 * (size_t)b->p.parts;
  const plan step = step_of(&b->p);
  const double share = cell_flops(a) / step.diagonals;
  const lcl_arg partial = lcl__scratch_arg(lw, b->partial, LCL_READ_WRITE);
  const lcl_arg carry = lcl__scratch_arg(lw, b->carry, LCL_READ_WRITE);
  const lcl_arg gs = with_access(b->gs, LCL_READ_WRITE);
  LCL_TRY(lcl__emit_fill(lw, lcl__scratch_arg(lw, b->partial, LCL_WRITE), 0,
                         parts * (size_t)part_size(a) * sizeof(float)));
  LCL_TRY(lcl__emit_fill(lw, lcl__scratch_arg(lw, b->carry, LCL_WRITE), 0, carry_bytes(a, a->n)));
  for (int t = step.diagonals - 1; t >= 0; t--) {
    const lcl_arg column = lcl__i32(t);
    LCL_TRY(EMIT(&step, "bilstm_backward_step_cells", column_jobs(&b->p, false), local, images, 0,
                 b->gy, b->margin, b->records, gs, carry, b->p.sizes, column));
    LCL_TRY(EMIT(&step, "bilstm_backward_step_products", column_jobs(&b->p, true), local, images,
                 share, b->k_left, b->k_right, b->margin, b->records, gs, carry, b->p.sizes,
                 column));
    LCL_TRY(EMIT(&step, "bilstm_backward_step_kernel",
                 (size_t)(4 * a->hidden / b->p.gates * a->hidden / b->p.vec), local, parts, share,
                 b->margin, b->records, gs, partial, b->p.sizes, column));
  }
  return EMIT(&b->p, "bilstm_backward_step_edges", (size_t)(a->height * a->hidden), 1, parts, 0,
              partial, carry, b->p.sizes);
}

/* Gradients through the cells left of the image, to the initial states and pad. */
static lcl_status lower_margin_grad(const backward *b) {
  lcl_lower *lw = b->p.lw;
  const lcl_bilstm_attr *a = &b->p.a;
  const size_t local = lcl__group_size(b->p.caps), group = b->p.group;
  const int edges = 2 * a->height * a->hidden;
  const int dp = lcl__scratch(lw, (size_t)a->height * (size_t)a->height * 8 * (size_t)a->hidden *
                                      sizeof(float));
  const lcl_arg partial = lcl__scratch_arg(lw, b->partial, LCL_READ_WRITE);
  LCL_TRY(
      EMIT(&b->p, "bilstm_sum_edges", spread(&b->p, edges) * 4, local, 2, 0, partial, b->p.sizes));
  lcl_tensor *out = b->node->out;
  if (!a->freeze)
    LCL_TRY(EMIT(&b->p, "bilstm_backward_margin", 2 * group, group, 1, 0, b->k_left, b->k_right,
                 b->margin, lcl__scratch_arg(lw, dp, LCL_WRITE), partial,
                 lcl__scratch_arg(lw, b->carry, LCL_WRITE), b->p.sizes));
  if (a->pad)
    LCL_TRY(EMIT(&b->p, "bilstm_pad_grad", 8 * (size_t)a->hidden, local, 1, 0,
                 lcl__scratch_arg(lw, dp, LCL_READ), lcl__out(lw, &out[7]), b->p.sizes));
  return EMIT(&b->p, "bilstm_state_grad", (size_t)a->height, 1, 2, 0,
              lcl__scratch_arg(lw, b->partial, LCL_READ), lcl__out(lw, &out[3]),
              lcl__out(lw, &out[4]), lcl__out(lw, &out[5]), lcl__out(lw, &out[6]), b->p.sizes);
}

/* The tiled kernels: the walk, the gradients of K in parts, all sums. */
static lcl_status lower_tiled_backward(const backward *b) {
  const plan *p = &b->p;
  lcl_lower *lw = p->lw;
  const lcl_bilstm_attr *a = &p->a;
  lcl_tensor *out = b->node->out;
  const size_t h = (size_t)a->hidden, height = (size_t)a->height, n = (size_t)a->n;
  const size_t part = 8 * h * h + 4 * h, edge = 2 * height * h;
  const tiled_local l = tiled_local_of(a, p->tiled_rows);
  const int margin = lcl__scratch(lw, evolves(a) ? n * height * height * 8 * h * sizeof(float) : 4);
  const int edges = lcl__scratch(lw, a->init ? 2 * n * edge * sizeof(float) : 4);
  const int partial = lcl__scratch(lw, 2 * (size_t)p->parts * part * sizeof(float));
  LCL_TRY(EMIT_TILED(
      p, "bilstm_backward_tiled", 2 * n * p->group, p->group, 1, cell_flops(a), b->gy, b->k_left,
      b->k_right, b->margin, b->records, b->gs, lcl__scratch_arg(lw, margin, LCL_WRITE),
      lcl__scratch_arg(lw, edges, LCL_WRITE), p->sizes,
      lcl__local(p->keep ? l.keep : sizeof(cl_float4)), lcl__local(l.dp), lcl__local(l.below)));
  LCL_TRY(EMIT_TILED(p, "bilstm_kernel_grad", (size_t)grad_tiles(a) * GRAD_ITEMS, GRAD_ITEMS,
                     2 * (size_t)p->parts, cell_flops(a), b->margin, b->records,
                     with_access(b->gs, LCL_READ), lcl__scratch_arg(lw, margin, LCL_READ),
                     lcl__scratch_arg(lw, partial, LCL_WRITE), p->sizes));
  const lcl_arg k = lcl__out(lw, &out[1]);
  lcl_arg beside[5] = { k, k, k, k, k };
  for (int i = 0; i < (a->init ? 4 + a->pad : 0); i++) beside[i] = lcl__out(lw, &out[3 + i]);
  const size_t local = LCL_MIN(p->caps->max_work_group, (size_t)256) / SUM_LANES * SUM_LANES;
  const size_t sums = part + (a->init ? edge : 0);
  return EMIT_TILED(p, "bilstm_sum_grads", (sums + SUM_LANES - 1) / SUM_LANES * local, local, 2, 0,
                    lcl__scratch_arg(lw, partial, LCL_READ), lcl__scratch_arg(lw, edges, LCL_READ),
                    k, lcl__out(lw, &out[2]), beside[0], beside[1], beside[2], beside[3], beside[4],
                    p->sizes, lcl__local(local * sizeof(float)));
}

lcl_status lcl__bilstm_lower_backward(lcl_lower *lw, lcl_node *node) {
  backward b = { .p = plan_of(lw, node->attr), .node = node };
  const lcl_bilstm_attr *a = &b.p.a;
  b.gy = lcl__in(lw, node->in[0]);
  b.k_left = lcl__in(lw, node->in[1]);
  b.k_right = lcl__in(lw, node->in[2]);
  b.records = lcl__in(lw, node->in[3]);
  b.margin = lcl__in(lw, node->in[4]);
  b.gs = lcl__out(lw, &node->out[0]);
  if (b.p.tiled) return lower_tiled_backward(&b);
  b.partial = lcl__scratch(lw, (size_t)(b.p.parts + 1) * 2 * (size_t)part_size(a) * sizeof(float));
  b.carry = lcl__scratch(lw, carry_bytes(a, b.p.steps ? LCL_MAX(a->n, 1) : b.p.parts));
  LCL_TRY(b.p.steps ? lower_steps(&b) : lower_groups(&b));
  if (a->init) LCL_TRY(lower_margin_grad(&b));
  const int count = 8 * a->hidden * a->hidden;
  return EMIT(&b.p, "bilstm_sum_k", spread(&b.p, count) * 4, lcl__group_size(b.p.caps), 2, 0,
              lcl__scratch_arg(lw, b.partial, LCL_READ), lcl__out(lw, &node->out[1]),
              lcl__out(lw, &node->out[2]), lcl__i32(b.p.parts + (a->init && !a->freeze)),
              lcl__i32(count), lcl__i32(part_size(a)));
}
