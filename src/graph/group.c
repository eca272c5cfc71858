/* Which nodes run together: dead nodes dropped, element-wise chains joined, reductions joined with
 * the chain before them (join.c: with all around them), bias and activation joined with the GEMM or
 * convolution before. */
#include "graph/compile.h"

static bool is_leaf(const lcl_node *node) {
  return node->op == &lcl__op_input || node->op == &lcl__op_var || node->op == &lcl__op_const ||
         node->op == &lcl__op_const_data || node->op == &lcl__op_stop_gradient;
}

static void mark_needed(lcl_grouping *gr, const lcl_graph *g) {
  for (int i = gr->n_nodes - 1; i >= 0; i--)
    for (int j = 0; gr->needed[i] && j < g->nodes.data[i]->n_in; j++)
      gr->needed[g->nodes.data[i]->in[j]->node->id] = true;
}

static bool find_users(lcl_grouping *gr, lcl_graph *g, lcl_arena *arena) {
  for (int pass = 0; pass < 2; pass++) {
    for (int i = 0; i < gr->n_nodes; i++) {
      const lcl_node *node = g->nodes.data[i];
      for (int j = 0; gr->needed[i] && j < node->n_in; j++) {
        int from = node->in[j]->node->id;
        if (pass) gr->users[from][gr->n_users[from]] = i;
        gr->n_users[from]++;
      }
    }
    for (int i = 0; !pass && i < gr->n_nodes; i++) {
      gr->users[i] = lcl__arena_alloc(arena, sizeof(int) * (size_t)LCL_MAX(gr->n_users[i], 1));
      if (!gr->users[i]) return false;
      gr->n_users[i] = 0;
    }
  }
  return true;
}

bool lcl__group_has(const lcl_grouping *gr, int group, int node) {
  if (gr->group_of[node] == group) return true;
  for (size_t i = 0; i < gr->again.n; i++)
    if (gr->again.data[i].node == node && gr->again.data[i].group == group) return true;
  return false;
}

/* Whether a group that does not compute node `from` reads it, as node id, itself or a view of it.
 */
static bool read_outside(const lcl_grouping *gr, int from, int id) {
  if (gr->kept[id]) return true;
  for (int i = 0; i < gr->n_users[id]; i++) {
    const int user = gr->users[id][i], in = gr->group_of[user];
    const bool view = gr->groups[in].kind == LCL_GROUP_VIEW;
    if (view ? read_outside(gr, from, user) : !lcl__group_has(gr, in, from)) return true;
    for (size_t k = 0; k < gr->again.n; k++) {
      const lcl_again *a = &gr->again.data[k];
      if (a->node == user && !lcl__group_has(gr, a->group, from)) return true;
    }
  }
  return false;
}

bool lcl__group_exports(const lcl_grouping *gr, const lcl_node *node) {
  return read_outside(gr, node->id, node->id);
}

bool lcl__group_push(lcl_grouping *gr, int group, lcl_node *node) {
  lcl_group *gp = &gr->groups[group];
  if (gp->n == gp->cap) {
    int cap = gp->cap ? gp->cap * 2 : 4;
    lcl_node **nodes = lcl__realloc(gp->nodes, sizeof *nodes * (size_t)cap);
    if (!nodes) return false;
    gp->nodes = nodes;
    gp->cap = cap;
  }
  gp->nodes[gp->n++] = node;
  gr->group_of[node->id] = group;
  return true;
}

bool lcl__group_take(lcl_grouping *gr, int into, int from) {
  lcl_group *gp = &gr->groups[from];
  for (int i = 0; i < gp->n; i++)
    if (!lcl__group_push(gr, into, gp->nodes[i])) return false;
  gp->n = 0;
  return true;
}

/* ---- dependence between groups ---- */

typedef struct search {
  const lcl_grouping *gr;
  char *seen; /* per group */
  int target;
} search;

/* No short cut by node numbers: a joined group may hold a late node beside the early one that is
 * read here. */
static bool reaches(search *s, int group) {
  if (group == s->target) return true;
  if (s->seen[group]) return false;
  s->seen[group] = 1;
  const lcl_group *gp = &s->gr->groups[group];
  for (int i = 0; i < gp->n; i++)
    for (int j = 0; j < gp->nodes[i]->n_in; j++)
      if (reaches(s, s->gr->group_of[gp->nodes[i]->in[j]->node->id])) return true;
  return false;
}

