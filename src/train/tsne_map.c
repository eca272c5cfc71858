/* t-SNE maps of a run's features, with perturbed latents beside the examples they come from. */
#include <math.h>

#include "base/text.h"
#include "nn/evaluate.h"
#include "train/arrays.h"
#include "train/scatter.h"
#include "train/session.h"

enum { SIDE = 640, MAX_LATENTS = 8, MAX_MARKS = 2000, NEIGHBOURS = 10 };

typedef struct map {
  const lcl_tsne_map_desc *d;
  lcl_run_folder *run;
  lcl_session *s;
  const lcl_dataset *ds; /* of the split */
  lcl_dataset *chosen;   /* the examples of the map */
  int64_t *place;        /* chosen example -> its index in ds */
  int64_t n, width;      /* examples, features */
  int *marked;           /* chosen examples that are perturbed */
  int n_marked, n_latents;
  char caption[MAX_LATENTS][48];
  int64_t total; /* n + n_latents * n_marked points */
  float *x,
      *y; /* total x width, total x 2: first the examples, then each latent of all marked ones */
} map;

/* ---- which examples ---- */

static lcl_status choose_points(map *m) {
  const int64_t all = m->ds->count, want = m->d->points;
  if (want > all)
    return lcl__fail(LCL_ERR_ARGUMENT, "%lld points were asked for; there are %lld examples",
                     (long long)want, (long long)all);
  m->n = want < 0 ? all : want > 0 ? want : LCL_MIN(all, 10000);
  if (m->n < 2 * NEIGHBOURS)
    return lcl__fail(LCL_ERR_ARGUMENT, "a map needs at least %d examples, there are %lld",
                     2 * NEIGHBOURS, (long long)m->n);
  m->place = lcl__alloc((size_t)m->n * sizeof *m->place);
  if (!m->place) return LCL_ERR_HOST_MEMORY;
  for (int64_t i = 0; i < m->n; i++) m->place[i] = i * all / m->n;
  return lcl_dataset_subset(m->ds, m->place, m->n, &m->chosen);
}

static bool listed(const int64_t *classes, int n, int32_t label) {
  for (int i = 0; i < n; i++)
    if (classes[i] == label) return true;
  return false;
}

/* The places of the training subset in the storage that it shares with the map's data; n 0: the map
 * shows other data, or the run was trained on all of them. */
static lcl_status trained_offsets(const map *m, int64_t **offset, int64_t *n) {
  const lcl_dataset *used = m->s->labelled;
  *offset = NULL;
  *n = 0;
  if (used->pixels != m->chosen->pixels || used->values != m->chosen->values ||
      used->count >= m->s->splits.train->count)
    return LCL_OK;
  *n = used->count;
  return lcl__session_places(used, offset);
}

/* The first so many examples of each class that was asked for, those that the run was trained on
 * before others. */
static void mark_examples(map *m, const int64_t *classes, int n_classes, int each,
                          const int64_t *trained, int64_t n_trained, int *seen) {
  for (int others = n_trained ? 0 : 1; others < 2; others++) {
    for (int64_t i = 0; i < m->n && m->n_marked < MAX_MARKS; i++) {
      const int32_t label = m->chosen->labels[i];
      const bool known = lcl__session_place_in(trained, n_trained, m->chosen->offset[i]);
      if (label < 0 || label >= m->ds->classes || !listed(classes, n_classes, label) ||
          seen[label] == each || known == (others == 1))
        continue;
      seen[label]++;
      m->marked[m->n_marked++] = (int)i;
    }
  }
}

/* An image for each class, with its perturbed examples alone. */
static bool each_class(const map *m) {
  return m->d->marked && strcmp(m->d->marked, "each") == 0;
}

