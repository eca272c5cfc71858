/* Joins what runs over one space: reductions over the same axes, the element-wise nodes whose
 * values they reduce, and those that follow from their results. So softmax with its loss, or batch
 * norm with its activation, is one launch that walks over each row as often as results are needed
 * for what follows. */
#include "graph/compile.h"

/* Bytes of a generated kernel's parameters: at most (every device allows 1024, but from some 690 on
 * AMD's 102 scalar registers do not hold what a walk needs of them); those of the walk; a tensor
 * that is written, or read; a number or size. */
enum { MOST_BYTES = 680, WALK = 96, WRITTEN = 8, READ = 12, NUMBER = 4 };
enum { MOST_READ = MOST_BYTES / READ };
/* Elements whose launch costs more than the work, and whose memory is not worth a thought. Larger
 * reductions that have no elements in common stay apart: together, all they read would have to be
 * there at the same time. */
enum { SMALL = 16384 };

typedef struct joiner {
  lcl_grouping *gr;
  const lcl_caps *caps;
  char *seen;
  int a, b; /* the two groups that are looked at: a has reductions */
  bool failed;
} joiner;

static int source_group(const joiner *j, lcl_tensor *t) {
  return j->gr->group_of[lcl__view_source(t)->node->id];
}

static bool ours(const joiner *j, int group) {
  return group == j->a || group == j->b;
}

/* Whether anything that `group` needs is of the two groups. */
static bool needs_ours(joiner *j, int group) {
  if (ours(j, group)) return true;
  if (j->seen[group]) return false;
  j->seen[group] = 1;
  const lcl_group *gp = &j->gr->groups[group];
  for (int i = 0; i < gp->n; i++)
    for (int k = 0; k < gp->nodes[i]->n_in; k++)
      if (needs_ours(j, j->gr->group_of[gp->nodes[i]->in[k]->node->id])) return true;
  return false;
}

typedef struct findings {
  lcl_tensor *read[MOST_READ];
  int home[MOST_READ]; /* of the first reader */
  int n_read, bytes;   /* bytes: of parameters */
  bool deep;           /* elements follow from results */
  bool tied; /* elements of one group follow from the other, or both read the same elements */
} findings;

static bool add_read(findings *f, const lcl_space *space, const lcl_node *reader, lcl_tensor *t,
                     int home) {
  const bool shifted = reader->op->flags & LCL_OP_SHIFTED;
  float value;
  if (lcl__const_value(lcl__view_source(t), &value) && !shifted) {
    f->bytes += NUMBER;
    return true;
  }
  for (int i = 0; i < f->n_read; i++)
    if (f->read[i] == t) {
      f->tied |= f->home[i] != home && lcl_shape_count(t->shape) == lcl_shape_count(space->shape);
      return true;
    }
  if (f->n_read == MOST_READ) return false;
  f->bytes += READ;
  for (int i = 0; i < space->shape.rank; i++) /* a stride, where it begins and ends */
    if (space->shape.dim[i] > 1) f->bytes += NUMBER * (shifted ? 3 : 1);
  f->home[f->n_read] = home;
  f->read[f->n_read++] = t;
  return true;
}

/* Whether the node of group `home` can stand in one kernel with all of both groups. */
static bool node_fits(joiner *j, const lcl_space *space, const lcl_node *node, int home,
                      findings *f) {
  const lcl_per per = lcl__space_per(space, node);
  const bool elements = node->op->fusion == LCL_FUSE_REDUCE || per == LCL_PER_ELEMENT;
  if (per == LCL_PER_NEITHER) return false;
  for (int k = 0; k < node->n_in; k++) {
    lcl_tensor *t = node->in[k];
    const int from = source_group(j, t);
    if (!ours(j, from)) {
      if (!add_read(f, space, node, t, home) || needs_ours(j, j->gr->group_of[t->node->id]))
        return false;
      continue;
    }
    f->deep |= elements && lcl__space_per(space, lcl__view_source(t)->node) == LCL_PER_RESULT;
    if (from == home && !(node->op->flags & LCL_OP_SHIFTED)) continue;
    if (!lcl__space_in_place(space, node, t)) return false;
    f->tied |= elements;
  }
  f->bytes += NUMBER + lcl__group_exports(j->gr, node) * WRITTEN;
  return true;
}

/* Whether b, of results, waits for something that a, of many elements, would have to wait for then:
 * what was created after all of a, as another branch's share of a gradient. */
static bool would_delay(const joiner *j) {
  const lcl_group *a = &j->gr->groups[j->a], *b = &j->gr->groups[j->b];
  int last = 0;
  if (lcl__space_per(&a->space, b->nodes[0]) != LCL_PER_RESULT) return false;
  for (int i = 0; i < a->n; i++) last = LCL_MAX(last, a->nodes[i]->id);
  for (int i = 0; i < b->n; i++)
    for (int k = 0; k < b->nodes[i]->n_in; k++) {
      const lcl_node *from = lcl__view_source(b->nodes[i]->in[k])->node;
      if (from->id > last && from->n_in && !ours(j, j->gr->group_of[from->id])) return true;
    }
  return false;
}

