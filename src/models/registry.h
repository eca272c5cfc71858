/* Layer 5: the model classes, declared here so that registry.c can list them. */
#ifndef LCL_MODELS_REGISTRY_H
#define LCL_MODELS_REGISTRY_H

#include "latentcl/model.h"

extern const lcl_model_class lcl__model_dec;
extern const lcl_model_class lcl__model_imsat;
extern const lcl_model_class lcl__model_inversion;
extern const lcl_model_class lcl__model_ladder;
extern const lcl_model_class lcl__model_augconv;
extern const lcl_model_class lcl__model_m2;
extern const lcl_model_class lcl__model_pixelrnn;
extern const lcl_model_class lcl__model_semantic_noise;
extern const lcl_model_class lcl__model_two_head;
extern const lcl_model_class lcl__model_vae;
extern const lcl_model_class lcl__model_vae_ladder;
extern const lcl_model_class lcl__model_vae_ladder_control;

#endif