static lcl_status choose_marked(map *m) {
  const char *text = m->d->marked ? m->d->marked : "0,1,9";
  int64_t classes[MAX_MARKS];
  int n_classes = 0;
  if (each_class(m))
    for (; n_classes < LCL_MIN(m->ds->classes, MAX_MARKS); n_classes++)
      classes[n_classes] = n_classes;
  else if (*text)
    n_classes = lcl__parse_list(text, ",", 0, INT32_MAX, classes, MAX_MARKS);
  const int each = m->d->marks > 0 ? m->d->marks : m->d->marks < 0 ? 0 : 100;
  if (n_classes < 0)
    return lcl__fail(LCL_ERR_ARGUMENT,
                     "marked classes: expected numbers as in 0,1,9, or each, got \"%s\"", text);
  const bool asked = (m->d->marked && *text) || m->d->marks > 0;
  if (!m->chosen->labels)
    return asked ? lcl__fail(LCL_ERR_ARGUMENT, "marked classes need labels, which these data lack")
                 : LCL_OK;
  for (int i = 0; i < n_classes && m->d->marked; i++)
    if (classes[i] >= m->ds->classes)
      return lcl__fail(LCL_ERR_ARGUMENT, "marked classes: there is no class %lld; the data have %d",
                       (long long)classes[i], m->ds->classes);
  int *seen = lcl__alloc((size_t)LCL_MAX(m->ds->classes, 1) * sizeof *seen);
  m->marked = lcl__alloc(MAX_MARKS * sizeof *m->marked);
  int64_t *trained = NULL;
  int64_t n_trained = 0;
  lcl_status st = seen && m->marked ? trained_offsets(m, &trained, &n_trained)
                                    : LCL_ERR_HOST_MEMORY;
  if (st == LCL_OK) mark_examples(m, classes, n_classes, each, trained, n_trained, seen);
  lcl__free(trained);
  for (int i = 0; i < n_classes && st == LCL_OK && m->d->marks > 0; i++) {
    const int found = classes[i] < m->ds->classes ? seen[classes[i]] : each;
    if (found < each)
      st = lcl__fail(
          LCL_ERR_ARGUMENT,
          "%d marked examples of class %lld were asked for; there are %d on the map (and "
          "at most %d in all)",
          each, (long long)classes[i], found, MAX_MARKS);
  }
  lcl__free(seen);
  return st;
}

/* ---- features ---- */

static lcl_status keep_latents(void *user, lcl_compiled *compiled) {
  map *m = user;
  lcl_build *b = &compiled->build;
  for (int i = 0; i < b->n_latents && i < MAX_LATENTS; i++) {
    lcl_shape s = lcl_tensor_shape(b->latents[i].t);
    if (s.rank != 2 || s.dim[1] != m->width) continue;
    snprintf(m->caption[m->n_latents++], sizeof m->caption[0], "%s", b->latents[i].name);
    compiled->fetch[compiled->n_fetch++] = b->latents[i].t;
  }
  if (m->n_latents == 0) return lcl__fail(LCL_ERR_UNSUPPORTED, "this model perturbs no latents");
  return lcl_graph_status(compiled->graph);
}

static lcl_status run_latents(map *m, lcl_compiled *compiled, const float *images,
                              const int32_t *labels) {
  const lcl_build *b = &compiled->build;
  size_t rows = (size_t)m->n_marked, block = rows * (size_t)m->width;
  if (b->image)
    LCL_TRY(lcl_feed(compiled->program, "image", images,
                     (size_t)lcl_shape_count(lcl_tensor_shape(b->image)) * sizeof *images));
  if (b->label) LCL_TRY(lcl_feed(compiled->program, "label", labels, rows * sizeof *labels));
  LCL_TRY(lcl_run(compiled->program));
  for (int i = 0; i < m->n_latents; i++) {
    char at[16];
    snprintf(at, sizeof at, "#%d", i);
    float *to = m->x + (size_t)m->n * (size_t)m->width + (size_t)i * block;
    LCL_TRY(lcl_fetch(compiled->program, at, to, block * sizeof(float)));
  }
  return LCL_OK;
}

/* Room for the perturbed points too, with the examples' features moved to the front. */
static lcl_status make_room(map *m, const float *features) {
  m->total = m->n + (int64_t)m->n_latents * m->n_marked;
  m->x = lcl__alloc((size_t)(m->total * m->width) * sizeof *m->x);
  m->y = lcl__alloc((size_t)m->total * 2 * sizeof *m->y);
  if (!m->x || !m->y) return LCL_ERR_HOST_MEMORY;
  memcpy(m->x, features, (size_t)(m->n * m->width) * sizeof *m->x);
  return LCL_OK;
}

