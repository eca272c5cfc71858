/* See kind.h. */
#include "ops/kind.h"

bool lcl__choice_equal(const lcl_choice *a, const lcl_choice *b) {
  return a->implementation == b->implementation &&
         memcmp(&a->params, &b->params, sizeof a->params) == 0;
}

const lcl_implementation *lcl__kind_find(const lcl_kind *kind, const char *name) {
  const lcl_implementation *const *im = kind->list;
  while (*im && strcmp((*im)->name, name) != 0) im++;
  return *im;
}

lcl_choice lcl__kind_start(const lcl_kind *kind, const lcl_implementation *im, const lcl_caps *caps,
                           const void *problem) {
  lcl_choice c = { .implementation = im };
  kind->start(im, caps, problem, &c.params);
  return c;
}

static bool preferred(const lcl_kind *kind, const lcl_implementation *im, const lcl_caps *caps,
                      const void *problem) {
  return kind->supported(im, caps, problem) && kind->profitable(im, caps, problem);
}

lcl_choice lcl__kind_default(const lcl_kind *kind, const lcl_caps *caps, const void *problem) {
  const lcl_implementation *const *im = kind->list;
  while (!preferred(kind, *im, caps, problem)) im++;
  return lcl__kind_start(kind, *im, caps, problem);
}

bool lcl__kind_legal(const lcl_kind *kind, const lcl_caps *caps, const void *problem,
                     const lcl_choice *c) {
  return lcl__kind_find(kind, c->implementation->name) == c->implementation &&
         kind->supported(c->implementation, caps, problem) && kind->legal(caps, problem, c);
}
