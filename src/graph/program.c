/* Programs: compile, bind, run, feed, fetch. */
#include <math.h>

#include "graph/compile.h"

/* ---- binding ---- */

static lcl_status too_large(const lcl_program *p, size_t bytes, size_t max) {
  size_t best = 0;
  for (size_t i = 0; i < p->n_slots; i++)
    if (p->slots[i].kind == LCL_SLOT_TEMP && p->slots[i].bytes > p->slots[best].bytes) best = i;
  return lcl__fail(
      LCL_ERR_DEVICE_MEMORY,
      "the program needs %.1f MB for intermediates, the device allows %.1f MB in one buffer; the "
      "largest is %.1f MB of %s; "
      "a smaller batch fits",
      (double)bytes / 1e6, (double)max / 1e6, p->n_slots ? (double)p->slots[best].bytes / 1e6 : 0.0,
      p->n_slots && p->slots[best].what ? p->slots[best].what : "?");
}

static lcl_status slot_buffer(lcl_program *p, int slot, lcl_buffer **out) {
  lcl_slot *s = &p->slots[slot];
  if (!s->buffer && s->kind == LCL_SLOT_TEMP) {
    LCL_TRY(lcl__buffer_sub(p->memory, s->offset, s->bytes, &s->buffer));
  } else if (!s->buffer && s->kind == LCL_SLOT_PART) {
    size_t offset;
    const lcl_slot *r = &p->slots[lcl__slot_root(p->slots, slot, &offset)];
    if (r->kind == LCL_SLOT_TEMP)
      LCL_TRY(lcl__buffer_sub(p->memory, r->offset + offset, s->bytes, &s->buffer));
    else
      LCL_TRY(lcl__buffer_sub(r->buffer, offset, s->bytes, &s->buffer));
  }
  *out = s->buffer;
  return LCL_OK;
}

/* Adds a launch to the list, its slots bound to buffers. args: room for its arguments. */
static lcl_status bind(lcl_program *p, const lcl_launch *launch, lcl_arg *args) {
  lcl_launch l = *launch;
  l.args = args;
  l.user_free = NULL; /* user is the program's */
  for (int i = 0; i < l.n_args; i++) {
    args[i] = launch->args[i];
    if (args[i].kind != LCL_ARG_MEMORY) continue;
    LCL_TRY(slot_buffer(p, args[i].slot, &args[i].buffer));
    if (!args[i].bytes) args[i].bytes = lcl_buffer_size(args[i].buffer);
  }
  return lcl__list_add(p->list, &l);
}

static lcl_status build_programs(lcl_program *p) {
  lcl_source *sources = lcl__alloc(LCL_MAX(p->n_launches, 1) * sizeof *sources);
  size_t n = 0;
  if (!sources) return LCL_ERR_HOST_MEMORY;
  lcl_status st = lcl__batch_generated(p->ctx, p->launches, p->n_launches);
  for (size_t i = 0; i < p->n_launches; i++)
    if (p->launches[i].kind == LCL_LAUNCH_KERNEL) sources[n++] = p->launches[i].source;
  if (st == LCL_OK) st = lcl__programs_build(p->ctx, sources, n);
  if (st == LCL_OK)
    lcl__batches_built(p->ctx);
  else
    lcl__batches_drop(p->ctx);
  lcl__free(sources);
  return st;
}

static lcl_status bind_all(lcl_program *p) {
  int most = 1;
  for (size_t i = 0; i < p->n_launches; i++) most = LCL_MAX(most, p->launches[i].n_args);
  lcl_arg *args = lcl__alloc((size_t)most * sizeof *args);
  if (!args) return LCL_ERR_HOST_MEMORY;
  lcl_status st = lcl__list_create(p->ctx, &p->list);
  for (size_t i = 0; st == LCL_OK && i < p->n_launches; i++) st = bind(p, &p->launches[i], args);
  if (st == LCL_OK) st = lcl__list_seal(p->list);
  lcl__free(args);
  return st;
}

/* ---- compile ---- */

