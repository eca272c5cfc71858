/* Lowering: slots for tensors, and launches over them. */
#include "device/divide.h"
#include "graph/compile.h"

/* ---- slots ---- */

static lcl_arg bad(lcl_lower *lw, lcl_status status) {
  if (lw->status == LCL_OK) lw->status = status == LCL_OK ? LCL_ERR_HOST_MEMORY : status;
  return (lcl_arg) { .kind = LCL_ARG_BAD };
}

int lcl__slot_new(lcl_lower *lw, lcl_slot slot) {
  slot.first = -1;
  slot.last = -1;
  if (slot.kind == LCL_SLOT_TEMP) slot.offset = SIZE_MAX;
  if (!LCL_PUSH(&lw->slots, slot)) {
    bad(lw, LCL_ERR_HOST_MEMORY);
    return -1;
  }
  return (int)lw->slots.n - 1;
}

int lcl__slot_root(const lcl_slot *slots, int slot, size_t *offset) {
  *offset = 0;
  for (; slots[slot].kind == LCL_SLOT_PART; slot = slots[slot].parent)
    *offset += slots[slot].offset;
  return slot;
}

int lcl__root_slot(const lcl_lower *lw, int slot) {
  size_t offset;
  return lcl__slot_root(lw->slots.data, slot, &offset);
}

lcl_arg lcl__slot_arg(lcl_lower *lw, int slot, int access) {
  (void)lw;
  return slot < 0 ? bad(lw, LCL_OK)
                  : (lcl_arg) { .kind = LCL_ARG_MEMORY, .access = access, .slot = slot };
}

size_t lcl__slot_bytes(const lcl_lower *lw, lcl_arg slot) {
  return slot.kind == LCL_ARG_MEMORY ? lw->slots.data[slot.slot].bytes : 0;
}

double lcl__args_bytes(const lcl_lower *lw, const lcl_arg *args, int n) {
  double bytes = 0;
  for (int i = 0; i < n; i++) {
    const int ways = !!(args[i].access & LCL_READ) + !!(args[i].access & LCL_WRITE);
    bytes += ways * (double)lcl__slot_bytes(lw, args[i]);
  }
  return bytes;
}

static size_t tensor_bytes(const lcl_tensor *t) {
  return (size_t)lcl_shape_count(t->shape) * lcl_dtype_size(t->dtype);
}

static int temporary(lcl_lower *lw, size_t bytes) {
  return lcl__slot_new(lw, (lcl_slot) { .kind = LCL_SLOT_TEMP,
                                        .bytes = LCL_MAX(bytes, 4),
                                        .what = lw->current ? lcl__node_name(lw->current) : "" });
}

int lcl__scratch(lcl_lower *lw, size_t bytes) {
  lw->scratch += bytes;
  return temporary(lw, bytes);
}

lcl_arg lcl__scratch_arg(lcl_lower *lw, int scratch, int access) {
  return lcl__slot_arg(lw, scratch, access);
}

int lcl__buffer_slot(lcl_lower *lw, lcl_buffer *buffer, size_t bytes) {
  return lcl__slot_new(
      lw,
      (lcl_slot) { .kind = LCL_SLOT_FIXED, .bytes = bytes, .buffer = buffer, .variable = true });
}

static int own_buffer_slot(lcl_lower *lw, size_t bytes, lcl_memory where, const void *data) {
  lcl_buffer *buffer = NULL;
  lcl_status st = lcl__buffer_create_in(
      lw->ctx, LCL_MAX(bytes, 4) + (lw->guard ? LCL_GUARD_BYTES : 0), where, &buffer);
  if (st == LCL_OK && data && bytes) st = lcl_buffer_write(buffer, 0, data, bytes);
  if (st != LCL_OK) {
    lcl_buffer_destroy(buffer);
    bad(lw, st);
    return -1;
  }
  int slot = lcl__slot_new(
      lw, (lcl_slot) {
              .kind = LCL_SLOT_FIXED, .bytes = LCL_MAX(bytes, 4), .buffer = buffer, .own = true });
  if (slot < 0) lcl_buffer_destroy(buffer);
  return slot;
}

int lcl__persistent(lcl_lower *lw, size_t bytes, lcl_memory where) {
  void *zero = lcl__alloc(LCL_MAX(bytes, 4));
  int slot = zero ? own_buffer_slot(lw, LCL_MAX(bytes, 4), where, zero) : -1;
  if (!zero) bad(lw, LCL_ERR_HOST_MEMORY);
  lcl__free(zero);
  return slot;
}

