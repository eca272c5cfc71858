/* The table of ops that the command `latentcl op`, `latentcl check`, the tests and `bench --verify`
 * read: for each op its inputs and attributes, how to build it, what it must give (in double), its
 * gradient, and how far single precision may be off. One file a family: map_spec.c, reduce_spec.c,
 * ... */
#ifndef LCL_SPEC_H
#define LCL_SPEC_H

#include "base/base.h"
#include "latentcl/graph.h"

enum { LCL_SPEC_INS = 9, LCL_SPEC_OUTS = 2, LCL_SPEC_ATTRS = 8 };

/* ---- attributes ---- */

typedef enum lcl_attr_kind {
  LCL_ATTR_INT,
  LCL_ATTR_FLOAT,
  LCL_ATTR_BOOL,
  LCL_ATTR_PAIR,   /* one or two integers, as stride=2 or stride=2,1 */
  LCL_ATTR_PAD,    /* one (every side), two (height, width) or four (top, bottom, left, right)
                      integers, or    `same` */
  LCL_ATTR_PAD4,   /* the same without `same` */
  LCL_ATTR_AXES,   /* integers, negative ones count from the end; none: all axes */
  LCL_ATTR_CHOICE, /* one of the words of `words`, separated by | */
  LCL_ATTR_LIST    /* up to LCL_MAX_RANK integers */
} lcl_attr_kind;

typedef struct lcl_attr_spec {
  const char *name;
  lcl_attr_kind kind;
  const char *by_default; /* the default, as text; NULL: must be given; "": empty */
  const char *help;
  const char *words; /* LCL_ATTR_CHOICE */
} lcl_attr_spec;

typedef struct lcl_attr {
  int n;                   /* integers in i */
  int64_t i[LCL_MAX_RANK]; /* INT, BOOL, CHOICE (index of the word): i[0]; PAIR: 2; PAD: 4 */
  double f;                /* FLOAT */
  bool same;               /* PAD */
} lcl_attr;

/* ---- cases ---- */

/* An array on the host: doubles whatever the device's type is. data NULL: absent. */
typedef struct lcl_array {
  lcl_dtype dtype;
  lcl_shape shape;
  double *data;
} lcl_array;

typedef struct lcl_spec lcl_spec;

/* One use of an op: attributes, inputs, incoming gradients; then what the reference makes of them.
 * Arrays live in the arena. */
typedef struct lcl_case {
  const lcl_spec *spec;
  lcl_arena *arena;
  lcl_attr attr[LCL_SPEC_ATTRS];
  lcl_array in[LCL_SPEC_INS];
  lcl_array grad_out[LCL_SPEC_OUTS]; /* absent: no gradient flows into that output */
  lcl_array out[LCL_SPEC_OUTS];      /* by spec->forward */
  lcl_array grad_in[LCL_SPEC_INS];   /* by spec->backward; absent: the input has no gradient */
  /* How far a device may be off, element by element, for out and grad_in (by lcl_case_bound). */
  lcl_array out_bound[LCL_SPEC_OUTS], grad_bound[LCL_SPEC_INS];
  double range[LCL_SPEC_INS]; /* random values lie within it; 0: the spec's */
  bool integers; /* random case of small integers: ops that only add and multiply must be exact */
  /* Random ops: what the device's random state held before the run (set by lcl__case_note_random).
   */
  uint64_t rng_seed, rng_step;
  bool exceptions; /* random case with NaN, infinities, zeros, saturated values */
  bool small;      /* keep random shapes small (simulators) */
  bool half;       /* products read their operands in half precision, which holds all values */
} lcl_case;

/* ---- specs ---- */

typedef enum lcl_domain {
  LCL_ANY,      /* any f32 */
  LCL_POSITIVE, /* > 0: logarithms, roots */
  LCL_NONZERO,  /* away from 0: divisors */
  LCL_UNIT,     /* [0,1] */
  LCL_INDEX     /* i32 or u8: labels, rows; below the case's `limit` */
} lcl_domain;

typedef struct lcl_spec_input {
  const char *name; /* NULL: end of the list */
  bool optional;
  lcl_domain domain;
  bool any_dtype; /* f32, i32 or u8 */
  float range;    /* random values within [-range, range]; 0: 2 */
} lcl_spec_input;