static void sum_stats(lcl_lower *lw, lcl_program *p) {
  const lcl_graph *g = lw->graph;
  lcl_program_stats *s = &p->stats;
  for (size_t i = 0; i < g->nodes.n; i++) {
    const lcl_node *node = g->nodes.data[i];
    if (!lw->groups.needed[i]) continue;
    s->nodes++;
    if (node->op->flops)
      s->flops += node->op->flops(node);
    else if (lw->groups.groups[lw->groups.group_of[i]].kind != LCL_GROUP_VIEW)
      s->flops += (double)lcl_shape_count(node->out[0].shape);
    if (node->op == &lcl__op_var)
      s->variable_memory += (size_t)lcl_shape_count(node->out[0].shape) *
                            lcl_dtype_size(node->out[0].dtype);
  }
  for (int i = 0; i < lw->groups.n_groups; i++) s->fused_groups += lw->groups.groups[i].n > 1;
  for (size_t i = 0; i < p->n_launches; i++) s->bytes += p->launches[i].bytes;
  s->launches = p->n_launches;
}

/* Moves what the lowering made into the program, which owns it from here on. */
static void take_over(lcl_lower *lw, lcl_program *p) {
  p->ctx = lw->ctx;
  p->store = lcl__store_retain(lw->graph->store);
  p->arena = lw->arena;
  p->slots = lw->slots.data;
  p->n_slots = lw->slots.n;
  p->launches = lw->launches.data;
  p->n_launches = lw->launches.n;
  p->inputs = lw->inputs.data;
  p->n_inputs = lw->inputs.n;
  p->outputs = lw->outputs.data;
  p->n_outputs = lw->outputs.n;
  p->notes = lw->notes.data;
}

static lcl_status finish_program(lcl_lower *lw, lcl_program *p, size_t arena_bytes) {
  size_t max = lw->caps->max_alloc;
  if (arena_bytes > max) return too_large(p, arena_bytes, max);
  if (arena_bytes) LCL_TRY(lcl_buffer_create(p->ctx, arena_bytes, &p->memory));
  sum_stats(lw, p);
  if (lw->notes.n && !lcl__str_ok(&lw->notes)) return LCL_ERR_HOST_MEMORY;
  LCL_TRY(lcl__explain_groups(lw, &p->summary, &p->dot));
  LCL_TRY(build_programs(p));
  return bind_all(p);
}

static lcl_status check_fetch(const lcl_graph *g, const lcl_compile_desc *desc) {
  LCL_TRY(lcl_graph_status(g));
  if (desc->n_fetch < 0 || (desc->n_fetch && !desc->fetch))
    return lcl__fail(LCL_ERR_ARGUMENT, "compile: %d tensors to fetch, and NULL for them",
                     desc->n_fetch);
  for (int i = 0; i < desc->n_fetch; i++)
    if (lcl_tensor_graph(desc->fetch[i]) != g)
      return lcl__fail(LCL_ERR_ARGUMENT, "compile: fetch %d %s", i,
                       desc->fetch[i] ? "belongs to another graph" : "is NULL");
  return LCL_OK;
}

/* *again: see lcl__lower_again; the program is incomplete where it was set. */
static lcl_status build(lcl_graph *g, const lcl_compile_desc *desc,
                        void (**again)(lcl_context *ctx), lcl_program **out) {
  size_t n_named = desc->only_fetch ? 0 : g->outputs.n, n_roots = (size_t)desc->n_fetch + n_named;
  lcl_program *p = lcl__alloc(sizeof *p);
  lcl_tensor **roots = lcl__alloc(LCL_MAX(n_roots, 1) * sizeof *roots);
  lcl_lower lw = { .ctx = lcl_store_context(g->store),
                   .graph = g,
                   .arena = lcl__arena_create(),
                   .guard = desc->guard_bands,
                   .no_fusion = desc->no_fusion,
                   .again = again };
  lcl_status st = p && roots && lw.arena ? LCL_OK : LCL_ERR_HOST_MEMORY;
  if (st == LCL_OK) {
    if (desc->n_fetch) memcpy(roots, desc->fetch, (size_t)desc->n_fetch * sizeof *roots);
    if (n_named) memcpy(roots + desc->n_fetch, g->outputs.data, n_named * sizeof *roots);
    lw.caps = lcl__context_caps(lw.ctx);
    st = lcl__store_place(g->store);
  }
  if (st == LCL_OK)
    st = lcl__grouping_make(g, lw.caps, roots, (int)n_roots, !desc->no_updates, !desc->no_fusion,
                            &lw.groups);
  if (st == LCL_OK) st = lcl__lower_all(&lw, desc->fetch, desc->n_fetch, desc);
  lcl__free(lw.adders.data);
  if (st == LCL_OK) st = lw.status;
  const bool whole = st == LCL_OK && !(again && *again);
  size_t arena_bytes = 0;
  if (whole) st = lcl__plan_memory(&lw, &arena_bytes, p ? &p->stats.sum_memory : &arena_bytes);
  if (p) {
    take_over(&lw, p);
    p->check_numerics = desc->check_numerics;
    p->guard = desc->guard_bands;
    p->stats.peak_memory = arena_bytes;
    if (whole && st == LCL_OK) st = finish_program(&lw, p, arena_bytes);
  } else if (lw.arena) {
    lcl__arena_destroy(lw.arena);
    lcl__str_free(&lw.notes);
  }
  lcl__grouping_free(&lw.groups);
  lcl__free(roots);
  if (st != LCL_OK) {
    lcl_program_destroy(p);
    return st;
  }
  *out = p;
  return LCL_OK;
}