/* Whether group b depends on group a through a third group: then the two can't be one. */
static bool depends_around(const lcl_grouping *gr, int b, int a, char *seen) {
  search s = { gr, seen, a };
  const lcl_group *gb = &gr->groups[b];
  memset(seen, 0, (size_t)gr->n_groups);
  seen[b] = 1;
  for (int i = 0; i < gb->n; i++)
    for (int j = 0; j < gb->nodes[i]->n_in; j++) {
      int from = gr->group_of[gb->nodes[i]->in[j]->node->id];
      if (from != a && from != b && reaches(&s, from)) return true;
    }
  return false;
}

/* ---- the three kinds of fusion ---- */

static lcl_node *only_user(const lcl_grouping *gr, const lcl_graph *g, const lcl_node *node) {
  if (gr->kept[node->id] || gr->n_users[node->id] != 1) return NULL;
  return g->nodes.data[gr->users[node->id][0]];
}

/* A tensor that is a broadcast or reshaped vector: the vector, else NULL. */
static lcl_tensor *vector_behind(lcl_tensor *t, int64_t n) {
  while (t->node->op->view && t->node->n_in == 1 && lcl_shape_count(t->shape) == n)
    t = t->node->in[0];
  return lcl_shape_count(t->shape) == n && t->shape.rank == 1 && t->dtype == LCL_F32 ? t : NULL;
}

/* The bias of `add`, when its other operand is y and the bias runs along y's axis (the last one, or
 * 1 of four). */
static lcl_tensor *bias_of(const lcl_node *add, const lcl_tensor *y, int axis) {
  lcl_tensor *b = add->in[0] == y ? add->in[1] : add->in[0];
  if (add->in[0] != y && add->in[1] != y) return NULL;
  if (!lcl_shape_equal(add->out[0].shape, y->shape) || b == y) return NULL;
  int64_t n = y->shape.dim[axis];
  int from_right = y->shape.rank - axis; /* 1: last */
  if (lcl_shape_count(b->shape) != n || b->shape.rank < from_right ||
      b->shape.dim[b->shape.rank - from_right] != n)
    return NULL;
  return vector_behind(b, n);
}

static lcl_epilogue_part part_of(const lcl_node *node, lcl_epilogue *e) {
  return node && node->op->epilogue_part ? node->op->epilogue_part(node, e) : LCL_EPILOGUE_NOTHING;
}

static bool fuse_epilogue(lcl_grouping *gr, lcl_graph *g, lcl_node *node) {
  int axis = node->op->bias_axis;
  if (axis < 0) axis += node->out[0].shape.rank;
  lcl_epilogue e = { .out = &node->out[0] };
  lcl_node *parts[3];
  int n = 0;
  lcl_node *next = only_user(gr, g, node);
  if (part_of(next, &e) == LCL_EPILOGUE_BIAS) {
    e.bias = bias_of(next, &node->out[0], axis);
    /* Nothing that the bias is computed from depends on the GEMM, whose only user is the sum. */
    if (e.bias) {
      parts[n++] = next;
      e.out = &next->out[0];
      next = only_user(gr, g, next);
    } else {
      next = NULL;
    }
  }
  if (part_of(next, &e) == LCL_EPILOGUE_ACT) {
    parts[n++] = next;
    e.out = &next->out[0];
    next = only_user(gr, g, next);
  }
  if (node->in[0]->dtype == LCL_F16 && part_of(next, &e) == LCL_EPILOGUE_HALF) {
    parts[n++] = next;
    e.out = &next->out[0];
  }
  if (!n) return true;
  int group = gr->group_of[node->id];
  gr->groups[group].kind = LCL_GROUP_EPILOGUE;
  gr->groups[group].epilogue = e;
  for (int i = 0; i < n; i++) {
    gr->groups[gr->group_of[parts[i]->id]].n = 0;
    if (!lcl__group_push(gr, group, parts[i])) return false;
  }
  return true;
}