int lcl__slot_part(lcl_lower *lw, int parent, size_t offset, size_t bytes) {
  if (parent < 0) return -1;
  return lcl__slot_new(lw, (lcl_slot) { .kind = LCL_SLOT_PART,
                                        .parent = parent,
                                        .offset = offset,
                                        .bytes = LCL_MAX(bytes, 4),
                                        .what = lw->slots.data[parent].what });
}

/* Per-node tables of slots (+ 1) by output. */
static int *entry(lcl_lower *lw, int **table, const lcl_tensor *t) {
  int id = t->node->id;
  if (!table[id]) table[id] = lcl__arena_alloc(lw->arena, sizeof(int) * (size_t)t->node->n_out);
  if (!table[id]) bad(lw, LCL_ERR_HOST_MEMORY);
  return table[id] ? &table[id][t->index] : NULL;
}

/* ---- views ---- */

bool lcl__is_dense(lcl_shape s, const lcl_view *v) {
  int64_t n = 1;
  for (int i = s.rank - 1; i >= 0; i--) {
    if (s.dim[i] != 1 && v->stride[i] != n) return false;
    n *= s.dim[i];
  }
  return true;
}

/* A view whose elements all lie where they lay: what it reads can be written instead. */
static bool keeps_order(const lcl_node *node) {
  lcl_view v = { 0 };
  if (!node->op->view || lcl_shape_count(node->in[0]->shape) != lcl_shape_count(node->out[0].shape))
    return false;
  lcl__dense_strides(node->in[0]->shape, v.stride);
  return node->op->view(node, &v) && v.offset == 0 && lcl__is_dense(node->out[0].shape, &v);
}

bool lcl__place(lcl_lower *lw, lcl_tensor *t, int slot) {
  const lcl_node *node = t->node;
  int group = lw->groups.group_of[node->id];
  while (group >= 0 && lw->groups.groups[group].kind == LCL_GROUP_VIEW && keeps_order(node)) {
    t = node->in[0];
    node = t->node;
    group = lw->groups.group_of[node->id];
  }
  if (slot < 0 || group < 0 || lw->groups.groups[group].kind == LCL_GROUP_VIEW) return false;
  if (tensor_bytes(t) % 4) return false; /* zeros are written by words */
  int *e = entry(lw, lw->slot_of, t);
  if (!e || *e) return false;
  *e = slot + 1;
  lw->slots.data[slot].what = lcl__node_name(node);
  lw->slots.data[slot].is_f32 = t->dtype == LCL_F32;
  return true;
}

/* Kernels count elements, and views their offsets, in 31 bits. */
static lcl_status check_count(const lcl_tensor *t) {
  char text[96];
  if (lcl_shape_count(t->shape) <= INT32_MAX) return LCL_OK;
  return lcl__fail(LCL_ERR_UNSUPPORTED, "%s: more than 2^31 elements",
                   lcl_shape_string(t->shape, text));
}

/* The slot of a tensor that is made by a launch or is a leaf. */
static lcl_status leaf_slot(lcl_lower *lw, lcl_tensor *t, int *slot) {
  int *e = entry(lw, lw->slot_of, t);
  if (!e) return LCL_ERR_HOST_MEMORY;
  if (!*e) {
    LCL_TRY(check_count(t));
    const lcl_node *node = t->node;
    int made = -1;
    if (node->op == &lcl__op_var) {
      lcl_var *v = ((const lcl_var_attr *)node->attr)->var;
      made = lcl__buffer_slot(lw, v->buffer, LCL_MAX(v->bytes, 4));
    } else if (node->op == &lcl__op_const_data) {
      const lcl_const_data_attr *a = node->attr;
      made = own_buffer_slot(lw, a->bytes, LCL_IN_DEVICE_MEMORY, a->data);
    } else if (node->op == &lcl__op_const) {
      made = own_buffer_slot(lw, sizeof(float), LCL_IN_DEVICE_MEMORY,
                             &((const lcl_const_attr *)node->attr)->value);
    } else if (node->op == &lcl__op_input) {
      made = own_buffer_slot(lw, tensor_bytes(t), LCL_IN_DEVICE_MEMORY, NULL);
      lcl_input_binding in = { lcl__arena_strdup(lw->arena, node->name), made, tensor_bytes(t) };
      if (made >= 0 && (!in.name || !LCL_PUSH(&lw->inputs, in))) return LCL_ERR_HOST_MEMORY;
    } else {
      return lcl__fail(LCL_ERR_UNSUPPORTED, "internal: %s is read before it is computed",
                       node->op->name);
    }
    if (made < 0) return lw->status;
    *e = made + 1;
  }
  *slot = *e - 1;
  return LCL_OK;
}

static lcl_status dense_copy(lcl_lower *lw, lcl_tensor *t, const lcl_view *v, int *slot);

