/* Batches: which examples, augmentation, and the thread that prepares the next one. Every random
 * choice is a function of (seed, stream, place), so that a batch can be made again from its
 * position alone. */
#include <pthread.h>

#include "base/base.h"
#include "base/philox.h"
#include "data/array.h"
#include "data/augment.h"
#include "data/prep.h"

/* Random streams of one batcher. */
enum { ORDER, CHOICE, AUGMENT, HALF, SAMPLE, N_STREAMS };

typedef struct slot {
  float *x;
  int32_t *label, *index;
  int valid;
  lcl_batch_state at;
} slot;

struct lcl_batcher {
  lcl_batcher_desc desc;
  size_t n_in, n_full, n_out; /* elements of an example: of the set, before and after the crop */
  int64_t steps;
  lcl_batch_state next;
  slot slots[2];
  int front;
  uint32_t *order; /* of the set, for round order_of */
  int64_t order_of;
  uint32_t *swaps; /* LCL_BATCH_FRESH: to undo */
  uint8_t *flip;
  float *in, *moved, *work, *uniform;
  /* prefetching: the thread owns slots[1-front] and everything above that changes while busy */
  bool threaded, busy, ready, stop;
  pthread_t thread;
  pthread_mutex_t lock;
  pthread_cond_t wake, done;
};

static uint32_t stream_of(const lcl_batcher *b, int purpose) {
  return lcl__philox_stream("data.batch") + b->desc.stream * N_STREAMS + (uint32_t)purpose;
}

static int64_t global_step(const lcl_batcher *b, lcl_batch_state at) {
  return at.epoch * b->steps + at.step;
}

/* Examples that are made of each batch. */
static int rows_of(const lcl_batcher *b) {
  return b->desc.rows ? b->desc.rows : b->desc.batch;
}

/* ---- which examples ---- */

static void need_order(lcl_batcher *b, int64_t round) {
  if (b->order_of == round) return;
  lcl__philox_permutation(b->desc.seed, stream_of(b, ORDER), (uint64_t)round, b->order,
                          (uint32_t)b->desc.data->count);
  b->order_of = round;
}

/* Head of a new permutation: a partial shuffle of 0..n-1, undone afterwards so that the next one
 * starts afresh. */
static void choose_fresh(lcl_batcher *b, lcl_batch_state at, slot *s) {
  uint32_t n = (uint32_t)b->desc.data->count;
  uint64_t place = (uint64_t)global_step(b, at);
  for (uint32_t i = 0; i < (uint32_t)b->desc.batch; i++) {
    /* 32 random bits times n-i: the bias is below n/2^32. */
    uint64_t bits = lcl__philox_bits(b->desc.seed, stream_of(b, CHOICE), place, i);
    uint32_t j = i + (uint32_t)(bits * (n - i) >> 32), t = b->order[i];
    b->order[i] = b->order[j];
    b->order[j] = t;
    b->swaps[i] = j;
    s->index[i] = (int32_t)b->order[i];
  }
  for (uint32_t i = (uint32_t)b->desc.batch; i-- > 0;) {
    uint32_t j = b->swaps[i], t = b->order[i];
    b->order[i] = b->order[j];
    b->order[j] = t;
  }
}

static void choose(lcl_batcher *b, lcl_batch_state at, slot *s) {
  int64_t n = b->desc.data->count, first = at.step * b->desc.batch;
  s->valid = b->desc.batch;
  switch (b->desc.mode) {
  case LCL_BATCH_EPOCH:
    need_order(b, at.epoch);
    for (int k = 0; k < b->desc.batch; k++) s->index[k] = (int32_t)b->order[first + k];
    break;
  case LCL_BATCH_SEQUENTIAL:
    s->valid = (int)LCL_MIN((int64_t)b->desc.batch, n - first);
    for (int k = 0; k < b->desc.batch; k++)
      s->index[k] = (int32_t)(k < s->valid ? first + k : first);
    break;
  case LCL_BATCH_CYCLE:
    for (int k = 0; k < b->desc.batch; k++) {
      int64_t place = global_step(b, at) * b->desc.batch + k;
      need_order(b, place / n);
      s->index[k] = (int32_t)b->order[place % n];
    }
    break;
  case LCL_BATCH_FRESH: choose_fresh(b, at, s); break;
  }
}