/* Pulls element-wise producers that only this reduction reads into its kernel. */
static bool fuse_reduce(lcl_grouping *gr, lcl_node *root) {
  int group = gr->group_of[root->id];
  lcl_group *gp = &gr->groups[group];
  for (int at = 0; at < gp->n && gp->n < LCL_MAX_GROUP; at++) {
    for (int j = 0; j < gp->nodes[at]->n_in && gp->n < LCL_MAX_GROUP; j++) {
      lcl_node *from = gp->nodes[at]->in[j]->node;
      int other = gr->group_of[from->id];
      if (other == group || gr->groups[other].kind != LCL_GROUP_MAP) continue;
      if (!lcl_shape_equal(from->out[0].shape, root->in[0]->shape) || gr->kept[from->id]) continue;
      bool inside = true;
      for (int u = 0; u < gr->n_users[from->id]; u++)
        inside &= gr->group_of[gr->users[from->id][u]] == group;
      if (!inside) continue;
      if (!lcl__group_take(gr, group, other)) return false;
    }
  }
  return true;
}

static bool same_space(const lcl_group *a, const lcl_group *b) {
  return a->kind == LCL_GROUP_MAP && b->kind == LCL_GROUP_MAP && a->n && b->n &&
         a->n + b->n <= LCL_MAX_GROUP &&
         lcl_shape_equal(a->nodes[0]->out[0].shape, b->nodes[0]->out[0].shape);
}

/* Joins the element-wise node with the groups of its operands. */
static bool fuse_map(lcl_grouping *gr, lcl_node *node, char *seen) {
  for (int j = 0; j < node->n_in; j++) {
    int mine = gr->group_of[node->id], other = gr->group_of[node->in[j]->node->id];
    if (mine == other || (node->op->flags & LCL_OP_SHIFTED) ||
        !same_space(&gr->groups[mine], &gr->groups[other]))
      continue;
    if (depends_around(gr, mine, other, seen) || depends_around(gr, other, mine, seen)) continue;
    if (!lcl__group_take(gr, other, mine)) return false;
  }
  return true;
}

/* ---- order ---- */

static bool visit(lcl_grouping *gr, int group) {
  lcl_group *gp = &gr->groups[group];
  if (gp->done) return true;
  gp->done = true;
  for (int i = 0; i < gp->n; i++)
    for (int j = 0; j < gp->nodes[i]->n_in; j++) {
      const int node = lcl__view_source(gp->nodes[i]->in[j])->node->id;
      if (!lcl__group_has(gr, group, node) && !visit(gr, gr->group_of[node])) return false;
    }
  gr->order[gr->n_order++] = group;
  return true;
}

/* Whether the node was created last of its group, which runs when that one's turn has come, or
 * something needs it: what it makes does not lie in memory for longer. */
static bool is_last(const lcl_grouping *gr, int id) {
  const lcl_group *gp = &gr->groups[gr->group_of[id]];
  for (int i = 0; i < gp->n; i++)
    if (gp->nodes[i]->id > id) return false;
  return true;
}

/* Nodes that are not to wait for their turn, where all that they read is done. */
static bool visit_early(lcl_grouping *gr, const lcl_graph *g) {
  for (int i = gr->n_nodes; i-- > 0;) {
    const lcl_node *node = g->nodes.data[i];
    bool ready = gr->needed[i] && (node->op->flags & LCL_OP_EARLY);
    for (int j = 0; ready && j < node->n_in; j++)
      ready = gr->groups[gr->group_of[node->in[j]->node->id]].done;
    if (ready && !visit(gr, gr->group_of[i])) return false;
  }
  return true;
}

static int by_id(const void *a, const void *b) {
  return (*(lcl_node *const *)a)->id - (*(lcl_node *const *)b)->id;
}

static bool allocate(lcl_grouping *gr, lcl_arena *arena, int n) {
  size_t k = (size_t)LCL_MAX(n, 1);
  gr->n_nodes = n;
  gr->needed = lcl__arena_alloc(arena, k * sizeof *gr->needed);
  gr->kept = lcl__arena_alloc(arena, k * sizeof *gr->kept);
  gr->group_of = lcl__arena_alloc(arena, k * sizeof *gr->group_of);
  gr->order = lcl__arena_alloc(arena, k * sizeof *gr->order);
  gr->users = lcl__arena_alloc(arena, k * sizeof *gr->users);
  gr->n_users = lcl__arena_alloc(arena, k * sizeof *gr->n_users);
  gr->groups = lcl__alloc(k * sizeof *gr->groups);
  return gr->needed && gr->kept && gr->group_of && gr->order && gr->users && gr->n_users &&
         gr->groups;
}