lcl_status lcl__lower_view(lcl_lower *lw, lcl_tensor *t, lcl_view *v) {
  const lcl_node *node = t->node;
  bool through = node->op == &lcl__op_stop_gradient;
  if (!through && !node->op->view) {
    memset(v, 0, sizeof *v);
    lcl__dense_strides(t->shape, v->stride);
    return leaf_slot(lw, t, &v->slot);
  }
  LCL_TRY(lcl__lower_view(lw, node->in[0], v));
  if (through) return LCL_OK;
  lcl_view before = *v;
  if (node->op->view(node, v)) return LCL_OK;
  int *e = entry(lw, lw->dense_of, node->in[0]);
  if (!e) return LCL_ERR_HOST_MEMORY;
  int slot = *e - 1;
  if (!*e) {
    LCL_TRY(dense_copy(lw, node->in[0], &before, &slot));
    *e = slot + 1;
  }
  memset(v, 0, sizeof *v);
  v->slot = slot;
  lcl__dense_strides(node->in[0]->shape, v->stride);
  if (!node->op->view(node, v) && lcl_shape_count(t->shape))
    return lcl__fail(LCL_ERR_UNSUPPORTED, "internal: %s is no view of a dense tensor",
                     node->op->name);
  return LCL_OK;
}

size_t lcl__row_lanes(lcl_lower *lw, int64_t n) {
  return (size_t)LCL_MAX(1, lw->caps->packed ? (n + 4095) / 4096 : LCL_MIN(n, 1024));
}

/* Of a copy that writes along dimension 5 what it does not read along it: makes the dimension that
 * is read along the one next to it, and says so if both are long enough to be exchanged in tiles
 * (copy_transposed of cl/shape.cl and cl/copy_packed.cl). */
static bool transposes(const lcl_caps *caps, size_t size, int64_t dims[6], int64_t ss[6],
                       int64_t ds[6]) {
  enum { SHORTEST = 16, TILE_ITEMS = 256, TILE_BYTES = 32 * 33 * 4 };
  if (ds[5] != 1 || ss[5] == 1 || dims[5] < SHORTEST) return false;
  if (caps->packed ? size != 4 : caps->max_work_group < TILE_ITEMS || caps->local_mem < TILE_BYTES)
    return false;
  for (int i = 0; i < 5; i++)
    if (ss[i] == 1 && dims[i] >= SHORTEST) {
      int64_t *const all[] = { dims, ss, ds };
      for (int a = 0; a < 3; a++) {
        const int64_t moved = all[a][i];
        all[a][i] = all[a][4];
        all[a][4] = moved;
      }
      return true;
    }
  return false;
}

/* l: a strided copy of rows x dims[5] elements that transposes; makes it one in tiles. args: its
 * arguments, the last one free. */
static void in_tiles(lcl_lower *lw, const int64_t dims[6], int64_t rows, lcl_launch *l,
                     lcl_arg *args) {
  enum { CHUNK = 8192 }; /* elements of a packed work-group */
  const int64_t others = rows / dims[4];
  l->kernel = "copy_transposed";
  if (lw->caps->packed) {
    const int64_t vec = lcl__packed_vec(lw->caps),
                  chunk = LCL_MAX(1, CHUNK / (dims[4] * vec)) * vec;
    l->source = (lcl_source) { .file = "copy_packed.cl",
                               .options = vec == 16 ? "-DVEC=16" : "-DVEC=8" };
    args[l->n_args - 1] = lcl__i32(chunk);
    l->global[0] = (size_t)lcl__ceil_div(dims[5], chunk);
    l->global[1] = (size_t)others;
    l->local[0] = l->local[1] = 1;
    return;
  }
  l->n_args--;
  l->dims = 3;
  l->local[0] = 32, l->local[1] = 8, l->local[2] = 1;
  l->global[0] = lcl__round_up((size_t)dims[5], 32);
  l->global[1] = (size_t)lcl__ceil_div(dims[4], 32) * 8;
  l->global[2] = (size_t)others;
}

/* Of an element of so many bytes, for shape.cl. */
static const char *type_of(size_t size) {
  return size == 4 ? "-DTYPE=float" : size == 2 ? "-DTYPE=ushort" : "-DTYPE=uchar";
}

