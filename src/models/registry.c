/* Every model class: the library's, one line a system, and those that were registered. */
#include "base/text.h"
#include "models/build.h"
#include "models/registry.h"

static const lcl_model_class *const classes[] = {
  &lcl__model_semantic_noise,
  &lcl__model_imsat,
  &lcl__model_dec,
  &lcl__model_inversion,
  &lcl__model_ladder,
  &lcl__model_pixelrnn,
  &lcl__model_augconv,
  &lcl__model_vae,
  &lcl__model_m1,
  &lcl__model_m2,
  &lcl__model_two_head,
  &lcl__model_vae_ladder,
  &lcl__model_vae_ladder_control,
};

/* Those of programs and plug-ins. */
enum { MAX_REGISTERED = 64 };
static struct {
  const lcl_model_class *cls;
  const char *plugin; /* its file, or NULL */
} registered[MAX_REGISTERED];
static size_t n_registered;

size_t lcl_model_count(void) {
  return LCL_COUNT(classes) + n_registered;
}

const lcl_model_class *lcl_model_at(size_t index) {
  if (index < LCL_COUNT(classes)) return classes[index];
  index -= LCL_COUNT(classes);
  return index < n_registered ? registered[index].cls : NULL;
}

static const lcl_model_class *find(const char *name) {
  for (size_t i = 0; i < lcl_model_count(); i++)
    if (strcmp(lcl_model_at(i)->name, name) == 0) return lcl_model_at(i);
  return NULL;
}

lcl_status lcl_model_find(const char *name, const lcl_model_class **out) {
  LCL_NEED(name, out);
  *out = find(name);
  if (*out) return LCL_OK;
  lcl_str names = { 0 };
  lcl_nearest nearest = { .typed = name };
  char hint[96];
  for (size_t i = 0; i < lcl_model_count(); i++) {
    lcl__str_add(&names, "%s%s", i ? ", " : "", lcl_model_at(i)->name);
    lcl__nearest_try(&nearest, lcl_model_at(i)->name);
  }
  lcl_status s = lcl__fail(LCL_ERR_ARGUMENT, "there is no model \"%s\"%s; there are: %s", name,
                           lcl__nearest_hint(&nearest, "", hint), names.data ? names.data : "");
  lcl__str_free(&names);
  return s;
}

/* ---- classes of others ---- */

static bool good_name(const char *name) {
  size_t n = strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-_");
  return *name >= 'a' && *name <= 'z' && !name[n] && n < 48;
}

/* Options that differ in name from each other and the common ones, each with a default that it
 * takes. */
static lcl_status check_options(const lcl_model_class *cls) {
  lcl_options *o;
  for (size_t i = 0; i < cls->n_options; i++) {
    const lcl_option *d = &cls->options[i];
    if (!d->name || !d->value || !d->help || (d->type == LCL_OPTION_CHOICE && !d->allowed))
      return lcl__fail(LCL_ERR_ARGUMENT,
                       "option %zu must have a name, a default (\"\": none), a help and, for a "
                       "choice, what is allowed",
                       i + 1);
  }
  LCL_TRY(lcl_model_options(cls, &o));
  lcl_status s = LCL_OK;
  for (size_t i = 0; i < cls->n_options && s == LCL_OK; i++) {
    s = lcl_options_set(o, cls->options[i].name, cls->options[i].value);
    if (s == LCL_OK) s = lcl__check_when(o, i);
    for (size_t k = i + 1; k < lcl_options_count(o) && s == LCL_OK; k++)
      if (strcmp(lcl_options_at(o, k)->name, cls->options[i].name) == 0)
        s = lcl__fail(LCL_ERR_ARGUMENT, "there are two options \"%s\"%s", cls->options[i].name,
                      k < cls->n_options ? "" : ": every model has one of this name");
  }
  lcl_options_destroy(o);
  return s;
}

static lcl_status check_class(const lcl_model_class *cls) {
  if (!cls || !cls->name || !good_name(cls->name))
    return lcl__fail(LCL_ERR_ARGUMENT,
                     "a model's name has lower-case letters, digits, \"-\" and \"_\", at most 47, "
                     "and begins with a letter: not \"%s\"",
                     cls && cls->name ? cls->name : "");
  if (find(cls->name))
    return lcl__fail(LCL_ERR_ARGUMENT, "there is a model \"%s\" already", cls->name);
  if (!cls->summary || !cls->reference || !cls->defaults || !cls->build ||
      (cls->n_options && !cls->options))
    return lcl__fail(LCL_ERR_ARGUMENT,
                     "the model \"%s\" must have summary, reference, defaults and build%s",
                     cls->name, cls->n_options ? ", and its options" : "");
  lcl_status s = check_options(cls);
  return s == LCL_OK ? LCL_OK : lcl__fail_prefix(s, "the model \"%s\"", cls->name);
}

lcl_status lcl__models_register(const lcl_model_class *const *models, size_t n,
                                const char *plugin) {
  const size_t before = n_registered;
  lcl_status s = LCL_OK;
  for (size_t i = 0; i < n && s == LCL_OK; i++) {
    s = n_registered == MAX_REGISTERED
            ? lcl__fail(LCL_ERR_UNSUPPORTED, "at most %d models can be registered", MAX_REGISTERED)
            : check_class(models[i]);
    if (s != LCL_OK) break;
    registered[n_registered].cls = models[i];
    registered[n_registered++].plugin = plugin;
  }
  if (s != LCL_OK) n_registered = before;
  return s;
}

lcl_status lcl_model_register(const lcl_model_class *cls) {
  LCL_NEED(cls);
  return lcl__models_register(&cls, 1, NULL);
}

const char *lcl__model_plugin(const lcl_model_class *cls) {
  for (size_t i = 0; i < n_registered; i++)
    if (registered[i].cls == cls) return registered[i].plugin ? registered[i].plugin : "";
  return NULL;
}

bool lcl__plugin_registered(const char *plugin) {
  for (size_t i = 0; i < n_registered; i++)
    if (registered[i].plugin && strcmp(registered[i].plugin, plugin) == 0) return true;
  return false;
}