static lcl_status marked_rows(const map *m, float *images, int32_t *labels) {
  const lcl_model_data *d = &m->s->model->data;
  int64_t size = d->channels * d->height * d->width;
  for (int i = 0; i < m->n_marked; i++) {
    labels[i] = m->chosen->labels[m->marked[i]];
    LCL_TRY(lcl__session_examples(m->s, m->chosen, m->marked[i], 1, images + i * size));
  }
  return LCL_OK;
}

static lcl_status perturbed(map *m, const float *features) {
  lcl_compiled compiled;
  char name[48];
  lcl__snprintf(name, sizeof name, "map-%llu", (unsigned long long)m->d->seed);
  lcl_compiled_desc d = { .mode = LCL_MODE_RECONSTRUCT,
                          .name = name,
                          .batch = m->n_marked,
                          .extend = keep_latents,
                          .user = m };
  lcl_status st = lcl__compiled_create(m->s, &d, &compiled);
  if (st == LCL_ERR_UNSUPPORTED) { /* nothing to perturb: a map of the examples alone */
    m->n_latents = 0;
    return make_room(m, features);
  }
  LCL_TRY(st);
  const lcl_model_data *md = &m->s->model->data;
  float *images = lcl__alloc((size_t)(m->n_marked * md->channels * md->height * md->width) *
                             sizeof *images);
  int32_t *labels = lcl__alloc((size_t)m->n_marked * sizeof *labels);
  st = images && labels ? make_room(m, features) : LCL_ERR_HOST_MEMORY;
  if (st == LCL_OK) st = lcl__run_load(m->run); /* the decoder's variables are new */
  if (st == LCL_OK) st = lcl__session_restart(m->s, name);
  if (st == LCL_OK) st = marked_rows(m, images, labels);
  if (st == LCL_OK) st = run_latents(m, &compiled, images, labels);
  lcl__free(images);
  lcl__free(labels);
  lcl__compiled_destroy(&compiled);
  return st;
}

static lcl_status gather(map *m) {
  lcl_outputs o;
  LCL_TRY(lcl__run_outputs(m->run, m->chosen, "", &o));
  m->width = o.width;
  lcl_status st = LCL_OK;
  if (!o.features)
    st = lcl__fail(LCL_ERR_UNSUPPORTED, "%s gives no features to map", m->s->cls->name);
  else if (m->n_marked > 0 && (m->s->cls->can & LCL_CAN_RECONSTRUCT))
    st = perturbed(m, o.features);
  else
    st = make_room(m, o.features);
  lcl__outputs_free(&o);
  return st;
}

/* ---- results ---- */

static int32_t label_of(const map *m, int64_t point) {
  if (!m->chosen->labels) return -1;
  return m->chosen->labels[point < m->n ? point : m->marked[(point - m->n) % m->n_marked]];
}

/* Share of the nearest examples on the map that have the label of point p. */
static double agreement_of(const map *m, int64_t p) {
  float best[NEIGHBOURS];
  int32_t label[NEIGHBOURS];
  int found = 0, same = 0;
  for (int64_t i = 0; i < m->n; i++) {
    float dx = m->y[2 * i] - m->y[2 * p], dy = m->y[2 * i + 1] - m->y[2 * p + 1],
          d = dx * dx + dy * dy;
    if (found == NEIGHBOURS && d >= best[found - 1]) continue;
    int k = found < NEIGHBOURS ? found++ : found - 1;
    for (; k > 0 && best[k - 1] > d; k--) {
      best[k] = best[k - 1];
      label[k] = label[k - 1];
    }
    best[k] = d;
    label[k] = label_of(m, i);
  }
  for (int k = 0; k < found; k++) same += label[k] == label_of(m, p);
  return (double)same / NEIGHBOURS;
}

/* The first latent with the caption of latent i: samples of one kind share a panel. */
static int kind_of(const map *m, int i) {
  int k = 0;
  while (strcmp(m->caption[k], m->caption[i]) != 0) k++;
  return k;
}