/* ---- making one batch ---- */

/* Replaces n probabilities by a sample. */
static void sample_binary(uint64_t seed, uint32_t stream, uint64_t step, size_t n, float *uniform,
                          float *x) {
  lcl__philox_uniform(seed, stream, step, uniform, n);
  for (size_t i = 0; i < n; i++) x[i] = x[i] > uniform[i] ? 1 : 0;
}

static uint32_t evaluation_stream(void) {
  return lcl__philox_stream("binarise.evaluation");
}

lcl_status lcl__evaluation_example(const lcl_dataset *ds, uint64_t seed, int64_t i, float *x) {
  const size_t n = lcl_dataset_elements(ds);
  LCL_TRY(lcl_dataset_example(ds, i, x));
  if (!ds->bernoulli) return LCL_OK;
  float *uniform = lcl__alloc(n * sizeof *uniform);
  if (!uniform) return LCL_ERR_HOST_MEMORY;
  sample_binary(seed, evaluation_stream(), (uint64_t)i, n, uniform, x);
  lcl__free(uniform);
  return LCL_OK;
}

static void choose_flips(lcl_batcher *b, lcl_batch_state at) {
  lcl_mirror mirror = b->desc.prep && b->desc.augment ? b->desc.prep->desc.mirror : LCL_MIRROR_NONE;
  uint64_t step = (uint64_t)global_step(b, at);
  memset(b->flip, 0, (size_t)b->desc.batch);
  if (mirror == LCL_MIRROR_EACH) {
    for (int k = 0; k < b->desc.batch; k++)
      b->flip[k] = lcl__philox_bits(b->desc.seed, stream_of(b, HALF), step, (uint64_t)k) >> 31;
  } else if (mirror == LCL_MIRROR_HALF_BATCH) {
    int left = b->desc.batch / 2; /* selection sampling: exactly half */
    for (int k = 0; k < b->desc.batch; k++) {
      uint64_t bits = lcl__philox_bits(b->desc.seed, stream_of(b, HALF), step, (uint64_t)k);
      b->flip[k] = (bits * (uint64_t)(b->desc.batch - k) >> 32) < (uint64_t)left;
      left -= b->flip[k];
    }
  }
}

static void make_example(lcl_batcher *b, uint64_t place, int32_t index, bool flip, float *out) {
  const lcl_prep *p = b->desc.prep;
  const lcl_prep_desc *change = b->desc.augment && p ? &p->desc : NULL;
  const lcl_augment_place at = { b->desc.seed, stream_of(b, AUGMENT), place };
  float *in = p ? b->in : out;
  lcl_dataset_example(b->desc.data, index, in);
  if (change && lcl__augment_moves(change)) {
    lcl__augment_move(change, b->desc.data, &at, in, b->moved);
    in = b->moved;
  }
  if (b->desc.data->bernoulli) /* a new sample at each place in training */
    sample_binary(b->desc.seed, b->desc.augment ? stream_of(b, SAMPLE) : evaluation_stream(),
                  b->desc.augment ? place : (uint64_t)index, b->n_in, b->uniform, in);
  if (!p) return;
  lcl__prep_values(p, in, b->work, b->work + b->n_full);
  int top = (p->h - p->out_h) / 2, left = (p->w - p->out_w) / 2;
  if (b->desc.augment && p->desc.crop) {
    uint64_t r0 = lcl__philox_bits(b->desc.seed, stream_of(b, AUGMENT), place, 0);
    uint64_t r1 = lcl__philox_bits(b->desc.seed, stream_of(b, AUGMENT), place, 1);
    top = (int)(r0 * (uint64_t)(p->h - p->out_h + 1) >> 32);
    left = (int)(r1 * (uint64_t)(p->w - p->out_w + 1) >> 32);
  }
  lcl__prep_window(p, b->work, top, left, flip, out);
  if (change) lcl__augment_cut(change, &at, p->c, p->out_h, p->out_w, out);
}