/* Strided copy of elements: dims collapse to six with the longest contiguous run innermost. */
static lcl_status emit_strided(lcl_lower *lw, const char *what, lcl_shape s, lcl_dtype dtype,
                               const lcl_view *from, lcl_arg dst, const lcl_view *to) {
  int64_t dims[6] = { 1, 1, 1, 1, 1, 1 }, ss[6] = { 0 }, ds[6] = { 0 };
  int n = 6;
  for (int i = s.rank - 1; i >= 0; i--) {
    if (s.dim[i] == 1) continue;
    if (n < 6 && from->stride[i] == ss[n] * dims[n] && to->stride[i] == ds[n] * dims[n]) {
      dims[n] *= s.dim[i];
      continue;
    }
    n--;
    dims[n] = s.dim[i];
    ss[n] = from->stride[i];
    ds[n] = to->stride[i];
  }
  int64_t rows = dims[0] * dims[1] * dims[2] * dims[3] * dims[4], count = rows * dims[5];
  if (!count) return LCL_OK;
  if (count > INT32_MAX) return lcl__fail(LCL_ERR_UNSUPPORTED, "%s: more than 2^31 elements", what);
  const size_t size = lcl_dtype_size(dtype);
  const bool tiles = transposes(lw->caps, size, dims, ss, ds);
  int64_t items = rows;
  if (lw->caps->packed) items = LCL_MIN(rows, lcl__packed_items(lw->caps, count, 2048));
  int64_t per = (rows + items - 1) / items;
  char label[128], text[96];
  snprintf(label, sizeof label, "%s %s", what, lcl_shape_string(s, text));
  lcl_arg args[] = { lcl__slot_arg(lw, from->slot, LCL_READ),
                     dst,
                     lcl__i32(from->offset),
                     lcl__i32(to->offset),
                     lcl__int8(dims, 6),
                     lcl__int8(ss, 6),
                     lcl__int8(ds, 6),
                     lcl__i32(per) };
  lcl_launch l = { .label = label,
                   .source = { .file = "shape.cl", .options = type_of(size) },
                   .kernel = "copy_strided",
                   .args = args,
                   .n_args = LCL_COUNT(args),
                   .dims = 2,
                   .global = { lcl__row_lanes(lw, dims[5]), (size_t)((rows + per - 1) / per) },
                   .bytes = 2.0 * (double)size * (double)count };
  if (tiles) in_tiles(lw, dims, rows, &l, args);
  return lcl__emit(lw, &l);
}

static lcl_status dense_copy(lcl_lower *lw, lcl_tensor *t, const lcl_view *v, int *slot) {
  lcl_view to = { 0 };
  *slot = temporary(lw, tensor_bytes(t));
  if (*slot < 0) return lw->status;
  lw->slots.data[*slot].is_f32 = t->dtype == LCL_F32;
  lcl__dense_strides(t->shape, to.stride);
  return emit_strided(lw, "copy", t->shape, t->dtype, v, lcl__slot_arg(lw, *slot, LCL_WRITE), &to);
}

lcl_status lcl__lower_copy(lcl_lower *lw, const char *what, lcl_tensor *x, lcl_tensor *out,
                           const lcl_view *to) {
  lcl_view from;
  LCL_TRY(lcl__lower_view(lw, x, &from));
  return emit_strided(lw, what, x->shape, x->dtype, &from, lcl__out(lw, out), to);
}

enum { JOINED = 8, MOST_JOINED = 1 << 16 }; /* inputs, and elements: beyond, copies are faster */

lcl_status lcl__lower_join(lcl_lower *lw, lcl_node *node, int axis, bool *joined) {
  const lcl_shape s = node->out[0].shape;
  const int64_t count = lcl_shape_count(s);
  int64_t inner = 1, end = 0, ends[JOINED], from[JOINED];
  lcl_arg args[JOINED + 4];
  *joined = false;
  if (node->n_in < 2 || node->n_in > JOINED || count < 1 || count > MOST_JOINED) return LCL_OK;
  for (int i = axis + 1; i < s.rank; i++) inner *= s.dim[i];
  for (int i = 0; i < JOINED; i++) {
    lcl_tensor *x = node->in[LCL_MIN(i, node->n_in - 1)];
    lcl_view v;
    LCL_TRY(lcl__lower_view(lw, x, &v));
    if (!lcl__is_dense(x->shape, &v)) return LCL_OK;
    if (i < node->n_in) end += x->shape.dim[axis] * inner;
    args[i] = lcl__slot_arg(lw, v.slot, LCL_READ);
    from[i] = v.offset;
    ends[i] = end;
  }
  args[JOINED] = lcl__out(lw, &node->out[0]);
  args[JOINED + 1] = lcl__int8(ends, JOINED);
  args[JOINED + 2] = lcl__int8(from, JOINED);
  args[JOINED + 3] = lcl__i32(count);
  char label[64];
  snprintf(label, sizeof label, "concat of %d", node->n_in);
  *joined = true;
  const size_t size = lcl_dtype_size(node->out[0].dtype);
  return lcl__emit(lw, &(lcl_launch) { .label = label,
                                       .source = { .file = "shape.cl", .options = type_of(size) },
                                       .kernel = "join",
                                       .args = args,
                                       .n_args = LCL_COUNT(args),
                                       .dims = 1,
                                       .global = { (size_t)count },
                                       .bytes = 2.0 * (double)size * (double)count });
}

