/* Launch lists: what list.c (building), place.c (hazards, queues) and run.c (enqueueing) share. */
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
  bool nothing; /* an empty launch: only its label counts */
  size_t row;   /* of the profile */
  int queue;
  size_t first_wait, n_wait; /* in list->waits */
  bool signals;              /* another queue waits for it */
  cl_event event;            /* during a run, when it signals */
} lcl_item;

struct lcl_list {
  lcl_context *ctx;
  lcl_arena *arena; /* labels, arguments, spans */
  struct {
    lcl_item *data;
    size_t n, cap;
  } items;
  struct {
    size_t *data; /* numbers of the items to wait for */
    size_t n, cap;
  } waits;
  cl_event *wait_events; /* room for the longest wait list */
  bool sealed, used[LCL_MAX_QUEUES],
      joins; /* joins: more than plain in-order enqueueing on queue 0 is needed */
};

/* place.c: fills queue, waits and signals of every item. */
lcl_status lcl__list_place(lcl_list *list);

#endif