static lcl_status compile(lcl_graph *g, const lcl_compile_desc *desc, lcl_program **out) {
  void (*again)(lcl_context * ctx) = NULL;
  LCL_TRY(check_fetch(g, desc));
  LCL_TRY(build(g, desc, &again, out));
  if (!again) return LCL_OK;
  lcl_program_destroy(*out);
  *out = NULL;
  again(lcl_store_context(g->store));
  return build(g, desc, NULL, out);
}

lcl_status lcl_compile(lcl_graph *g, const lcl_compile_desc *desc, lcl_program **out) {
  static const lcl_compile_desc none;
  LCL_NEED(g, out);
  *out = NULL;
  lcl_context *ctx = lcl_store_context(g->store);
  LCL_TRY(lcl__context_enter(ctx));
  return lcl__context_leave(ctx, compile(g, desc ? desc : &none, out));
}

void lcl_program_destroy(lcl_program *p) {
  if (!p) return;
  if (p->ctx) lcl_context_finish(p->ctx);
  lcl__list_destroy(p->list);
  for (size_t i = 0; i < p->n_slots; i++)
    if (p->slots[i].kind != LCL_SLOT_FIXED) lcl_buffer_destroy(p->slots[i].buffer);
  for (size_t i = 0; i < p->n_slots; i++)
    if (p->slots[i].kind == LCL_SLOT_FIXED && p->slots[i].own)
      lcl_buffer_destroy(p->slots[i].buffer);
  for (size_t i = 0; i < p->n_launches; i++)
    if (p->launches[i].user_free) p->launches[i].user_free(p->launches[i].user);
  lcl_buffer_destroy(p->memory);
  lcl__free(p->slots);
  lcl__free(p->launches);
  lcl__free(p->inputs);
  lcl__free(p->outputs);
  lcl__free(p->summary);
  lcl__free(p->notes);
  lcl__free(p->dot);
  if (p->arena) lcl__arena_destroy(p->arena);
  lcl_store_destroy(p->store);
  lcl__free(p);
}

/* ---- run ---- */

static lcl_input_binding *input_of(const lcl_program *p, const char *name) {
  for (size_t i = 0; i < p->n_inputs; i++)
    if (strcmp(p->inputs[i].name, name) == 0) return &p->inputs[i];
  return NULL;
}

static lcl_status find_input(lcl_program *p, const char *name, lcl_input_binding **out) {
  if ((*out = input_of(p, name))) return LCL_OK;
  return lcl__fail(LCL_ERR_ARGUMENT,
                   "the program has no input \"%s\" (or nothing in it depends on that input)",
                   name);
}

static lcl_status feed(lcl_program *p, const char *input, const void *data, size_t bytes) {
  lcl_input_binding *in = NULL;
  LCL_TRY(find_input(p, input, &in));
  if (in->bytes != bytes)
    return lcl__fail(LCL_ERR_SHAPE, "input \"%s\" takes %zu bytes, %zu were given", input,
                     in->bytes, bytes);
  in->fed = true;
  if (!bytes) return LCL_OK;
  LCL_NEED(data);
  return lcl__upload(p->ctx, p->slots[in->slot].buffer, 0, data, bytes);
}

lcl_status lcl_feed(lcl_program *p, const char *input, const void *data, size_t bytes) {
  LCL_NEED(p, input);
  LCL_TRY(lcl__context_enter(p->ctx));
  return lcl__context_leave(p->ctx, feed(p, input, data, bytes));
}