/* ---- arguments ---- */

arg_int lcl__int(lcl_lower *lw, int64_t value) {
  if (value < INT32_MIN || value > INT32_MAX)
    bad(lw, lcl__fail(LCL_ERR_UNSUPPORTED, "size %lld does not fit 31 bits", (long long)value));
  return (arg_int) { (int32_t)value };
}

lcl_arg lcl__in(lcl_lower *lw, lcl_tensor *t) {
  lcl_view v;
  int *e = entry(lw, lw->dense_of, t);
  if (!e) return bad(lw, LCL_ERR_HOST_MEMORY);
  if (*e) return lcl__slot_arg(lw, *e - 1, LCL_READ); /* also of a variable, see lower_updates() */
  lcl_status st = lcl__lower_view(lw, t, &v);
  if (st != LCL_OK) return bad(lw, st);
  size_t size = lcl_dtype_size(t->dtype), bytes = tensor_bytes(t);
  bool dense = lcl__is_dense(t->shape, &v);
  if (dense && v.offset == 0 && bytes == lw->slots.data[v.slot].bytes)
    return lcl__slot_arg(lw, v.slot, LCL_READ);
  int slot = -1;
  size_t offset = (size_t)v.offset * size;
  if (dense && offset % lw->caps->base_align == 0)
    slot = lcl__slot_part(lw, v.slot, offset, bytes);
  else if ((st = dense_copy(lw, t, &v, &slot)) != LCL_OK)
    return bad(lw, st);
  *e = slot + 1;
  return lcl__slot_arg(lw, slot, LCL_READ);
}

lcl_arg lcl__out(lcl_lower *lw, lcl_tensor *t) {
  int *e = entry(lw, lw->slot_of, t);
  if (!e) return bad(lw, LCL_ERR_HOST_MEMORY);
  const lcl_status st = check_count(t);
  if (st != LCL_OK) return bad(lw, st);
  if (!*e) *e = lcl__scratch(lw, lcl__round_up(tensor_bytes(t), 4)) + 1;
  if (*e) {
    lw->slots.data[*e - 1].is_f32 = t->dtype == LCL_F32;
    lw->slots.data[*e - 1].what = lcl__node_name(t->node);
  }
  return lcl__slot_arg(lw, *e - 1, LCL_WRITE);
}

lcl_arg lcl__var_arg(lcl_lower *lw, lcl_tensor *var, int access) {
  if (var->node->op != &lcl__op_var)
    return bad(lw,
               lcl__fail(LCL_ERR_ARGUMENT, "only a variable can be updated, not the result of %s",
                         var->node->op->name));
  /* A fresh slot on the variable's own memory: var's value may have been moved aside for readers.
   */
  lcl_var *v = ((const lcl_var_attr *)var->node->attr)->var;
  return lcl__slot_arg(lw, lcl__buffer_slot(lw, v->buffer, LCL_MAX(v->bytes, 4)), access);
}

static lcl_status rng_state(lcl_lower *lw, lcl_var **out) {
  char name[256];
  lcl_store *store = lw->graph->store;
  snprintf(name, sizeof name, "%s.rng", lw->graph->name);
  bool fresh = !lcl__store_find(store, name);
  LCL_TRY(lcl__store_var(store, name, LCL_I32, LCL_SHAPE(4), false, (lcl_init) { 0 }, out));
  LCL_TRY(lcl__store_place(store));
  if (!fresh) return LCL_OK;
  /* Graphs of different names get different numbers from one seed. */
  char hex[33];
  lcl__hash_hex(name, strlen(name), hex);
  hex[16] = 0;
  uint64_t seed = lcl__store_seed(store) ^ strtoull(hex, NULL, 16);
  uint32_t state[4] = { (uint32_t)seed, (uint32_t)(seed >> 32), 0, 0 };
  return lcl_store_write(store, name, state, sizeof state);
}

lcl_arg lcl__rng_arg(lcl_lower *lw) {
  lcl_var *v;
  lcl_status st = rng_state(lw, &v);
  if (st != LCL_OK) return bad(lw, st);
  lw->random = true;
  return lcl__slot_arg(lw, lcl__buffer_slot(lw, v->buffer, v->bytes), LCL_READ);
}

/* ---- launches ---- */

/* The work-group of a launch that leaves it open. Packed: one fixed size keeps CPU drivers from
 * compiling a kernel once for every size they would choose. Tiled: of OpenCL C 1.2 a driver gets
 * only divisors of the global size, 1 for a prime; so that is rounded up, and the kernel checks its
 * bounds. */
