/* Opening a model with its data; compiling its graphs. */
#include "data/array.h"
#include "data/prep.h"
#include "graph/graph.h"
#include "train/session.h"

static lcl_model_data describe(const lcl_splits *splits, const lcl_trained_on *other) {
  const lcl_dataset *t = splits->train;
  lcl_model_data d = { .channels = t->channels,
                       .height = t->height,
                       .width = t->width,
                       .classes = other ? other->classes : t->classes,
                       .train = t->count,
                       .features = t->any_range };
  const char *format = other ? other->format : splits->format;
  snprintf(d.name, sizeof d.name, "%s", format ? format : "data");
  return d;
}

static int by_value(const void *a, const void *b) {
  int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
  return (x > y) - (x < y);
}

lcl_status lcl__session_places(const lcl_dataset *ds, int64_t **out) {
  const size_t n = (size_t)LCL_MAX(ds->count, 1);
  if (!(*out = lcl__alloc(n * sizeof **out))) return LCL_ERR_HOST_MEMORY;
  memcpy(*out, ds->offset, (size_t)ds->count * sizeof **out);
  qsort(*out, (size_t)ds->count, sizeof **out, by_value);
  return LCL_OK;
}

bool lcl__session_place_in(const int64_t *places, int64_t n, int64_t offset) {
  return n > 0 && bsearch(&offset, places, (size_t)n, sizeof *places, by_value);
}

/* View of the examples of ds that are not in `without` (NULL: of all). */
static lcl_status view(const lcl_dataset *ds, const lcl_dataset *without, lcl_dataset **out) {
  const int64_t n_out = without ? without->count : 0;
  int64_t *index = lcl__alloc((size_t)LCL_MAX(ds->count, 1) * sizeof *index), n = 0, *skip = NULL;
  lcl_status st = index ? LCL_OK : LCL_ERR_HOST_MEMORY;
  if (st == LCL_OK && without) st = lcl__session_places(without, &skip);
  if (st == LCL_OK) {
    for (int64_t i = 0; i < ds->count; i++)
      if (!lcl__session_place_in(skip, n_out, ds->offset[i])) index[n++] = i;
    st = lcl_dataset_subset(ds, index, n, out);
  }
  lcl__free(index);
  lcl__free(skip);
  return st;
}

int64_t lcl__session_known(const lcl_dataset *ds) {
  int64_t n = 0;
  for (int64_t i = 0; ds->labels && i < ds->count; i++) n += ds->labels[i] >= 0;
  return n;
}

lcl_status lcl__session_labelled(const lcl_dataset *ds, lcl_dataset **out) {
  int64_t n = 0, *index = lcl__alloc((size_t)LCL_MAX(ds->count, 1) * sizeof *index);
  *out = NULL;
  if (!index) return LCL_ERR_HOST_MEMORY;
  for (int64_t i = 0; ds->labels && i < ds->count; i++)
    if (ds->labels[i] >= 0) index[n++] = i;
  lcl_status st = LCL_OK;
  if (ds->labels && ds->count > 0 && n == 0)
    st = lcl__fail(LCL_ERR_FORMAT, "'%s' has no labelled example: every label is -1", ds->name);
  else if (ds->labels && n < ds->count)
    st = lcl_dataset_subset(ds, index, n, out);
  lcl__free(index);
  return st;
}

/* The labelled and unlabelled parts of the training data. A label of -1 is none: classifiers do not
 * train on such an example, others and the unlabelled stream do. */
static lcl_status choose_examples(lcl_session *s) {
  const lcl_settings *set = &s->model->settings;
  const lcl_dataset *train = s->splits.train;
  if (s->data_desc.whole) return view(train, NULL, &s->labelled);
  if (set->labels_per_class > 0) {
    if (!train->labels)
      return lcl__fail(LCL_ERR_ARGUMENT, "labels_per_class needs labels; the data have none");
    LCL_TRY(lcl_dataset_per_class(train, set->labels_per_class, s->data_desc.seed,
                                  (uint32_t)set->subset, &s->labelled));
  } else {
    if (s->cls->can & LCL_CAN_CLASSIFY) LCL_TRY(lcl__session_labelled(train, &s->labelled));
    if (!s->labelled) LCL_TRY(view(train, NULL, &s->labelled));
  }
  if (set->unlabelled_batch <= 0 || set->unlabelled == LCL_UNLABELLED_NONE) return LCL_OK;
  if (set->unlabelled == LCL_UNLABELLED_LABELLED) return view(s->labelled, NULL, &s->unlabelled);
  bool rest = set->unlabelled == LCL_UNLABELLED_REST && s->labelled->count < train->count;
  return view(train, rest ? s->labelled : NULL, &s->unlabelled);
}