static lcl_status feed_buffer(lcl_program *p, const char *input, lcl_buffer *buf) {
  lcl_input_binding *in = NULL;
  LCL_TRY(find_input(p, input, &in));
  if (lcl__buffer_context(buf) != p->ctx)
    return lcl__fail(LCL_ERR_ARGUMENT, "input \"%s\": the buffer is of another context", input);
  if (lcl_buffer_size(buf) < in->bytes)
    return lcl__fail(LCL_ERR_SHAPE, "input \"%s\" takes %zu bytes, the buffer has %zu", input,
                     in->bytes, lcl_buffer_size(buf));
  lcl_slot *s = &p->slots[in->slot];
  LCL_TRY(lcl_context_finish(p->ctx));
  /* Kernel arguments are set once when bound: bind everything again. */
  lcl__list_destroy(p->list);
  p->list = NULL;
  for (size_t i = 0; i < p->n_slots; i++) {
    if (p->slots[i].kind != LCL_SLOT_PART) continue;
    lcl_buffer_destroy(p->slots[i].buffer);
    p->slots[i].buffer = NULL;
  }
  lcl__buffer_retain(buf);
  if (s->own) lcl_buffer_destroy(s->buffer);
  s->buffer = buf;
  s->own = true; /* a share of it */
  in->fed = true;
  return bind_all(p);
}

lcl_status lcl_feed_buffer(lcl_program *p, const char *input, lcl_buffer *buf) {
  LCL_NEED(p, input, buf);
  LCL_TRY(lcl__context_enter(p->ctx));
  return lcl__context_leave(p->ctx, feed_buffer(p, input, buf));
}

/* Runs launch by launch and checks everything each one wrote. */
static lcl_status run_checked(lcl_program *p) {
  for (size_t i = 0; i < p->n_launches; i++) {
    LCL_TRY(lcl__list_run_one(p->list, i));
    for (int k = 0; k < p->launches[i].n_args; k++) {
      const lcl_arg *a = &p->launches[i].args[k];
      if (a->kind != LCL_ARG_MEMORY || !(a->access & LCL_WRITE) || !p->slots[a->slot].is_f32)
        continue;
      const lcl_slot *s = &p->slots[a->slot];
      float *host = lcl__alloc(s->bytes);
      if (!host) return LCL_ERR_HOST_MEMORY;
      lcl_status st = lcl__download(p->ctx, s->buffer, 0, host, s->bytes);
      size_t n = s->bytes / 4, at = 0;
      while (st == LCL_OK && at < n && isfinite(host[at])) at++;
      float bad = st == LCL_OK && at < n ? host[at] : 0;
      lcl__free(host);
      LCL_TRY(st);
      if (at < n)
        return lcl__fail(LCL_ERR_NUMERIC, "%s at element %zu of %s%s (launch %zu: %s)",
                         isnan(bad) ? "NaN" : "Inf", at,
                         s->what ? "the result of " : "the variables", s->what ? s->what : "", i,
                         p->launches[i].label);
    }
  }
  return LCL_OK;
}

static lcl_status run_guarded(lcl_program *p) {
  LCL_TRY(lcl__guard_fill(p));
  LCL_TRY(lcl__list_run(p->list, NULL));
  return lcl__guard_check(p);
}

/* Before a run: every input has a value, and nothing failed to bind. */
static lcl_status check_ready(const lcl_program *p) {
  for (size_t i = 0; i < p->n_inputs; i++)
    if (!p->inputs[i].fed && p->inputs[i].bytes)
      return lcl__fail(LCL_ERR_ARGUMENT, "input \"%s\" was never fed", p->inputs[i].name);
  if (!p->list) return lcl__fail(LCL_ERR_ARGUMENT, "an input could not be bound to its buffer");
  return LCL_OK;
}

static lcl_status run(lcl_program *p, cl_event *done) {
  LCL_TRY(check_ready(p));
  lcl_status status;
  if (p->guard && !done)
    status = run_guarded(p);
  else if (p->check_numerics && !done)
    status = run_checked(p);
  else
    status = lcl__list_run(p->list, done);
  p->ran |= status == LCL_OK;
  return status;
}

lcl_status lcl_run(lcl_program *p) {
  LCL_NEED(p);
  LCL_TRY(lcl__context_enter(p->ctx));
  return lcl__context_leave(p->ctx, run(p, NULL));
}

static lcl_status run_after(lcl_program *p, int n_wait, void *const *cl_wait, cl_event *done) {
  LCL_TRY(check_ready(p));
  LCL_TRY(lcl__queue_wait(p->ctx, (cl_uint)n_wait, (const cl_event *)cl_wait));
  return run(p, done);
}