static void choose_local_size(const lcl_caps *caps, lcl_launch *l) {
  size_t items = 1;
  for (int i = 0; i < l->dims; i++) items *= l->global[i];
  size_t left = lcl__group_size_for(caps, (int64_t)items);
  for (int i = 0; i < l->dims; i++) {
    size_t side = 1;
    while (2 * side <= LCL_MIN(left, caps->max_work_item[i]) && side < l->global[i]) side *= 2;
    l->local[i] = side;
    l->global[i] = lcl__round_up(l->global[i], side);
    left /= side;
  }
}

lcl_status lcl__emit(lcl_lower *lw, const lcl_launch *launch) {
  lcl_launch l = *launch;
  if (lw->status != LCL_OK) return lw->status;
  for (int i = 0; i < l.dims; i++)
    if (l.global[i] == 0) return LCL_OK; /* nothing to do */
  LCL_TRY(lcl__sums_needed(lw, l.args, l.n_args));
  lcl_arg *args = lcl__arena_alloc(lw->arena, sizeof *args * (size_t)LCL_MAX(l.n_args, 1));
  if (!args) return LCL_ERR_HOST_MEMORY;
  if (l.n_args) memcpy(args, l.args, sizeof *args * (size_t)l.n_args);
  for (int i = 0; i < l.n_args; i++)
    if (args[i].kind == LCL_ARG_BAD)
      return lcl__fail(LCL_ERR_UNSUPPORTED, "%s: a size does not fit 31 bits", l.label);
  l.args = args;
  if (l.bytes <= 0) l.bytes = lcl__args_bytes(lw, args, l.n_args);
  if (l.kind == LCL_LAUNCH_KERNEL && !l.local[0]) choose_local_size(lw->caps, &l);
  const char **texts[] = { &l.label, &l.source.file, &l.source.text, &l.source.options, &l.kernel };
  for (size_t i = 0; i < LCL_COUNT(texts); i++)
    if (*texts[i] && !(*texts[i] = lcl__arena_strdup(lw->arena, *texts[i])))
      return LCL_ERR_HOST_MEMORY;
  return LCL_PUSH(&lw->launches, l) ? LCL_OK : LCL_ERR_HOST_MEMORY;
}

static bool same_arg(const lcl_arg *a, const lcl_arg *b) {
  if (a->kind != b->kind) return false;
  switch (a->kind) {
  case LCL_ARG_I32: return a->u.i32 == b->u.i32;
  case LCL_ARG_F32: return memcmp(&a->u.f32, &b->u.f32, sizeof a->u.f32) == 0;
  case LCL_ARG_LOCAL: return a->u.local_bytes == b->u.local_bytes;
  case LCL_ARG_BYTES:
    return a->u.bytes.n == b->u.bytes.n &&
           memcmp(a->u.bytes.data, b->u.bytes.data, a->u.bytes.n) == 0;
  case LCL_ARG_MEMORY: return a->slot == b->slot && a->access == b->access;
  case LCL_ARG_BAD: break;
  }
  return false;
}

static bool same_text(const char *a, const char *b) {
  return a == b || (a && b && strcmp(a, b) == 0);
}

/* Whether both launch the same kernel over the same work, argument `but` aside. */
static bool same_launch(const lcl_launch *a, const lcl_launch *b, int but) {
  if (a->kind != LCL_LAUNCH_KERNEL || b->kind != a->kind || a->n_args != b->n_args ||
      !same_text(a->kernel, b->kernel) || !same_text(a->source.file, b->source.file) ||
      !same_text(a->source.text, b->source.text) ||
      !same_text(a->source.options, b->source.options) ||
      memcmp(a->global, b->global, sizeof a->global) != 0)
    return false;
  for (int i = 0; i < a->n_args; i++)
    if (i != but && !same_arg(&a->args[i], &b->args[i])) return false;
  return true;
}

/* Whether nothing that the launch reads was written to by launches from `first` on. */
static bool reads_the_same(const lcl_lower *lw, const lcl_launch *l, size_t first, int result) {
  for (int i = 0; i < l->n_args; i++)
    if (i != result && l->args[i].kind == LCL_ARG_MEMORY &&
        lcl__written_since(lw, first, l->args[i].slot))
      return false;
  return true;
}