/* Whether groups a and b can be one. */
static bool can_join(joiner *j) {
  const lcl_group *a = &j->gr->groups[j->a], *b = &j->gr->groups[j->b];
  findings f = { .bytes = WALK };
  if (a->n + b->n > LCL_MAX_GROUP) return false;
  memset(j->seen, 0, (size_t)j->gr->n_groups);
  for (int i = 0; i < a->n; i++)
    if (!node_fits(j, &a->space, a->nodes[i], j->a, &f)) return false;
  for (int i = 0; i < b->n; i++)
    if (!node_fits(j, &a->space, b->nodes[i], j->b, &f)) return false;
  if (f.bytes > MOST_BYTES) return false;
  if (lcl_shape_count(a->space.shape) > SMALL &&
      (b->kind == LCL_GROUP_REDUCE ? !f.tied : would_delay(j)))
    return false;
  if (!f.deep) return true;
  for (int i = 0; i < a->n; i++)
    if (a->nodes[i]->op->fusion == LCL_FUSE_REDUCE)
      return a->nodes[i]->op->whole_results(j->caps, &a->space);
  return false;
}

bool lcl__group_has_room(const lcl_grouping *gr, int group, lcl_node *const *more, int n) {
  const lcl_group *gp = &gr->groups[group];
  findings f = { .bytes = WALK };
  if (gp->n + n > LCL_MAX_GROUP) return false;
  for (int i = 0; i < gp->n + n; i++) {
    const lcl_node *node = i < gp->n ? gp->nodes[i] : more[i - gp->n];
    for (int k = 0; k < node->n_in; k++) {
      const lcl_node *from = lcl__view_source(node->in[k])->node;
      bool here = lcl__group_has(gr, group, from->id);
      for (int m = 0; m < n; m++) here |= more[m] == from;
      if (!here && !add_read(&f, &gp->space, node, node->in[k], group)) return false;
    }
    f.bytes += NUMBER + (i < gp->n && lcl__group_exports(gr, node) ? WRITTEN : 0);
  }
  return f.bytes <= MOST_BYTES;
}

/* Joins group b with a where they can be one. */
static bool try_join(joiner *j, int b) {
  const lcl_group *gp = b >= 0 ? &j->gr->groups[b] : NULL;
  if (!gp || b == j->a || !gp->n) return false;
  if (gp->kind != LCL_GROUP_MAP && gp->kind != LCL_GROUP_REDUCE) return false;
  j->b = b;
  if (!can_join(j)) return false;
  j->failed = !lcl__group_take(j->gr, j->a, b);
  return true;
}

/* Joins a with a group that reads the node, itself or a view of it. */
static bool join_reader(joiner *j, int id, bool reductions_only) {
  for (int u = 0; u < j->gr->n_users[id]; u++) {
    const int user = j->gr->users[id][u], group = j->gr->group_of[user];
    const lcl_group_kind kind = j->gr->groups[group].kind;
    if (kind == LCL_GROUP_VIEW                         ? join_reader(j, user, reductions_only)
        : !reductions_only || kind == LCL_GROUP_REDUCE ? try_join(j, group)
                                                       : false)
      return true;
  }
  return false;
}

/* Joins a with one of its neighbours: what it reads, what reads it, reductions that read the same
 * elements. */
static bool join_neighbour(joiner *j) {
  const lcl_group *gp = &j->gr->groups[j->a];
  for (int i = 0; i < gp->n; i++) {
    for (int k = 0; k < gp->nodes[i]->n_in; k++)
      if (try_join(j, source_group(j, gp->nodes[i]->in[k]))) return true;
    if (join_reader(j, gp->nodes[i]->id, false)) return true;
  }
  for (int i = 0; i < gp->n; i++)
    for (int k = 0; k < gp->nodes[i]->n_in; k++) {
      lcl_tensor *t = lcl__view_source(gp->nodes[i]->in[k]);
      if (lcl_shape_count(t->shape) == lcl_shape_count(gp->space.shape) &&
          join_reader(j, t->node->id, true))
        return true;
    }
  return false;
}

bool lcl__group_join(lcl_grouping *gr, const lcl_caps *caps, char *seen) {
  joiner j = { .gr = gr, .caps = caps, .seen = seen };
  for (int i = 0; i < gr->n_groups && !j.failed; i++) {
    const lcl_group *gp = &gr->groups[i];
    if (gp->kind != LCL_GROUP_REDUCE || !lcl_shape_count(gp->space.shape)) continue;
    j.a = i;
    while (gp->n && !j.failed && join_neighbour(&j)) continue;
  }
  return !j.failed;
}