static void score(const map *m, double divergence, lcl_metrics *out) {
  memset(out, 0, sizeof *out);
  lcl_metrics_set(out, "n", (double)m->n);
  lcl_metrics_set(out, "divergence", divergence);
  for (int i = 0; i < m->n_latents; i++) {
    if (kind_of(m, i) != i) continue;
    double sum = 0;
    int64_t count = 0;
    for (int64_t p = m->n; p < m->total; p++) {
      if (kind_of(m, (int)((p - m->n) / m->n_marked)) != i) continue;
      sum += agreement_of(m, p);
      count++;
    }
    char name[40] = "agreement_";
    size_t at = strlen(name);
    for (const char *c = m->caption[i]; *c && at + 1 < sizeof name; c++)
      name[at++] = *c == ' ' ? '_' : *c;
    name[at] = '\0';
    lcl_metrics_set(out, name, 100 * sum / (double)LCL_MAX(count, 1));
  }
}

/* The square around all points. */
static void bounds(const map *m, float low[2], float *span) {
  float high[2] = { -INFINITY, -INFINITY };
  low[0] = low[1] = INFINITY;
  for (int64_t i = 0; i < 2 * m->total; i++) {
    low[i & 1] = fminf(low[i & 1], m->y[i]);
    high[i & 1] = fmaxf(high[i & 1], m->y[i]);
  }
  *span = fmaxf(fmaxf(high[0] - low[0], high[1] - low[1]), 1e-6f);
  for (int k = 0; k < 2; k++) low[k] -= (*span - (high[k] - low[k])) / 2;
}

static int ascending(const void *a, const void *b) {
  float x = *(const float *)a, y = *(const float *)b;
  return (x > y) - (x < y);
}

/* The number of each class where its examples lie: at their medians. */
static lcl_status number_classes(const map *m, const float low[2], float span, int panels,
                                 lcl_image *image) {
  enum { MAX_CLASSES = 100 };
  float *values = lcl__alloc((size_t)m->n * sizeof *values), median[2] = { 0 };
  if (!values) return LCL_ERR_HOST_MEMORY;
  for (int c = 0; c < LCL_MIN(m->ds->classes, MAX_CLASSES); c++) {
    int64_t count = 0;
    for (int axis = 0; axis < 2; axis++) {
      count = 0;
      for (int64_t p = 0; p < m->n; p++)
        if (label_of(m, p) == c) values[count++] = m->y[2 * p + axis];
      if (count == 0) break;
      qsort(values, (size_t)count, sizeof *values, ascending);
      median[axis] = (values[count / 2] - low[axis]) / span;
    }
    for (int k = 0; k < panels && count > 0; k++)
      lcl__scatter_number(image, SIDE, k, median[0], median[1], c);
  }
  lcl__free(values);
  return LCL_OK;
}

/* The picture with what it shows: a title a panel, classes by colour. */
static lcl_status write_map(const map *m, const char *png, int panels, const lcl_image *plot) {
  enum { MOST = 40 };
  char first[64], name[MOST][48];
  const char *titles[MAX_LATENTS + 1] = { first }, *entries[MOST];
  const int n = m->chosen->labels ? LCL_MIN(m->ds->classes, MOST) : 0;
  lcl_image framed;
  snprintf(first, sizeof first, "%lld examples", (long long)m->n);
  for (int i = 0, k = 1; i < m->n_latents; i++)
    if (kind_of(m, i) == i) titles[k++] = m->caption[i];
  for (int c = 0; c < n; c++) {
    char number[16];
    snprintf(number, sizeof number, "%d", c);
    if (m->ds->class_names && strcmp(m->ds->class_names[c], number) != 0)
      snprintf(name[c], sizeof name[c], "%d %.40s", c, m->ds->class_names[c]);
    else
      snprintf(name[c], sizeof name[c], "%d", c);
    entries[c] = name[c];
  }
  const lcl_scatter_words words = { titles, entries, n, m->n_latents ? "perturbed" : NULL };
  LCL_TRY(lcl__scatter_frame(plot, panels, SIDE, &words, &framed));
  const lcl_status st = lcl__png_write(png, &framed);
  lcl__image_free(&framed);
  return st;
}

/* First all examples by class; then a panel for each kind of perturbation, its points over pale
 * examples. */