/* The range of all values that the files of the other parts hold. */
static lcl_status check_part_range(const lcl_dataset *ds) {
  return ds && ds->any_range ? LCL_OK : lcl__check_intensities(ds);
}

static lcl_status check_range(const lcl_session *s) {
  const lcl_settings *set = &s->model->settings;
  LCL_TRY(check_part_range(s->splits.valid));
  LCL_TRY(check_part_range(s->splits.test));
  if (s->data_desc.whole) return check_part_range(s->splits.train); /* few images may be dark */
  LCL_TRY(lcl_range_check(s->splits.train, NULL, 0, 1, "the images before preprocessing"));
  if (set->range_hi > set->range_lo)
    LCL_TRY(lcl_range_check(s->splits.train, s->prep, set->range_lo, set->range_hi,
                            "the prepared images"));
  return LCL_OK;
}

static lcl_status read_prep(lcl_session *s, const lcl_tensor_file *checkpoint) {
  const char *json = lcl_tensor_file_meta(checkpoint, "prep");
  lcl_prep_array arrays[8];
  int n = 0;
  if (!json)
    return lcl__fail(LCL_ERR_FORMAT,
                     "the checkpoint has no preprocessing (\"prep\" in its metadata)");
  for (size_t i = 0; i < lcl_tensor_file_count(checkpoint) && n < (int)LCL_COUNT(arrays); i++) {
    const lcl_tensor_entry *e = lcl_tensor_file_at(checkpoint, i);
    if (strncmp(e->name, "prep.", 5) != 0) continue;
    if (e->dtype != LCL_F32 || e->shape.rank > 3)
      return lcl__fail(LCL_ERR_TYPE,
                       "the checkpoint's \"%s\" is %s of rank %d; f32 of rank 0 to 3 "
                       "was expected",
                       e->name, lcl_dtype_name(e->dtype), e->shape.rank);
    arrays[n] = (lcl_prep_array) { .name = e->name, .data = e->data, .rank = e->shape.rank };
    for (int d = 0; d < e->shape.rank; d++) arrays[n].dim[d] = e->shape.dim[d];
    n++;
  }
  return lcl_prep_from_json(json, arrays, n, &s->prep);
}

lcl_status lcl__session_classes(const lcl_session *s, char **out) {
  const lcl_dataset *ds = s->splits.train;
  lcl_str text = { 0 };
  lcl__str_add(&text, "%s", "");
  for (int c = 0; ds->class_names && c < ds->classes; c++)
    lcl__str_visible(&text, "%s%s", c ? ", " : "", ds->class_names[c]);
  *out = text.data;
  if (lcl__str_ok(&text)) return LCL_OK;
  lcl__str_free(&text);
  *out = NULL;
  return LCL_ERR_HOST_MEMORY;
}

/* A network's outputs stand for the classes that it was trained on, in their order. */
static lcl_status check_classes(const lcl_session *s, const lcl_tensor_file *checkpoint) {
  const char *trained = checkpoint ? lcl_tensor_file_meta(checkpoint, "classes") : NULL;
  char *here;
  if (!trained || !*trained) return LCL_OK;
  LCL_TRY(lcl__session_classes(s, &here));
  lcl_status st = LCL_OK;
  if (*here && strcmp(here, trained) != 0)
    st = lcl__fail(LCL_ERR_FORMAT,
                   "%s has the classes %s; those that the run was trained on were expected: %s",
                   s->splits.train->name, here, trained);
  lcl__free(here);
  return st;
}

