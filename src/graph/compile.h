/* Layer 2, private: from nodes to a program. group.c decides what runs as one launch, lower.c
 * emits launches over memory slots, plan.c places the slots, program.c binds and runs. */
#ifndef LCL_COMPILE_H
#define LCL_COMPILE_H

#include "graph/internal.h"

/* ---- groups ---- */

typedef enum lcl_group_kind {
  LCL_GROUP_NODE,    /* one node, lowered by its op */
  LCL_GROUP_VIEW,    /* one node without a launch: leaf, view, stop_gradient */
  LCL_GROUP_MAP,     /* element-wise nodes of one shape */
  LCL_GROUP_REDUCE,  /* reductions of one space, and element-wise nodes of it or of their results */
  LCL_GROUP_EPILOGUE /* a GEMM or convolution (nodes[0]), then bias and activation */
} lcl_group_kind;

typedef struct lcl_group {
  lcl_group_kind kind;
  lcl_node **nodes; /* MAP, REDUCE: in order of id */
  int n, cap;
  lcl_space space; /* MAP, REDUCE */
  lcl_epilogue epilogue;
  bool done;
} lcl_group;

/* A node that a group computes for itself, though it belongs to another. Nobody reads it from
 * memory then. */
typedef struct lcl_again {
  int node, group;
} lcl_again;

typedef struct lcl_grouping {
  int n_nodes;
  bool *needed;
  bool *kept;        /* the node's value is wanted from outside */
  int *group_of;     /* per node; -1: not needed */
  lcl_group *groups; /* one per node id at most; emptied ones have n == 0 */
  int n_groups;
  int *order; /* groups in an order that respects dependencies */
  int n_order;
  int **users, *n_users; /* per node: ids of the needed nodes that read it */
  struct {
    lcl_again *data;
    size_t n, cap;
  } again;
} lcl_grouping;

/* caps: of the device that the groups are for. */
lcl_status lcl__grouping_make(lcl_graph *g, const lcl_caps *caps, lcl_tensor *const *roots,
                              int n_roots, bool updates, bool fusion, lcl_grouping *out);
void lcl__grouping_free(lcl_grouping *gr);
/* Puts the node into a group, whose it is then. */
bool lcl__group_push(lcl_grouping *gr, int group, lcl_node *node);
/* Puts the nodes of group `from` into group `into`. */
bool lcl__group_take(lcl_grouping *gr, int into, int from);
/* join.c: joins groups of one space with reductions. */
bool lcl__group_join(lcl_grouping *gr, const lcl_caps *caps, char *seen);
/* ... whether a kernel of the group has room for n more nodes, which nothing else reads. */
bool lcl__group_has_room(const lcl_grouping *gr, int group, lcl_node *const *more, int n);
/* recompute.c: lets groups compute again what is cheaper so than in memory. */
bool lcl__group_recompute(lcl_grouping *gr, lcl_graph *g);
/* Whether the group computes the node, its own or again. */
bool lcl__group_has(const lcl_grouping *gr, int group, int node);
/* Whether something outside the node's group reads its value from memory. */
bool lcl__group_exports(const lcl_grouping *gr, const lcl_node *node);

/* ---- slots and launches ---- */

typedef enum lcl_slot_kind { LCL_SLOT_TEMP, LCL_SLOT_FIXED, LCL_SLOT_PART } lcl_slot_kind;
typedef struct lcl_slot {
  lcl_slot_kind kind;
  size_t bytes;
  lcl_buffer *buffer; /* FIXED: given; TEMP and PART: made when bound */
  bool own;           /* buffer is destroyed with the program */
  bool variable;      /* storage of a variable of the store */
  bool keep;          /* lives to the end of the run */
  int parent;         /* PART */
  size_t offset;      /* PART: in parent; TEMP: in the arena */
  int first, last;    /* launches that use it */
  const char *what;   /* for messages: the op that makes it */
  bool is_f32;
} lcl_slot;

typedef struct lcl_input_binding {
  const char *name;
  int slot;
  size_t bytes;
  bool fed;
} lcl_input_binding;

typedef struct lcl_output_binding {
  const char *name;
  int slot;
  size_t bytes;
} lcl_output_binding;

/* y[i] = factor * sum over s of parts[s][i]; all that wait have the same kernel. */
typedef struct lcl_sum {
  const lcl_sum_kernel *kernel;
  lcl_arg parts, y;
  int64_t results, splits;
  float factor;
} lcl_sum;
enum { LCL_SUMS = 8 }; /* that wait at most */