/* only: the class whose perturbed examples are shown, or -1. */
static lcl_status draw(const map *m, const char *png, int32_t only) {
  float low[2], span;
  int panel_of[MAX_LATENTS] = { 0 }, panels = 1;
  for (int i = 0; i < m->n_latents; i++)
    panel_of[i] = kind_of(m, i) == i ? panels++ : panel_of[kind_of(m, i)];
  lcl_image image;
  LCL_TRY(lcl__scatter_create(panels, SIDE, &image));
  bounds(m, low, &span);
  for (int64_t p = 0; p < m->total; p++) {
    lcl_scatter_point pt = { .x = (m->y[2 * p] - low[0]) / span,
                             .y = (m->y[2 * p + 1] - low[1]) / span,
                             .colour = label_of(m, p),
                             .radius = 1.6f,
                             .opacity = 0.75f };
    if (p >= m->n && only >= 0 && label_of(m, p) != only) continue;
    if (p < m->n) {
      lcl__scatter_draw(&image, SIDE, 0, &pt);
      pt.opacity = 0.18f;
      for (int k = 1; k < panels; k++) lcl__scatter_draw(&image, SIDE, k, &pt);
    } else {
      pt.ring = true;
      pt.radius = 3.5f;
      pt.opacity = 0.9f;
      lcl__scatter_draw(&image, SIDE, panel_of[(p - m->n) / m->n_marked], &pt);
    }
  }
  lcl_status st = number_classes(m, low, span, panels, &image);
  if (st == LCL_OK) st = write_map(m, png, panels, &image);
  lcl__image_free(&image);
  return st;
}

/* Which example of the part a point is, or is a perturbed form of. */
static int64_t example_of(const map *m, int64_t point) {
  return m->place[point < m->n ? point : m->marked[(point - m->n) % m->n_marked]];
}

static lcl_status write_csv(const map *m) {
  lcl_str s = { 0 };
  lcl__str_add(&s, "index,label,kind,x,y\n");
  for (int64_t p = 0; p < m->total; p++) {
    lcl__str_add(&s, "%lld,%d,", (long long)example_of(m, p), (int)label_of(m, p));
    lcl__str_csv(&s, p < m->n ? "example" : m->caption[(p - m->n) / m->n_marked]);
    lcl__str_add(&s, ",%.7g,%.7g\n", (double)m->y[2 * p], (double)m->y[2 * p + 1]);
  }
  lcl_status st = lcl__str_ok(&s) ? lcl__file_write_atomic(m->d->csv, s.data, s.n)
                                  : LCL_ERR_HOST_MEMORY;
  lcl__str_free(&s);
  return st;
}

static lcl_status name_kinds(const map *m, lcl_tensor_file *f) {
  char key[24];
  for (int i = 0; i < m->n_latents; i++) {
    lcl__snprintf(key, sizeof key, "kind.%d", kind_of(m, i) + 1);
    LCL_TRY(lcl_tensor_file_set_meta(f, key, m->caption[i]));
  }
  return LCL_OK;
}

static lcl_status hand_out(const map *m, lcl_tensor_file *f) {
  int32_t *column[3];
  lcl_status st = LCL_OK;
  for (int c = 0; c < 3; c++) {
    column[c] = lcl__alloc((size_t)m->total * sizeof **column);
    if (!column[c]) st = LCL_ERR_HOST_MEMORY;
  }
  for (int64_t p = 0; st == LCL_OK && p < m->total; p++) {
    column[0][p] = (int32_t)example_of(m, p);
    column[1][p] = label_of(m, p);
    column[2][p] = p < m->n ? 0 : kind_of(m, (int)((p - m->n) / m->n_marked)) + 1;
  }
  if (st == LCL_OK) st = lcl__arrays_add(f, "places", LCL_F32, LCL_SHAPE(m->total, 2), m->y);
  if (st == LCL_OK) st = lcl__arrays_add(f, "index", LCL_I32, LCL_SHAPE(m->total), column[0]);
  if (st == LCL_OK && m->chosen->labels)
    st = lcl__arrays_add(f, "label", LCL_I32, LCL_SHAPE(m->total), column[1]);
  if (st == LCL_OK) st = lcl__arrays_add(f, "kind", LCL_I32, LCL_SHAPE(m->total), column[2]);
  for (int c = 0; c < 3; c++) lcl__free(column[c]);
  return st == LCL_OK ? name_kinds(m, f) : st;
}