/* Preprocessing as it was learnt, for examples of the same shape. */
static lcl_status saved_prep(lcl_session *s, const lcl_tensor_file *checkpoint) {
  const lcl_dataset *t = s->splits.train;
  if (!s->prep) LCL_TRY(read_prep(s, checkpoint));
  const int c = s->prep->in_c, h = s->prep->in_h, w = s->prep->in_w;
  if (t->channels == c && t->height == h && t->width == w) return LCL_OK;
  return lcl__fail(LCL_ERR_SHAPE,
                   "the examples of %s are %dx%dx%d; those that the run was trained on were "
                   "%dx%dx%d (channels, height, width)",
                   t->name, t->channels, t->height, t->width, c, h, w);
}

/* Images are read as those of the model's own data: their size and channels. */
static lcl_status describe_others(lcl_session *s, const lcl_session_desc *d) {
  lcl_data_desc *o = &s->data_desc;
  LCL_TRY(read_prep(s, d->checkpoint));
  o->whole = true;
  o->classes = d->trained_on->classes;
  o->class_names = d->trained_on->class_names;
  o->image_size = s->prep->in_h * LCL_MAX(o->reduce, 1);
  o->grey = s->prep->in_c == 1;
  return LCL_OK;
}

static lcl_status open_parts(lcl_session *s, const lcl_session_desc *d) {
  LCL_TRY(lcl_model_find(d->model, &s->cls));
  if (d->data && !(s->data_path = lcl__strdup(d->data))) return LCL_ERR_HOST_MEMORY;
  s->data_desc.path = s->data_path;
  s->data_desc.seed = (uint64_t)lcl_option_int(s->options, "data_seed");
  LCL_TRY(lcl_model_data_desc(s->cls, s->options, &s->data_desc));
  if (d->trained_on) LCL_TRY(describe_others(s, d));
  LCL_TRY(lcl_data_open(&s->data_desc, &s->splits));
  s->data_desc.class_names = NULL; /* the caller's */
  if (!d->trained_on) LCL_TRY(check_classes(s, d->checkpoint));
  if (d->checkpoint) LCL_TRY(saved_prep(s, d->checkpoint));
  lcl_model_data data = describe(&s->splits, d->trained_on);
  LCL_TRY(lcl_model_create(s->cls, s->options, &data, &s->model));
  LCL_TRY(choose_examples(s));
  s->model->data.train = s->labelled->count;
  if (!d->checkpoint) LCL_TRY(lcl_prep_fit(&s->model->settings.prep, s->splits.train, &s->prep));
  LCL_TRY(check_range(s));
  return lcl_store_create(s->ctx, s->seed, &s->store);
}

lcl_status lcl__session_open(lcl_context *ctx, const lcl_session_desc *desc, lcl_session **out) {
  *out = NULL;
  lcl_session *s = lcl__alloc(sizeof *s);
  if (!s) {
    lcl_options_destroy(desc->options);
    return LCL_ERR_HOST_MEMORY;
  }
  s->ctx = ctx;
  s->options = desc->options;
  s->seed = desc->seed;
  lcl_status st = open_parts(s, desc);
  if (st != LCL_OK) {
    lcl__session_close(s);
    return st;
  }
  *out = s;
  return LCL_OK;
}

void lcl__session_close(lcl_session *s) {
  if (!s) return;
  lcl_store_destroy(s->store);
  lcl_model_destroy(s->model);
  lcl_prep_destroy(s->prep);
  lcl_dataset_close(s->labelled);
  lcl_dataset_close(s->unlabelled);
  lcl_splits_close(&s->splits);
  lcl_options_destroy(s->options);
  lcl__free(s->data_path);
  lcl__free(s);
}

lcl_status lcl__session_split(lcl_session *s, const char *name, lcl_dataset **out) {
  *out = NULL;
  const bool whole = s->data_desc.whole; /* nothing of it was trained on */
  if (strcmp(name, "train") == 0 && !whole) *out = s->labelled;
  if (strcmp(name, "all") == 0) *out = s->splits.train;
  if (strcmp(name, "validation") == 0) *out = s->splits.valid;
  if (strcmp(name, "test") == 0) *out = s->splits.test;
  if (*out) return LCL_OK;
  return lcl__fail(LCL_ERR_ARGUMENT, "these data have no split \"%s\"; they have: %sall%s%s", name,
                   whole ? "" : "train, ", s->splits.valid ? ", validation" : "",
                   s->splits.test ? ", test" : "");
}

