/* Every model class, one line a system. */
#include "base/text.h"
#include "models/registry.h"

static const lcl_model_class *const classes[] = {
  &lcl__model_semantic_noise, &lcl__model_imsat,      &lcl__model_dec,
  &lcl__model_inversion,      &lcl__model_ladder,     &lcl__model_pixelrnn,
  &lcl__model_augconv,        &lcl__model_vae,        &lcl__model_m2,
  &lcl__model_two_head,       &lcl__model_vae_ladder, &lcl__model_vae_ladder_control,
};

size_t lcl_model_count(void) {
  return LCL_COUNT(classes);
}

const lcl_model_class *lcl_model_at(size_t index) {
  return index < LCL_COUNT(classes) ? classes[index] : NULL;
}

lcl_status lcl_model_find(const char *name, const lcl_model_class **out) {
  LCL_NEED(name, out);
  *out = NULL;
  for (size_t i = 0; i < LCL_COUNT(classes); i++) {
    if (strcmp(classes[i]->name, name) == 0) {
      *out = classes[i];
      return LCL_OK;
    }
  }
  lcl_str names = { 0 };
  lcl_nearest nearest = { .typed = name };
  char hint[96];
  for (size_t i = 0; i < LCL_COUNT(classes); i++) {
    lcl__str_add(&names, "%s%s", i ? ", " : "", classes[i]->name);
    lcl__nearest_try(&nearest, classes[i]->name);
  }
  lcl_status s = lcl__fail(LCL_ERR_ARGUMENT, "there is no model \"%s\"%s; there are: %s", name,
                           lcl__nearest_hint(&nearest, "", hint), names.data ? names.data : "");
  lcl__str_free(&names);
  return s;
}