static void make_batch(lcl_batcher *b, lcl_batch_state at, slot *s) {
  const lcl_dataset *ds = b->desc.data;
  const int first = b->desc.first;
  choose(b, at, s);
  choose_flips(b, at);
  if (b->desc.rows) {
    memmove(s->index, s->index + first, (size_t)b->desc.rows * sizeof *s->index);
    s->valid = b->desc.rows;
  }
  for (int k = 0; k < rows_of(b); k++) {
    uint64_t place = (uint64_t)global_step(b, at) * (uint64_t)b->desc.batch + (uint64_t)(first + k);
    make_example(b, place, s->index[k], b->flip[first + k], s->x + (size_t)k * b->n_out);
    s->label[k] = ds->labels ? ds->labels[s->index[k]] : -1;
  }
  s->at = at;
}

/* ---- the thread ---- */

static void *prefetch(void *p) {
  lcl_batcher *b = p;
  pthread_mutex_lock(&b->lock);
  while (!b->stop) {
    if (!b->busy) {
      pthread_cond_wait(&b->wake, &b->lock);
      continue;
    }
    pthread_mutex_unlock(&b->lock);
    make_batch(b, b->next, &b->slots[1 - b->front]);
    pthread_mutex_lock(&b->lock);
    b->busy = false;
    b->ready = true;
    pthread_cond_signal(&b->done);
  }
  pthread_mutex_unlock(&b->lock);
  return NULL;
}

/* Returns with the lock held and the thread idle. */
static void wait_idle(lcl_batcher *b) {
  pthread_mutex_lock(&b->lock);
  while (b->busy) pthread_cond_wait(&b->done, &b->lock);
}

static void start_thread(lcl_batcher *b) {
  pthread_mutex_init(&b->lock, NULL);
  pthread_cond_init(&b->wake, NULL);
  pthread_cond_init(&b->done, NULL);
  /* Without a thread batches are made when they are asked for. */
  b->threaded = !b->desc.no_prefetch && pthread_create(&b->thread, NULL, prefetch, b) == 0;
}

/* ---- public ---- */

static lcl_status check(const lcl_batcher_desc *d) {
  if (!d->data || d->batch < 1)
    return lcl__fail(LCL_ERR_ARGUMENT, "a batcher needs a data set and a batch of at least 1");
  if (d->data->count < 1 || d->data->count > INT32_MAX)
    return lcl__fail(LCL_ERR_ARGUMENT, "'%s' has %lld examples; 1 to %d can be batched",
                     d->data->name, (long long)d->data->count, INT32_MAX);
  if ((d->mode == LCL_BATCH_EPOCH || d->mode == LCL_BATCH_FRESH) && d->batch > d->data->count)
    return lcl__fail(
        LCL_ERR_ARGUMENT,
        "a batch of %d is larger than '%s' with its %lld examples; choose a smaller batch",
        d->batch, d->data->name, (long long)d->data->count);
  if (d->rows < 0 || d->first < 0 || d->rows > d->batch || d->first > d->batch - d->rows ||
      (d->rows && d->mode == LCL_BATCH_SEQUENTIAL))
    return lcl__fail(LCL_ERR_ARGUMENT,
                     "%d examples from number %d on are no part of a batch of %d in a random order",
                     d->rows, d->first, d->batch);
  if (d->prep && (d->prep->in_c != d->data->channels || d->prep->in_h != d->data->height ||
                  d->prep->in_w != d->data->width))
    return lcl__fail(LCL_ERR_SHAPE,
                     "the preprocessing is for examples of %dx%dx%d, '%s' has %dx%dx%d",
                     d->prep->in_c, d->prep->in_h, d->prep->in_w, d->data->name, d->data->channels,
                     d->data->height, d->data->width);
  return LCL_OK;
}

static bool allocate(lcl_batcher *b) {
  size_t batch = (size_t)b->desc.batch, count = (size_t)b->desc.data->count, floats;
  bool ok = lcl__mul_size((size_t)rows_of(b), b->n_out, &floats) &&
            lcl__mul_size(floats, sizeof(float), &floats);
  for (int i = 0; i < 2 && ok; i++) {
    slot *s = &b->slots[i];
    s->x = lcl__alloc(floats);
    s->label = lcl__alloc(batch * sizeof *s->label);
    s->index = lcl__alloc(batch * sizeof *s->index);
    ok = s->x && s->label && s->index;
  }
  b->order = lcl__alloc(count * sizeof *b->order);
  b->swaps = lcl__alloc(batch * sizeof *b->swaps);
  b->flip = lcl__alloc(batch);
  b->in = lcl__alloc(b->n_in * sizeof *b->in);
  b->moved = lcl__alloc(b->n_in * sizeof *b->moved);
  b->uniform = lcl__alloc(b->n_in * sizeof *b->uniform);
  b->work = lcl__alloc(3 * b->n_full * sizeof *b->work);
  return ok && b->order && b->swaps && b->flip && b->in && b->moved && b->uniform && b->work;
}