/* A launch that could add something to its result: see lcl__may_add(). */
typedef struct lcl_adder {
  size_t launch, field;
  int slot; /* of its result; -1: it adds something */
  int c, addend, kind, value;
} lcl_adder;

struct lcl_lower {
  lcl_context *ctx;
  lcl_graph *graph;
  lcl_arena *arena;
  const lcl_caps *caps;
  lcl_grouping groups;
  int **slot_of;  /* [node][output]: slot + 1, 0: none yet */
  int **dense_of; /* [node][output]: dense copy of a view: slot + 1 */
  struct {
    lcl_slot *data;
    size_t n, cap;
  } slots;
  struct {
    lcl_launch *data;
    size_t n, cap;
  } launches;
  struct {
    lcl_input_binding *data;
    size_t n, cap;
  } inputs;
  struct {
    lcl_output_binding *data;
    size_t n, cap;
  } outputs;
  lcl_sum sums[LCL_SUMS]; /* that wait to be emitted */
  int n_sums;
  struct {
    lcl_adder *data;
    size_t n, cap;
  } adders;
  const lcl_node *current;          /* for labels and messages */
  lcl_str notes;                    /* lines of choices that ops made */
  size_t scratch;                   /* bytes of lcl__scratch() */
  bool random;                      /* samples random numbers: the state advances */
  bool guard;                       /* every buffer gets a guard band */
  bool no_fusion;                   /* sums are not made by what makes an operand either */
  lcl_status status;                /* first failure of a function that returns an argument */
  void (**again)(lcl_context *ctx); /* lcl__lower_again's wish; NULL: the second time */
};

/* lower.c */
int lcl__slot_new(lcl_lower *lw, lcl_slot slot);
/* The slot that is no part of another, and where in it `slot` begins. */
int lcl__slot_root(const lcl_slot *slots, int slot, size_t *offset);
int lcl__root_slot(const lcl_lower *lw, int slot);
/* Whether a tensor that lies as the view says is row-major without gaps. */
bool lcl__is_dense(lcl_shape s, const lcl_view *v);
lcl_status lcl__lower_all(lcl_lower *lw, lcl_tensor *const *fetch, int n_fetch,
                          const lcl_compile_desc *desc);

/* sums.c: emits the sums that wait; emits them if a launch with these arguments touches one. */
lcl_status lcl__sums_emit(lcl_lower *lw);
/* Whether a launch from `first` on writes to the slot, or a sum that waits will. */
bool lcl__written_since(const lcl_lower *lw, size_t first, int slot);
lcl_status lcl__sums_needed(lcl_lower *lw, const lcl_arg *args, int n);

/* plan.c: gives TEMP slots their offsets; returns the arena's size and the sum of all. */
lcl_status lcl__plan_memory(lcl_lower *lw, size_t *arena_bytes, size_t *sum_bytes);

/* guard.c: bands around everything, see lcl_compile_desc.guard_bands. */
enum { LCL_GUARD_BYTES = 256 };
lcl_status lcl__guard_plan(lcl_lower *lw, size_t *arena_bytes, size_t *sum_bytes);
lcl_status lcl__guard_fill(lcl_program *p);
lcl_status lcl__guard_check(lcl_program *p);

/* program.c */
struct lcl_program {
  lcl_context *ctx;
  lcl_store *store; /* its buffers are used */
  bool ran;         /* outputs have values */
  lcl_arena *arena; /* strings, slots, launches: taken over from the lowering */
  lcl_slot *slots;
  size_t n_slots;
  lcl_launch *launches;
  size_t n_launches;
  lcl_input_binding *inputs;
  size_t n_inputs;
  lcl_output_binding *outputs;
  size_t n_outputs;
  lcl_buffer *memory;
  lcl_list *list;
  bool check_numerics, guard;
  lcl_program_stats stats;
  char *summary; /* explain's part about nodes and groups */
  char *notes;   /* ... and about choices; NULL: there were none */
  char *dot;
};

/* batch.c: lets the program's generated kernels be built together, or where they were before. */
lcl_status lcl__batch_generated(lcl_context *ctx, lcl_launch *launches, size_t n);
/* Once they are built: later processes may know. Where they were not: others may still be. */
void lcl__batches_built(lcl_context *ctx);
void lcl__batches_drop(lcl_context *ctx);

/* explain.c */
lcl_status lcl__explain_groups(const lcl_lower *lw, char **summary, char **dot);

#endif
