/* Launch lists: what list.c (building), place.c (hazards, queues), spread.c (how many queues) and
 * run.c (enqueueing) share. */
#ifndef LCL_DEVICE_LIST_H
#define LCL_DEVICE_LIST_H

#include "device/internal.h"

/* A range in terms of the memory object that owns the bytes: what can be compared. */
typedef struct lcl_span {
  cl_mem root;
  size_t begin, end;
  bool write;
} lcl_span;

typedef struct lcl_item {
  lcl_launch launch; /* label and args are the list's own */
  cl_kernel kernel;  /* KERNEL */
  cl_mem *mem;       /* of the memory arguments */
  lcl_span *spans;   /* ... and their ranges */
  size_t n_spans;
  bool nothing;   /* an empty launch: only its label counts */
  size_t row;     /* of the profile */
  cl_event event; /* during a run, when it signals */
} lcl_item;

/* Where a launch goes and what it waits for. */
typedef struct lcl_place {
  int queue;
  size_t first_wait, n_wait; /* in the placement's waits */
  bool signals;              /* another queue waits for it */
} lcl_place;

/* The launches of a list on the first n_queues of the context. */
typedef struct lcl_placement {
  int n_queues;
  lcl_place *place; /* of each item */
  struct {
    size_t *data; /* numbers of the items to wait for */
    size_t n, cap;
  } waits;
  bool used[LCL_MAX_QUEUES],
      joins; /* joins: more than plain in-order enqueueing on queue 0 is needed */
} lcl_placement;

enum { LCL_PLACEMENTS = 3 };

struct lcl_list {
  lcl_context *ctx;
  lcl_arena *arena; /* labels, arguments, spans */
  struct {
    lcl_item *data;
    size_t n, cap;
  } items;
  lcl_placement placement[LCL_PLACEMENTS]; /* on as many queues as asked for; or, where that is to
                                              be measured, on one and then on more */
  int n_placements;
  size_t spread;         /* of several: what the context knows of their times */
  cl_event *wait_events; /* room for the longest wait list */
  bool sealed;
};

/* place.c: the list on p->n_queues queues. */
lcl_status lcl__list_place(const lcl_list *list, lcl_placement *p);
void lcl__placement_free(lcl_placement *p);

/* spread.c: places the list on every number of queues that comes into question. */
lcl_status lcl__list_spread(lcl_list *list);
/* One run, on the fastest of them or, as long as that is not known, on each in turn. It waits for a
 * run that it measures: not where only an event of the end is wanted. */
lcl_status lcl__list_run_spread(lcl_list *list, bool no_wait);

/* run.c */
lcl_status lcl__list_run_placed(lcl_list *list, const lcl_placement *p);

#endif
