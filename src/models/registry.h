/* Layer 5: the model classes, declared here so that registry.c can list them. */
#ifndef LCL_MODELS_REGISTRY_H
#define LCL_MODELS_REGISTRY_H

#include "latentcl/model.h"

extern const lcl_model_class lcl_model_dec;
extern const lcl_model_class lcl_model_imsat;
extern const lcl_model_class lcl_model_inversion;
extern const lcl_model_class lcl_model_ladder;
extern const lcl_model_class lcl_model_augconv;
extern const lcl_model_class lcl_model_m2;
extern const lcl_model_class lcl_model_pixelrnn;
extern const lcl_model_class lcl_model_semantic_noise;
extern const lcl_model_class lcl_model_two_head;
extern const lcl_model_class lcl_model_vae;
extern const lcl_model_class lcl_model_vae_ladder;
extern const lcl_model_class lcl_model_vae_ladder_control;

#endif
