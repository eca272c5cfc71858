/* Sums of partial results that are left for later: of those that nothing reads yet, one launch
 * makes several, as all the gradients of a step whose GEMMs and reductions are split. And sums of
 * two tensors of which a launch that makes one adds the other. */
#include "device/divide.h"
#include "graph/compile.h"

/* Bytes of partial results that may wait. */
enum { MOST_WAITING = 32 << 20 };

static const lcl_sum_kernel plain = { "reduce.cl", "sum_parts", "sums of parts", 1, 1 };

static bool overlap(const lcl_lower *lw, const lcl_arg *a, const lcl_arg *b) {
  const lcl_slot *slots = lw->slots.data;
  size_t from, start;
  if (a->kind != LCL_ARG_MEMORY) return false;
  const int one = lcl__slot_root(slots, a->slot, &from),
            other = lcl__slot_root(slots, b->slot, &start);
  return (one == other || (slots[one].buffer && slots[one].buffer == slots[other].buffer)) &&
         from < start + slots[b->slot].bytes && start < from + slots[a->slot].bytes;
}

lcl_status lcl__sums_emit(lcl_lower *lw) {
  const int n = lw->n_sums;
  const int64_t group = (int64_t)lcl__group_size(lw->caps);
  const lcl_sum *sums = lw->sums;
  int64_t begin[LCL_SUMS] = { 0 }, results[LCL_SUMS] = { 0 }, splits[LCL_SUMS] = { 0 }, groups = 0;
  float factor[LCL_SUMS] = { 0 };
  double bytes = 0;
  lcl_arg args[2 * LCL_SUMS + 4];
  if (!n) return LCL_OK;
  for (int i = 0; i < LCL_SUMS; i++) {
    const lcl_sum *s = &sums[LCL_MIN(i, n - 1)];
    args[i] = s->parts;
    args[LCL_SUMS + i] = s->y;
    if (i >= n) continue;
    results[i] = s->results;
    splits[i] = s->splits;
    factor[i] = s->factor;
    bytes += 4.0 * (double)(s->results * (s->splits * s->kernel->part + s->kernel->result));
    int first = 0;
    while (sums[first].y.slot != s->y.slot) first++;
    begin[i] = first < i ? begin[first] : groups;
    groups = LCL_MAX(groups, begin[i] + lcl__ceil_div(s->results, group));
  }
  lw->n_sums = 0; /* before they are emitted: lcl__emit() asks for what waits */
  const int64_t *const sizes[] = { begin, results, splits };
  for (int i = 0; i < 3; i++) args[2 * LCL_SUMS + i] = lcl__int8(sizes[i], LCL_SUMS);
  args[2 * LCL_SUMS + 3] = lcl__bytes(factor, sizeof factor);
  char label[40];
  snprintf(label, sizeof label, "%d %s", n, sums[0].kernel->label);
  return lcl__emit(lw, &(lcl_launch) { .label = label,
                                       .source = { .file = sums[0].kernel->file },
                                       .kernel = sums[0].kernel->name,
                                       .args = args,
                                       .n_args = (int)LCL_COUNT(args),
                                       .dims = 1,
                                       .global = { (size_t)(groups * group) },
                                       .local = { (size_t)group },
                                       .bytes = bytes });
}

lcl_status lcl__sums_needed(lcl_lower *lw, const lcl_arg *args, int n) {
  for (int i = 0; i < lw->n_sums; i++)
    for (int k = 0; k < n; k++)
      if (overlap(lw, &args[k], &lw->sums[i].y)) return lcl__sums_emit(lw);
  return LCL_OK;
}

lcl_status lcl__sum_parts_by(lcl_lower *lw, const lcl_sum_kernel *kernel, lcl_arg parts, lcl_arg y,
                             int64_t results, int64_t splits, float factor) {
  size_t waiting = 0;
  if (parts.kind != LCL_ARG_MEMORY || y.kind != LCL_ARG_MEMORY) return lw->status;
  if (!results) return LCL_OK;
  LCL_TRY(lcl__sums_needed(lw, &y, 1));
  if (lw->n_sums && lw->sums[0].kernel != kernel) LCL_TRY(lcl__sums_emit(lw));
  lw->sums[lw->n_sums++] = (lcl_sum) { kernel, parts, y, results, splits, factor };
  for (int i = 0; i < lw->n_sums; i++)
    waiting += (size_t)(lw->sums[i].results * lw->sums[i].splits * kernel->part) * sizeof(float);
  /* A CPU loses more by the way to memory than a launch takes. */
  return lw->caps->packed || lw->n_sums == LCL_SUMS || waiting > MOST_WAITING ? lcl__sums_emit(lw)
                                                                              : LCL_OK;
}

lcl_status lcl__sum_parts(lcl_lower *lw, lcl_arg parts, lcl_arg y, int64_t results, int64_t splits,
                          float factor) {
  return lcl__sum_parts_by(lw, &plain, parts, y, results, splits, factor);
}