static lcl_group_kind kind_of(const lcl_node *node) {
  return is_leaf(node) || node->op->view       ? LCL_GROUP_VIEW
         : node->op->fusion == LCL_FUSE_MAP    ? LCL_GROUP_MAP
         : node->op->fusion == LCL_FUSE_REDUCE ? LCL_GROUP_REDUCE
                                               : LCL_GROUP_NODE;
}

static lcl_space space_of(const lcl_node *node) {
  if (node->op->fusion == LCL_FUSE_REDUCE)
    return (lcl_space) { node->in[0]->shape, node->op->reduced_axes(node) };
  return (lcl_space) { node->out[0].shape, 0 };
}

lcl_status lcl__grouping_make(lcl_graph *g, const lcl_caps *caps, lcl_tensor *const *roots,
                              int n_roots, bool updates, bool fusion, lcl_grouping *gr) {
  int n = (int)g->nodes.n;
  memset(gr, 0, sizeof *gr);
  if (!allocate(gr, g->arena, n)) return LCL_ERR_HOST_MEMORY;
  for (int i = 0; i < n_roots; i++)
    gr->needed[roots[i]->node->id] = gr->kept[roots[i]->node->id] = true;
  for (int i = 0; updates && i < n; i++)
    gr->needed[i] |= (g->nodes.data[i]->op->flags & LCL_OP_UPDATE) != 0;
  mark_needed(gr, g);
  if (!find_users(gr, g, g->arena)) return LCL_ERR_HOST_MEMORY;
  char *seen = lcl__alloc((size_t)n + 1);
  bool ok = seen != NULL;
  gr->n_groups = n;
  for (int i = 0; ok && i < n; i++) {
    lcl_node *node = g->nodes.data[i];
    gr->group_of[i] = -1;
    if (!gr->needed[i]) continue;
    gr->groups[i].kind = kind_of(node);
    gr->groups[i].space = space_of(node);
    ok = lcl__group_push(gr, i, node);
  }
  for (int i = 0; ok && fusion && i < n; i++)
    if (gr->needed[i] && g->nodes.data[i]->op->fusion == LCL_FUSE_EPILOGUE)
      ok = fuse_epilogue(gr, g, g->nodes.data[i]);
  for (int i = n - 1; ok && fusion && i >= 0; i--)
    if (gr->needed[i] && gr->groups[i].kind == LCL_GROUP_REDUCE)
      ok = fuse_reduce(gr, g->nodes.data[i]);
  ok = ok && (!fusion || lcl__group_join(gr, caps, seen));
  for (int i = 0; ok && fusion && i < n; i++)
    if (gr->needed[i] && gr->groups[gr->group_of[i]].kind == LCL_GROUP_MAP)
      ok = fuse_map(gr, g->nodes.data[i], seen);
  ok = ok && (!fusion || (lcl__group_join(gr, caps, seen) && lcl__group_recompute(gr, g)));
  for (int i = 0; ok && i < n; i++)
    if (gr->groups[i].kind == LCL_GROUP_MAP || gr->groups[i].kind == LCL_GROUP_REDUCE)
      qsort(gr->groups[i].nodes, (size_t)gr->groups[i].n, sizeof(lcl_node *), by_id);
  for (int i = 0; ok && i < n; i++)
    if (gr->needed[i] && !(g->nodes.data[i]->op->flags & LCL_OP_UPDATE) && is_last(gr, i))
      ok = visit(gr, gr->group_of[i]) && visit_early(gr, g);
  lcl__free(seen);
  return ok ? LCL_OK : LCL_ERR_HOST_MEMORY;
}

void lcl__grouping_free(lcl_grouping *gr) {
  for (int i = 0; gr->groups && i < gr->n_groups; i++) lcl__free(gr->groups[i].nodes);
  lcl__free(gr->groups);
  lcl__free(gr->again.data);
  gr->groups = NULL;
}