/* "map.png" becomes "map-3.png". lcl__free it. */
static char *name_of_class(const map *m, int c) {
  const size_t stem = strlen(m->d->png) - strlen(".png");
  lcl_str s = { 0 };
  lcl__str_add(&s, "%.*s-%d%s", (int)stem, m->d->png, c, m->d->png + stem);
  char *name = lcl__str_ok(&s) ? lcl__strdup(s.data) : NULL;
  lcl__str_free(&s);
  return name;
}

/* With a class: for each. write false: only sees whether that can be done. */
static lcl_status draw_classes(const map *m, bool write) {
  const char *folder = lcl__run_path(m->run);
  lcl_status st = LCL_OK;
  for (int c = 0; c < m->ds->classes && st == LCL_OK; c++) {
    char *png = name_of_class(m, c);
    st = !png    ? LCL_ERR_HOST_MEMORY
         : write ? draw(m, png, c)
                 : lcl__check_run_outputs((const char *const *)&png, 1, &folder, 1, m->s);
    lcl__free(png);
  }
  return st;
}

static lcl_status run_map(map *m, lcl_metrics *metrics, lcl_tensor_file *arrays) {
  double divergence = 0;
  LCL_TRY(lcl__session_split(m->s, m->d->split ? m->d->split : "test", (lcl_dataset **)&m->ds));
  LCL_TRY(choose_points(m));
  LCL_TRY(choose_marked(m));
  if (m->d->png && each_class(m)) LCL_TRY(draw_classes(m, false));
  LCL_TRY(gather(m));
  LCL_TRY(lcl__tsne(m->s->ctx, m->x, m->total, (int)m->width,
                    &(lcl_tsne_desc) { .perplexity = m->d->perplexity,
                                       .rounds = m->d->rounds,
                                       .seed = m->d->seed,
                                       .progress = m->d->progress,
                                       .user = m->d->user },
                    m->y, &divergence));
  if (m->d->png) LCL_TRY(each_class(m) ? draw_classes(m, true) : draw(m, m->d->png, -1));
  if (m->d->csv) LCL_TRY(write_csv(m));
  if (metrics) score(m, divergence, metrics);
  return arrays ? hand_out(m, arrays) : LCL_OK;
}

static lcl_status make_map(lcl_run_folder *run, const lcl_tsne_map_desc *desc, lcl_metrics *metrics,
                           lcl_tensor_file *arrays) {
  map m = { .d = desc, .run = run, .s = lcl__run_session(run) };
  LCL_TRY(lcl__check_ending(desc->png, ".png"));
  const size_t named = desc->png ? strlen(desc->png) : 0;
  if (named && each_class(&m) && (named < 5 || lcl__casecmp(desc->png + named - 4, ".png") != 0))
    return lcl__fail(LCL_ERR_ARGUMENT,
                     "an image for each class needs a name that ends in .png, not %s", desc->png);
  LCL_TRY(lcl__check_ending(desc->csv, ".csv"));
  const char *folder = lcl__run_path(run), *out[] = { desc->png, desc->csv };
  LCL_TRY(lcl__check_run_outputs(out, LCL_COUNT(out), &folder, 1, m.s));
  lcl_status st = run_map(&m, metrics, arrays);
  lcl_dataset_close(m.chosen);
  lcl__free(m.place);
  lcl__free(m.marked);
  lcl__free(m.x);
  lcl__free(m.y);
  return st;
}

lcl_status lcl_run_tsne(lcl_run_folder *run, const lcl_tsne_map_desc *desc, lcl_metrics *metrics) {
  LCL_NEED(run, desc);
  return make_map(run, desc, metrics, NULL);
}

lcl_status lcl_run_map(lcl_run_folder *run, const lcl_tsne_map_desc *desc, lcl_metrics *metrics,
                       lcl_tensor_file **out) {
  LCL_NEED(run, desc, out);
  LCL_TRY(lcl__arrays_begin(out));
  return lcl__arrays_end(out, make_map(run, desc, metrics, *out));
}
