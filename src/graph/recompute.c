/* What a later kernel can compute again for less than reading it: of batch norm's forward pass, the
 * backward one needs x - mean, the normalised x and where relu was open. The first two follow from
 * x and numbers a channel, the last from relu's result, which all lie in memory anyway. So one
 * kernel writes less, and others read no more. */
#include "graph/compile.h"

enum { MOST_READERS = 8, MOST_CHAIN = 8 };

/* A group outside the node's own that reads it, and what it computes for that: the node, and what
 * of the node's group it follows from and is not in memory. */
typedef struct reader {
  int group, n, more; /* more: tensors that it does not read now */
  lcl_node *chain[MOST_CHAIN];
} reader;

typedef struct recomputer {
  lcl_grouping *gr;
  reader readers[MOST_READERS];
  int n;
} recomputer;

static bool is_cheap(const lcl_grouping *gr, const lcl_node *node) {
  return gr->needed[node->id] && !gr->kept[node->id] && lcl_shape_count(node->out[0].shape) > 0 &&
         node->op->cheap && node->op->cheap(node);
}

/* Adds a group that reads the node; false where it could not compute it. */
static bool add_reader(recomputer *r, int group) {
  const lcl_group *gp = &r->gr->groups[group];
  if (gp->kind != LCL_GROUP_MAP && gp->kind != LCL_GROUP_REDUCE) return false;
  for (int i = 0; i < r->n; i++)
    if (r->readers[i].group == group) return true;
  if (r->n == MOST_READERS) return false;
  r->readers[r->n++] = (reader) { .group = group };
  return true;
}

static bool find_readers(recomputer *r, const lcl_node *node) {
  const lcl_grouping *gr = r->gr;
  r->n = 0;
  for (int i = 0; i < gr->n_users[node->id]; i++) {
    const int user = gr->users[node->id][i], group = gr->group_of[user];
    if (!lcl__group_has(gr, group, node->id) && !add_reader(r, group)) return false;
    for (size_t k = 0; k < gr->again.n; k++) {
      const lcl_again *a = &gr->again.data[k];
      if (a->node == user && !lcl__group_has(gr, a->group, node->id) && !add_reader(r, a->group))
        return false;
    }
  }
  return r->n > 0;
}

static bool reads(const lcl_group *gp, const lcl_tensor *t) {
  for (int i = 0; i < gp->n; i++)
    for (int k = 0; k < gp->nodes[i]->n_in; k++)
      if (gp->nodes[i]->in[k] == t) return true;
  return false;
}

/* Whether the reader can compute the node from what lies in memory, or will (few numbers), and
 * reads at most one tensor more for it. In a group of the node's shape all read it element by
 * element. */
static bool add_chain(const lcl_grouping *gr, reader *r, lcl_node *node) {
  const lcl_group *gp = &gr->groups[r->group];
  if (r->n == MOST_CHAIN || !is_cheap(gr, node)) return false;
  if (lcl__space_per(&gp->space, node) != LCL_PER_ELEMENT) return false;
  r->chain[r->n++] = node;
  for (int k = 0; k < node->n_in; k++) {
    lcl_tensor *t = node->in[k];
    lcl_node *from = lcl__view_source(t)->node;
    const int home = gr->group_of[from->id];
    const bool few = lcl_shape_count(from->out[0].shape) * 16 <= lcl_shape_count(gp->space.shape);
    bool here = lcl__group_has(gr, r->group, from->id);
    for (int i = 0; i < r->n; i++) here |= r->chain[i] == from;
    if (!here && !few && home == gr->group_of[node->id] && !lcl__group_exports(gr, from)) {
      if (!add_chain(gr, r, from)) return false;
      here = true;
    }
    if (here ? !lcl__space_in_place(&gp->space, node, t) : !few && !reads(gp, t) && r->more++)
      return false;
  }
  return true;
}

/* Notes what the readers compute again, as long as all groups have room for what they read and
 * write then: the node's own for what the chains follow from. */
static bool note(const recomputer *r, int home, bool *room) {
  lcl_grouping *gr = r->gr;
  const size_t before = gr->again.n;
  for (int i = 0; i < r->n; i++)
    for (int k = 0; k < r->readers[i].n; k++) {
      const lcl_again a = { r->readers[i].chain[k]->id, r->readers[i].group };
      if (!LCL_PUSH(&gr->again, a)) return false;
    }
  *room = lcl__group_has_room(gr, home, NULL, 0);
  for (int i = 0; *room && i < r->n; i++)
    *room = lcl__group_has_room(gr, r->readers[i].group, r->readers[i].chain, r->readers[i].n);
  if (!*room) gr->again.n = before;
  return true;
}

/* Puts the chain into the reader's group; its nodes stay those of the others. */
static bool compute(lcl_grouping *gr, const reader *r) {
  for (int k = 0; k < r->n; k++) {
    const int home = gr->group_of[r->chain[k]->id];
    if (!lcl__group_push(gr, r->group, r->chain[k])) return false;
    gr->group_of[r->chain[k]->id] = home;
  }
  return true;
}

/* A node that nothing in its group reads, and nothing from memory, becomes that of another group
 * that computes it, if there is one. */
static void move(lcl_grouping *gr, const lcl_node *node) {
  lcl_group *gp = &gr->groups[gr->group_of[node->id]];
  size_t to = 0;
  int n = 0;
  while (to < gr->again.n && gr->again.data[to].node != node->id) to++;
  if (to == gr->again.n || lcl__group_exports(gr, node)) return;
  for (int i = 0; i < gp->n; i++)
    for (int k = 0; k < gp->nodes[i]->n_in; k++)
      if (lcl__view_source(gp->nodes[i]->in[k])->node == node) return;
  for (int i = 0; i < gp->n; i++)
    if (gp->nodes[i] != node) gp->nodes[n++] = gp->nodes[i];
  gp->n = n;
  gr->group_of[node->id] = gr->again.data[to].group;
  gr->again.data[to] = gr->again.data[--gr->again.n];
}

bool lcl__group_recompute(lcl_grouping *gr, lcl_graph *g) {
  recomputer r = { .gr = gr };
  /* From the end: what reads a node has found its place. */
  for (int id = gr->n_nodes - 1; id >= 0; id--) {
    lcl_node *node = g->nodes.data[id];
    bool again = is_cheap(gr, node) && find_readers(&r, node);
    for (int i = 0; again && i < r.n; i++) again = add_chain(gr, &r.readers[i], node);
    if (again && !note(&r, gr->group_of[id], &again)) return false;
    for (int i = 0; again && i < r.n; i++)
      if (!compute(gr, &r.readers[i])) return false;
    move(gr, node);
  }
  return true;
}