/* The slot of t where it is dense, which nothing but one node reads, or -1. */
static int read_once(lcl_lower *lw, lcl_tensor *t) {
  lcl_view v;
  for (const lcl_node *at = t->node;; at = at->in[0]->node) {
    if (lw->groups.n_users[at->id] != 1 || lw->groups.kept[at->id]) return -1;
    if (!at->op->view) break;
  }
  if (lcl__lower_view(lw, t, &v) != LCL_OK || v.offset != 0) return -1;
  return lcl__is_dense(t->shape, &v) ? v.slot : -1;
}

/* Not by another kernel, which has several elements a result. */
static bool waits(const lcl_lower *lw, int slot, int64_t results) {
  for (int i = 0; i < lw->n_sums; i++)
    if (lw->sums[i].y.slot == slot && lw->sums[i].results == results) return true;
  return false;
}

void lcl__may_add(lcl_lower *lw, int c, int addend, int kind, size_t field, int value) {
  if (lw->launches.n == 0) return;
  const size_t last = lw->launches.n - 1;
  const lcl_adder a = { last, field, lw->launches.data[last].args[c].slot, c, addend, kind, value };
  if (!LCL_PUSH(&lw->adders, a) && lw->status == LCL_OK) lw->status = LCL_ERR_HOST_MEMORY;
}

/* Whether the launch has an argument of that access (or of one of two) that touches the slot. */
static bool touches(const lcl_lower *lw, const lcl_launch *l, int access, int slot) {
  const lcl_arg whole = { .kind = LCL_ARG_MEMORY, .slot = slot };
  for (int i = 0; i < l->n_args; i++)
    if (l->args[i].access & access && overlap(lw, &l->args[i], &whole)) return true;
  return false;
}

bool lcl__written_since(const lcl_lower *lw, size_t first, int slot) {
  const lcl_arg whole = { .kind = LCL_ARG_MEMORY, .slot = slot };
  for (size_t r = first; r < lw->launches.n; r++)
    if (touches(lw, &lw->launches.data[r], LCL_WRITE, slot)) return true;
  for (int i = 0; i < lw->n_sums; i++)
    if (overlap(lw, &lw->sums[i].y, &whole)) return true;
  return false;
}

/* Whether any other launch than this one has to do with the slot: one of several that make a part
 * each, as of the phases of a stride. */
static bool shared(const lcl_lower *lw, size_t launch, int slot) {
  for (size_t r = 0; r < lw->launches.n; r++)
    if (r != launch && touches(lw, &lw->launches.data[r], LCL_READ_WRITE, slot)) return true;
  return false;
}

/* The launch that makes x, which only the sum reads, adds y to it. */
static bool adds(lcl_lower *lw, lcl_node *add, lcl_tensor *x, lcl_tensor *y) {
  const int slot = read_once(lw, x);
  lcl_view v;
  size_t i = 0;
  while (i < lw->adders.n && lw->adders.data[i].slot != slot) i++;
  if (slot < 0 || i == lw->adders.n || !lcl_shape_equal(x->shape, y->shape)) return false;
  lcl_adder *a = &lw->adders.data[i];
  if (shared(lw, a->launch, slot) || lcl__lower_view(lw, y, &v) != LCL_OK || v.offset != 0 ||
      !lcl__is_dense(y->shape, &v) || lcl__written_since(lw, a->launch, v.slot))
    return false;
  lcl_arg *args = (lcl_arg *)lw->launches.data[a->launch].args; /* the arena's */
  args[a->c] = lcl__out(lw, &add->out[0]);
  args[a->addend] = lcl__slot_arg(lw, v.slot, LCL_READ);
  const arg_int value = lcl__int(lw, a->value);
  memcpy(args[a->kind].u.bytes.data + a->field, &value, sizeof value);
  a->slot = -1;
  return true;
}

static bool launch_adds(lcl_lower *lw, lcl_node *add) {
  for (size_t i = 0; i < lw->groups.again.n; i++)
    if (lw->groups.again.data[i].node == add->id) return false;
  return adds(lw, add, add->in[0], add->in[1]) || adds(lw, add, add->in[1], add->in[0]);
}

/* The sum of two sums that wait, which nothing else reads, waits instead. */
static bool sums_add(lcl_lower *lw, lcl_node *add) {
  const int64_t results = lcl_shape_count(add->out[0].shape);
  if (!lw->n_sums) return false;
  const int a = read_once(lw, add->in[0]), b = read_once(lw, add->in[1]);
  if (a < 0 || b < 0 || !waits(lw, a, results) || !waits(lw, b, results)) return false;
  const lcl_arg y = lcl__out(lw, &add->out[0]);
  for (int i = 0; i < lw->n_sums; i++)
    if (lw->sums[i].y.slot == a || lw->sums[i].y.slot == b) lw->sums[i].y = y;
  return true;
}

bool lcl__lower_sum(lcl_lower *lw, lcl_node *add) {
  return !lw->no_fusion && (sums_add(lw, add) || launch_adds(lw, add));
}
