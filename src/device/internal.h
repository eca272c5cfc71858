/* What the files of src/device share and nobody else sees. */
#ifndef LCL_DEVICE_INTERNAL_H
#define LCL_DEVICE_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>

#include "device/device.h"

enum { LCL_MAX_QUEUES = 8, LCL_STAGING = 4 };

/* ---- features (features.c) ---- */

lcl_status lcl__caps_read(lcl_caps *caps, cl_platform_id platform, cl_device_id device);

/* ---- what is measured once for a device and driver (answer.c) ---- */

typedef struct lcl_question {
  const char *name, *yes, *no; /* of the entry in the cache, and what it says */
  lcl_status (*measure)(lcl_context *ctx, bool *yes);
  pthread_mutex_t lock;
  char key[16][33]; /* what the process knows: devices and drivers */
  bool answer[16];
  size_t n;
} lcl_question;

#define LCL_QUESTION(name_, yes_, no_, measure_)                                                   \
  { .name = name_, .yes = yes_, .no = no_, .measure = measure_, .lock = PTHREAD_MUTEX_INITIALIZER }

/* What was measured, now or before; no where that failed, unless memory ran out. */
lcl_status lcl__question_ask(lcl_context *ctx, lcl_question *q, bool *yes);

/* ---- family of kernels (family.c) ---- */

/* Sets caps.packed: as wanted, else what was measured for this device and driver, now or before. */
lcl_status lcl__family_choose(lcl_context *ctx, lcl_family wanted);

/* ---- programs (program.c, compile.c, cache.c) ---- */

typedef struct lcl_program_entry {
  char key[33];
  cl_program program; /* NULL: refused */
  char *refusal;      /* the message when refused */
} lcl_program_entry;

typedef struct lcl_programs {
  struct {
    lcl_program_entry *data;
    size_t n, cap;
  } built;
  lcl_build_stats stats;
} lcl_programs;

void lcl__programs_free(lcl_programs *programs);

/* ---- buffers (buffer.c) ---- */

typedef struct lcl_pool {
  struct {
    struct lcl_pool_block {
      cl_mem mem;
      size_t bytes;
    } * data;
    size_t n, cap;
  } idle; /* freed memory, kept for the next buffer of about this size */
  size_t held,
      limit; /* bytes in live buffers and in idle blocks together; and how many are allowed */
  size_t current, peak, buffers;
} lcl_pool;

/* Gives idle memory back to the driver. */
void lcl__pool_trim(lcl_context *ctx);

/* ---- transfers (transfer.c) ---- */

typedef struct lcl_staging {
  void *host;    /* lcl__alloc's, or where pinned is mapped */
  cl_mem pinned; /* NULL: ordinary host memory */
  cl_mem device; /* NULL where uploads go in order */
  size_t bytes;
  cl_event busy; /* the last command that uses the buffer */
} lcl_staging;

void lcl__staging_free(lcl_context *ctx);

/* How uploads go (overlap.c). */
typedef enum lcl_uploads {
  LCL_UPLOADS_IN_ORDER, /* on queue 0 */
  LCL_UPLOADS_UNKNOWN,  /* the first that is large enough to matter will have it measured */
  LCL_UPLOADS_OVERLAP   /* on a queue of their own, while others compute */
} lcl_uploads;

/* Sets ctx->uploads to what was measured for this device and driver, now or before. */
lcl_status lcl__overlap_choose(lcl_context *ctx);

/* ---- launches (launch.c) ---- */

/* A kernel of the launch's own with its arguments set. */
lcl_status lcl__launch_kernel(lcl_context *ctx, const lcl_launch *launch, cl_kernel *out);

/* ---- queues (queue.c) ---- */

/* Waits for everything enqueued so far (queue.c says why this is not clFinish). */
cl_int lcl__queue_finish(cl_command_queue queue);

/* ---- how many queues (spread.c) ---- */

typedef struct lcl_spread lcl_spread;
typedef struct lcl_spreads {
  lcl_spread *data; /* a list each */
  size_t n, cap;
} lcl_spreads;

/* ---- profile (profile.c) ---- */

lcl_status lcl__profile_create(lcl_context *ctx, lcl_profile **out);
void lcl__profile_destroy(lcl_profile *profile);
/* Number of the row for a label; the same label has the same row. */
lcl_status lcl__profile_intern(lcl_profile *profile, const char *label, size_t *row);
/* Takes over the event of a launch that was enqueued on queue (LCL_MAX_QUEUES: the transfer queue).
 */
lcl_status lcl__profile_take(lcl_profile *profile, size_t row, double flops, double bytes,
                             int queue, cl_event event);

/* ---- context ---- */

struct lcl_context {
  cl_context cl;
  cl_device_id device;
  cl_platform_id platform;
  lcl_caps caps;
  int n_queues;
  cl_command_queue queue[LCL_MAX_QUEUES]; /* queue[0] orders runs of lists and transfers */
  bool in_order[LCL_MAX_QUEUES];          /* a caller's queue may be out of order */
  bool queues_open;                       /* how many of them a list uses is measured */
  lcl_spreads spreads;
  lcl_uploads uploads;
  cl_command_queue transfer; /* NULL until the first upload that wants it */
  lcl_programs programs;
  lcl_pool pool;
  lcl_staging staging[LCL_STAGING];
  int next_staging;
  lcl_profile *profile;              /* NULL unless asked for, and while it is set aside */
  bool profiles;                     /* it was asked for: queues tell times */
  void *attachment[LCL_ATTACHMENTS]; /* of upper layers */
  void (*attachment_free[LCL_ATTACHMENTS])(void *);
  atomic_int owners;       /* the caller and what stands on it */
  atomic_bool destroyed;   /* by the caller */
  atomic_uintptr_t inside; /* the thread that is in a public call; 0: none */
  int depth;               /* of that thread's calls */
};

struct lcl_buffer {
  lcl_context *ctx;
  cl_mem mem;
  size_t bytes;     /* as asked for */
  size_t allocated; /* bytes of mem when it came from the pool, else 0 */
  lcl_buffer *parent;
  size_t offset; /* in parent */
  cl_mem root;   /* what hazards compare: the memory object that is not a part of another */
  size_t root_offset;
  int references; /* the owner and its sub-buffers */
  lcl_memory where;
};

#endif
