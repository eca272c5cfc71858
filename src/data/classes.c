/* A data set of some of its classes. */
#include "base/text.h"
#include "data/data_internal.h"

typedef struct choice {
  int *number;  /* of each class of the set: its new one, or -1 */
  char **names; /* of the chosen ones, classes of them */
  int classes;
} choice;

static void free_choice(choice *c) {
  for (int k = 0; c->names && k < c->classes; k++) lcl__free(c->names[k]);
  lcl__free(c->names);
  lcl__free(c->number);
}

/* The class of this name or, where the classes have none, number; -1: there is none. */
static int find_class(const lcl_dataset *ds, const char *item) {
  int64_t number;
  for (int c = 0; ds->class_names && c < ds->classes; c++)
    if (strcmp(ds->class_names[c], item) == 0) return c;
  if (lcl__parse_whole(item, &number) && number >= 0 && number < ds->classes) return (int)number;
  return -1;
}

static lcl_status take_class(const lcl_dataset *ds, const char *item, choice *to) {
  const int c = find_class(ds, item);
  if (c < 0)
    return lcl__fail(LCL_ERR_ARGUMENT, "%s has no class \"%s\" of its %d", ds->name, item,
                     ds->classes);
  if (to->number[c] >= 0)
    return lcl__fail(LCL_ERR_ARGUMENT, "the class \"%s\" was chosen twice", item);
  to->number[c] = to->classes;
  to->names[to->classes] = lcl__strdup(ds->class_names ? ds->class_names[c] : item);
  return to->names[to->classes++] ? LCL_OK : LCL_ERR_HOST_MEMORY;
}

static lcl_status read_choice(const lcl_dataset *ds, const char *only, choice *to) {
  const size_t slots = (size_t)LCL_MAX(ds->classes, 1);
  to->number = lcl__alloc(slots * sizeof *to->number);
  to->names = lcl__alloc(slots * sizeof *to->names);
  char *list = lcl__strdup(only), *item = list;
  lcl_status s = to->number && to->names && list ? LCL_OK : LCL_ERR_HOST_MEMORY;
  for (size_t c = 0; s == LCL_OK && c < slots; c++) to->number[c] = -1;
  while (s == LCL_OK && item) {
    char *next = strchr(item, ',');
    if (next) *next++ = 0;
    s = take_class(ds, item, to);
    item = next;
  }
  lcl__free(list);
  return s;
}

static lcl_status copy_names(const choice *c, lcl_raw *raw) {
  raw->classes = c->classes;
  raw->class_names = lcl__alloc((size_t)c->classes * sizeof *raw->class_names);
  for (int k = 0; raw->class_names && k < c->classes; k++)
    if (!(raw->class_names[k] = lcl__strdup(c->names[k]))) return LCL_ERR_HOST_MEMORY;
  return raw->class_names ? LCL_OK : LCL_ERR_HOST_MEMORY;
}

/* The examples of the chosen classes. */
static lcl_status copy_examples(const lcl_dataset *ds, const choice *c, lcl_raw *raw) {
  const size_t each = lcl_dataset_elements(ds), bytes = ds->pixels ? 1 : sizeof(float);
  for (int64_t i = 0; i < ds->count; i++)
    raw->count += ds->labels[i] >= 0 && c->number[ds->labels[i]] >= 0;
  const size_t n = (size_t)raw->count;
  void *to = lcl__alloc(LCL_MAX(n, 1) * each * bytes);
  raw->labels = lcl__alloc(LCL_MAX(n, 1) * sizeof *raw->labels);
  if (ds->pixels)
    raw->pixels = to;
  else
    raw->values = to;
  if (!to || !raw->labels) return LCL_ERR_HOST_MEMORY;
  for (int64_t i = 0, k = 0; i < ds->count; i++) {
    const int number = ds->labels[i] < 0 ? -1 : c->number[ds->labels[i]];
    if (number < 0) continue;
    const void *from = ds->pixels ? (const void *)(ds->pixels + ds->offset[i])
                                  : ds->values + ds->offset[i];
    memcpy((char *)to + (size_t)k * each * bytes, from, each * bytes);
    LCL_TRY(lcl__raw_copy_file(ds, i, raw, k));
    raw->labels[k++] = number;
  }
  return LCL_OK;
}

static lcl_status choose(const lcl_dataset *ds, const choice *c, lcl_dataset **out) {
  lcl_raw raw = { .channels = ds->channels, .height = ds->height, .width = ds->width };
  lcl_status s = copy_names(c, &raw);
  if (s == LCL_OK) s = copy_examples(ds, c, &raw);
  if (s == LCL_OK && raw.count == 0)
    s = lcl__fail(LCL_ERR_ARGUMENT, "%s has no example of the chosen classes", ds->name);
  if (s == LCL_OK) s = lcl__raw_to_dataset(&raw, ds->name, out);
  lcl__raw_free(&raw);
  if (s != LCL_OK) return s;
  (*out)->scale = ds->scale;
  (*out)->bias = ds->bias;
  (*out)->any_range = ds->any_range;
  return LCL_OK;
}

lcl_status lcl__only_classes(const lcl_data_desc *desc, lcl_splits *s) {
  lcl_dataset **part[] = { &s->train, &s->valid, &s->test };
  choice c = { 0 };
  if (!s->train->labels)
    return lcl__fail(LCL_ERR_ARGUMENT, "%s has no labels to choose classes by", s->train->name);
  lcl_status st = read_choice(s->train, desc->only, &c);
  for (size_t i = 0; i < LCL_COUNT(part) && st == LCL_OK; i++) {
    lcl_dataset *chosen;
    if (!*part[i]) continue;
    st = choose(*part[i], &c, &chosen);
    if (st != LCL_OK) break;
    lcl_dataset_close(*part[i]);
    *part[i] = chosen;
  }
  free_choice(&c);
  return st;
}