lcl_status lcl_batcher_create(const lcl_batcher_desc *desc, lcl_batcher **out) {
  LCL_NEED(desc, out);
  *out = NULL;
  LCL_TRY(check(desc));
  lcl_batcher *b = lcl__alloc(sizeof *b);
  if (!b) return LCL_ERR_HOST_MEMORY;
  int64_t n = desc->data->count;
  b->desc = *desc;
  b->n_in = b->n_full = b->n_out = lcl_dataset_elements(desc->data);
  if (desc->prep) {
    b->n_full = lcl__prep_elements(desc->prep);
    b->n_out = (size_t)desc->prep->c * (size_t)desc->prep->out_h * (size_t)desc->prep->out_w;
  }
  b->steps = desc->mode == LCL_BATCH_SEQUENTIAL ? (n + desc->batch - 1) / desc->batch
                                                : LCL_MAX(n / desc->batch, 1);
  b->order_of = -1;
  if (!allocate(b)) {
    lcl_batcher_destroy(b);
    return LCL_ERR_HOST_MEMORY;
  }
  for (int64_t i = 0; i < n; i++) b->order[i] = (uint32_t)i;
  start_thread(b);
  *out = b;
  return LCL_OK;
}

void lcl_batcher_destroy(lcl_batcher *b) {
  if (!b) return;
  if (b->threaded) {
    pthread_mutex_lock(&b->lock);
    b->stop = true;
    pthread_cond_signal(&b->wake);
    pthread_mutex_unlock(&b->lock);
    pthread_join(b->thread, NULL);
  }
  for (int i = 0; i < 2; i++) {
    lcl__free(b->slots[i].x);
    lcl__free(b->slots[i].label);
    lcl__free(b->slots[i].index);
  }
  lcl__free(b->order);
  lcl__free(b->swaps);
  lcl__free(b->flip);
  lcl__free(b->in);
  lcl__free(b->moved);
  lcl__free(b->uniform);
  lcl__free(b->work);
  lcl__free(b);
}

int64_t lcl_batcher_steps(const lcl_batcher *b) {
  if (!b) return 0;
  return b->steps;
}

static lcl_batch_state after(const lcl_batcher *b, lcl_batch_state at) {
  if (++at.step >= b->steps) {
    at.step = 0;
    at.epoch++;
  }
  return at;
}

lcl_status lcl_batcher_next(lcl_batcher *b, lcl_batch *out) {
  LCL_NEED(b, out);
  wait_idle(b);
  slot *s = &b->slots[1 - b->front];
  if (!b->ready) make_batch(b, b->next, s);
  b->ready = false;
  b->front = 1 - b->front;
  *out = (lcl_batch) { s->x,        s->label,  s->index, s->valid, s->at.step + 1 == b->steps,
                       s->at.epoch, s->at.step };
  b->next = after(b, s->at);
  if (b->threaded) {
    b->busy = true;
    pthread_cond_signal(&b->wake);
  }
  pthread_mutex_unlock(&b->lock);
  return LCL_OK;
}

lcl_batch_state lcl_batcher_state(const lcl_batcher *b) {
  if (!b) return (lcl_batch_state) { 0 };
  return b->next;
}

lcl_status lcl_batcher_seek(lcl_batcher *b, lcl_batch_state state) {
  LCL_NEED(b);
  if (state.epoch < 0 || state.step < 0 || state.step >= b->steps)
    return lcl__fail(LCL_ERR_ARGUMENT,
                     "position (epoch %lld, step %lld) is outside an epoch of %lld steps",
                     (long long)state.epoch, (long long)state.step, (long long)b->steps);
  wait_idle(b);
  if (state.epoch != b->next.epoch || state.step != b->next.step) b->ready = false;
  b->next = state;
  pthread_mutex_unlock(&b->lock);
  return LCL_OK;
}