lcl_status lcl__emit_once(lcl_lower *lw, const lcl_launch *launch, int result, size_t bytes,
                          int *scratch) {
  for (size_t r = lw->launches.n; r-- > 0;)
    if (same_launch(&lw->launches.data[r], launch, result) &&
        reads_the_same(lw, launch, r + 1, result)) {
      *scratch = lw->launches.data[r].args[result].slot;
      return LCL_OK;
    }
  *scratch = lcl__scratch(lw, bytes);
  lcl_launch l = *launch;
  lcl_arg args[8];
  if (l.n_args > (int)LCL_COUNT(args))
    return lcl__fail(LCL_ERR_UNSUPPORTED, "internal: %s has too many arguments", l.label);
  memcpy(args, l.args, sizeof *args * (size_t)l.n_args);
  args[result] = lcl__scratch_arg(lw, *scratch, LCL_WRITE);
  l.args = args;
  return lcl__emit(lw, &l);
}

lcl_status lcl__emit_copy(lcl_lower *lw, lcl_arg from, lcl_arg to, size_t bytes) {
  if (!bytes) return LCL_OK;
  from.bytes = bytes;
  to.bytes = bytes;
  return lcl__emit(lw, &(lcl_launch) { .kind = LCL_LAUNCH_COPY,
                                       .label = "copy",
                                       LCL_ARGS(from, to),
                                       .bytes = 2.0 * (double)bytes });
}

lcl_status lcl__emit_fill(lcl_lower *lw, lcl_arg to, uint32_t pattern, size_t bytes) {
  if (!bytes) return LCL_OK;
  to.bytes = lcl__round_up(bytes, 4);
  return lcl__emit(lw, &(lcl_launch) { .kind = LCL_LAUNCH_FILL,
                                       .label = "fill",
                                       LCL_ARGS(to),
                                       .pattern = pattern,
                                       .bytes = (double)bytes });
}

lcl_context *lcl__lower_context(lcl_lower *lw) {
  return lw->ctx;
}
const lcl_caps *lcl__lower_caps(lcl_lower *lw) {
  return lw->caps;
}
bool lcl__lower_exports(const lcl_lower *lw, const lcl_node *node) {
  return lcl__group_exports(&lw->groups, node);
}
size_t lcl__lower_notes(const lcl_lower *lw) {
  return lw->notes.n;
}
void lcl__lower_note(lcl_lower *lw, size_t at, const char *line) {
  lcl_str all = { 0 };
  if (at) lcl__str_append(&all, lw->notes.data, at);
  lcl__str_add(&all, "  %s\n", line);
  if (lw->notes.n > at) lcl__str_append(&all, lw->notes.data + at, lw->notes.n - at);
  lcl__str_free(&lw->notes);
  lw->notes = all;
}
size_t lcl__lower_scratch(const lcl_lower *lw) {
  return lw->scratch;
}
bool lcl__lower_again(lcl_lower *lw, void (*before)(lcl_context *ctx)) {
  if (lw->again) *lw->again = before;
  return lw->again;
}
lcl_arena *lcl__lower_arena(lcl_lower *lw) {
  return lw->arena;
}

/* ---- the walk ---- */

/* The node whose class lowers the group. */
static const lcl_node *reduction_or_first(const lcl_group *gp) {
  for (int i = 0; i < gp->n; i++)
    if (gp->nodes[i]->op->fusion == LCL_FUSE_REDUCE) return gp->nodes[i];
  return gp->nodes[0];
}

static lcl_status lower_group(lcl_lower *lw, lcl_group *gp) {
  lcl_node *node = gp->nodes[0];
  lw->current = node;
  switch (gp->kind) {
  case LCL_GROUP_VIEW: return LCL_OK;
  case LCL_GROUP_MAP:
  case LCL_GROUP_REDUCE:
    return reduction_or_first(gp)->op->lower_group(lw, &gp->space, gp->nodes, gp->n);
  case LCL_GROUP_EPILOGUE: return node->op->lower_fused(lw, node, &gp->epilogue);
  case LCL_GROUP_NODE:
    if (!node->op->lower)
      return lcl__fail(LCL_ERR_UNSUPPORTED, "internal: %s has no kernel", node->op->name);
    return node->op->lower(lw, node);
  }
  return LCL_OK;
}

static lcl_status lower_group_named(lcl_lower *lw, lcl_group *gp) {
  lcl_status st = lower_group(lw, gp);
  if (st == LCL_OK) st = lw->status;
  return st == LCL_OK ? st : lcl__fail_prefix(st, "%s", lcl__node_name(gp->nodes[0]));
}

