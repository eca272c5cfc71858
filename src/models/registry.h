/* Layer 5: the model classes of the library, declared here so that registry.c can list them, and
 * those of others. */
#ifndef LCL_MODELS_REGISTRY_H
#define LCL_MODELS_REGISTRY_H

#include "latentcl/model.h"

extern const lcl_model_class lcl__model_dec;
extern const lcl_model_class lcl__model_imsat;
extern const lcl_model_class lcl__model_inversion;
extern const lcl_model_class lcl__model_ladder;
extern const lcl_model_class lcl__model_augconv;
extern const lcl_model_class lcl__model_m1;
extern const lcl_model_class lcl__model_m2;
extern const lcl_model_class lcl__model_pixelrnn;
extern const lcl_model_class lcl__model_semantic_noise;
extern const lcl_model_class lcl__model_two_head;
extern const lcl_model_class lcl__model_vae;
extern const lcl_model_class lcl__model_vae_ladder;
extern const lcl_model_class lcl__model_vae_ladder_control;

/* Registers the classes of a plug-in (NULL: of none), all or none. */
lcl_status lcl__models_register(const lcl_model_class *const *classes, size_t n,
                                const char *plugin);
/* The file of the plug-in that a class came with, "" of one that a program registered, NULL of the
 * library's. */
const char *lcl__model_plugin(const lcl_model_class *cls);
/* Whether a plug-in's classes are registered. */
bool lcl__plugin_registered(const char *plugin);

#endif