enum {
  LCL_SPEC_EXACT = 1, /* sums and products only: integer inputs give exact results and gradients */
  LCL_SPEC_EXACT_FWD = 2, /* the same for the result only */
  LCL_SPEC_LINEAR = 4,    /* linear in each input and in the incoming gradient: the bound is `terms`
                             roundings of    the op applied to absolute values */
  LCL_SPEC_GENERATED = 16, /* its kernels are generated for the layout (rank, axes, broadcasting):
                              see lcl__case_random */
  LCL_SPEC_EMPTY = 32,     /* sizes of 0 are legal: some random cases have one */
  LCL_SPEC_RANDOM = 8,     /* samples from the store's seed */
  LCL_SPEC_FINITE = 64     /* what NaN and infinity give depends on the algorithm: no random case
                              has them */
};

/* Sizes that a random case is made of. */
typedef enum lcl_sizes { LCL_SIZES_ANY, LCL_SIZES_ONE, LCL_SIZES_PRIME } lcl_sizes;

typedef struct lcl_rng {
  uint64_t state;
  lcl_sizes sizes;
  bool fixed_layout; /* choices come from `layout`, and no size is 1 */
  uint64_t layout;
  bool empty; /* shapes have a dimension of 0 */
} lcl_rng;

struct lcl_spec {
  const char *name;
  const char *summary; /* one line */
  const char *notes;   /* shapes and semantics, for --help; may have several lines */
  lcl_spec_input in[LCL_SPEC_INS + 1];
  const char *out[LCL_SPEC_OUTS];
  lcl_attr_spec attr[LCL_SPEC_ATTRS + 1];
  unsigned flags;
  int variant; /* for families that share their functions */
  /* Builds the op from graph inputs (NULL where absent); an error that the op itself cannot see is
   * reported here. */
  lcl_status (*build)(const lcl_case *c, lcl_graph *g, lcl_tensor *const *in, lcl_tensor **out);
  /* out from in. The case is legal. */
  lcl_status (*forward)(lcl_case *c);
  /* grad_in from in, out and grad_out. NULL: the op has no gradient. */
  lcl_status (*backward)(lcl_case *c);
  /* LCL_SPEC_LINEAR: roundings on the longest way to an element of the result (of == -1) or of
   * input `of`'s gradient. */
  double (*terms)(const lcl_case *c, int of);
  /* Others: fills out_bound, and grad_bound where grad_in is present. NULL with no flag: results
   * are exact. */
  lcl_status (*bound)(lcl_case *c);
  /* Largest legal value + 1 of an LCL_INDEX input. */
  int64_t (*limit)(const lcl_case *c);
  /* Chooses attributes and the inputs' shapes. Values are filled in afterwards. */
  void (*random)(lcl_case *c, lcl_rng *r);
  /* Sets c->range for the inputs' shapes, or NULL. */
  void (*ranges)(lcl_case *c);
  /* Changes the values of a random case, or NULL. */
  void (*adjust)(lcl_case *c, lcl_rng *r);
};

/* All specs in the order of `latentcl op --list`. */
size_t lcl__spec_count(void);
const lcl_spec *lcl__spec_at(size_t index);
const lcl_spec *lcl__spec_find(const char *name); /* NULL: none; the message names the nearest */
int lcl__spec_inputs(const lcl_spec *spec);
int lcl__spec_outputs(const lcl_spec *spec);
int lcl__spec_attrs(const lcl_spec *spec);
/* The text of `latentcl op NAME --help`. */
void lcl__spec_help(const lcl_spec *spec, lcl_str *text);

/* An empty case with every attribute at its default (required ones are empty). */
lcl_status lcl__case_create(const lcl_spec *spec, lcl_case **out);
void lcl__case_destroy(lcl_case *c);
/* "key=value"; a key of a bool may stand alone. */
lcl_status lcl__case_set(lcl_case *c, const char *assignment);
/* Every required attribute is there. */
lcl_status lcl__case_attributes_given(const lcl_case *c);
/* The same, and every required input. */
lcl_status lcl__case_complete(const lcl_case *c);
const lcl_attr *lcl__case_attr(const lcl_case *c, const char *name);
/* Axis list as a bit mask for a tensor of this rank. */
lcl_status lcl__attr_axes(const lcl_attr *a, int rank, unsigned *mask);
lcl_status lcl__attr_axis(const lcl_attr *a, int rank, int *axis);