/* A result that is fetched gets a dense slot of its own that lives to the end of the run. */
static lcl_status keep_output(lcl_lower *lw, lcl_tensor *t, const char *name) {
  lcl_arg a = lcl__in(lw, t);
  if (a.kind != LCL_ARG_MEMORY) return lw->status;
  int root = lcl__root_slot(lw, a.slot), slot = a.slot;
  if (lw->slots.data[root].kind ==
      LCL_SLOT_FIXED) { /* a variable changes at the end of the run: keep what it was */
    slot = lcl__scratch(lw, tensor_bytes(t));
    LCL_TRY(lcl__emit_copy(lw, a, lcl__slot_arg(lw, slot, LCL_WRITE), tensor_bytes(t)));
    root = slot;
  }
  if (root < 0) return lw->status;
  lw->slots.data[root].keep = true;
  lcl_output_binding out = { lcl__arena_strdup(lw->arena, name), slot, tensor_bytes(t) };
  return out.name && LCL_PUSH(&lw->outputs, out) ? LCL_OK : LCL_ERR_HOST_MEMORY;
}

/* Updates see variables as they were before the run: values that updates read straight from a
 * variable are moved aside. */
static lcl_status save_read_variables(lcl_lower *lw) {
  const lcl_graph *g = lw->graph;
  for (size_t i = 0; i < g->nodes.n; i++) {
    const lcl_node *node = g->nodes.data[i];
    if (!(node->op->flags & LCL_OP_UPDATE) || !lw->groups.needed[i]) continue;
    for (int j = node->op->flags & LCL_OP_TARGET ? 1 : 0; j < node->n_in; j++) {
      lcl_tensor *t = node->in[j];
      lcl_view v;
      LCL_TRY(lcl__lower_view(lw, t, &v));
      if (!lw->slots.data[lcl__root_slot(lw, v.slot)].variable) continue;
      int *e = entry(lw, lw->dense_of, t), slot;
      if (!e) return LCL_ERR_HOST_MEMORY;
      LCL_TRY(dense_copy(lw, t, &v, &slot));
      *e = slot + 1;
      if (t->node->op == &lcl__op_var) *entry(lw, lw->slot_of, t) = slot + 1;
    }
  }
  return LCL_OK;
}

static lcl_status lower_updates(lcl_lower *lw) {
  LCL_TRY(save_read_variables(lw));
  for (size_t i = 0; i < lw->graph->nodes.n; i++)
    if (lw->groups.needed[i] && (lw->graph->nodes.data[i]->op->flags & LCL_OP_UPDATE))
      LCL_TRY(lower_group_named(lw, &lw->groups.groups[lw->groups.group_of[i]]));
  return LCL_OK;
}

static lcl_status advance_random(lcl_lower *lw) {
  lcl_arg state = lcl__rng_arg(lw);
  state.access = LCL_READ_WRITE;
  return lcl__emit(lw, &(lcl_launch) { .label = "advance random state",
                                       .source = { .file = "update.cl" },
                                       .kernel = "rng_advance",
                                       .args = &state,
                                       .n_args = 1,
                                       .dims = 1,
                                       .global = { 1 },
                                       .local = { 1 } });
}

lcl_status lcl__lower_all(lcl_lower *lw, lcl_tensor *const *fetch, int n_fetch,
                          const lcl_compile_desc *desc) {
  lcl_graph *g = lw->graph;
  size_t n = LCL_MAX(g->nodes.n, 1);
  lw->slot_of = lcl__arena_alloc(lw->arena, n * sizeof *lw->slot_of);
  lw->dense_of = lcl__arena_alloc(lw->arena, n * sizeof *lw->dense_of);
  if (!lw->slot_of || !lw->dense_of) return LCL_ERR_HOST_MEMORY;
  for (size_t i = 0; i < g->nodes.n; i++) { /* updates say where their operands go */
    lcl_node *node = g->nodes.data[i];
    if (lw->groups.needed[i] && (node->op->flags & LCL_OP_UPDATE) && node->op->prepare)
      LCL_TRY(node->op->prepare(lw, node));
  }
  for (size_t i = 0; i < g->nodes.n;
       i++) { /* inputs exist even where only a dead part of the graph reads them */
    lcl_view v;
    if (g->nodes.data[i]->op == &lcl__op_input && lw->groups.needed[i])
      LCL_TRY(lcl__lower_view(lw, &g->nodes.data[i]->out[0], &v));
  }
  for (int i = 0; i < lw->groups.n_order; i++)
    LCL_TRY(lower_group_named(lw, &lw->groups.groups[lw->groups.order[i]]));
  for (int i = 0; i < n_fetch; i++) {
    char name[16];
    snprintf(name, sizeof name, "#%d", i);
    LCL_TRY(keep_output(lw, fetch[i], name));
  }
  for (size_t i = 0; !desc->only_fetch && i < g->outputs.n; i++)
    LCL_TRY(keep_output(lw, g->outputs.data[i], g->outputs.data[i]->output_name));
  if (!desc->no_updates) LCL_TRY(lower_updates(lw));
  LCL_TRY(lcl__sums_emit(lw));
  return lw->random ? advance_random(lw) : LCL_OK;
}