lcl_status lcl_run_async(lcl_program *p, int n_wait, void *const *cl_wait, void **cl_event_out) {
  cl_event done = NULL;
  LCL_NEED(p);
  if (n_wait < 0 || (n_wait && !cl_wait))
    return lcl__fail(LCL_ERR_ARGUMENT, "run: %d events to wait for, and %s", n_wait,
                     cl_wait ? "a list of them" : "NULL for them");
  LCL_TRY(lcl__context_enter(p->ctx));
  LCL_TRY(lcl__context_leave(p->ctx, run_after(p, n_wait, cl_wait, &done)));
  if (cl_event_out)
    *cl_event_out = done;
  else
    clReleaseEvent(done);
  return LCL_OK;
}

static lcl_status find_output(const lcl_program *p, const char *name,
                              const lcl_output_binding **out) {
  for (size_t i = 0; i < p->n_outputs; i++) {
    *out = &p->outputs[i];
    if (strcmp((*out)->name, name) == 0) return LCL_OK;
  }
  return lcl__fail(LCL_ERR_ARGUMENT, "the program has no output \"%s\"", name);
}

static lcl_status check_ran(const lcl_program *p, const char *output) {
  if (p->ran) return LCL_OK;
  return lcl__fail(LCL_ERR_ARGUMENT, "output \"%s\": the program has not run yet", output);
}

static lcl_status fetch(lcl_program *p, const char *output, void *data, size_t bytes) {
  const lcl_output_binding *o = NULL;
  lcl_buffer *buffer;
  LCL_TRY(find_output(p, output, &o));
  if (o->bytes != bytes)
    return lcl__fail(LCL_ERR_SHAPE, "output \"%s\" has %zu bytes, %zu were asked for", output,
                     o->bytes, bytes);
  LCL_TRY(check_ran(p, output));
  if (!bytes) return LCL_OK; /* no launch wrote it, so it may have no memory */
  LCL_NEED(data);
  LCL_TRY(slot_buffer(p, o->slot, &buffer));
  return lcl__download(p->ctx, buffer, 0, data, bytes);
}

static lcl_status fetch_buffer(lcl_program *p, const char *output, lcl_buffer *buf, size_t offset) {
  const lcl_output_binding *o = NULL;
  lcl_buffer *buffer;
  LCL_TRY(find_output(p, output, &o));
  if (lcl__buffer_context(buf) != p->ctx)
    return lcl__fail(LCL_ERR_ARGUMENT, "output \"%s\": the buffer is of another context", output);
  if (offset > lcl_buffer_size(buf) || o->bytes > lcl_buffer_size(buf) - offset)
    return lcl__fail(LCL_ERR_SHAPE, "output \"%s\" has %zu bytes, the buffer %zu behind %zu",
                     output, o->bytes, lcl_buffer_size(buf) - LCL_MIN(offset, lcl_buffer_size(buf)),
                     offset);
  LCL_TRY(check_ran(p, output));
  if (!o->bytes) return LCL_OK;
  LCL_TRY(slot_buffer(p, o->slot, &buffer));
  return lcl__copy(p->ctx, buffer, buf, offset, o->bytes);
}

lcl_status lcl_fetch_buffer(lcl_program *p, const char *output, lcl_buffer *buf, size_t offset) {
  LCL_NEED(p, output, buf);
  LCL_TRY(lcl__context_enter(p->ctx));
  return lcl__context_leave(p->ctx, fetch_buffer(p, output, buf, offset));
}

lcl_status lcl_fetch(lcl_program *p, const char *output, void *data, size_t bytes) {
  LCL_NEED(p, output);
  LCL_TRY(lcl__context_enter(p->ctx));
  return lcl__context_leave(p->ctx, fetch(p, output, data, bytes));
}

lcl_program_stats lcl_program_get_stats(const lcl_program *p) {
  if (!p) return (lcl_program_stats) { 0 };
  return p->stats;
}

int lcl__program_unsettled(const lcl_program *p) {
  return p->list ? lcl__list_unsettled(p->list) : 0;
}

bool lcl__program_reads(const lcl_program *p, const char *input) {
  return input_of(p, input) != NULL;
}

const char *lcl__program_launch(const lcl_program *p, size_t index, double *flops, double *bytes) {
  if (index >= p->n_launches) return NULL;
  if (flops) *flops = p->launches[index].flops;
  if (bytes) *bytes = p->launches[index].bytes;
  return p->launches[index].label;
}