/* A new zeroed array in the case's arena. */
lcl_status lcl__array_new(lcl_case *c, lcl_dtype dtype, lcl_shape shape, lcl_array *out);
static inline int64_t lcl__array_count(const lcl_array *a) {
  return lcl_shape_count(a->shape);
}

/* forward, backward where grad_out is present, then the bounds. */
lcl_status lcl__case_reference(lcl_case *c);
/* The number-th random case of the op under seed; always the same. Even cases are of small
 * integers. Corners come first: case 0 has a dimension of 0 where that is legal, the others of
 * cases 0 and 1 are 1 where they can be, and the sizes of case 2 are primes. Where kernels are
 * generated for a layout, cases from LCL_FREE_LAYOUTS on share a few layouts of many sizes: a
 * driver may take a second to compile a kernel. */
enum { LCL_FREE_LAYOUTS = 8 };
lcl_status lcl__case_random(const lcl_spec *spec, uint64_t seed, uint64_t number, bool small,
                            lcl_case **out);
/* The nearest number that half precision holds, of two the even one. */
double lcl__to_half(double v);
/* Rounds all real values to half precision, so that the reference does not change, and has the case
 * run with that precision. */
void lcl__case_halve(lcl_case *c);
/* Attributes and shapes in one line, as `latentcl op` would take them. */
void lcl__case_describe(const lcl_case *c, lcl_str *text);

/* What a device gave. */
typedef struct lcl_case_result {
  lcl_array out[LCL_SPEC_OUTS], grad_in[LCL_SPEC_INS];
} lcl_case_result;
/* Builds, compiles and runs the case on a device (gradients too where grad_out is present;
 * want_grad: which inputs' gradients, NULL: all that have one). seed: of the store (random ops). */
typedef struct lcl_case_run_desc {
  lcl_context *ctx;
  uint64_t seed;
  const bool *want_grad;
  bool no_fusion;
  bool guard;  /* guard bands around every buffer */
  bool repeat; /* run twice: the bits must be the same */
} lcl_case_run_desc;
lcl_status lcl__case_run(lcl_case *c, const lcl_case_run_desc *desc, lcl_case_result *result);
/* Which numbers the next run of the store's graph will sample; variable: its random state, as
 * "op.rng". Nothing for ops that sample none. */
lcl_status lcl__case_note_random(lcl_case *c, lcl_store *store, const char *variable);
/* Compares with the reference. LCL_ERR_NUMERIC names the first element that is too far off. worst
 * (may be NULL): the largest error as a part of what is allowed. */
lcl_status lcl__case_compare(const lcl_case *c, const lcl_case_result *result, double *worst);

/* ---- for the spec files ---- */

uint64_t lcl__rng_next(lcl_rng *r);
int64_t lcl__rng_below(lcl_rng *r, int64_t n); /* 0..n-1 */
double lcl__rng_real(lcl_rng *r, double low, double high);
bool lcl__rng_chance(lcl_rng *r, int percent);
/* 1, a prime, a power of two or one beside it, at most `most`. */
int64_t lcl__rng_size(lcl_rng *r, int64_t most);
/* A rank of at most `most`; 0 only where an empty shape is not wanted. */
int lcl__rng_rank(lcl_rng *r, int most);
/* A shape of the given rank with at most `most` elements. */
lcl_shape lcl__rng_shape(lcl_rng *r, int rank, int64_t most);

/* Element of an operand of shape `from` that element `at` of the NumPy broadcast shape `to` uses.
 */
int64_t lcl__broadcast_index(lcl_shape to, lcl_shape from, int64_t at);
/* The integers of an attribute as a shape. */
lcl_shape lcl__attr_shape(const lcl_attr *a);

#define LCL_UNIT_ROUNDOFF 0x1p-24 /* of f32 */
/* Roundings in a reduction's sum of n terms: blocks of a few terms, compensated from block to block
 * (cl/common.cl), whose parts a tree adds up. Matrix products and convolutions, which add up
 * one term after the other, have n. */
double lcl__sum_roundings(double n);

#endif