lcl_status lcl__session_examples(lcl_session *s, const lcl_dataset *ds, int64_t first, int64_t n,
                                 float *out) {
  const lcl_model_data *d = &s->model->data;
  int64_t size = d->channels * d->height * d->width;
  float *raw = lcl__alloc(lcl_dataset_elements(ds) * sizeof *raw);
  lcl_status st = raw ? LCL_OK : LCL_ERR_HOST_MEMORY;
  for (int64_t i = 0; i < n && st == LCL_OK; i++) {
    st = lcl__evaluation_example(ds, s->seed, first + i, raw);
    if (st == LCL_OK) st = lcl_prep_apply(s->prep, raw, out + i * size);
  }
  lcl__free(raw);
  return st;
}

/* ---- compiled graphs ---- */

/* An input that build() asked for and that nothing depends on is none of the program's: it is not
 * fed. */
static void drop_unread(lcl_compiled *compiled) {
  lcl_build *b = &compiled->build;
  const struct {
    const char *name;
    lcl_tensor **t;
  } inputs[] = { { "image", &b->image },
                 { "label", &b->label },
                 { "unlabelled", &b->unlabelled },
                 { "side", &b->side },
                 { "weight", &b->weight } };
  for (size_t i = 0; i < sizeof inputs / sizeof *inputs; i++)
    if (!lcl__program_reads(compiled->program, inputs[i].name)) *inputs[i].t = NULL;
}

lcl_status lcl__compiled_create(lcl_session *s, const lcl_compiled_desc *d, lcl_compiled *out) {
  memset(out, 0, sizeof *out);
  LCL_TRY(lcl_graph_create(s->store, d->name, &out->graph));
  lcl_status st = lcl_graph_precision(out->graph, s->model->settings.precision);
  if (st == LCL_OK && d->ranks)
    st = lcl_graph_share(out->graph, d->ranks, d->batch, d->unlabelled_batch);
  if (st == LCL_OK && lcl__graph_shares(out->graph))
    lcl__graph_shares(out->graph)->local_norm = d->local_norm;
  if (st == LCL_OK)
    st = lcl__build_init(&out->build, s->model, out->graph, d->mode,
                         lcl_ranks_share(d->ranks, d->batch, NULL),
                         lcl_ranks_share(d->ranks, d->unlabelled_batch, NULL));
  if (st == LCL_OK && d->extend) st = d->extend(d->user, out);
  if (st == LCL_OK) {
    lcl_compile_desc c = { .fetch = out->fetch,
                           .n_fetch = out->n_fetch,
                           .check_numerics = d->check_numerics,
                           .only_fetch = d->mode != LCL_MODE_TRAIN &&
                                         d->mode != LCL_MODE_CALIBRATE };
    st = lcl_compile(out->graph, &c, &out->program);
  }
  if (st == LCL_OK) drop_unread(out);
  if (st != LCL_OK) lcl__compiled_destroy(out);
  return st;
}

void lcl__compiled_destroy(lcl_compiled *compiled) {
  if (compiled->program) lcl_program_destroy(compiled->program);
  if (compiled->graph) lcl_graph_destroy(compiled->graph);
  memset(compiled, 0, sizeof *compiled);
}

lcl_status lcl__session_restart(lcl_session *s, const char *graph) {
  char name[64];
  uint32_t state[4]; /* the seed, then the step (lcl__rng_arg) */
  lcl__snprintf(name, sizeof name, "%s.rng", graph);
  for (size_t i = 0; i < lcl_store_count(s->store); i++) {
    if (strcmp(lcl_store_info(s->store, i).name, name) != 0) continue;
    LCL_TRY(lcl_store_read(s->store, name, state, sizeof state));
    state[2] = state[3] = 0;
    return lcl_store_write(s->store, name, state, sizeof state);
  }
  return LCL_OK; /* no run yet, or nothing random in it */
}
